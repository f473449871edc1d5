"""Observables of a scalar field on a lattice: one number a configuration, and ensemble averages with errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

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


def susceptibility(m: np.ndarray, volume: int) -> tuple[float, float]:
    """χ = V(⟨M²⟩ - ⟨|M|⟩²) and its error, from the magnetisations ``m`` of independent configurations."""
    return jackknife(lambda a: volume * (np.mean(a**2, -1) - np.mean(np.abs(a), -1) ** 2), m)


def binder(m: np.ndarray) -> tuple[float, float]:
    """U_L = 1 - ⟨M⁴⟩/(3⟨M²⟩²) and its error, from the magnetisations ``m`` of independent configurations."""
    return jackknife(lambda a: 1 - np.mean(a**4, -1) / (3 * np.mean(a**2, -1) ** 2), m)


def jackknife(estimator: Callable[[np.ndarray], Any], values: np.ndarray, blocks: int = 64) -> tuple[float, float]:
    """``estimator`` (means along the last axis) of independent ``values`` (n,), with its delete-one-block error.

    Neighbouring values share a block; up to ``blocks`` of them. Raises ValueError for fewer than two values.
    """
    values = np.asarray(values, dtype=float)
    if len(values) < 2:
        raise ValueError(f"an error needs at least two configurations, got {len(values)}")
    parts = np.array_split(np.arange(len(values)), min(blocks, len(values)))
    replicas = np.array([estimator(np.delete(values, part)) for part in parts])
    count = len(parts)
    error = np.sqrt((count - 1) / count * np.sum((replicas - replicas.mean()) ** 2))
    return float(estimator(values)), float(error)
