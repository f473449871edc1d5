"""Where work runs: a shared pool of threads, with the newest request winning.

numba kernels and torch operators release the interpreter lock, so threads are enough; each works with one torch
thread, because the pool itself is the parallelism.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from typing import Any, TypeVar

import torch

from core.contracts import Cancelled
from core.devices import cores

R = TypeVar("R")


@cache
def pool() -> ThreadPoolExecutor:
    """The process-wide pool, one thread a core."""
    return ThreadPoolExecutor(cores(), thread_name_prefix="stoqlab", initializer=lambda: torch.set_num_threads(1))


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


class Token:
    """Tells a running computation to stop."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        self._event.set()

    @property
    def cancelled(self) -> bool:
        return self._event.is_set()

    def check(self) -> None:
        """Raise Cancelled if the computation is no longer wanted."""
        if self._event.is_set():
            raise Cancelled


class Latest:
    """Runs the newest request only: a new one cancels the one before it.

    ``submit(stages)`` takes a function of a Token that yields results, a quick picture first and better ones after
    it; each is handed to ``deliver``, errors to ``fail``, both called from the working thread.
    """

    def __init__(self, deliver: Callable[[Any], None], fail: Callable[[Exception], None]) -> None:
        self._deliver, self._fail = deliver, fail
        self._lock = threading.Lock()
        self._token = Token()
        self.future: Future[None] | None = None

    def submit(self, stages: Callable[[Token], Iterator[Any]]) -> Token:
        """Start ``stages``; whatever ran before is cancelled and delivers nothing more."""
        with self._lock:
            self._token.cancel()
            self._token = token = Token()
            self.future = pool().submit(self._run, stages, token)
        return token

    def cancel(self) -> None:
        with self._lock:
            self._token.cancel()

    def _run(self, stages: Callable[[Token], Iterator[Any]], token: Token) -> None:
        with suppress(Cancelled):
            try:
                for result in stages(token):
                    token.check()
                    self._deliver(result)
            except Cancelled:
                raise
            except Exception as error:
                if not token.cancelled:
                    self._fail(error)
