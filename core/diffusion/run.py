"""Whole runs of the forward and the backward process for toy targets: in chunks, on all cores, with frames kept.

Paths are integrated in chunks that stay in a core's cache. Path i is the same in any run of the same seed, whatever
the number of paths, chunks or threads, so a preview with few paths shows the first paths of the full run.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch

from core.contracts import ScoreFunction, ScoreModel, Tensor
from core.devices import cores, pick_device
from core.diffusion.backward import SOLVERS, euler_warning
from core.diffusion.forward import transition
from core.diffusion.grids import time_grid
from core.diffusion.prior import draw_prior, prior_warning
from core.diffusion.record import Frames, Record, Recorder
from core.jobs import Token, map_chunks, one_thread
from core.noise import Noise
from core.schedule import Schedule
from core.statistics.cumulants import PowerSums
from core.statistics.jackknife import Estimate
from core.theories.base import Target

CHUNK_MIN, CHUNK_MAX = 8192, 32768
"""Paths in a chunk: enough to keep the interpreter's share small, few enough to stay in the cache."""
MAX_PATHS, MAX_STEPS = 10**8, 10**6
_MAX_CHUNKS = 128  # each keeps its own power sums until the end
_DEVICE_CHUNK = 2**20


@dataclass(frozen=True, eq=False)
class ForwardRun:
    """``start`` and ``samples``, both (n, dim), are the positions at t = 0 and at the last of ``times``."""

    times: np.ndarray
    start: Tensor
    samples: Tensor
    frames: Frames
    seconds: float


@dataclass(frozen=True, eq=False)
class BackwardRun:
    """``samples`` (n, dim) are the positions at the end; ``times`` (steps+1,) the grid, falling; ``warnings`` are
    sentences about the prior and the step; ``frames`` what was recorded, if anything."""

    times: np.ndarray
    samples: Tensor
    frames: Frames | None
    warnings: tuple[str, ...]
    seconds: float

    def cumulants(self) -> Estimate:
        """κ_0 … κ_8 of the samples with block-jackknife errors, for one dimension; NaN errors from a single path."""
        sums = PowerSums(shift=float(self.samples.mean()))
        sums.add(self.samples)
        value, error = sums.cumulants()
        return Estimate(value[0], error[0])


def run_forward(
    target: Target,
    schedule: Schedule,
    *,
    paths: int = 10_000,
    seed: int = 0,
    record: Record | None = None,
    token: Token | None = None,
    chunk: int | None = None,
) -> ForwardRun:
    """Dissolve ``paths`` draws from the target, by exact transitions from frame to frame along one Brownian path each.

    The frames (default ``Record()``) rise from 0 to t_max; beside x_t, its difference from the noise n_t of the same
    path is reduced too, for cumulants with the noise removed (``core.statistics.control``). Raises ValueError for
    arguments out of range and Cancelled once ``token`` is.
    """
    began = time.perf_counter()
    _check_paths(paths)
    _check_schedule(schedule)
    record = record or Record()
    times = np.linspace(0.0, schedule.t_max, record.frames) if record.times is None else np.asarray(record.times, float)
    if times[0] < 0 or times[-1] > schedule.t_max or np.any(np.diff(times) <= 0):
        raise ValueError(f"times of forward frames must rise within 0 and {schedule.t_max:g}, got {times}")
    recorder = Recorder(record, target, schedule, times, noise=True)
    noise, data = Noise(seed).of("forward"), Noise(seed).of("data")
    f = [float(v) for v in schedule.f(times)]

    def work(first: int, count: int):
        mine, kept = noise.starting_at(first), recorder.chunk(first)
        x0 = target.sample(count, data.starting_at(first))
        eta, x, s = torch.zeros_like(x0), x0, 0.0
        for frame, t in enumerate(times):
            if token:
                token.check()
            if t > s:
                eta, s = transition(eta, schedule, t, mine, frame, s), t
            x = f[frame] * x0 + eta
            kept.add(frame, x, eta)
        return x0, x, kept

    with one_thread():
        starts, ends, chunks = zip(*map_chunks(work, paths, chunk or _chunk_size(paths), token), strict=True)
    frames = recorder.merge(list(chunks), paths)
    return ForwardRun(times, torch.cat(starts), torch.cat(ends), frames, time.perf_counter() - began)


def run_backward(
    target: Target,
    schedule: Schedule,
    score_model: ScoreModel | None = None,
    *,
    solver: str = "euler",
    grid: str = "uniform",
    steps: int = 1000,
    paths: int = 10_000,
    prior: str = "matched",
    seed: int = 0,
    device: str = "cpu",
    t_min: float = 1e-3,
    record: Record | None = None,
    token: Token | None = None,
    chunk: int | None = None,
) -> BackwardRun:
    """Make ``paths`` samples of the target out of noise, with its exact score or that of ``score_model``.

    ``solver`` is one of SOLVERS, ``grid`` one of GRIDS, ``prior`` one of PRIORS; the process ends at ``t_min``.
    Raises ValueError for arguments out of range, FloatingPointError when it diverges, Cancelled once ``token`` is.
    """
    began = time.perf_counter()
    _check_paths(paths)
    if solver not in SOLVERS:
        raise ValueError(f"solver must be one of {', '.join(SOLVERS)}, got {solver!r}")
    if not 1 <= steps <= MAX_STEPS:
        raise ValueError(f"steps must be from 1 to {MAX_STEPS}, got {steps}")
    where = pick_device(device)
    _check_schedule(schedule)
    times = time_grid(schedule, steps, grid, t_min)
    mean, covariance = target.mean, target.covariance
    warnings = [prior_warning(prior, covariance, schedule, times[0])]
    if solver == "euler":
        warnings.append(euler_warning(schedule, times, float(np.linalg.eigvalsh(covariance)[0])))
    shown = _frame_steps(record, times) if record else np.array([], dtype=int)
    frame_of = {int(step): frame for frame, step in enumerate(shown)}
    recorder = Recorder(record, target, schedule, times[shown], noise=False) if record else None
    score, noise = _score_on(score_model or target, schedule, times), Noise(seed).of("backward")

    def work(first: int, count: int):
        mine, kept = noise.starting_at(first), recorder.chunk(first) if recorder else None
        x = draw_prior(prior, mean, covariance, schedule, times[0], count, mine)
        x = x.to(where, torch.float32 if where.type == "mps" else torch.float64)

        def look(step: int, t: float, x: Tensor) -> None:
            if token:
                token.check()
            if kept and step in frame_of:
                kept.add(frame_of[step], x)

        return SOLVERS[solver](x, score, schedule, times, mine, look).cpu(), kept

    size = chunk or (_chunk_size(paths) if where.type == "cpu" else _DEVICE_CHUNK)
    with one_thread():
        samples, chunks = zip(*map_chunks(work, paths, size, token), strict=True)
    frames = recorder.merge(list(chunks), paths) if recorder else None
    seconds = time.perf_counter() - began
    return BackwardRun(times, torch.cat(samples), frames, tuple(w for w in warnings if w), seconds)


def _check_paths(paths: int) -> None:
    if not 1 <= paths <= MAX_PATHS:
        raise ValueError(f"paths must be from 1 to {MAX_PATHS}, got {paths}")


def _check_schedule(schedule: Schedule) -> None:
    with np.errstate(over="ignore"):
        strongest = float(np.max(schedule.g2(np.linspace(0.0, schedule.t_max, 101))))
    if strongest > 1e30:
        raise ValueError(f"the noise of the schedule must stay below g = 1e15, got g² = {strongest:.3g}: reduce sigma")


def _chunk_size(paths: int) -> int:
    return max(min(CHUNK_MAX, max(CHUNK_MIN, -(-paths // cores()))), -(-paths // _MAX_CHUNKS))


def _score_on(model: ScoreModel, schedule: Schedule, times: np.ndarray) -> ScoreFunction:
    """The score at the grid's times, with f and Ξ looked up: a drawn schedule takes a while to give them.

    f is kept above 1e-300, as a VP schedule with a large sigma lets it underflow.
    """
    f, xi = np.maximum(schedule.f(times), 1e-300), schedule.xi(times)
    level = {float(t): (float(a), float(b)) for t, a, b in zip(times, f, xi, strict=True)}
    return lambda x, t: model.score(x, *level[float(t)])


def _frame_steps(record: Record, times: np.ndarray) -> np.ndarray:
    """The steps of the grid that are nearest to the wanted frame times, rising, none twice."""
    wanted = (
        np.linspace(times[0], times[-1], record.frames) if record.times is None else np.asarray(record.times, float)
    )
    after = np.clip(np.searchsorted(-times, -wanted), 1, len(times) - 1)
    return np.unique(np.where(times[after - 1] - wanted < wanted - times[after], after - 1, after))
