"""Raw fields whose couplings nobody knows: ``.npy`` files of shape (n, *lattice) in the folder ``arrays``."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np

from core.ensembles.library import at_a_glance
from core.shelf import Shelf, home
from core.statistics.measure import LARGEST_FIELD

BLOCK = 2**24
"""Bytes of fields that are read at a time."""
MOST_AXES, LARGEST_EXTENT = 4, 4096


@dataclass(frozen=True)
class ArrayEntry:
    """One array. ``problem`` says why a file cannot be read; the other facts are empty then.

    The errors of ``observables`` take the configurations as one Markov chain.
    """

    name: str
    path: Path
    bytes: int
    modified: float
    shape: tuple[int, ...] = ()
    configs: int = 0
    observables: dict[str, tuple[float, float | None]] = field(default_factory=dict)
    problem: str = ""


class ArrayLibrary(Shelf):
    """The arrays in a folder, by default the user's."""

    suffix, what = ".npy", "array"

    def __init__(self, folder: str | Path | None = None) -> None:
        super().__init__(Path(folder) if folder is not None else home() / "arrays")

    def list(self) -> list[ArrayEntry]:
        """All arrays, the latest first; a file is read once until it changes."""
        found = []
        for path in self.files():
            try:
                about = path.stat()
            except FileNotFoundError:  # removed by somebody else just now
                continue
            found.append(_look(path, about.st_size, about.st_mtime))
        return found


def open_fields(path: Path) -> np.ndarray:
    """The fields (n, *lattice) of a ``.npy`` file, not yet read. ValueError with a sentence for anything else."""
    try:
        array = np.lib.format.open_memmap(path, mode="r")  # numpy.load would try zip archives too
    except Exception as error:  # of a damaged header numpy's parser says SyntaxError, TokenError, TypeError and more
        raise ValueError("it is not a NumPy array of numbers, or it is damaged or cut short") from error
    if not (array.dtype.kind in "iu" or array.dtype in (np.float32, np.float64)):
        raise ValueError(f"it must hold real numbers, float32, float64 or integers, got {array.dtype}")
    extents = array.shape[1:]
    if not 1 <= len(extents) <= MOST_AXES or not len(array) or not all(2 <= n <= LARGEST_EXTENT for n in extents):
        raise ValueError(
            f"its shape must be (configurations, *lattice) with 1 to {MOST_AXES} extents from 2 to {LARGEST_EXTENT}, "
            f"got {array.shape}"
        )
    return array


def magnetisations(array: np.ndarray) -> np.ndarray:
    """M of each configuration (n,), float64. ValueError for numbers that are not finite, or beyond 10¹²."""
    size = max(1, BLOCK // (array.itemsize * int(np.prod(array.shape[1:]))))
    means = []
    for first in range(0, len(array), size):
        block = np.asarray(array[first : first + size], dtype=np.float64).reshape(len(array[first : first + size]), -1)
        bad = np.flatnonzero(~(np.abs(block) <= LARGEST_FIELD).all(axis=1))
        if len(bad):
            raise ValueError(f"configuration {first + bad[0]} holds numbers that are not finite, or beyond 10¹²")
        means.append(block.mean(axis=1))
    return np.concatenate(means)


@lru_cache(maxsize=256)
def _look(path: Path, size: int, modified: float) -> ArrayEntry:
    try:
        array = open_fields(path)
        m = magnetisations(array)
        found = at_a_glance(m[None], None, int(np.prod(array.shape[1:])), independent=False)
        return ArrayEntry(path.stem, path, size, modified, tuple(array.shape[1:]), len(array), found)
    except (OSError, ValueError) as error:
        return ArrayEntry(path.stem, path, size, modified, problem=str(error))
