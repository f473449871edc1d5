"""Integrators that are exact for the Gaussian part of the data, mode by mode.

``core.diffusion.multistep`` states the step; here the propagator in it is the one that the data have, on a lattice
G_p for each momentum. A free field is then exact at any number of steps, from the first to the last, and of an
interacting one only the difference between its score and the Gaussian one is discretised.

In the broken phase G is the connected propagator, so that the step is exact for the Gaussian field around +m and for
the one around -m. The choice between the two enters through the score, as a mean μ of the zero mode that runs from 0
to ±m around the time at which it drowns in noise; there, and only there, steps have to be short.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from core.contracts import Tensor
from core.diffusion.backward import SOLVERS, Solver
from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.gaussian import GaussianScore
from core.diffusion.multistep import Modes, integrate


class Momenta:
    """The momenta of a lattice field, those that a real Fourier transform keeps."""

    def __init__(self, gaussian: FieldGaussianScore) -> None:
        self.event = gaussian.event
        self.variance = gaussian.connected[..., : self.event[-1] // 2 + 1]
        self._axes = tuple(range(1, 1 + len(self.event)))

    def split(self, x: Tensor) -> Tensor:
        return torch.fft.rfftn(x, dim=self._axes)

    def join(self, modes: Tensor) -> Tensor:
        return torch.fft.irfftn(modes, s=self.event, dim=self._axes)


class PrincipalAxes:
    """The principal axes of data of a few dimensions."""

    def __init__(self, gaussian: GaussianScore) -> None:
        self.variance, self._axes = np.linalg.eigh(gaussian.covariance)

    def split(self, x: Tensor) -> Tensor:
        return _rotated(x, self._axes.T)

    def join(self, modes: Tensor) -> Tensor:
        return _rotated(modes, self._axes)


def exponential(gaussian: FieldGaussianScore | GaussianScore, order: int = 2, stochastic: bool = False) -> Solver:
    """The solver ``(x, score, schedule, times, noise, callback=None) -> x`` that is exact for this Gaussian.

    ``gaussian`` gives its propagator (the connected one) or covariance alone; its mean does not matter, as the score
    brings its own. ``order`` is 1, 2 or 3, with one score evaluation a step in all; ``stochastic`` chooses Anderson's
    SDE, with noise in every step, the last one too, instead of the probability flow. ``times`` may end at 0. Orders 1
    and 2 are those of the law's error where the score is not this Gaussian's; at order 3, for the flow alone, what the
    first two steps leave is of second order. Raises ValueError for another order, and the solver for an x of another
    shape.
    """
    if order not in ((1, 2) if stochastic else (1, 2, 3)):
        raise ValueError(f"order must be 1 or 2, or 3 for the flow, got {order!r}")
    field = isinstance(gaussian, FieldGaussianScore)
    event = gaussian.event if field else gaussian.mean.shape
    modes: Modes = Momenta(gaussian) if field else PrincipalAxes(gaussian)

    def solve(x, score, schedule, times, noise, callback=None):
        if tuple(x.shape[1:]) != event:
            raise ValueError(f"x must have the shape (n, {', '.join(map(str, event))}), got {tuple(x.shape)}")
        return integrate(x, score, schedule, times, noise, callback, modes, order, stochastic)

    return solve


def _always(solver: Solver) -> Callable[[FieldGaussianScore], Solver]:
    return lambda gaussian: solver


FIELD_SOLVERS: dict[str, Callable[[FieldGaussianScore], Solver]] = {
    **{name: _always(solver) for name, solver in SOLVERS.items()},
    "exponential": lambda gaussian: exponential(gaussian, order=3),
    "exponential-sde": lambda gaussian: exponential(gaussian, stochastic=True),
}
"""Every integrator of a lattice field by name, made for the field's Gaussian part."""


def _rotated(x: Tensor, matrix: np.ndarray) -> Tensor:
    # Column by column: a matrix product may round differently when there are more paths.
    rows = [sum(x[:, j] * float(matrix[i, j]) for j in range(len(matrix))) for i in range(len(matrix))]
    return torch.stack(rows, dim=1)  # type: ignore[arg-type]
