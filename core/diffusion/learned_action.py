"""The action that a score implies: for one degree of freedom, as couplings of a lattice field, and as a map.

A score at noise level σ̃ is the force of an action, ``s(φ, σ̃) = -∂S_DM/∂φ`` (arXiv:2309.17082), which tends
to the theory's own as σ̃ → 0. Everything here is in the picture ``φ̃ = φ_0 + σ̃ η`` that all schedules share.

One degree of freedom: ``S_DM(φ) = -∫ s dφ``, up to a constant.

Fields: effective couplings are the least-squares fit of the score by a local force,

    s_x ≈ 2κ_eff Σ_nn φ - 2 a_eff φ_x - 4 λ_eff φ_x³   (- 6 λ6_eff φ_x⁵ + 2κ'_eff Σ_diagonal φ),

over measured fields dissolved to σ̃; for the theory's own force they are (κ, 1-2λ, λ). To fit the *exact* score no score
is needed: with the terms b_i(φ), integration by parts gives ``⟨b_i s⟩ = -⟨∂b_i/∂φ_x⟩``, so that both sides of the
normal equations are averages over the dissolved fields (implicit score matching, Hyvärinen, J. Mach. Learn. Res. 6
(2005) 695). The same fields serve for the score and for this, so that both can be compared with paired errors.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.polynomial.legendre import leggauss

from core.contracts import ScoreModel, Tensor, Theory
from core.jobs import Token, map_chunks, one_thread
from core.noise import Noise
from core.statistics.jackknife import Estimate, Jackknifed, jackknife
from core.theories.base import Target
from core.theories.phi4 import neighbours

COUPLINGS = ("kappa", "a", "lam")
EXTRA = ("lam6", "kappa_diagonal")
_BLOCKS = 64
_NODES, _WEIGHTS = leggauss(8)


class ActionCurve(NamedTuple):
    """``learned`` S_DM and ``exact`` S of the law at the level ``sigma``, at ``x``, all (points,).

    Both are 0 at the exact action's minimum over ``x``.
    """

    x: np.ndarray
    sigma: float
    learned: np.ndarray
    exact: np.ndarray


def action_curve(score: ScoreModel, target: Target, sigma: float, x: np.ndarray) -> ActionCurve:
    """S_DM = -∫ s dφ of any score model of one degree of freedom, beside the exact -log P at the noise level ``sigma``.

    ``x`` (points,) rises; between its points the score is integrated by Gauss–Legendre rules of eight points. Raises
    ValueError for a target in more than one dimension, or an x that does not rise.
    """
    x = np.asarray(x, dtype=float)
    if target.dim != 1:
        raise ValueError(f"the action of a score is an integral in one dimension, {target.name} has {target.dim}")
    if x.ndim != 1 or len(x) < 2 or np.any(np.diff(x) <= 0):
        raise ValueError(f"x must be at least two rising numbers, got {x}")
    half = np.diff(x) / 2
    points = (x[:-1] + half)[:, None] + half[:, None] * _NODES
    with torch.no_grad():
        s = score.score(torch.from_numpy(points.reshape(-1, 1)), 1.0, sigma**2).double().numpy().reshape(points.shape)
        exact = -target.log_prob(torch.from_numpy(x[:, None]), 1.0, sigma**2).double().numpy().ravel()
    learned = np.concatenate([[0.0], -np.cumsum(half * (s @ _WEIGHTS))])
    lowest = int(exact.argmin())
    return ActionCurve(x, sigma, learned - learned[lowest], exact - exact[lowest])


@dataclass(frozen=True, eq=False)
class EffectiveCouplings:
    """Couplings at noise levels ``sigma`` (levels,); every Estimate is (levels, couplings), in the order of ``names``.

    ``learned`` is the fit of the score, ``exact`` that of the exact score of the law that the fields come from,
    ``difference`` learned - exact with the error of the paired difference. ``residual`` (levels,) is the part of
    the score that no such local force describes, √(⟨(s - fit)²⟩/⟨s²⟩).
    """

    sigma: np.ndarray
    names: tuple[str, ...]
    learned: Estimate
    exact: Estimate
    difference: Estimate
    residual: np.ndarray

    def of(self, name: str) -> tuple[Estimate, Estimate]:
        """Learned and exact values (levels,) of one coupling."""
        k = self.names.index(name)
        a, b = self.learned, self.exact
        return Estimate(a.value[:, k], a.error[:, k]), Estimate(b.value[:, k], b.error[:, k])


def effective_couplings(
    score: ScoreModel,
    fields: Tensor,
    sigmas: Iterable[float],
    *,
    extra: Sequence[str] = (),
    seed: int = 0,
    token: Token | None = None,
) -> EffectiveCouplings:
    """The couplings κ, a and λ that the score implies at each noise level, and those of the exact score.

    ``fields`` (n, *event), extents of at least 3, are independent configurations of the theory (or of what else the
    score belongs to); they are dissolved to each of ``sigmas`` with the same normal deviates. ``extra`` adds terms of
    EXTRA: "lam6" for φ⁵, "kappa_diagonal" for the sum over the next-nearest neighbours, those on diagonals. Errors
    come from blocks of configurations. Raises ValueError for fewer than 16 fields, an extent of 2, an unknown term, or
    a level that is negative.
    """
    names = (*COUPLINGS, *extra)
    sigmas = np.asarray(list(sigmas), dtype=float)
    if len(fields) < 16:
        raise ValueError(f"fields must be at least 16 configurations, got {len(fields)}: errors come from blocks")
    if fields.ndim < 2 or min(fields.shape[1:]) < 3:
        raise ValueError(f"fields must have extents of at least 3, got the shape {tuple(fields.shape)}")
    if unknown := [name for name in extra if name not in EXTRA]:
        raise ValueError(f"extra terms must be among {', '.join(EXTRA)}, got {unknown[0]!r}")
    if len(sigmas) == 0 or np.any(~np.isfinite(sigmas)) or np.any(sigmas < 0):
        raise ValueError(f"sigmas must be noise levels of at least 0, got {sigmas}")
    noise, blocks = Noise(seed).of("couplings"), min(_BLOCKS, len(fields))
    edges = np.linspace(0, len(fields), blocks + 1).astype(int)

    def work(block: int, _: int) -> np.ndarray:
        if token is not None:
            token.check()
        x0 = fields[edges[block] : edges[block + 1]]
        eta = noise.starting_at(int(edges[block])).normal(0, tuple(x0.shape), x0.dtype)
        return np.stack([_normal_equations(score, x0 + float(s) * eta, float(s), names) for s in sigmas])

    with one_thread():
        sums = np.stack(map_chunks(work, blocks, 1, token))  # (blocks, levels, equations)
    found = jackknife(lambda s: _solved(s, len(names)), sums, sums[..., -1:])
    k = len(names)
    parts = [Jackknifed(found.value[..., i], found.deviations[..., i]) for i in (slice(0, k), slice(k, 2 * k))]
    difference = Jackknifed(parts[0].value - parts[1].value, parts[0].deviations - parts[1].deviations)
    return EffectiveCouplings(
        sigmas, names, parts[0].estimate, parts[1].estimate, difference.estimate, found.value[:, -1]
    )


class ForceMap(NamedTuple):
    """Score, force -∂S and their difference on the same fields (n, *event); ``rms`` of the difference, by site, and
    ``relative`` to the force's own."""

    score: Tensor
    force: Tensor
    difference: Tensor
    rms: float
    relative: float


def force_map(score: ScoreModel, theory: Theory, fields: Tensor, sigma: float = 0.0) -> ForceMap:
    """Where a score deviates from the theory's force: s(φ, σ̃) - (-∂S/∂φ) on given fields (n, *event).

    At σ̃ = 0, or far below the spread of a site, the exact score is the force. Raises ValueError for fields of another
    shape than the theory's.
    """
    if tuple(fields.shape[1:]) != tuple(theory.event):
        raise ValueError(f"fields must have the theory's shape {theory.event}, got {tuple(fields.shape[1:])}")
    with torch.no_grad():
        s, force = score.score(fields, 1.0, sigma**2), theory.force(fields)
    difference = s - force
    rms, whole = (float(a.double().square().mean().sqrt()) for a in (difference, force))
    return ForceMap(s, force, difference, rms, rms / whole)


def _terms(x: Tensor, name: str) -> tuple[Tensor, Tensor | float]:
    """A term b of the force and ∂b_x/∂φ_x, in float64."""
    if name == "kappa":
        return 2 * neighbours(x), 0.0
    if name == "a":
        return -2 * x, -2.0
    if name == "lam":
        return -4 * x**3, -12 * x**2
    if name == "lam6":
        return -6 * x**5, -30 * x**4
    return 2 * _diagonals(x), 0.0


def _diagonals(x: Tensor) -> Tensor:
    """Σ φ over the sites one step away in two directions each."""
    axes = range(1, x.ndim)
    pairs = [(mu, nu) for mu in axes for nu in axes if mu < nu]
    return torch.stack([x.roll((s, t), pair) for pair in pairs for s in (1, -1) for t in (1, -1)]).sum(0)


def _normal_equations(score: ScoreModel, x: Tensor, sigma: float, names: tuple[str, ...]) -> np.ndarray:
    """Σ over sites and configurations of b_i b_j, b_i s, -∂b_i, s², and the number of both: one flat array."""
    with torch.no_grad():
        s = score.score(x, 1.0, sigma**2).double().flatten()
    y = x.double()
    terms, slopes = zip(*(_terms(y, name) for name in names), strict=True)
    b = torch.stack([term.flatten() for term in terms])
    divergence = [-(slope.sum().item() if isinstance(slope, Tensor) else slope * y.numel()) for slope in slopes]
    right = [(b @ s).numpy(), np.array(divergence), [float(s @ s), y.numel()]]
    return np.concatenate([(b @ b.T).numpy().ravel(), *right])


def _solved(sums: np.ndarray, k: int) -> np.ndarray:
    """Couplings of the score (k), of the exact score (k) and the residual, (…, 2k + 1), from sums of equations."""
    sums = sums / sums[..., -1:]
    matrix = sums[..., : k * k].reshape(*sums.shape[:-1], k, k)
    learned, exact = (sums[..., k * k + i * k : k * k + (i + 1) * k] for i in (0, 1))
    solution = np.linalg.solve(matrix, np.stack([learned, exact], axis=-1))
    unexplained = sums[..., -2] - (solution[..., 0] * learned).sum(-1)
    residual = np.sqrt(np.maximum(unexplained, 0.0) / sums[..., -2])
    return np.concatenate([solution[..., 0], solution[..., 1], residual[..., None]], axis=-1)
