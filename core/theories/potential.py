"""Targets given by their action S(x) in one variable, P_0 = exp(-S)/Z, and the quartic one among them.

There is no closed form for them at noise level (f, Ξ); density, score and everything else come from quadrature
(``core.theories.numerical``), whose error ``score_error`` states.
"""

from __future__ import annotations

import copy
from abc import abstractmethod
from dataclasses import dataclass, field
from functools import lru_cache
from typing import ClassVar, Self

import numpy as np
import torch

from core.noise import Noise
from core.theories.base import Target, Tensor, cumulants_of_central_moments
from core.theories.numerical import NumericalLaw


@dataclass(frozen=True)
class Potential(Target):
    """Base of targets with a known action; a subclass gives S and -S' as functions of an array."""

    dim: int = field(init=False, default=1, repr=False)
    _is_rough: ClassVar[bool] = False

    @abstractmethod
    def action_at(self, x: np.ndarray) -> np.ndarray:
        """S(x), elementwise."""

    @abstractmethod
    def force_at(self, x: np.ndarray) -> np.ndarray:
        """-S'(x), elementwise."""

    @property
    def law(self) -> NumericalLaw:
        """The law exp(-S)/Z; equal targets share one, and its tables."""
        law = _law_of(self)
        return law.rough if self._is_rough else law

    def rough(self) -> Self:
        """The same target for a quick look: its score is good to 1e-3, so that its tables are made sooner."""
        twin = copy.copy(self)
        object.__setattr__(twin, "_is_rough", True)
        return twin

    def sample(self, n: int, noise: Noise) -> Tensor:
        return torch.from_numpy(self.law.panels.quantile(noise.of("target").uniform(0, (n, 1)).numpy()))

    def log_prob(self, x: Tensor, f: float = 1.0, xi: float = 0.0) -> Tensor:
        return _like(x, self.law.log_prob(_flat(x), f, xi))

    def score(self, x: Tensor, f: float = 1.0, xi: float = 0.0) -> Tensor:
        return _like(x, self.law.score(_flat(x), f, xi)[:, None])

    def score_error(self, f: float = 1.0, xi: float = 0.0) -> float:
        """Estimated error of the score at (f, Ξ), relative to its root mean square plus its own size."""
        return self.law.score_error(f, xi)

    def action(self, x: Tensor) -> Tensor:
        return _like(x, self.action_at(_flat(x)))

    def force(self, x: Tensor) -> Tensor:
        return _like(x, self.force_at(_flat(x))[:, None])

    @property
    def mean(self) -> np.ndarray:
        return np.array([self.law.mean])

    @property
    def covariance(self) -> np.ndarray:
        return np.array([[self.law.std**2]])

    def moments(self, order: int = 8) -> np.ndarray:
        return self.law.moments_about(0.0, order)

    def cumulants(self, order: int = 8) -> np.ndarray:
        return cumulants_of_central_moments(self.law.mean, self.law.moments_about(self.law.mean, order))

    def window(self, f: float = 1.0, xi: float = 0.0) -> np.ndarray:
        return self.law.window(f, xi)[None]

    def log_generating(self, J: np.ndarray, f: float = 1.0, xi: float = 0.0) -> np.ndarray:
        J = np.asarray(J, dtype=float)
        return J**2 * xi / 2 + self.law.log_laplace(J * f)


@dataclass(frozen=True)
class Quartic(Potential):
    """``S = ½ μ² x² + g x⁴/4!``: one well for μ² >= 0, two at x² = -6 μ²/g for μ² < 0.

    ``mu2`` is μ², of either sign; ``g`` >= 0, and positive unless μ² > 0. Raises ValueError otherwise. For μ² = -1,
    g = 0.4: ⟨x²⟩ = 13.673034, ⟨|x|⟩ = 3.591332.
    """

    mu2: float = -1.0
    g: float = 0.4
    name: str = "quartic"

    def __post_init__(self) -> None:
        for label, value in (("mu2", self.mu2), ("g", self.g)):
            if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not np.isfinite(value):
                raise ValueError(f"{label} must be a finite number, got {value!r}")
        if self.g < 0 or (self.g == 0 and self.mu2 <= 0):
            raise ValueError(f"g must be positive (or zero, if mu2 is positive), got g = {self.g}, mu2 = {self.mu2}")
        _ = self.law  # raises for couplings so extreme that the law cannot be integrated

    def action_at(self, x: np.ndarray) -> np.ndarray:
        square = x * x
        return square * (0.5 * self.mu2 + self.g / 24 * square)

    def force_at(self, x: np.ndarray) -> np.ndarray:
        return -x * (self.mu2 + self.g / 6 * (x * x))

    def latex(self) -> str:
        return rf"S(x) = \tfrac12 \cdot ({self.mu2:.4g})\, x^2 + \frac{{{self.g:.4g}}}{{4!}}\, x^4"


@lru_cache(maxsize=64)
def _law_of(target: Potential) -> NumericalLaw:
    return NumericalLaw(target.action_at, target.force_at)


def _flat(x: Tensor) -> np.ndarray:
    return np.ascontiguousarray(x.detach().cpu().numpy().reshape(-1), dtype=float)


def _like(x: Tensor, values: np.ndarray) -> Tensor:
    return torch.from_numpy(values).to(device=x.device, dtype=x.dtype)
