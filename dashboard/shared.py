"""Results that pages share: thirty people who open the same link cause one computation.

What a page wants is named by a key that holds everything its results depend on, the seed included. Results under way
are followed by all who ask for them, and finished ones kept within the server's limit on memory.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from functools import cache
from typing import Any, NamedTuple, TypeVar

from core.jobs import Shared, Token
from core.limits import limits

R = TypeVar("R")


class _Item(NamedTuple):
    value: Any
    passing: bool


@cache
def results() -> Shared[_Item]:
    """What is under way and what is kept, of all pages."""
    return Shared(limits().shared_bytes, lambda item: item.passing)


def shared(
    key: Hashable, make: Callable[[Token], Iterator[R]], token: Token, passing: Callable[[R], bool]
) -> Iterator[R]:
    """The results of ``make(token)``, computed once for all who ask with this key.

    ``passing(result)`` tells previews and reports, which nobody needs once a later result is there.
    """

    def items(token: Token) -> Iterator[_Item]:
        for value in make(token):
            yield _Item(value, passing(value))

    for item in results().follow(key, items, token):
        yield item.value


def known(key: Hashable) -> list[Any]:
    """What there is already of the results of this key, at once and without having anything computed."""
    return [item.value for item in results().known(key)]
