"""Lattice configurations out of noise, in chunks on all cores or on a GPU, without a record of the way.

The backward process starts from its prior at the schedule's end. Its times lie on a grid down to the level ``lowest``,
the last at which the score is asked; an exponential solver takes its last step from there to t = 0, which is exact for
the Gaussian part, so that no noise of that level is left on the sites. The other solvers end at ``lowest``.

The default, 30 steps of the third-order exponential solver on the ``log-sigma`` grid, was chosen by
``tests/benchmarks/test_field_steps.py``: near the critical point of φ⁴ it stays within a quarter of the statistical
error of 10⁴ configurations for ⟨φ²⟩, action density and |M|, where second order on the ``karras`` grid is off by up to
one and a half.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

import numpy as np
import torch

from core.contracts import ScoreModel, Tensor, score_at
from core.devices import cores, pick_device
from core.diffusion.exponential import FIELD_SOLVERS
from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.field_noise import noise_range
from core.diffusion.field_score import SITES_AT_ONCE
from core.diffusion.grids import time_grid
from core.jobs import Token, map_chunks, one_thread
from core.noise import Noise
from core.schedule import Schedule

SOLVER, GRID, STEPS = "exponential", "log-sigma", 30
"""What a lattice field is made with unless told otherwise."""
EXACT_TO_ZERO = ("exponential", "exponential-sde")
"""Solvers that know the law of the data's Gaussian part at t = 0, and so end there."""
CHUNK = 2**16
"""Sites that one work item carries on the CPU: 64 configurations of 32², whose activations fit the caches."""
DEVICE_CHUNK = 2**21
"""The same on a GPU."""

Report = Callable[[int, int], None]
"""``progress(done, total)`` in configurations; called from one thread at a time."""


def baseline_of(score: ScoreModel) -> FieldGaussianScore:
    """The Gaussian field that belongs to a score: prior, and what the exponential solvers take as known.

    That is ``score.gaussian``, and a Gaussian score is its own. Raises ValueError for a score without one.
    """
    gaussian = score if isinstance(score, FieldGaussianScore) else getattr(score, "gaussian", None)
    if not isinstance(gaussian, FieldGaussianScore):
        raise ValueError(
            f"the score must be a FieldGaussianScore or bring one as its `gaussian`, got {type(score).__name__}"
        )
    return gaussian


def backward_times(
    gaussian: FieldGaussianScore,
    schedule: Schedule,
    *,
    solver: str = SOLVER,
    grid: str = GRID,
    steps: int = STEPS,
    lowest: float | None = None,
) -> np.ndarray:
    """``steps + 1`` falling times of the backward process, see the module.

    ``lowest`` is a noise level σ̃, by default ``noise_range(gaussian).low``. Where the schedule reaches it only past
    the middle of its time, the middle takes its place. Raises ValueError for an unknown solver or grid, fewer than two
    steps, or a level that is not positive.
    """
    if solver not in FIELD_SOLVERS:
        raise ValueError(f"solver must be one of {', '.join(FIELD_SOLVERS)}, got {solver!r}")
    if steps < 2:
        raise ValueError(f"steps must be at least 2, got {steps}")
    low = noise_range(gaussian).low if lowest is None else lowest
    if not (math.isfinite(low) and low > 0):
        raise ValueError(f"lowest must be a positive noise level, got {low}")
    end = min(float(schedule.t_of_sigma(low)), 0.5 * schedule.t_max)
    scale = math.sqrt(float(gaussian.connected.mean()))  # of a site's fluctuation around ±m
    if solver not in EXACT_TO_ZERO:
        return time_grid(schedule, steps, grid, end, scale)
    return np.append(time_grid(schedule, steps - 1, grid, end, scale), 0.0)


def generate_fields(
    score: ScoreModel,
    schedule: Schedule,
    n: int,
    *,
    solver: str = SOLVER,
    grid: str = GRID,
    steps: int = STEPS,
    prior: str = "matched",
    noise: Noise,
    lowest: float | None = None,
    device: str = "cpu",
    token: Token | None = None,
    progress: Report | None = None,
) -> Tensor:
    """``n`` configurations (n, *event), float32 on the CPU, by the backward process with this score.

    ``score`` is a FieldGaussianScore, or brings one as its ``gaussian``. Configuration i depends on ``noise`` and i
    alone. Raises ValueError for arguments out of range, FloatingPointError when the process diverges,
    Cancelled once ``token`` is.
    """
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}")
    gaussian, where = baseline_of(score), pick_device(device)
    times = backward_times(gaussian, schedule, solver=solver, grid=grid, steps=steps, lowest=lowest)
    start, integrate, at = _levels(schedule, times[0]), FIELD_SOLVERS[solver](gaussian), score_at(score, schedule)
    lock, done = threading.Lock(), 0

    def look(step: int, t: float, x: Tensor) -> None:
        if token is not None:
            token.check()

    def work(first: int, count: int) -> Tensor:
        nonlocal done
        own = noise.starting_at(first)
        x = gaussian.draw_prior(count, *start, own, kind=prior).to(where)
        x = integrate(x, at, schedule, times, own, look).cpu()
        with lock:
            done += count
            if progress is not None:
                progress(done, n)
        return x

    sites = math.prod(gaussian.event)
    if where.type != "cpu":
        size = max(1, DEVICE_CHUNK // sites)
        return torch.cat([work(first, min(size, n - first)) for first in range(0, n, size)])
    with one_thread():
        return torch.cat(map_chunks(work, n, chunk_size(n, sites), token))


def chunk_size(n: int, sites: int) -> int:
    """Configurations in a work item on the CPU: CHUNK sites, or fewer where all cores would not have one.

    A multiple of what a network takes at once, so that a configuration is in the same place there, and comes out the
    same to the last bit, however many cores there are.
    """
    block = max(1, SITES_AT_ONCE // sites)
    return block * max(1, min(CHUNK // sites // block, -(-n // (cores() * block))))


def _levels(schedule: Schedule, t: float) -> tuple[float, float]:
    return float(schedule.f(t)), float(schedule.xi(t))
