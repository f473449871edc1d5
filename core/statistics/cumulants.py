"""Moments and cumulants to order 8, streamed, with block-jackknife errors.

Conventions: m_n = ⟨xⁿ⟩ with m_0 = 1, and cumulants from W[J] = log ⟨e^{Jx}⟩ = Σ κ_n Jⁿ/n!, so κ_0 = 0. Arrays carry
the order as their last axis, index n holding m_n or κ_n.
"""

from __future__ import annotations

from math import comb
from typing import Any

import numba as nb
import numpy as np
import torch

from core.statistics.jackknife import Estimate, Function, Jackknifed, jackknife
from core.statistics.prediction import cumulant_noise, is_only_noise, predicted_cumulants

__all__ = [
    "MAX_ORDER",
    "Estimate",
    "PowerSums",
    "cumulant_noise",
    "cumulants_from_moments",
    "is_only_noise",
    "moments_from_cumulants",
    "predicted_cumulants",
]

MAX_ORDER = 8


def cumulants_from_moments(m: Any) -> np.ndarray:
    """Cumulants κ (..., order+1) of raw moments m (..., order+1) with m_0 = 1, by the recursion

    κ_n = m_n - Σ_{j=1}^{n-1} C(n-1, j-1) κ_j m_{n-j},  κ_0 = 0,

    which keeps the odd moments. float64; vectorised over the leading axes.
    """
    m = np.asarray(m, dtype=float)
    kappa = np.zeros_like(m)
    for n in range(1, m.shape[-1]):
        kappa[..., n] = m[..., n]
        for j in range(1, n):
            kappa[..., n] -= comb(n - 1, j - 1) * kappa[..., j] * m[..., n - j]
    return kappa


def moments_from_cumulants(kappa: Any) -> np.ndarray:
    """Raw moments m (..., order+1), m_0 = 1, of cumulants κ (..., order+1): the inverse of the recursion above."""
    kappa = np.asarray(kappa, dtype=float)
    m = np.zeros_like(kappa)
    m[..., 0] = 1.0
    for n in range(1, kappa.shape[-1]):
        for j in range(1, n + 1):
            m[..., n] += comb(n - 1, j - 1) * kappa[..., j] * m[..., n - j]
    return m


@nb.njit(nogil=True, cache=True, fastmath=True)
def _add_power_sums(sums, x, sites, first, run, shift):  # pragma: no cover (compiled)
    # sums (order+1, blocks); x (n · sites), flat: each path adds the site average of its powers to its block.
    n = x.size // sites
    s = np.empty(9)
    i = 0
    while i < n:
        visit = (first + i) // run
        stop = min(n, (visit + 1) * run - first)
        s1 = s2 = s3 = s4 = s5 = s6 = s7 = s8 = 0.0
        for value in x[i * sites : stop * sites]:
            y = np.float64(value) - shift
            y2 = y * y
            y4 = y2 * y2
            s1 += y
            s2 += y2
            s3 += y * y2
            s4 += y4
            s5 += y * y4
            s6 += y2 * y4
            s7 += y * y2 * y4
            s8 += y4 * y4
        s[1], s[2], s[3], s[4], s[5], s[6], s[7], s[8] = s1, s2, s3, s4, s5, s6, s7, s8
        block = visit % sums.shape[1]
        sums[0, block] += stop - i
        for k in range(1, sums.shape[0]):
            sums[k, block] += s[k] / sites
        i = stop


class PowerSums:
    """Streaming power sums Σ (x - shift)ⁿ, n = 0…order, of ``frames`` ensembles, kept in blocks of paths.

    Path i belongs to block ``(i // run) % blocks``, whatever the chunks in which paths arrive, so that the result
    depends on neither chunks nor threads (but for the order of additions, 1e-15 relative). Partial sums of the same
    layout add up with ``+``. Independent paths take any small ``run``; for a Markov chain choose it so that the blocks
    are contiguous (``run`` = paths / blocks) and much longer than the autocorrelation time.

    A path may have many sites (a lattice configuration); its powers are averaged over its sites, which are taken as
    equivalent but correlated: the block is the unit of independence, never the site.

    Powers relate to ``shift`` (a number or one a frame), to be put near the mean: a mean of d standard deviations
    costs κ_8 a factor of about (1+d)⁸ in rounding. The spread needs no rescaling, since float64 has the same
    *relative* accuracy at every scale (x⁸ overflows only for |x| > 1e38).
    """

    def __init__(self, frames: int = 1, *, order: int = 8, blocks: int = 64, run: int = 8, shift: Any = 0.0) -> None:
        if not 1 <= order <= MAX_ORDER:
            raise ValueError(f"order must be from 1 to {MAX_ORDER}, got {order}")
        if frames < 1 or blocks < 2 or run < 1:
            raise ValueError(f"power sums need frames >= 1, blocks >= 2 and run >= 1, got {frames}, {blocks} and {run}")
        self.order, self.blocks, self.run = order, blocks, run
        self.shift = np.broadcast_to(np.asarray(shift, dtype=float), (frames,)).copy()
        self.sums = np.zeros((frames, order + 1, blocks))

    @property
    def frames(self) -> int:
        return len(self.sums)

    @property
    def paths(self) -> np.ndarray:
        """Number of paths added to each frame, (frames,)."""
        return self.sums[:, 0].sum(axis=-1)

    def add(self, x: Any, first: int = 0, frame: int = 0) -> None:
        """Add paths ``first``, ``first + 1``, … to one frame; x is (n, *event), a tensor or an array."""
        x = _as_array(x)
        if len(x):
            _add_power_sums(self.sums[frame], x.reshape(-1), x[0].size, first, self.run, self.shift[frame])

    def add_frames(self, x: Any, first: int = 0) -> None:
        """Add the same paths to every frame; x is (frames, n, *event)."""
        x = _as_array(x)
        if len(x) != self.frames:
            raise ValueError(f"x must have {self.frames} frames along its first axis, got shape {x.shape}")
        for frame in range(self.frames):
            self.add(x[frame], first, frame)

    def __add__(self, other: PowerSums) -> PowerSums:
        """The sums over the paths of both, which must be different paths of one layout."""
        if (self.sums.shape, self.run) != (other.sums.shape, other.run) or np.any(self.shift != other.shift):
            raise ValueError("only power sums of the same frames, order, blocks, run and shift can be added")
        total = PowerSums(self.frames, order=self.order, blocks=self.blocks, run=self.run, shift=self.shift)
        total.sums = self.sums + other.sums
        return total

    def moments(self, symmetric: bool = False) -> Estimate:
        """Raw moments (frames, order+1) about 0. ``symmetric`` sets the odd ones to 0 (theories even in φ)."""
        return self.jackknife(lambda m: m, symmetric).estimate

    def cumulants(self, symmetric: bool = False) -> Estimate:
        """Cumulants (frames, order+1) of the sample: bias of relative order 1/paths, far below the error."""
        return self.jackknifed_cumulants(symmetric).estimate

    def jackknifed_cumulants(self, symmetric: bool = False) -> Jackknifed:
        """Cumulants (frames, order+1) with their deviations (blocks, frames, order+1), for joint errors."""
        if symmetric:
            return self.jackknife(cumulants_from_moments, symmetric=True)
        # About the shift, where nothing cancels: only κ_1 notices it.
        kappa = self._jackknife(cumulants_from_moments)
        kappa.value[..., 1] += self.shift
        return kappa

    def jackknife(self, function: Function, symmetric: bool = False) -> Jackknifed:
        """Any function of the raw moments about 0, from (..., order+1) to (..., k), value (frames, k)."""

        def of_shifted(m: np.ndarray) -> np.ndarray:
            m = _moved(m, self.shift)
            if symmetric:
                m[..., 1::2] = 0.0
            return function(m)

        return self._jackknife(of_shifted)

    def _jackknife(self, function: Function) -> Jackknifed:
        sums = np.moveaxis(self.sums, -1, 0)
        return jackknife(lambda s: function(s / s[..., :1]), sums, sums[..., :1])


def _as_array(x: Any) -> np.ndarray:
    x = x.detach().cpu().numpy() if isinstance(x, torch.Tensor) else np.asarray(x)
    return np.ascontiguousarray(x if x.dtype in (np.float32, np.float64) else x.astype(float))


def _moved(m: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Moments of y + shift from moments (..., frames, order+1) of y."""
    powers = shift[:, None] ** np.arange(m.shape[-1])
    moved = [sum(comb(n, j) * m[..., j] * powers[:, n - j] for j in range(n + 1)) for n in range(m.shape[-1])]
    return np.stack(moved, axis=-1)
