"""What a network says of the magnetisation, set right by what the data say.

The law of M alone decides what a denoiser must say of it on average: with M̃ = M + σ̃ η/√V,

    E[D_0 | M̃] = E[M | M̃] = ∫ dM M P(M) e^{-V(M-M̃)²/2σ̃²} / ∫ dM P(M) e^{-V(M-M̃)²/2σ̃²},

D_0 the mean of D over the lattice. Near the critical point a network that loses no more than a hundredth of a nat
there, which is nothing beside what all modes together cost, can still be wrong by a third in χ. So after training the
difference of both sides, odd in M̃, is fitted level by level,

    δ(M̃, σ̃) = c_0 r + Σ_w (c_w u + c'_w u³) e^{-u²/2},      u = r/w,  r = M̃/√(⟨M²⟩ + σ̃²/V),

and added to D as a constant field.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from core.contracts import Tensor
from core.diffusion.field_baseline import Baseline
from core.diffusion.field_gaussian import FieldGaussianScore
from core.jobs import Token
from core.noise import Noise

if TYPE_CHECKING:
    from core.diffusion.field_model import FieldModel

WIDTHS = (0.25, 0.5, 1.0)
"""The w of δ."""
TERMS = 1 + 2 * len(WIDTHS)
LEVELS = 24
"""Levels σ̃ of the table, from ``LOWEST`` times the spread √(V⟨M²⟩) of the zero mode to the last of the training."""
LOWEST = 0.02
BINS = 400
FEWEST = 256
"""Dissolved fields at each level that δ is fitted to, at least."""
FIELDS = 65_536
"""Configurations that are dissolved, at most."""
MEASURED = 32
"""P(M) is taken from so many times more configurations than δ is fitted to: what it is off by is off at every level."""


@dataclass(frozen=True, eq=False)
class MagnetisationTable:
    """c of δ, ``coefficients`` (levels, TERMS), at ``levels`` σ̃ (levels,) that rise. Linear in log σ̃ between them."""

    levels: np.ndarray
    coefficients: np.ndarray

    def at(self, sigma: float) -> np.ndarray:
        """c (TERMS,) at this level; zeros outside the table."""
        if not self.levels[0] <= sigma <= self.levels[-1] * (1 + 1e-9):
            return np.zeros(TERMS)
        log = np.log(self.levels)
        return np.array([np.interp(math.log(sigma), log, column) for column in self.coefficients.T])

    def change(self, magnetisation: Tensor, sigma: float, gaussian: FieldGaussianScore) -> Tensor:
        """δ at M̃ (n,), float64."""
        c = torch.from_numpy(self.at(sigma))
        return (_terms(magnetisation.double() / _scale(gaussian, sigma)) * c.to(magnetisation.device)).sum(-1)

    def slope(self, magnetisation: Tensor, sigma: float, gaussian: FieldGaussianScore) -> Tensor:
        """∂δ/∂M̃ at M̃ (n,), float64."""
        scale = _scale(gaussian, sigma)
        r, c = magnetisation.double() / scale, torch.from_numpy(self.at(sigma)).to(magnetisation.device)
        terms = [torch.ones_like(r)]
        for w in WIDTHS:
            u2 = (r / w) ** 2
            e = torch.exp(-u2 / 2) / w
            terms += [(1 - u2) * e, (3 - u2) * u2 * e]
        return (torch.stack(terms, -1) * c).sum(-1) / scale


def mixed(tables: list[MagnetisationTable], weights: list[float], gaussian: FieldGaussianScore) -> MagnetisationTable:
    """The weighted mean of tables, level by level in units of the zero mode's spread, for ``gaussian``."""
    levels = _levels(gaussian, max(float(t.levels[-1]) for t in tables))
    place = np.linspace(0, 1, LEVELS)
    total = sum(w * _resampled(t, place) for t, w in zip(tables, weights, strict=True))
    return MagnetisationTable(levels, np.asarray(total))


def fitted(
    model: FieldModel, baseline: Baseline, fields: Tensor, magnetisations: np.ndarray, configs: int, noise: Noise,
    token: Token | None = None,
) -> MagnetisationTable:  # fmt: skip
    """The table for one baseline of ``model``: δ from ``fields`` (n, *event), P(M) from ``magnetisations`` (m,).

    Raises Cancelled once ``token`` is.
    """
    from core.diffusion.field_score import FieldScore

    score, gaussian = FieldScore(model, baseline), baseline.gaussian
    volume = gaussian.connected.size
    levels = _levels(gaussian, score.highest)
    law = _law(magnetisations)
    rows = np.empty((len(levels), TERMS))
    for i, sigma in enumerate(levels):
        if token is not None:
            token.check()
        own = noise.of(f"level {i}")
        which = (own.uniform(0, (configs, 1))[:, 0] * len(fields)).long()
        x = fields[which].float() + sigma * own.normal(1, (configs, *gaussian.event), torch.float32)
        seen = x.double().flatten(1).mean(1).numpy()
        said = score.denoise(x, float(sigma)).double().flatten(1).mean(1).numpy()
        terms = _terms(torch.from_numpy(seen / _scale(gaussian, sigma))).numpy()
        rows[i] = np.linalg.lstsq(terms, posterior_mean(law, seen, sigma / math.sqrt(volume)) - said, rcond=1e-4)[0]
    return MagnetisationTable(levels, rows)


def posterior_mean(law: tuple[np.ndarray, np.ndarray], seen: np.ndarray, width: float) -> np.ndarray:
    """E[M | M̃] for M̃ (n,) = M + ``width`` η, M with the weights law[1] at the values law[0]."""
    values, weights = law
    exponent = -((seen[:, None] - values) ** 2) / (2 * width**2)
    w = weights * np.exp(exponent - exponent.max(axis=1, keepdims=True))
    return (w @ values) / w.sum(axis=1)


def _law(magnetisations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """P(M), even: the mean of |M| in each bin that is not empty, with both signs, and the weights."""
    size = np.abs(magnetisations)
    place = np.minimum((size / size.max() * BINS).astype(int), BINS - 1)
    count = np.bincount(place, minlength=BINS)
    mean = np.bincount(place, size, minlength=BINS)[count > 0] / count[count > 0]
    return np.concatenate([-mean[::-1], mean]), np.concatenate([count[count > 0][::-1], count[count > 0]]) / 2.0


def _terms(r: Tensor) -> Tensor:
    terms = [r]
    for w in WIDTHS:
        u = r / w
        e = torch.exp(-(u**2) / 2)
        terms += [u * e, u**3 * e]
    return torch.stack(terms, -1)


def _scale(gaussian: FieldGaussianScore, sigma: float) -> float:
    """√(⟨M²⟩ + σ̃²/V)."""
    return math.sqrt((float(gaussian.full.flat[0]) + sigma**2) / gaussian.connected.size)


def _levels(gaussian: FieldGaussianScore, highest: float) -> np.ndarray:
    lowest = min(LOWEST * math.sqrt(float(gaussian.full.flat[0])), highest / 2)
    return np.geomspace(lowest, highest, LEVELS)


def _resampled(table: MagnetisationTable, place: np.ndarray) -> np.ndarray:
    old = np.linspace(0, 1, len(table.levels))
    return np.stack([np.interp(place, old, column) for column in table.coefficients.T], axis=1)
