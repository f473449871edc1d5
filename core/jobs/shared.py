"""Equal requests computed once: results on their way and finished ones, shared by all who ask for the same."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from typing import Any, Generic, TypeVar

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
        stream = self._join(key, make, token)
        try:
            yield from stream.follow(token)
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

    def _join(self, key: Hashable, make: Callable[[Token], Iterator[R]], token: Token) -> _Stream[R]:
        with self._lock:
            stream = self._streams.get(key)
            if stream is None:
                stream = self._streams[key] = _Stream(self._passing)
                arguments = (key, stream, make)
                threading.Thread(target=self._make, args=arguments, daemon=True, name="stoqlab-shared").start()
            self._streams.move_to_end(key)
            stream.wanted.append(token)
            return stream

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
        self._results: list[Any] = []
        self._error: BaseException | None = None
        self._changed = threading.Condition()

    def add(self, result: R) -> None:
        with self._changed:
            self._results.append(result)
            self._changed.notify_all()

    def end(self, error: BaseException | None = None) -> None:
        """Nothing more comes; what is no longer needed is dropped."""
        with self._changed:
            last = len(self._results) - 1
            self._results = [
                _DROPPED if i < last and self._passing(result) else result for i, result in enumerate(self._results)
            ]
            self._error, self.ended, self.bytes = error, True, bytes_of(self._results)
            self._changed.notify_all()

    def known(self) -> list[R]:
        """What has come and is still needed."""
        with self._changed:
            last = len(self._results) - 1
            return [
                result
                for i, result in enumerate(self._results)
                if result is not _DROPPED and (i == last or not self._passing(result))
            ]

    def follow(self, token: Token) -> Iterator[R]:
        """What has come, but for what is no longer needed, and what comes."""
        seen = 0
        while True:
            with self._changed:
                while seen == len(self._results) and not self.ended:
                    self._changed.wait(POLL)
                    token.check()
                token.check()
                last = len(self._results) - 1
                while seen < last and (self._results[seen] is _DROPPED or self._passing(self._results[seen])):
                    seen += 1
                if seen > last:
                    break
                result = self._results[seen]
                seen += 1
            yield result
        if self._error is not None:
            raise Cancelled if isinstance(self._error, Cancelled) else self._error


_DROPPED: Any = object()
