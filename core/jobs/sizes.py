"""How much memory a result takes, to bound what is kept of them."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np
import torch

SMALL = 64
"""Bytes of anything that is no array: an estimate."""


def bytes_of(value: Any) -> int:
    """Bytes of the arrays, tensors and blocks of bytes that a value is made of, each counted once; the rest roughly."""
    seen: set[int] = set()
    total, left = 0, [value]
    while left:
        one = left.pop()
        if id(one) in seen or one is None or isinstance(one, int | float | type | ModuleType):
            continue
        seen.add(id(one))
        if isinstance(one, np.ndarray):
            # A view holds the whole array that it looks at.
            total += one.nbytes if one.base is None else _base(one, seen)
        elif isinstance(one, torch.Tensor):
            storage = one.untyped_storage()
            if storage.data_ptr() not in seen:
                seen.add(storage.data_ptr())
                total += storage.nbytes()
        elif isinstance(one, bytes | bytearray | str):
            total += len(one)
        elif isinstance(one, Mapping):
            left += one.values()
        elif isinstance(one, list | tuple | set | frozenset):
            left += one
        else:
            total += SMALL
            left += vars(one).values() if hasattr(one, "__dict__") else ()
    return total


def _base(array: np.ndarray, seen: set[int]) -> int:
    base: Any = array
    while isinstance(base.base, np.ndarray):
        base = base.base
    if id(base) in seen:
        return 0
    seen.add(id(base))
    return base.nbytes
