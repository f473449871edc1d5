"""Where work runs: a shared pool of threads for chunks of work, others for requests, with the newest request winning.

numba kernels and torch operators release the interpreter lock, so threads are enough; each works with one torch
thread, because the pool itself is the parallelism.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar

import torch

from core.contracts import Cancelled
from core.devices import cores

R = TypeVar("R")
log = logging.getLogger(__name__)


REQUESTS = 128
"""Requests that are answered at the same time; more wait for one of them."""


@cache
def pool() -> ThreadPoolExecutor:
    """The process-wide pool for chunks of work, one thread a core."""
    return ThreadPoolExecutor(cores(), thread_name_prefix="stoqlab", initializer=lambda: torch.set_num_threads(1))


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

    The calling thread works too, so that a job running on the pool may itself call this without deadlock. Raises
    Cancelled once ``token`` is cancelled, and the first error of any chunk.
    """
    starts = list(range(0, total, size))
    results: list[Any] = [None] * len(starts)
    todo = iter(range(len(starts)))
    lock = threading.Lock()
    failed: list[BaseException] = []

    def drain() -> None:
        while not failed:
            with lock:
                i = next(todo, None)
            if i is None:
                return
            try:
                if token is not None:
                    token.check()
                results[i] = work(starts[i], min(size, total - starts[i]))
            except BaseException as error:
                failed.append(error)

    helpers = [pool().submit(drain) for _ in range(min(cores(), len(starts)) - 1)]
    drain()
    for helper in helpers:
        if not helper.cancel():
            helper.result()
    if failed:
        raise failed[0]
    return results


@contextmanager
def one_thread() -> Iterator[None]:
    """Around ``map_chunks``, whose calling thread works on chunks too and must not spread its own over more threads."""
    with torch_threads(1):
        yield


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """``count`` threads for torch's own operators in the block.

    The number holds for the calling thread (and for threads that torch meets for the first time meanwhile).
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Token:
    """Tells a running computation to stop."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Ask the computation to stop; it does at its next ``check``."""
        self._event.set()

    @property
    def cancelled(self) -> bool:
        """Whether it has been asked to stop."""
        return self._event.is_set()

    def check(self) -> None:
        """Raise Cancelled if the computation is no longer wanted."""
        if self._event.is_set():
            raise Cancelled


class Latest:
    """Keeps up with requests that come faster than they can be answered, one at a time, the newest first.

    ``submit(stages)`` takes a function of a Token that yields results, a quick one first and better ones after it.
    The quick result is always finished, so that a picture follows a control while it is dragged; better ones are
    dropped as soon as there is a newer request, and of the requests that wait only the newest is kept. Results go to
    ``deliver``, errors to ``fail``, both called from the working thread.
    """

    def __init__(self, deliver: Callable[[Any], None], fail: Callable[[Exception], None]) -> None:
        self._deliver, self._fail = deliver, fail
        self._lock = threading.Lock()
        self._waiting: Callable[[Token], Iterator[Any]] | None = None
        self._token = Token()
        self._quick = False  # the first stage is running: let it finish
        self._closed = False
        self.future: Future[None] | None = None

    def submit(self, stages: Callable[[Token], Iterator[Any]]) -> None:
        """Answer this request next, instead of all that still wait."""
        with self._lock:
            if self._closed:
                return
            self._waiting = stages
            if not self._quick:
                self._token.cancel()
            if self.future is None:
                self.future = request_pool().submit(self._work)

    def make_way(self) -> None:
        """A newer request is being prepared: drop better results of the present one, which would hold it up."""
        with self._lock:
            if not self._quick:
                self._token.cancel()

    def cancel(self) -> None:
        """Drop what runs and what waits."""
        with self._lock:
            self._waiting = None
            self._token.cancel()

    def close(self) -> None:
        """Cancel, and take no more requests."""
        self._closed = True
        self.cancel()

    def _work(self) -> None:
        while True:
            with self._lock:
                stages, self._waiting = self._waiting, None
                if stages is None:
                    self.future = None
                    return
                self._token = token = Token()
                self._quick = True
            try:
                for result in stages(token):
                    token.check()
                    self._deliver(result)
                    with self._lock:
                        self._quick = False
                        if self._waiting is not None:
                            break
            except Cancelled:
                pass
            except Exception as error:
                if not token.cancelled:
                    self._report(error)
            finally:
                self._quick = False

    def _report(self, error: Exception) -> None:
        try:
            self._fail(error)
        except Exception:  # whoever cannot show one error must still get answers to later requests
            log.exception("an error could not be reported: %s", error)
