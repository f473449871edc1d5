"""Fourier acceleration: every mode of a lattice field moves at its own pace.

    𝒦(p) = c / (p̂² + M²),      p̂² = Σ_μ 4 sin²(p_μ/2),      c such that 𝒦 averaged over all momenta is 1

(Batrouni, Katz, Kronfeld, Lepage, Svetitsky and Wilson, Phys. Rev. D 32 (1985) 2736.) With M² near the squared mass of
the theory all modes relax at the same rate, where without it the long ones are slower by (p̂²_max + M²)/M². 𝒦 is real,
even and positive, so it is a symmetric positive matrix on the fields and leaves the stationary law alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from scipy.optimize import brentq

from core.theories.phi4 import Phi4

Tensor = torch.Tensor


@dataclass(frozen=True)
class FourierKernel:
    """𝒦 for the lattice of ``theory``, with squared mass M² = ``mass2`` in lattice units.

    Without ``mass2`` it is that of the theory in the Gaussian approximation, so 𝒦 is ``gaussian_propagator`` up to a
    factor; at κ = 0, where all modes are alike, 𝒦 = 1. Raises ValueError for a mass2 that is
    not positive and finite.
    """

    theory: Any
    mass2: float | None = None

    def __post_init__(self) -> None:
        if self.mass2 is not None and not 0 < self.mass2 < math.inf:
            raise ValueError(f"mass2 of the Fourier kernel must be a positive finite number, got {self.mass2}")

    @cached_property
    def spectrum(self) -> np.ndarray:
        """𝒦(p) on the lattice of momenta, shape ``event``, in the order of ``numpy.fft``."""
        if self.mass2 is None:
            spectrum = gaussian_propagator(self.theory)
        else:
            spectrum = 1 / (lattice_momenta(self.theory.event) + self.mass2)
        return spectrum / spectrum.mean()

    def apply(self, v: Tensor) -> Tensor:
        """𝒦 v of fields (chains, *event)."""
        return self._times(v, 1.0)

    def sqrt(self, v: Tensor) -> Tensor:
        """√𝒦 v: turns N(0, 1) sites into N(0, 𝒦)."""
        return self._times(v, 0.5)

    def inverse(self, v: Tensor) -> Tensor:
        """𝒦⁻¹ v."""
        return self._times(v, -1.0)

    def inverse_sqrt(self, v: Tensor) -> Tensor:
        """𝒦^(-½) v: turns N(0, 1) sites into N(0, 𝒦⁻¹)."""
        return self._times(v, -0.5)

    def _times(self, v: Tensor, power: float) -> Tensor:
        axes = tuple(range(1, v.ndim))
        return torch.fft.irfftn(torch.fft.rfftn(v, dim=axes) * self._half(power, v), s=v.shape[1:], dim=axes)

    def _half(self, power: float, v: Tensor) -> Tensor:
        """𝒦^power on the half of the momenta that a real transform keeps."""
        key = (power, v.dtype, v.device)
        if key not in self._halves:
            half = self.spectrum[..., : v.shape[-1] // 2 + 1] ** power
            self._halves[key] = torch.from_numpy(half).to(v.device, v.dtype)
        return self._halves[key]

    @cached_property
    def _halves(self) -> dict[tuple[float, torch.dtype, torch.device], Tensor]:
        return {}


def lattice_momenta(event: tuple[int, ...]) -> np.ndarray:
    """p̂² = Σ_μ 4 sin²(p_μ/2) for p_μ = 2π n_μ/L_μ, shape ``event``."""
    single = [4 * np.sin(np.pi * np.arange(n) / n) ** 2 for n in event]
    return np.sum(np.meshgrid(*single, indexing="ij"), axis=0)


def gaussian_propagator(theory: Phi4) -> np.ndarray:
    """⟨|φ_p|²⟩_connected/V = 1/(2κ p̂² + a) in the Gaussian (Hartree) approximation, shape ``event``.

    With ``a_0 = 2(1-2λ) - 4dκ`` and ``D = ⟨1/(2κ p̂² + a)⟩_p`` the gap equation on the finite lattice is
    ``a = a_0 + 12λ D``. Where ``a_0 + 12λ D'`` is negative, D' without p = 0, the zero mode condenses, and the
    curvature around the condensate, ``-2 (a_0 + 12λ D')``, takes the place of a. Exact for the free field.
    """
    bare = 2 * (1 - 2 * theory.lam) - 4 * theory.d * theory.kappa
    kinetic = 2 * theory.kappa * lattice_momenta(theory.event)

    def excess(log_a: float) -> float:
        a = math.exp(log_a)
        return a - bare - 12 * theory.lam * float(np.mean(1 / (kinetic + a)))

    above = 2 + abs(bare) + 12 * theory.lam
    root: Any = brentq(excess, -200.0, math.log(above), xtol=1e-14)
    a = math.exp(root)
    condensing = bare + 12 * theory.lam * float(np.sum(1 / (kinetic.ravel()[1:] + a))) / theory.volume
    return 1 / (kinetic + max(a, -2 * condensing))
