"""Means over blocks of time that grow with a run, so that a run of any length takes the same memory."""

from __future__ import annotations

import numpy as np

from core.statistics.jackknife import Estimate, Function, jackknife

MOST_BLOCKS = 128
"""More blocks than these are joined in pairs."""
FEWEST = 6
"""Parts of the data that an error needs."""


class RunningBlocks:
    """Means over contiguous times of rows (chains, width), kept chain by chain; at most `MOST_BLOCKS` blocks.

    ``size`` rows make a block. The rows that do not yet fill one are in none.
    """

    def __init__(self, chains: int, width: int) -> None:
        self.size = 1
        self._sums = np.zeros((MOST_BLOCKS, chains, width))
        self._full = 0
        self._open = np.zeros((chains, width))
        self._rows = 0

    def __len__(self) -> int:
        return self._full

    def add(self, row: np.ndarray) -> None:
        """One more row, (chains, width)."""
        self._open += row
        self._rows += 1
        if self._rows < self.size:
            return
        if self._full == MOST_BLOCKS:
            self._full //= 2
            self._sums[: self._full] = self._sums[0::2] + self._sums[1::2]
            self.size *= 2
            return
        self._sums[self._full] = self._open
        self._full += 1
        self._open[:], self._rows = 0.0, 0

    def means(self) -> np.ndarray:
        """The blocks after the first quarter, averaged over chains, (blocks, width), oldest first."""
        return self.by_chain().mean(1)

    def by_chain(self) -> np.ndarray:
        """The blocks after the first quarter, (blocks, chains, width), oldest first."""
        return self._sums[self._full // 4 : self._full] / self.size

    def estimate(self, function: Function, memory: float) -> Estimate:
        """A function of the means of the columns, from (..., width) to (..., k), with its jackknife error.

        ``memory`` is the autocorrelation time as a fraction of the run without its first quarter (NaN where it is not
        known). A chain's history is cut into parts of at least four such times, and left whole where it is not known or
        too long: different chains are independent. The error is NaN for fewer than `FEWEST` parts.
        """
        kept = self.by_chain()
        if not len(kept):
            empty = np.full(np.shape(function(self._open[0])), np.nan)
            return Estimate(empty, empty)
        cuts = min(len(kept), max(1, int(1 / (4 * memory)))) if memory > 0 else 1
        parts = [part.sum(0) for part in np.array_split(kept, cuts)]
        sums = np.concatenate(parts)
        rows = np.repeat([len(part) for part in np.array_split(kept, cuts)], kept.shape[1])[:, None]
        value, error = jackknife(
            lambda s: function(s[..., :-1] / s[..., -1:]), np.concatenate([sums, rows], axis=1), rows.astype(float)
        ).estimate
        return Estimate(value, error if len(sums) >= FEWEST else np.full_like(value, np.nan))
