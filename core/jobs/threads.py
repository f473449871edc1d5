"""How many threads torch's own operators take."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


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
