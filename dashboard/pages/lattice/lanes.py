"""A few places to compute, shared fairly by many runs: whoever has had the least time comes next."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary


class Lanes:
    """``count`` places. Time in one is put down to its user, so that who asks for long turns gets fewer of them.

    This is start-time fair queueing: a turn begins, in virtual time, when its user's last one ended there, but not
    before the present, so that nobody saves up for later by resting. The earliest comes next.
    """

    def __init__(self, count: int) -> None:
        self._lock = threading.Lock()
        self._free = count
        self._waiting: list[tuple[float, int, threading.Event]] = []
        self._numbers = itertools.count()
        self._present = 0.0
        self._ends: WeakKeyDictionary[Any, float] = WeakKeyDictionary()

    @contextmanager
    def turn(self, user: Any) -> Iterator[None]:
        """Wait for a place, and have it in the block."""
        with self._lock:
            start = max(self._present, self._ends.get(user, 0.0))
            called = threading.Event()
            if self._free:
                self._free -= 1
                self._present = start
                called.set()
            else:
                heapq.heappush(self._waiting, (start, next(self._numbers), called))
        called.wait()
        began = time.monotonic()
        try:
            yield
        finally:
            with self._lock:
                self._ends[user] = start + time.monotonic() - began
                if self._waiting:
                    self._present, _, following = heapq.heappop(self._waiting)
                    following.set()
                else:
                    self._free += 1
