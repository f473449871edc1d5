"""What is measured of a lattice ensemble at each of many frames: in chunks, with errors from blocks of configurations.

Along an axis of extent L, with the transform φ_k(y) = Σ_x e^{-2πikx/L} φ_{x,y}, one pass gives both two-point
functions of a configuration:

    structure   |φ_p|²/V = |Σ_y φ_k(y)|²/V                                 p = 2πk/L along the axis
    correlator  V⁻¹ Σ_x φ_x φ_{x+r} = (V L)⁻¹ Σ_k e^{2πikr/L} Σ_y |φ_k(y)|²

They are averaged over the longest axes. Configurations are taken as even in φ: odd moments count as 0, and ⟨φ⟩ with
them, so that two-point functions are not connected ones. Block b holds the consecutive configurations from ``b run``
on: they may come from one Markov chain.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numba as nb
import numpy as np
import torch

from core.statistics.cumulants import cumulants_from_moments
from core.statistics.jackknife import Estimate, jackknife

Tensor = torch.Tensor

BLOCKS = 64
"""Most blocks."""
_MOMENTS = 5  # φ², φ⁴, φ⁶, φ⁸ of a site, and |M|


@dataclass(frozen=True, eq=False)
class Edges:
    """Edges of the bins of every frame, equidistant: ``site`` of φ and ``m`` of M, both (F, bins + 1)."""

    site: np.ndarray
    m: np.ndarray


@dataclass(frozen=True, eq=False, kw_only=True)
class FrameStatistics:
    """Estimates over F frames; K = L/2 + 1.

    ``cumulants`` (F, 9), index n the single-site κ_n; ``abs_m`` (F,) is ⟨|M|⟩; ``correlator`` (F, K) is ⟨φ_x φ_{x+r}⟩
    at r = 0 … L/2 along an axis; ``structure`` (F, K) is ⟨|φ_p|²⟩/V at p = 2πk/L along an axis. Densities
    ``site_histogram`` of φ and ``m_histogram`` of M, (F, bins), between ``site_edges`` and ``m_edges``
    (F, bins + 1), are those of all configurations: what lies outside is missing from their integral.
    ``score_norm`` (F, K) is √(⟨|s_p|²⟩/V) of the score, nan where none was added.
    """

    cumulants: Estimate
    abs_m: Estimate
    correlator: Estimate
    structure: Estimate
    site_histogram: Estimate
    site_edges: np.ndarray
    m_histogram: Estimate
    m_edges: np.ndarray
    score_norm: Estimate

    @property
    def phi2(self) -> Estimate:
        """⟨φ²⟩ (F,), which for odd moments of 0 is κ_2."""
        return Estimate(self.cumulants.value[:, 2], self.cumulants.error[:, 2])


def block_run(paths: int) -> int:
    """Configurations in a block: as few as BLOCKS allows."""
    return -(-paths // BLOCKS)


class FrameSums:
    """Sums over one chunk of configurations, ``count`` of them from number ``first`` on, block by block."""

    def __init__(self, edges: Edges, event: tuple[int, ...], run: int, first: int, count: int) -> None:
        frames, bins = len(edges.site), (edges.site.shape[1] - 1, edges.m.shape[1] - 1)
        self.edges, self.event, self.first, self.first_block = edges, event, first, first // run
        self._block = (first + np.arange(count)) // run - self.first_block
        self._starts = np.flatnonzero(np.diff(self._block, prepend=-1))
        blocks, k = self._block[-1] + 1, max(event) // 2 + 1
        self.count = np.bincount(self._block).astype(float)
        self.moments = np.zeros((frames, blocks, _MOMENTS))
        self.two_point = np.zeros((frames, blocks, 2 * k))
        self.score = np.full((frames, blocks, k), np.nan)
        self.site = np.zeros((frames, blocks, bins[0]))
        self.m = np.zeros((frames, blocks, bins[1]))

    def add(self, frame: int, x: Tensor) -> None:
        """The chunk's configurations (count, *event) at a frame, once for each."""
        flat = np.ascontiguousarray(x.flatten(1).numpy())
        edges = (self.edges.site[frame], self.edges.m[frame])
        grids = np.array([[e[0], (len(e) - 1) / (e[-1] - e[0])] for e in edges])
        _scan(flat, self._block, grids, self.moments[frame], self.site[frame], self.m[frame])
        self.two_point[frame] = self._sum(np.concatenate(_two_point(x), axis=1))

    def add_score(self, frame: int, s: Tensor) -> None:
        """The score at the frame's configurations, (count, *event); a second one replaces the first."""
        self.score[frame] = self._sum(_two_point(s)[0])

    def _sum(self, rows: np.ndarray) -> np.ndarray:
        return np.add.reduceat(rows, self._starts, axis=0)


def frame_statistics(chunks: Sequence[FrameSums]) -> FrameStatistics:
    """The estimates from all chunks of an ensemble of two configurations or more."""
    edges, event = chunks[0].edges, chunks[0].event
    extent, volume = max(event), math.prod(event)
    k = extent // 2 + 1
    names = ("moments", "two_point", "score", "site", "m")
    blocks = max(c.first_block + len(c.count) for c in chunks)
    counts = np.zeros(blocks)
    parts = {name: np.zeros((blocks, *_wide(getattr(chunks[0], name)))) for name in names}
    for chunk in chunks:
        here = slice(chunk.first_block, chunk.first_block + len(chunk.count))
        counts[here] += chunk.count
        for name in names:
            parts[name][here] += np.moveaxis(getattr(chunk, name), 1, 0)

    def of(name: str, function) -> Estimate:
        number = np.broadcast_to(counts[:, None, None], (*parts[name].shape[:2], 1))
        sums = np.concatenate([parts[name], number], axis=-1)
        return jackknife(lambda s: function(s[..., :-1] / s[..., -1:]), sums, number).estimate

    def density(name: str, e: np.ndarray) -> Estimate:
        width = np.diff(e, axis=1)
        return of(name, lambda mean: mean / width)

    def correlator(mean: np.ndarray) -> np.ndarray:
        return np.fft.irfft(mean[..., k:], extent, axis=-1)[..., :k] / volume

    site = of("moments", _cumulants)
    return FrameStatistics(
        cumulants=Estimate(site.value[..., :-1], site.error[..., :-1]),
        abs_m=Estimate(site.value[..., -1], site.error[..., -1]),
        correlator=of("two_point", correlator),
        structure=of("two_point", lambda mean: mean[..., :k]),
        site_histogram=density("site", edges.site),
        site_edges=edges.site,
        m_histogram=density("m", edges.m),
        m_edges=edges.m,
        score_norm=of("score", np.sqrt),
    )


def _wide(sums: np.ndarray) -> tuple[int, int]:
    return sums.shape[0], sums.shape[2]


def _cumulants(mean: np.ndarray) -> np.ndarray:
    """κ_0 … κ_8 and ⟨|M|⟩ from the means of ``_MOMENTS``."""
    moments = np.zeros((*mean.shape[:-1], 9))
    moments[..., 0] = 1.0
    moments[..., 2::2] = mean[..., :4]
    return np.concatenate([cumulants_from_moments(moments), mean[..., 4:]], axis=-1)


def _two_point(x: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """|φ_p|²/V and Σ_y |φ_k(y)|² of each configuration (n, *event), averaged over the longest axes, both (n, K)."""
    volume, longest = x[0].numel(), max(x.shape[1:])
    axes = [axis for axis in range(1, x.ndim) if x.shape[axis] == longest]
    lines = [torch.fft.rfft(x.movedim(axis, -1), dim=-1).flatten(1, -2) for axis in axes]
    structure = [_squares(line.sum(1)) / volume for line in lines]
    weight = [_squares(line).sum(1) for line in lines]
    return tuple(torch.stack(rows).mean(0).double().numpy() for rows in (structure, weight))  # type: ignore[return-value]


def _squares(z: Tensor) -> Tensor:
    return torch.view_as_real(z).square().sum(-1)


@nb.njit(nogil=True, cache=True, fastmath=True)
def _scan(x, block, grids, moments, site, m):  # pragma: no cover (compiled)
    # x (n, sites); grids (2, 2): lowest edge and bins per unit, for φ and for M; the rest (blocks, …) takes the sums.
    sites, bins = x.shape[1], site.shape[1]
    low, rate = grids[0]
    for i in range(x.shape[0]):
        b, row = block[i], x[i]
        s1 = s2 = s4 = s6 = s8 = 0.0
        for value in row:
            y = np.float64(value)
            y2 = y * y
            y4 = y2 * y2
            s1 += y
            s2 += y2
            s4 += y4
            s6 += y2 * y4
            s8 += y4 * y4
        for value in row:
            place = (np.float64(value) - low) * rate
            if 0.0 <= place < bins:
                site[b, int(place)] += 1.0 / sites
        mean = s1 / sites
        place = (mean - grids[1, 0]) * grids[1, 1]
        if 0.0 <= place < m.shape[1]:
            m[b, int(place)] += 1.0
        moments[b, 0] += s2 / sites
        moments[b, 1] += s4 / sites
        moments[b, 2] += s6 / sites
        moments[b, 3] += s8 / sites
        moments[b, 4] += abs(mean)
