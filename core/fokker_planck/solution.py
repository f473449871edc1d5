"""What a Fokker–Planck solver hands to a view: densities on cells that follow the distribution."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import RegularGridInterpolator


@dataclass(frozen=True)
class Solution:
    """Densities at a sequence of times.

    ``times`` has shape (frames,), falling for a backward process. ``axes`` holds for each dimension the centres of
    the cells in x, shape (frames, cells): they move with the frame. ``density`` is the density in x, shape
    (frames, cells) in 1D and (frames, cells, cells) in 2D, indexed [frame, x, y].
    """

    times: np.ndarray
    axes: tuple[np.ndarray, ...]
    density: np.ndarray

    @property
    def x(self) -> np.ndarray:
        """Centres of the cells along the first axis, shape (frames, cells)."""
        return self.axes[0]

    @property
    def y(self) -> np.ndarray:
        """Centres of the cells along the second axis, shape (frames, cells); ValueError in 1D."""
        if len(self.axes) < 2:
            raise ValueError("a solution in one dimension has no second axis")
        return self.axes[1]

    @property
    def volume(self) -> np.ndarray:
        """Volume of a cell at each frame, shape (frames,)."""
        return np.prod([(x[:, -1] - x[:, 0]) / (x.shape[1] - 1) for x in self.axes], axis=0)

    @property
    def mass(self) -> np.ndarray:
        """Total probability at each frame, shape (frames,)."""
        return self.density.reshape(len(self.times), -1).sum(axis=1) * self.volume

    def at(self, frame: int, x: np.ndarray) -> np.ndarray:
        """Density of one frame at points x, linear between centres and 0 outside the cells.

        x has any shape in 1D and shape (..., 2) in 2D; the result has that shape, without the last axis in 2D.
        """
        if len(self.axes) == 1:
            return np.interp(x, self.x[frame], self.density[frame], left=0.0, right=0.0)
        grid = tuple(axis[frame] for axis in self.axes)
        return RegularGridInterpolator(grid, self.density[frame], bounds_error=False, fill_value=0.0)(x)

    def marginal(self, axis: int) -> np.ndarray:
        """Density of one variable at each frame, shape (frames, cells)."""
        others = tuple(1 + i for i in range(len(self.axes)) if i != axis)
        width = self.volume * (self.axes[axis].shape[1] - 1) / (self.axes[axis][:, -1] - self.axes[axis][:, 0])
        return self.density.sum(axis=others) * width[:, None]

    def moments(self, order: int = 8, axis: int = 0) -> np.ndarray:
        """⟨x^n⟩ of one variable for n = 0 … order at each frame, shape (frames, order + 1)."""
        weight = self.marginal(axis)
        x = self.axes[axis]
        weight = weight * ((x[:, -1:] - x[:, :1]) / (x.shape[1] - 1))
        return np.stack([(weight * x**n).sum(axis=1) for n in range(order + 1)], axis=1)

    @property
    def mean(self) -> np.ndarray:
        """⟨x_i⟩ at each frame, shape (frames, dim)."""
        return np.stack([self.moments(1, axis)[:, 1] for axis in range(len(self.axes))], axis=1)

    @property
    def covariance(self) -> np.ndarray:
        """Covariance matrix at each frame, shape (frames, dim, dim)."""
        dim, mean = len(self.axes), self.mean
        weight = self.density * self.volume.reshape(-1, *[1] * dim)
        if dim == 1:
            return (weight * (self.x - mean) ** 2).sum(axis=1)[:, None, None]
        dx, dy = self.x - mean[:, :1], self.y - mean[:, 1:]
        xx, yy = np.einsum("fxy,fx->f", weight, dx**2), np.einsum("fxy,fy->f", weight, dy**2)
        xy = np.einsum("fxy,fx,fy->f", weight, dx, dy)
        return np.stack([np.stack([xx, xy], axis=1), np.stack([xy, yy], axis=1)], axis=2)
