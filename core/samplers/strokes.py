"""Strokes of a brush on a lattice field: what a pointer does to the sites that it passes over."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import torch

from core.noise import Noise
from core.theories.phi4 import Phi4

Tensor = torch.Tensor

BRUSHES = ("plus", "minus", "hot", "flip")
LEAST = 1.0
"""Value that plus and minus paint where the classical minimum is smaller or zero."""
HEAT = 2.0
"""Standard deviation of the sites of a hot spot, in units of the painted value."""


def disc(shape: tuple[int, int], points: Sequence[tuple[float, float]], radius: float) -> np.ndarray:
    """Which sites of a periodic lattice (rows, columns) a round brush of ``radius`` sites covers along a path.

    The path joins ``points`` (x to the right along a row, y across the rows, in sites; the centre of site (row, column)
    lies at x = column + ½, y = row + ½) by straight lines. At least the site under each point is covered.
    """
    covered = np.zeros(shape, dtype=bool)
    rows, columns = np.arange(shape[0]) + 0.5, np.arange(shape[1]) + 0.5
    for x, y in _along(points, max(radius / 2, 0.5)):
        dx = np.abs((columns - x + shape[1] / 2) % shape[1] - shape[1] / 2)
        dy = np.abs((rows - y + shape[0] / 2) % shape[0] - shape[0] / 2)
        covered |= dx[None, :] ** 2 + dy[:, None] ** 2 <= radius**2
        covered[math.floor(y) % shape[0], math.floor(x) % shape[1]] = True
    return covered


def painted(theory: Phi4, field: Tensor, brush: str, covered: np.ndarray, noise: Noise, number: int) -> Tensor:
    """``field`` (rows, columns) after ``brush`` on the ``covered`` sites.

    ``plus`` and ``minus`` set them to ± the classical minimum (at least 1), ``hot`` to N(0, (2 × that)²), ``flip``
    changes their sign. ``number`` is the address of the noise of a hot spot. Raises ValueError for another brush.
    """
    value = max(theory.classical_minimum, LEAST)
    if brush in ("plus", "minus"):
        new = torch.full_like(field, value if brush == "plus" else -value)
    elif brush == "hot":
        new = HEAT * value * noise.of("hot spot").normal(number, (1, *field.shape), field.dtype)[0]
    elif brush == "flip":
        new = -field
    else:
        raise ValueError(f"brush must be one of {', '.join(BRUSHES)}, got {brush!r}")
    return torch.where(torch.from_numpy(covered), new, field)


def _along(points: Sequence[tuple[float, float]], spacing: float) -> list[tuple[float, float]]:
    """The points, and further ones between them no more than ``spacing`` apart."""
    path = list(points[:1])
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        parts = max(1, math.ceil(math.hypot(x1 - x0, y1 - y0) / spacing))
        path += [(x0 + (x1 - x0) * i / parts, y0 + (y1 - y0) * i / parts) for i in range(1, parts + 1)]
    return path
