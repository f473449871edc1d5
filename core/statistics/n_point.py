"""Connected n-point functions of a lattice field at chosen separations, symmetrised.

The connected function of points x_1 … x_n is the sum over all ways π to part them into groups,

    ⟨φ_1 … φ_n⟩_c = Σ_π (-1)^{|π|-1} (|π|-1)! Π_{groups} ⟨Π_{i in group} φ_i⟩,

in which groups of odd size vanish by φ → -φ. With all points at one site it is the cumulant κ_n.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from core.statistics.errors import Measured, as_chains, derived

MOST_POINTS = 8
Point = tuple[int, ...]


def product_series(fields: Any, points: Sequence[Point]) -> np.ndarray:
    """V⁻¹ Σ_x Π_i φ_{x + r_i} of each of the ``fields`` (n, *event), float64 of shape (n,), for points r_i."""
    x = torch.as_tensor(fields).double()
    axes = tuple(range(1, x.ndim))
    product = torch.ones_like(x)
    for point in points:
        if len(point) != len(axes):
            raise ValueError(f"a point must have {len(axes)} coordinates, got {point}")
        product *= x.roll([-int(c) for c in point], axes)
    return product.flatten(1).mean(1).numpy()


class ConnectedFunction:
    """Collects, block by block, what the connected function of ``points`` needs, then gives its value and error.

    Raises ValueError for an odd number of points, for which it vanishes by symmetry, or more than MOST_POINTS.
    """

    def __init__(self, points: Sequence[Point]) -> None:
        if not 2 <= len(points) <= MOST_POINTS or len(points) % 2:
            raise ValueError(f"points must be 2, 4, 6 or 8 in number, got {len(points)}: the odd functions vanish")
        self.points = tuple(points)
        self._partitions = [
            [self._name(group) for group in groups] for groups in even_partitions(tuple(range(len(points))))
        ]
        self.groups: tuple[tuple[Point, ...], ...] = tuple(dict.fromkeys(g for gs in self._partitions for g in gs))
        self._parts: dict[tuple[Point, ...], list[np.ndarray]] = {group: [] for group in self.groups}

    def _name(self, group: tuple[int, ...]) -> tuple[Point, ...]:
        """Groups that differ by a shift have the same average: the first point is moved to the origin."""
        chosen = sorted(self.points[i] for i in group)
        return tuple(tuple(int(a - b) for a, b in zip(point, chosen[0], strict=True)) for point in chosen)

    def add(self, fields: Any) -> None:
        """Add a block of fields (chains, draws, *event), the next draws of the same chains."""
        x = np.asarray(fields)
        flat = x.reshape(-1, *x.shape[2:])
        for group, parts in self._parts.items():
            parts.append(product_series(flat, group).reshape(x.shape[:2]))

    def measured(self, independent: bool = False) -> Measured:
        """The connected function with its error and τ_int by the Γ method."""
        series = {str(group): as_chains(np.concatenate(parts, axis=1)) for group, parts in self._parts.items()}

        def value(means) -> float:
            return float(self.value(np.array([means[str(group)] for group in self.groups])))

        return derived(value, series, independent)

    def value(self, means: np.ndarray) -> np.ndarray:
        """The connected function (…) from the averages (…, groups) of the products over each of ``groups``."""
        index = {group: i for i, group in enumerate(self.groups)}
        return np.sum(
            [
                (-1) ** (len(groups) - 1)
                * math.factorial(len(groups) - 1)
                * np.prod([means[..., index[group]] for group in groups], axis=0)
                for groups in self._partitions
            ],
            axis=0,
        )


def even_partitions(items: tuple[int, ...]) -> Iterator[list[tuple[int, ...]]]:
    """All ways to part ``items`` into groups of even size."""
    if not items:
        yield []
        return
    first, rest = items[0], items[1:]
    for mask in range(2 ** len(rest)):
        group = (first, *(item for i, item in enumerate(rest) if mask >> i & 1))
        if len(group) % 2 == 0:
            left = tuple(item for i, item in enumerate(rest) if not mask >> i & 1)
            for groups in even_partitions(left):
                yield [group, *groups]
