"""Stochastic quantisation and diffusion side by side: the same theory, as many fields, what both cost on one clock.

    stochastic quantisation   φ ← φ + ε K + √(2ε) η,   K = ∇log P = -∂S/∂φ        one long run, a drift fixed in time
    diffusion                 backward process,        s = ∇log P_t               many short runs, a drift that changes

(arXiv:2309.17082, sections 2 and 3.) Both are driven by the gradient of a logarithm of a density: of the one that is
wanted, or of the one that it has become after the time t of the forward process. The Langevin chains begin hot, at
independent N(0, 1) sites, thermalise and go on, each configuration depending on those before; every run of the
diffusion process begins from noise of its own, so what it makes is independent of all others.

The clock counts evaluations of the drift for each field, or the seconds of computing for all of them. Chain and path i
are the same however many there are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch

from core.contracts import ScoreModel, Tensor
from core.diffusion.diffusion_track import Diffusion
from core.diffusion.field_generate import GRID, SOLVER, STEPS, baseline_of
from core.diffusion.langevin_track import FIRST_RECORDS, quantisation
from core.diffusion.side_by_side_tracks import LEAST, SideBySide, columns_of, reference_of
from core.jobs import Token
from core.noise import Noise
from core.schedule import Schedule
from core.theories.phi4 import Phi4


def side_by_side(theory: Phi4, score: ScoreModel, schedule: Schedule, data: Tensor, **options: Any) -> SideBySide:
    """Both in full, the last of ``side_by_side_stages``, with its options and errors."""
    *_, last = side_by_side_stages(theory, score, schedule, data, **options)
    return last


def side_by_side_stages(
    theory: Phi4,
    score: ScoreModel,
    schedule: Schedule,
    data: Tensor,
    *,
    n: int = 256,
    epsilon: float = 0.02,
    duration: int = 2000,
    runs: int = 4,
    solver: str = SOLVER,
    grid: str = GRID,
    steps: int = STEPS,
    prior: str = "matched",
    seed: int = 0,
    shown: int = 1,
    token: Token | None = None,
) -> Iterator[SideBySide]:
    """``n`` Langevin chains for ``duration`` steps ε of Parisi–Wu time, and ``runs`` times n fields out of noise.

    Yields what there is after every run.

    ``data`` are independent configurations (N, *event) for the reference, or Markov chains (chains, draws, *event),
    whose correlations then count in its errors. ``score`` is a FieldGaussianScore, or brings one as its ``gaussian``;
    ``solver``, ``grid``, ``steps`` and ``prior`` are those of ``generate_fields``. The first ``shown`` fields are kept.
    Raises ValueError for arguments out of range, FloatingPointError where ε is too large or
    the backward process diverges, Cancelled once ``token`` is.
    """
    gaussian = baseline_of(score)
    for name, value, least in (("n", n, LEAST), ("duration", duration, 2 * FIRST_RECORDS), ("runs", runs, 1)):
        if value < least:
            raise ValueError(f"{name} must be at least {least}, got {value}")
    if not 1 <= shown <= n:
        raise ValueError(f"shown must be from 1 to n = {n}, got {shown}")
    for what, event in (("score", gaussian.event), ("data", tuple(data.shape[-theory.d :]))):
        if event != theory.event:
            raise ValueError(f"the theory lives on a lattice of {theory.event}, the {what} on {event}")
    chained = data if data.ndim == theory.d + 2 else data[:, None]
    if chained.shape[0] * chained.shape[1] < LEAST:
        raise ValueError(f"data must hold at least {LEAST} configurations, got {chained.shape[0] * chained.shape[1]}")
    noise = Noise(seed).of("side by side")
    columns = columns_of(theory)
    flat = chained.flatten(0, 1)
    measured = torch.stack([column(flat) for column in columns.values()], dim=-1).numpy()
    reference = reference_of(measured[:, :4].reshape(*chained.shape[:2], 4))
    chains = quantisation(theory, columns, n, epsilon, duration, shown, noise.of("langevin"), token)
    process = Diffusion(columns, score, gaussian, schedule, solver, grid, steps, prior)
    drift, of_runs = math.sqrt(measured[:, 4].mean()), noise.of("diffusion")
    for k in range(runs):
        process.take(n, shown, of_runs.of(f"run {k}"), token)
        yield SideBySide(theory, n, chains, process.record(), reference, drift)
