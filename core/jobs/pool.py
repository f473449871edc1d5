"""The threads of the process: a pool that chunks of work share fairly, and one for requests.

A chunk is the unit of fairness. Whoever has chunks to be worked on is in a ring; a thread that is free takes one chunk
of the owner whose turn it is, then the next owner's, so that a session with ten chunks does not wait for one with a
thousand. Within an owner its maps take turns in the same way. Nothing queues up: a map is in the ring while the
thread that called it is in it, and that thread works too.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import Any, TypeVar

import torch

from core.devices import cores
from core.jobs.token import Token, present_owner, working_for

R = TypeVar("R")
REQUESTS = 128
"""Requests that are answered at the same time; more wait for one of them."""


class Chunks:
    """Numbered pieces of one piece of work, given out one by one; at most ``helpers`` threads of the pool take them.

    ``work(i)`` must not raise: see ``failed``, after which no more are given out.
    """

    def __init__(self, work: Callable[[int], None], count: int, helpers: int) -> None:
        self._work, self.owner = work, present_owner()
        self._next, self._count, self._room = 0, count, helpers
        self._changed = threading.Condition()
        self._helping = 0
        self.failed: BaseException | None = None

    def take(self, helper: bool = False) -> int | None:
        """The number of a chunk to be worked on now, if there is one for this thread."""
        with self._changed:
            if self.failed is not None or self._next == self._count or (helper and self._helping >= self._room):
                return None
            self._helping += helper
            self._next += 1
            return self._next - 1

    @property
    def given_out(self) -> bool:
        """Whether nothing is left that could be taken."""
        return self.failed is not None or self._next == self._count

    def run(self, i: int, helper: bool = False) -> None:
        """Work on one that was taken."""
        try:
            self._work(i)
        except BaseException as error:
            with self._changed:
                self.failed = self.failed or error
        finally:
            if helper:
                with self._changed:
                    self._helping -= 1
                    self._changed.notify_all()

    def wait(self) -> None:
        """Until no thread of the pool works on any of them."""
        with self._changed:
            self._changed.wait_for(lambda: not self._helping)


class FairPool:
    """``threads`` threads that work on chunks of all owners in turn."""

    def __init__(self, threads: int, name: str = "stoqlab") -> None:
        self._changed = threading.Condition()
        self._ring: deque[Hashable] = deque()
        self._chunks: dict[Hashable, deque[Chunks]] = {}
        for i in range(threads):
            threading.Thread(target=self._serve, daemon=True, name=f"{name}_{i}").start()

    def add(self, chunks: Chunks) -> None:
        """Help with these from now on, when it is their owner's turn."""
        with self._changed:
            if chunks.owner not in self._chunks:
                self._ring.append(chunks.owner)
            self._chunks.setdefault(chunks.owner, deque()).append(chunks)
            self._changed.notify_all()

    def remove(self, chunks: Chunks) -> None:
        """Help no longer; what is being worked on goes on."""
        with self._changed:
            own = self._chunks.get(chunks.owner)
            if own is not None and chunks in own:
                own.remove(chunks)
                if not own:
                    del self._chunks[chunks.owner]
                    self._ring.remove(chunks.owner)

    def submit(self, call: Callable[..., R], *arguments: Any) -> Future[R]:
        """One call as one chunk."""
        future: Future[R] = Future()

        def work(_: int) -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(call(*arguments))
            except BaseException as error:
                future.set_exception(error)

        self.add(Chunks(work, 1, 1))
        return future

    def _serve(self) -> None:
        torch.set_num_threads(1)
        last = 0
        while True:
            with self._changed:
                while (found := self._turn()) is None:
                    self._changed.wait()
                chunks, i = found
                if id(chunks) != last:
                    self._changed.notify()  # what this thread has left has room for another helper
                last = id(chunks)
            with working_for(chunks.owner):
                chunks.run(i, helper=True)
            del found, chunks  # an idle thread must not keep the last work's arrays

    def _turn(self) -> tuple[Chunks, int] | None:
        """The next chunk of the next owner that has one; both go to the end of their queues."""
        for _ in range(len(self._ring)):
            owner = self._ring[0]
            self._ring.rotate(-1)
            own = self._chunks[owner]
            for _ in range(len(own)):
                chunks = own[0]
                own.rotate(-1)
                i = chunks.take(helper=True)
                if i is not None:
                    return chunks, i
                if chunks.given_out:
                    own.remove(chunks)
            if not own:
                del self._chunks[owner]
                self._ring.remove(owner)
        return None


@cache
def pool() -> FairPool:
    """The process-wide pool for chunks of work, one thread a core."""
    return FairPool(cores())


@cache
def request_pool() -> ThreadPoolExecutor:
    """Threads that answer requests, far more than cores, so that none waits for the long ones of others.

    A request works on its own chunks while the pool is busy, so it always makes progress; the cores are shared among
    them by the operating system.
    """
    return ThreadPoolExecutor(
        REQUESTS, thread_name_prefix="stoqlab-request", initializer=lambda: torch.set_num_threads(1)
    )


def map_chunks(work: Callable[[int, int], R], total: int, size: int, token: Token | None = None) -> list[R]:
    """``work(first, count)`` for consecutive chunks of ``total`` items, on the pool, results in order.

    The calling thread works too, so that a job running on the pool may itself call this without deadlock. The pool's
    share goes to the owner that the calling thread works for (``working_for``). Raises Cancelled once ``token`` is
    cancelled, and the first error of any chunk.
    """
    starts = range(0, total, size)
    results: list[Any] = [None] * len(starts)

    def one(i: int) -> None:
        if token is not None:
            token.check()
        results[i] = work(starts[i], min(size, total - starts[i]))

    chunks = Chunks(one, len(starts), min(cores(), len(starts)) - 1)
    shared = len(starts) > 1 and cores() > 1
    if shared:
        pool().add(chunks)
    while (i := chunks.take()) is not None:
        chunks.run(i)
    if shared:
        pool().remove(chunks)
        chunks.wait()
    if chunks.failed is not None:
        raise chunks.failed
    return results
