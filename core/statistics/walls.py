"""Domain walls: configurations with domains of both signs that equilibrium would not have.

Deep in the broken phase a hot start orders in domains. Those that close around the lattice as stripes have straight
walls, which nothing drives together, and live practically for ever under local updates; droplets shrink slowly. In
equilibrium they have no weight: a wall of area A (the links that it cuts) costs the action σ A with

    σ = ∫_{-m}^{m} dφ √(4 κ λ) (m² - φ²) = (8/3) √(κ λ) m³,

the tension of the classical wall between the minima ±m of S = Σ_x [κ Σ_μ (φ_{x+μ} - φ_x)² + λ (φ_x² - m²)²] + const.,
which is the action with m the classical minimum. Here m is measured, in each configuration, from the field smoothed
over a few sites, so that fluctuations are accounted for: near the critical point and in the symmetric phase the cost
is small, domains are natural, and nothing is reported.
"""

from __future__ import annotations

import math
from functools import cache

import numba as nb
import numpy as np

from core.theories.phi4 import Phi4
from core.theories.phi4_cluster_kernel import site_neighbours

NATURAL_COST = 80.0
"""A wall that costs less action than this is taken as a fluctuation. Measured with the smoothing below: up to 80 at
κ = 0.272 and λ = 0.022 on 128², 100 and more in ensembles from a hot start at κ = 0.4."""
SHARP = 0.83
"""Least ⟨|φ|⟩²/⟨φ²⟩ of a smoothed field with walls: 0.64 for a Gaussian field, 0.81 for a sine wave, 1 for ±m;
0.76 on large lattices at κ = 0.27, at least 0.86 with walls at κ = 0.4."""
SMOOTHED_OVER = 1.5
"""Width of the smoothing Gaussian in sites."""
LEAST_EXTENT = 4
"""On smaller lattices, and in one dimension, where kinks are natural, no walls are looked for."""


def tension(theory: Phi4, m: float | np.ndarray) -> np.ndarray:
    """σ = (8/3) √(κλ) m³ per cut link, the shape of ``m``; 0 where no walls are looked for."""
    if theory.d < 2 or min(theory.event) < LEAST_EXTENT:
        return np.zeros(np.shape(m))
    return (8 / 3) * math.sqrt(theory.kappa * theory.lam) * np.asarray(m) ** 3


def pair_cost(theory: Phi4, m: float | np.ndarray) -> np.ndarray:
    """Action of two walls across the lattice at its narrowest, between domains of ±m."""
    return 2 * theory.volume / max(theory.event) * tension(theory, m)


@cache
def smoothing(shape: tuple[int, ...]) -> np.ndarray:
    """Factors exp(-s² p²/2), s = SMOOTHED_OVER, for ``rfftn`` of a field of that shape."""
    p2 = [(2 * np.pi * np.fft.fftfreq(n)) ** 2 for n in shape[:-1]] + [(2 * np.pi * np.fft.rfftfreq(shape[-1])) ** 2]
    return np.exp(-0.5 * SMOOTHED_OVER**2 * np.sum(np.meshgrid(*p2, indexing="ij"), axis=0))


def walls(theory: Phi4, fields: np.ndarray) -> np.ndarray:
    """Whether each of the ``fields`` (n, *event) holds a wall that equilibrium would not have, (n,) booleans."""
    axes = tuple(range(1, fields.ndim))
    smooth = np.fft.irfftn(np.fft.rfftn(fields, axes=axes) * smoothing(theory.event), theory.event, axes)
    return holds_walls(theory, smooth)


def holds_walls(theory: Phi4, smooth: np.ndarray) -> np.ndarray:
    """The same from fields that are smoothed already (see ``smoothing``).

    A field holds a wall where a domain of the rarer sign has a boundary of σ A > NATURAL_COST and the field is near ±m
    nearly everywhere (SHARP).
    """
    rows = np.ascontiguousarray(smooth.reshape(len(smooth), -1))
    mean_square = np.mean(rows**2, axis=1)
    sigma = tension(theory, np.sqrt(mean_square))
    suspect = (sigma > 0) & (np.mean(np.abs(rows), axis=1) ** 2 > SHARP * mean_square)
    found = np.zeros(len(rows), dtype=bool)
    table = site_neighbours(theory.event)
    for i in np.flatnonzero(suspect):
        rarer = (rows[i] > 0) == (rows[i].mean() < 0)
        found[i] = sigma[i] * _largest_boundary(rarer, table) > NATURAL_COST
    return found


@nb.njit(nogil=True, cache=True)
def _largest_boundary(inside, table):  # pragma: no cover (compiled)
    """The largest number of links that lead out of one connected set of ``inside`` sites."""
    seen = np.zeros(len(inside), dtype=np.bool_)
    stack = np.empty(len(inside), dtype=np.int64)
    largest = 0
    for start in range(len(inside)):
        if seen[start] or not inside[start]:
            continue
        seen[start] = True
        stack[0], height, boundary = start, 1, 0
        while height > 0:
            height -= 1
            site = stack[height]
            for k in range(table.shape[0]):
                other = table[k, site]
                if not inside[other]:
                    boundary += 1
                elif not seen[other]:
                    seen[other] = True
                    stack[height] = other
                    height += 1
        largest = max(largest, boundary)
    return largest
