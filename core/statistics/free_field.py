"""Correlation functions of a free field on a periodic square lattice, to compare measured ones with.

    D(p) = Z / (p̂² + m²),   p̂² = Σ_μ 2 (1 - cos p_μ)

The φ⁴ action of arXiv:2309.17082, equation (44), at λ = 0 has Z = 1/(2κ) and m² = 1/κ - 4.
"""

from __future__ import annotations

import numpy as np


def free_correlators(length: int, mass2: float, strength: float) -> tuple[np.ndarray, np.ndarray]:
    """G(r) = ⟨φ_x φ_{x+r}⟩ along an axis and C(t) = Σ_y G(t, y) for r, t = 0 … length/2.

    ``mass2`` is m², ``strength`` is Z. Raises ValueError for a mass that is not positive.
    """
    if not mass2 > 0:
        raise ValueError(f"mass2 must be positive, got {mass2}")
    hat2 = 2 * (1 - np.cos(2 * np.pi * np.arange(length) / length))
    propagator = strength / (hat2[:, None] + hat2[None, :] + mass2)
    half = length // 2 + 1
    return np.fft.ifft(propagator.mean(1)).real[:half], np.fft.ifft(propagator[:, 0]).real[:half]


def free_mass(mass2: float) -> float:
    """The mass at which C(t) falls, 2 sinh(E/2) = m."""
    return float(2 * np.arcsinh(np.sqrt(mass2) / 2))


def second_moment(structure: np.ndarray, length: int) -> np.ndarray:
    """(m², Z) on the last axis, of the free propagator through the structure factor at p = 0 and p = 2π/length.

    ``structure`` (..., >= 2) is S(p) along an axis; where S(0) <= S(p) there is no such mass, and both are NaN.
    """
    zero, one = structure[..., 0], structure[..., 1]
    hat2 = 2 * (1 - np.cos(2 * np.pi / length))
    with np.errstate(divide="ignore", invalid="ignore"):
        mass2 = np.where(zero > one, hat2 * one / (zero - one), np.nan)
    return np.stack([mass2, zero * mass2], axis=-1)


def effective_mass(slices: np.ndarray) -> np.ndarray:
    """m_eff(t) = arcosh[(C(t-1) + C(t+1)) / (2 C(t))] for t = 1 … T/2 - 1 from C(t), t = 0 … T/2, on the last axis.

    Constant in t where C is a cosh; NaN where noise makes the quotient smaller than 1.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (slices[..., :-2] + slices[..., 2:]) / (2 * slices[..., 1:-1])
        return np.arccosh(np.where(ratio >= 1, ratio, np.nan))


def free_observables(propagator: np.ndarray) -> dict[str, float]:
    """What `core.statistics.measure` calls its observables, exactly, for a Gaussian field with this G_p.

    ``propagator`` (*event) is ⟨|φ_p|²⟩/V. The law of M is N(0, G_0/V), every cumulant of a site beyond κ_2 is 0, and
    ⟨S⟩/V = ½.
    """
    zero, phi2 = float(propagator.flat[0]), float(propagator.mean())
    return {
        "phi2": phi2,
        "abs_m": float(np.sqrt(2 * zero / (np.pi * propagator.size))),
        "chi": zero * (1 - 2 / np.pi),
        "binder": 0.0,
        "action": 0.5,
        **{f"kappa{n}": phi2 if n == 2 else 0.0 for n in (2, 4, 6, 8)},
    }
