"""What Ctrl-C does to a command that has something to save."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.jobs import Token


@contextmanager
def stopping_at_interrupt(token: Token) -> Iterator[None]:
    """Ctrl-C asks the run to stop and to write what it has; a second one ends the process."""

    # An exception in the middle of a step would leave what is saved at odds with itself.
    def stop(*_: Any) -> None:
        token.cancel()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
