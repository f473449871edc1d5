"""Equal requests computed once: results on their way and finished ones, shared by all who ask for the same."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

import torch

from core.contracts import Cancelled
from core.jobs.sizes import bytes_of
from core.jobs.token import Token, working_for

R = TypeVar("R")
POLL = 0.1
"""Seconds after which somebody who waits looks whether he is still wanted."""


class Shared(Generic[R]):
    """Streams of results by key. The first who asks has a stream made, in a thread of its own; all others follow it.

    ``passing(result)`` tells results that nobody needs once a later one is there (previews, progress): who comes late
    does not get them. Finished streams are kept, the longest unused dropped first, while they take up to ``most``
    bytes together. A stream is made for as long as anybody waits for it, as the work of an owner of its own.
    """

    def __init__(self, most: int, passing: Callable[[R], bool] = lambda result: False) -> None:
        self._most, self._passing = most, passing
        self._streams: OrderedDict[Hashable, _Stream[R]] = OrderedDict()
        self._lock = threading.Lock()

    def follow(self, key: Hashable, make: Callable[[Token], Iterator[R]], token: Token) -> Iterator[R]:
        """The results of ``make(token)``, or of the equal one that is under way or finished.

        Equal keys must mean equal results. Raises what the making raises, and Cancelled once ``token`` is cancelled,
        which ends the making only when nobody else follows it.
        """
        stream, waiting = self._join(key, make, token)
        try:
            yield from stream.follow(waiting, token)
        finally:
            self._leave(key, stream, token)

    def known(self, key: Hashable) -> list[R]:
        """What there is already of this key: all that has come and is still needed. Nothing is computed for it."""
        with self._lock:
            stream = self._streams.get(key)
        return stream.known() if stream is not None else []

    def clear(self) -> None:
        """Forget what is finished."""
        with self._lock:
            for key in [key for key, stream in self._streams.items() if stream.ended]:
                del self._streams[key]

    @property
    def kept(self) -> int:
        """Bytes of the finished streams."""
        with self._lock:
            return sum(stream.bytes for stream in self._streams.values())

    def _join(self, key: Hashable, make: Callable[[Token], Iterator[R]], token: Token) -> tuple[_Stream[R], deque[R]]:
        with self._lock:
            stream = self._streams.get(key)
            new = stream is None
            if stream is None:
                stream = self._streams[key] = _Stream(self._passing)
            self._streams.move_to_end(key)
            stream.wanted.append(token)
            waiting = stream.join()
        if new:
            arguments = (key, stream, make)
            threading.Thread(target=self._make, args=arguments, daemon=True, name="stoqlab-shared").start()
        return stream, waiting

    def _leave(self, key: Hashable, stream: _Stream[R], token: Token) -> None:
        with self._lock:
            stream.wanted.remove(token)
            if not stream.wanted and not stream.ended:
                stream.token.cancel()
                self._forget(key, stream)

    def _make(self, key: Hashable, stream: _Stream[R], make: Callable[[Token], Iterator[R]]) -> None:
        torch.set_num_threads(1)
        try:
            with working_for(stream):
                for result in make(stream.token):
                    stream.token.check()
                    stream.add(result)
        except BaseException as error:
            with self._lock:
                self._forget(key, stream)
            stream.end(error)
            return
        stream.end()
        with self._lock:
            taken = sum(stream.bytes for stream in self._streams.values())
            for old in [key for key, stream in self._streams.items() if stream.ended]:
                if taken <= self._most:
                    break
                taken -= self._streams.pop(old).bytes

    def _forget(self, key: Hashable, stream: _Stream[R]) -> None:
        if self._streams.get(key) is stream:
            del self._streams[key]


class _Stream(Generic[R]):
    """One making: what has come of it, and who waits for more."""

    def __init__(self, passing: Callable[[R], bool]) -> None:
        self.token = Token()
        self.wanted: list[Token] = []
        self.ended, self.bytes = False, 0
        self._passing = passing
        self._results: list[R] = []
        self._followers: list[deque[R]] = []
        self._error: BaseException | None = None
        self._changed = threading.Condition()

    def add(self, result: R) -> None:
        """The next result, for all who follow."""
        with self._changed:
            self._results = [*self._needed(), result]
            for waiting in self._followers:
                waiting.append(result)
            self._changed.notify_all()

    def end(self, error: BaseException | None = None) -> None:
        """Nothing more comes."""
        with self._changed:
            self._error, self.ended, self.bytes = error, True, bytes_of(self._results)
            self._changed.notify_all()

    def known(self) -> list[R]:
        """What has come and is still needed."""
        with self._changed:
            return self._results

    def _needed(self) -> list[R]:
        return [result for result in self._results if not self._passing(result)]

    def join(self) -> deque[R]:
        """For `follow`: what has come and is still needed, and from now on all that comes."""
        with self._changed:
            waiting = deque(self._results)
            self._followers.append(waiting)
            return waiting

    def follow(self, waiting: deque[R], token: Token) -> Iterator[R]:
        """Results as they come, until the end."""
        try:
            while True:
                with self._changed:
                    while not waiting and not self.ended:
                        self._changed.wait(POLL)
                        token.check()
                token.check()
                if not waiting:
                    break
                yield waiting.popleft()
        finally:
            with self._changed:
                self._followers = [one for one in self._followers if one is not waiting]
        if self._error is not None:
            raise Cancelled if isinstance(self._error, Cancelled) else self._error
