"""How a running computation hears that nobody wants it any more, and for whom a thread works."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from core.contracts import Cancelled

_owner: ContextVar[Hashable] = ContextVar("owner", default=None)


def present_owner() -> Hashable:
    """For whom the calling thread works: a session, a job, or None."""
    return _owner.get()


@contextmanager
def working_for(owner: Hashable) -> Iterator[None]:
    """What the calling thread does in the block counts as the work of ``owner``, among whom the pool is shared."""
    before = _owner.set(owner)
    try:
        yield
    finally:
        _owner.reset(before)


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
