"""The few shapes that everything in StoqLab agrees on.

A field is a tensor of shape ``(n, *event)``: n independent paths (or chains) of a system whose configuration has
shape ``event``, ``(1,)`` or ``(2,)`` for one or two degrees of freedom, ``(L, L)`` for a lattice. Toy systems are
float64, lattice fields float32 unless asked otherwise; actions and moments are accumulated in float64.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch

Tensor = torch.Tensor

ScoreFunction = Callable[[Tensor, float], Tensor]
"""``score(x, t)`` is ∇log P_t(x), of the shape of x."""

StepCallback = Callable[[int, float, Tensor], None]
"""``callback(step, t, x)`` after every step of an integrator, with step 0 the start. It must not change x."""


@runtime_checkable
class ScoreModel(Protocol):
    """Knows the score of ``x = f x_0 + √Ξ η`` for every f and Ξ, hence of every schedule (see ``score_at``)."""

    def score(self, x: Tensor, f: float = 1.0, xi: float = 0.0) -> Tensor:
        """∇_x log P(x) of the law of ``f x_0 + √Ξ η``, of the shape of x."""
        ...


@runtime_checkable
class Theory(Protocol):
    """A system with weight exp(-S): what the samplers need."""

    @property
    def event(self) -> tuple[int, ...]:
        """Shape of one configuration."""
        ...

    def action(self, x: Tensor) -> Tensor:
        """S(x), shape (n,), float64, up to a constant."""
        ...

    def force(self, x: Tensor) -> Tensor:
        """K(x) = -∂S/∂x, of the shape of x."""
        ...


class Cancelled(Exception):
    """Raised inside a long computation whose result nobody wants any more."""


def score_at(model: ScoreModel, schedule) -> ScoreFunction:
    """The score function ``(x, t)`` of a score model under a schedule."""

    def score(x: Tensor, t: float) -> Tensor:
        return model.score(x, float(schedule.f(t)), float(schedule.xi(t)))

    return score
