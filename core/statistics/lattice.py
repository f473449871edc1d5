"""Observables of a scalar field on a lattice: one number a configuration, and ensemble averages with errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from core.statistics.jackknife import Estimate, jackknife

Tensor = torch.Tensor


def magnetisation(x: Tensor) -> Tensor:
    """M = V⁻¹ Σ φ of each configuration (n, *event), float64."""
    return x.double().flatten(1).mean(1)


def abs_magnetisation(x: Tensor) -> Tensor:
    """|M| of each configuration, float64."""
    return magnetisation(x).abs()


def phi_squared(x: Tensor) -> Tensor:
    """V⁻¹ Σ φ² of each configuration, float64."""
    return x.double().square().flatten(1).mean(1)


def action_density(theory: Any) -> Callable[[Tensor], Tensor]:
    """S/V of each configuration under ``theory``, float64."""
    return lambda x: theory.action(x) / theory.volume


def susceptibility(m: np.ndarray, volume: int) -> Estimate:
    """χ = V(⟨M²⟩ - ⟨|M|⟩²) with its error, from the magnetisations ``m`` (n,) of independent configurations."""
    return _of_magnetisation(m, lambda mean: volume * (mean[..., 1] - mean[..., 0] ** 2))


def binder(m: np.ndarray) -> Estimate:
    """U_L = 1 - ⟨M⁴⟩/(3⟨M²⟩²) with its error, from the magnetisations ``m`` (n,) of independent configurations."""
    return _of_magnetisation(m, lambda mean: 1 - mean[..., 2] / (3 * mean[..., 1] ** 2))


def _of_magnetisation(m: np.ndarray, function: Callable[[np.ndarray], np.ndarray], blocks: int = 64) -> Estimate:
    """A function of the means (⟨|M|⟩, ⟨M²⟩, ⟨M⁴⟩), with the jackknife error of contiguous blocks."""
    m = np.asarray(m, dtype=float)
    if m.ndim != 1 or len(m) < 2:
        raise ValueError(f"an error needs the magnetisations of at least two configurations, got shape {m.shape}")
    powers = np.stack([np.abs(m), m**2, m**4, np.ones(len(m))], axis=1)
    sums = np.stack([part.sum(0) for part in np.array_split(powers, min(blocks, len(m)))])
    return jackknife(lambda s: function(s[..., :3] / s[..., 3:]), sums, sums[:, 3]).estimate
