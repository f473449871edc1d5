"""Series of any length in bounded memory: sums over consecutive draws, joined in pairs as they become many."""

from __future__ import annotations

import numpy as np

MOST_BINS = 8192
"""Bins of all chains together are at most about twice as many, but every chain has at least LEAST_PER_CHAIN."""
LEAST_PER_CHAIN = 16


class Bins:
    """Sums of a quantity (chains, draws, k) over bins of equally many draws; the last bin may hold fewer."""

    def __init__(self, chains: int, quantities: int) -> None:
        self._most = 2 * max(LEAST_PER_CHAIN, MOST_BINS // chains)
        self._size = 1  # draws in a bin
        self._full: list[np.ndarray] = []
        self._shape = (chains, quantities)
        self._open, self._count = np.zeros(self._shape), 0

    def add(self, values: np.ndarray) -> None:
        """Add the next draws of all chains, (chains, n, k)."""
        at = 0
        while at < values.shape[1]:
            some = values[:, at : at + self._size - self._count]
            at += some.shape[1]
            self._open += some.sum(axis=1)
            self._count += some.shape[1]
            if self._count == self._size:
                self._full.append(self._open)
                self._open, self._count = np.zeros(self._shape), 0
            if len(self._full) == self._most:
                self._full = [a + b for a, b in zip(self._full[::2], self._full[1::2], strict=True)]
                self._size *= 2
                # An open bin is empty here, so that it may grow to the new size.

    @property
    def sums(self) -> np.ndarray:
        """(chains, bins, k)."""
        return np.stack([*self._full, self._open] if self._count else self._full, axis=1)

    @property
    def counts(self) -> np.ndarray:
        """Draws in each bin, (bins,)."""
        counts = np.full(len(self._full), float(self._size))
        return np.append(counts, self._count) if self._count else counts
