"""What is kept of every configuration of an ensemble: some numbers, so that the fields themselves need not be.

Fourier transform φ_p = Σ_x e^{-ipx} φ_x and power S(p) = |φ_p|²/V, so that ⟨S(p)⟩ = G(p) = Σ_r e^{-ipr} ⟨φ_0 φ_r⟩.
Everything is accumulated in float64.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.fft

from core.jobs import Token, map_chunks
from core.statistics.walls import holds_walls, smoothing
from core.theories.phi4 import Phi4

CHUNK = 2**16
"""Sites that one work item carries."""


class Configurations(NamedTuple):
    """Numbers of each configuration; the leading axes are those of the ensemble, (chains, draws) or (n,).

    "Along the axes" means the average over the lattice's longest axes, at r = 0 … L/2 or p = 2πk/L, k = 0 … L/2.
    """

    m: np.ndarray
    """M = V⁻¹ Σ φ."""
    phi2: np.ndarray
    """V⁻¹ Σ φ²; likewise ``phi4``, ``phi6`` and ``phi8``."""
    phi4: np.ndarray
    phi6: np.ndarray
    phi8: np.ndarray
    link: np.ndarray
    """V⁻¹ Σ_x Σ_μ φ_x φ_{x+μ}."""
    walls: np.ndarray
    """Whether it holds a domain wall that equilibrium would not have (``core.statistics.walls``), as 0 or 1."""
    spectrum: np.ndarray
    """S(p) for p along the axes, (…, L/2 + 1)."""
    two_point: np.ndarray
    """V⁻¹ Σ_x φ_x φ_{x+r} for r along the axes, (…, L/2 + 1)."""
    four_point: np.ndarray
    """V⁻¹ Σ_x φ_x² φ_{x+r}² for r along the axes, (…, L/2 + 1)."""
    power: np.ndarray
    """S(p) summed over the configurations, shape ``event``: no leading axes."""


def measure_configurations(theory: Phi4, fields: np.ndarray, token: Token | None = None) -> Configurations:
    """The numbers of ``fields`` (…, *event), on the shared pool, in float64.

    Raises ValueError for fields of another lattice or with numbers that are not finite, Cancelled once ``token`` is.
    """
    fields = np.asarray(fields)
    if fields.shape[fields.ndim - theory.d :] != theory.event or fields.size == 0:
        raise ValueError(f"fields must have the lattice's shape {theory.event} on their last axes, got {fields.shape}")
    leading = fields.shape[: fields.ndim - theory.d]
    rows = fields.reshape(-1, *theory.event)
    size = max(1, CHUNK // theory.volume)
    parts = map_chunks(lambda first, n: _measure(theory, rows[first : first + n]), len(rows), size, token)
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in Configurations._fields[:-1]}
    shaped = {name: column.reshape(*leading, *column.shape[1:]) for name, column in columns.items()}
    return Configurations(**shaped, power=np.sum([part.power for part in parts], axis=0))


def _measure(theory: Phi4, fields: np.ndarray) -> Configurations:
    x = fields.astype(np.float64)
    if not np.all(np.isfinite(x)):
        raise ValueError("fields must be finite, got nan or inf in a configuration")
    volume = theory.volume
    transform = _transform(x)
    power = np.abs(transform) ** 2 / volume
    correlation = _back(power, theory)
    squares = x * x
    correlation_of_squares = _back(np.abs(_transform(squares)) ** 2 / volume, theory)
    smooth = _back(transform * smoothing(theory.event), theory)
    flat = squares.reshape(len(x), -1)
    fourth = flat * flat
    return Configurations(
        m=x.reshape(len(x), -1).mean(axis=1),
        phi2=flat.mean(axis=1),
        phi4=fourth.mean(axis=1),
        phi6=np.einsum("ij,ij->i", flat, fourth) / volume,
        phi8=np.einsum("ij,ij->i", fourth, fourth) / volume,
        link=np.sum([_along(correlation, mu)[:, 1] for mu in range(theory.d)], axis=0),
        walls=holds_walls(theory, smooth).astype(np.float64),
        spectrum=_along_longest(power, theory),
        two_point=_along_longest(correlation, theory),
        four_point=_along_longest(correlation_of_squares, theory),
        power=_whole(power.sum(axis=0), theory),
    )


def _transform(x: np.ndarray) -> np.ndarray:
    return np.asarray(scipy.fft.rfftn(x, axes=tuple(range(1, x.ndim))))


def _back(x: np.ndarray, theory: Phi4) -> np.ndarray:
    return np.asarray(scipy.fft.irfftn(x, s=theory.event, axes=tuple(range(1, x.ndim))))


def _along(values: np.ndarray, axis: int) -> np.ndarray:
    """(n, extent): the values on one axis of the lattice, the other coordinates being 0."""
    return values[(slice(None), *(slice(None) if mu == axis else 0 for mu in range(values.ndim - 1)))]


def _along_longest(values: np.ndarray, theory: Phi4) -> np.ndarray:
    longest = max(theory.event)
    chosen = [mu for mu in range(theory.d) if theory.event[mu] == longest]
    return np.mean([_along(values, mu)[:, : longest // 2 + 1] for mu in chosen], axis=0)


def _whole(half: np.ndarray, theory: Phi4) -> np.ndarray:
    """All momenta from those of a real transform, by S(-p) = S(p)."""
    last = theory.event[-1]
    whole = np.empty(theory.event)
    whole[..., : half.shape[-1]] = half
    rest = np.arange(half.shape[-1], last)
    mirrored = half[..., last - rest]
    for axis, extent in enumerate(theory.event[:-1]):
        mirrored = np.take(mirrored, -np.arange(extent) % extent, axis=axis)
    whole[..., rest] = mirrored
    return whole
