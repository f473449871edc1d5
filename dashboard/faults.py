"""Errors as a person meets them: in a sentence, in the session that they belong to, with the rest in the log."""

from __future__ import annotations

import logging
from collections.abc import Callable

from numpy.linalg import LinAlgError

log = logging.getLogger(__name__)

EXPECTED = (ValueError, OSError, ArithmeticError)
"""What the engine raises, with a sentence, for something that cannot be as it is asked for."""
NOT_EXPECTED = (LinAlgError, UnicodeError)
"""Kinds of these that nobody wrote a sentence for."""


def expected(error: BaseException) -> bool:
    """Whether the text of an error was written for a person."""
    return isinstance(error, EXPECTED) and not isinstance(error, NOT_EXPECTED) and bool(str(error))


def sentence(error: BaseException) -> str:
    """What to show of an error: its text with a capital letter, or that something went wrong."""
    text = str(error)
    if expected(error):
        return text[:1].upper() + text[1:]
    if isinstance(error, MemoryError) or "out of memory" in text.lower() or "can't allocate memory" in text:
        return "There is not enough memory for this: ask for less."
    kind = type(error).__name__
    return f"Something went wrong here ({f'{kind}: {text}' if text else kind}). The log of the server says more."


def note(error: BaseException, where: str) -> None:
    """Write an error that nobody expected to the log, with its traceback; ``where`` says in which work it came."""
    if not expected(error):
        log.error("%s: %s", where, error or type(error).__name__, exc_info=error)


def answer_events(say: Callable[[str], None]) -> Callable[[BaseException], None]:
    """What panel is to do with errors of callbacks: ``say(sentence)`` shows them in the session where they came."""

    def handle(error: BaseException) -> None:
        note(error, "a callback failed")
        say(sentence(error))

    return handle
