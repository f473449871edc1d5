"""Cells that carry the density, and the densities that one may start from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

Density = Callable[[np.ndarray], np.ndarray]
"""``density(x)`` with x of shape (n, dim) gives the density there, shape (n,), up to a constant factor. An attribute
``window`` of shape (dim, 2), if there is one, makes the grid wide enough for it."""

HALF_WIDTH = 5.3
"""Half-width, in standard deviations, of a grid that holds a Gaussian law."""

_POINTS, _WEIGHTS = np.polynomial.legendre.leggauss(4)


@dataclass(frozen=True)
class Grid:
    """A box cut into ``cells`` equal cells along each axis; ``window`` of shape (dim, 2) holds its ends."""

    window: np.ndarray
    cells: int

    @property
    def dim(self) -> int:
        """Number of axes."""
        return len(self.window)

    @property
    def shape(self) -> tuple[int, ...]:
        """Cells along each axis."""
        return (self.cells,) * self.dim

    @property
    def spacing(self) -> np.ndarray:
        """Width of a cell along each axis, shape (dim,)."""
        return (self.window[:, 1] - self.window[:, 0]) / self.cells

    def centres(self, axis: int) -> np.ndarray:
        """Centres of the cells along one axis, shape (cells,)."""
        return self.window[axis, 0] + self.spacing[axis] * (np.arange(self.cells) + 0.5)

    def faces(self, axis: int) -> np.ndarray:
        """Points between neighbouring cells along one axis, shape (cells - 1,)."""
        return self.window[axis, 0] + self.spacing[axis] * np.arange(1, self.cells)

    def points(self) -> np.ndarray:
        """All centres, shape (cells^dim, dim), the last axis running fastest."""
        return mesh([self.centres(axis) for axis in range(self.dim)])

    def normalised(self, values: np.ndarray) -> np.ndarray:
        """``values`` >= 0 at all centres as a density of mass one, of shape ``shape``.

        Raises ValueError where they are negative or not finite, or vanish on the whole grid.
        """
        if not np.all(np.isfinite(values)) or np.any(values < 0):
            raise ValueError("the density to start from must be finite and not negative everywhere on the grid")
        total = values.sum()
        if total <= 0:
            raise ValueError(
                f"the density to start from vanishes on the grid: it lies outside {self.window.tolist()} "
                f"or is much narrower than a cell, {self.spacing.tolist()}"
            )
        return (values / (total * np.prod(self.spacing))).reshape(self.shape)

    def average(self, density: Density, centre: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """Mean of ``density(centre + scale ξ)`` over each cell (4-point Gauss rule per axis), normalised."""
        offsets = mesh([_POINTS / 2 * h for h in self.spacing])
        weights = np.prod(mesh([_WEIGHTS / 2] * self.dim), axis=1)
        points = self.points()
        values = np.zeros(len(points))
        for offset, weight in zip(offsets, weights, strict=True):
            values += weight * np.asarray(density(centre + scale * (points + offset)), dtype=float).reshape(-1)
        return self.normalised(values)


def mesh(axes: list[np.ndarray]) -> np.ndarray:
    """All points of the product of the given axes, shape (product of lengths, dim), the last one fastest."""
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))


def union(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The smallest box that holds both windows, each of shape (dim, 2)."""
    return np.stack([np.minimum(a[:, 0], b[:, 0]), np.maximum(a[:, 1], b[:, 1])], axis=1)


@dataclass(frozen=True, eq=False)
class NormalDensity:
    """A normal law to start from.

    ``mean`` is a number for each axis; ``covariance`` a matrix, or one number, the variance along every axis.
    Raises ValueError unless both are finite and the covariance is symmetric and positive.
    """

    mean: Sequence[float] | np.ndarray
    covariance: float | Sequence[Sequence[float]] | np.ndarray

    def __post_init__(self) -> None:
        mean, covariance = np.asarray(self.mean, dtype=float), np.asarray(self.covariance, dtype=float)
        if mean.ndim != 1 or not np.all(np.isfinite(mean)):
            raise ValueError(f"mean must be a finite number for each axis, got {self.mean}")
        if covariance.ndim == 0:
            covariance = covariance * np.eye(len(mean))
        if covariance.shape != (len(mean), len(mean)) or not np.all(np.isfinite(covariance)):
            raise ValueError(
                f"covariance must be a finite number or {len(mean)} × {len(mean)} matrix, got {self.covariance}"
            )
        if not np.allclose(covariance, covariance.T) or np.linalg.eigvalsh(covariance)[0] <= 0:
            raise ValueError(f"covariance must be symmetric and positive, got {self.covariance}")
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "covariance", covariance)

    @property
    def window(self) -> np.ndarray:
        reach = HALF_WIDTH * np.sqrt(np.diag(self.covariance))
        return np.stack([self.mean - reach, self.mean + reach], axis=1)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        y = np.linalg.solve(np.linalg.cholesky(self.covariance), (x - self.mean).T)
        return np.exp(-0.5 * (y**2).sum(axis=0))


@dataclass(frozen=True)
class UniformDensity:
    """A uniform law to start from, on the box from ``low`` to ``high``, one number for each axis."""

    low: tuple[float, ...]
    high: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.low) != len(self.high):
            raise ValueError(f"low and high must be equally long, got {self.low} and {self.high}")
        if not (np.all(np.isfinite(self.low)) and np.all(np.isfinite(self.high))):
            raise ValueError(f"low and high must be finite, got {self.low} and {self.high}")
        if not np.all(np.asarray(self.low) < np.asarray(self.high)):
            raise ValueError(f"low must lie below high along each axis, got {self.low} and {self.high}")

    @property
    def window(self) -> np.ndarray:
        return np.stack([np.asarray(self.low, float), np.asarray(self.high, float)], axis=1)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return np.all((x >= np.asarray(self.low)) & (x <= np.asarray(self.high)), axis=1).astype(float)
