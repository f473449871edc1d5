"""What every toy target offers: a law P_0 in one or two dimensions, known exactly at every noise level.

The forward process takes ``x_0 ~ P_0`` to ``x = f x_0 + √Ξ η`` with η ~ N(0, 1) (arXiv:2410.21212, section 2), so
the law at any time of any schedule is fixed by the two numbers f and Ξ; every method below takes them as ``f`` and
``xi``, and the law itself is ``f = 1, xi = 0``. Tensors are float64 of shape (n, dim).
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import torch

from core.noise import Noise

Tensor = torch.Tensor

OUTSIDE = 1e-6
"""Probability that ``window`` leaves out along each axis, half of it on either side."""


class Target(ABC):
    """A law P_0(x) of one or two real variables; subclasses are frozen dataclasses."""

    dim: int
    """Number of variables, 1 or 2."""
    name: str
    """Name of the target in menus and on the command line."""

    @property
    def event(self) -> tuple[int, ...]:
        """Shape of one configuration, ``(dim,)``."""
        return (self.dim,)

    @abstractmethod
    def sample(self, n: int, noise: Noise) -> Tensor:
        """n independent draws from P_0, shape (n, dim); draw i depends on ``noise`` and i alone."""

    @abstractmethod
    def log_prob(self, x: Tensor, f: float = 1.0, xi: float = 0.0) -> Tensor:
        """Logarithm of the normalised density of ``f x_0 + √Ξ η`` at x, shape (n,)."""

    @abstractmethod
    def score(self, x: Tensor, f: float = 1.0, xi: float = 0.0) -> Tensor:
        """∇_x log P(x) of the law of ``f x_0 + √Ξ η``, shape (n, dim)."""

    def action(self, x: Tensor) -> Tensor:
        """S(x) = -log P_0(x) up to a constant, shape (n,)."""
        return -self.log_prob(x)

    def force(self, x: Tensor) -> Tensor:
        """K(x) = -∂S/∂x = ∇ log P_0(x), shape (n, dim)."""
        return self.score(x)

    @property
    @abstractmethod
    def mean(self) -> np.ndarray:
        """⟨x_0⟩, shape (dim,)."""

    @property
    @abstractmethod
    def covariance(self) -> np.ndarray:
        """Covariance matrix of x_0, shape (dim, dim)."""

    @abstractmethod
    def window(self, f: float = 1.0, xi: float = 0.0) -> np.ndarray:
        """Interval along each axis that holds all but about OUTSIDE of the probability, shape (dim, 2)."""

    @abstractmethod
    def latex(self) -> str:
        """The law, or its action, with its present numbers."""

    def moments(self, order: int = 8) -> np.ndarray:
        """⟨x_0^n⟩ for n = 0 … order. Raises ValueError for a target in two dimensions."""
        raise ValueError(f"moments are defined for targets in one dimension, {self.name} has {self.dim}")

    def cumulants(self, order: int = 8) -> np.ndarray:
        """κ_n of P_0 at index n = 0 … order (κ_0 = 0). Raises ValueError for a target in two dimensions."""
        raise ValueError(f"cumulants are defined for targets in one dimension, {self.name} has {self.dim}")

    def log_generating(self, J: np.ndarray, f: float = 1.0, xi: float = 0.0) -> np.ndarray:
        """W[J] = log ⟨exp(J x)⟩ = ½ J² Ξ + log ⟨exp(J f x_0)⟩, of the shape of J.

        Raises ValueError for a target in two dimensions.
        """
        raise ValueError(f"W[J] is defined for targets in one dimension, {self.name} has {self.dim}")


def check_level(f: float, xi: float) -> None:
    """Raise ValueError unless f > 0 and Ξ >= 0 are finite, as every schedule gives them."""
    if not (0 < f < np.inf):
        raise ValueError(f"f must be positive and finite, got {f}")
    if not (0 <= xi < np.inf):
        raise ValueError(f"xi must be finite and not negative, got {xi}")


def cumulants_of_central_moments(mean: float, central: np.ndarray) -> np.ndarray:
    """Cumulants of a law from its mean and its moments about the mean, both exact; index n is κ_n, κ_0 = 0.

    The recursion ``κ_n = m_n - Σ_{j=1}^{n-1} C(n-1, j-1) κ_j m_{n-j}`` is run about the mean: all orders but the
    first are the same there, and nothing cancels when the mean is large against the width.
    """
    kappa = np.zeros(len(central))
    for n in range(2, len(central)):
        binomial = 1.0  # C(n-1, j-1)
        kappa[n] = central[n]
        for j in range(1, n):
            kappa[n] -= binomial * kappa[j] * central[n - j]
            binomial *= (n - j) / j
    if len(kappa) > 1:
        kappa[1] = mean
    return kappa
