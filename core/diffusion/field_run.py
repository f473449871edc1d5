"""Forward and backward process of a lattice ensemble, with what a view shows of them.

Both directions are recorded at the same times. Configurations are integrated in chunks on all cores; configuration i
is the same in every run of one seed, so a quick picture of a few shows the first ones of the full run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from core.contracts import ScoreModel, Tensor, score_at
from core.diffusion import field_prediction as predict
from core.diffusion.backward import Solver, euler_warning
from core.diffusion.exponential import FIELD_SOLVERS
from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.field_generate import GRID, SOLVER, STEPS, backward_times, baseline_of, chunk_size
from core.diffusion.field_noise import NoiseRange, noise_range, prior_warning, schedule_warning
from core.diffusion.forward import transition
from core.jobs import Token, map_chunks, one_thread
from core.noise import Noise
from core.schedule import Schedule
from core.statistics.field_frames import Edges, FrameStatistics, FrameSums, block_run, frame_statistics
from core.statistics.jackknife import Estimate

MAX_FRAMES = 90
QUICK_PATHS, QUICK_STEPS = 16, 30
"""The quick picture's size."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Leg(FrameStatistics):
    """One direction, in the order in which it runs.

    ``times`` (F,) with their noise levels σ̃, ``sigma`` (F,); ``fields`` (F, shown, *event) float32, the first
    configurations; the rest as of FrameStatistics, with the bins of a time the same in both directions. The score
    norm belongs to the backward leg, and in its last frame to the last point at which the score was asked, a step
    before.
    """

    times: np.ndarray
    sigma: np.ndarray
    fields: np.ndarray


@dataclass(frozen=True, eq=False)
class FieldRun:
    """A forward and a backward process.

    ``prediction`` (F, 9), ``prediction_correlator`` and ``prediction_structure`` (F, K) belong to the forward times
    (``core.diffusion.field_prediction``): what the start of the forward leg implies, so that their errors are those of
    the ensemble. For the backward times they are the same in reverse. ``score_prediction`` (F, K) is what the score
    norm of the backward leg is for the Gaussian law of ``gaussian``, the score's baseline. ``momenta`` (K,) are
    p̂ = 2 sin(πk/L). ``crossing`` names the times at which modes drown in noise, the last first. ``times`` is the grid
    of the backward process and ``evaluations`` the number of calls of the score for each configuration. ``generated``
    (n, *event) is the outcome, ``levels`` the noise levels that suit the ensemble, ``warnings`` are sentences.
    """

    forward: Leg
    backward: Leg
    prediction: Estimate
    prediction_correlator: Estimate
    prediction_structure: Estimate
    score_prediction: np.ndarray
    momenta: np.ndarray
    gaussian: FieldGaussianScore
    levels: NoiseRange
    crossing: dict[str, float]
    times: np.ndarray
    evaluations: int
    generated: Tensor
    warnings: tuple[str, ...]
    seconds: float


def run_field(
    ensemble: Tensor,
    schedule: Schedule,
    *,
    gaussian: FieldGaussianScore | None = None,
    score: ScoreModel | None = None,
    solver: str = SOLVER,
    grid: str = GRID,
    steps: int = STEPS,
    paths: int = 256,
    prior: str = "matched",
    seed: int = 0,
    frames: int = MAX_FRAMES,
    shown: int = 4,
    token: Token | None = None,
) -> FieldRun:
    """Dissolve the first ``paths`` configurations of ``ensemble`` (n, *event) and make as many out of noise.

    ``score`` is any score model of the lattice, by default the Gaussian one. ``gaussian`` is the matched prior and
    what the exponential solvers know: by default the score's own (``score.gaussian``), else a fit to the whole
    ensemble. ``prior`` is ``matched`` or ``noise``, N(0, Ξ). The backward process runs along ``backward_times``. At
    most ``frames`` of them are kept, and t = 0. Raises ValueError for arguments out of range, FloatingPointError when
    the backward process diverges, Cancelled once ``token`` is.
    """
    began = time.perf_counter()
    _check(ensemble, paths, frames, shown)
    if gaussian is None:
        gaussian = FieldGaussianScore.fit(ensemble) if score is None else baseline_of(score)
    if gaussian.event != tuple(ensemble.shape[1:]):
        raise ValueError(
            f"the score is for a lattice of {gaussian.event}, the ensemble has {tuple(ensemble.shape[1:])}"
        )
    times = backward_times(gaussian, schedule, solver=solver, grid=grid, steps=steps)
    kept = _spread_in_time(times, frames - 1)
    warnings = [schedule_warning(schedule, gaussian)]
    if solver == "euler":
        warnings.append(euler_warning(schedule, times, float(gaussian.connected.min())))
    if prior == "noise":
        warnings.append(prior_warning(schedule, gaussian))

    data = ensemble[:paths].float()
    rising = np.union1d(0.0, times[kept])
    edges = predict.frame_edges(gaussian, schedule, rising)
    process = _Process(schedule, data.shape, shown, token)
    with one_thread():
        forward = process.forward(data, rising, edges, Noise(seed).of("field/forward"))
        fall = slice(None, None if times[-1] == 0 else 0, -1)  # t = 0 is not reached by every solver
        backward, generated, evaluations = process.backward(
            score or gaussian, gaussian, FIELD_SOLVERS[solver](gaussian), times, kept,
            Edges(edges.site[fall], edges.m[fall]), prior, Noise(seed).of("field/backward"),
        )  # fmt: skip
    start = [Estimate(e.value[0], e.error[0]) for e in (forward.cumulants, forward.correlator, forward.structure)]
    return FieldRun(
        forward, backward,
        predict.predict_cumulants(start[0], schedule, rising),
        predict.predict_correlator(start[1], schedule, rising),
        predict.predict_structure(start[2], schedule, rising),
        predict.predict_score_norm(gaussian, schedule, np.append(backward.times[:-1], times[-2])),
        predict.axis_momenta(max(gaussian.event)),
        gaussian, noise_range(gaussian), predict.axis_crossings(gaussian, schedule), times, evaluations, generated,
        tuple(w for w in warnings if w), time.perf_counter() - began,
    )  # fmt: skip


def field_stages(
    ensemble: Tensor, schedule: Schedule, token: Token, *, paths: int = 256, steps: int = STEPS, **options
) -> Iterator[FieldRun]:
    """A quick picture of QUICK_PATHS configurations, then the run that was asked for; options as of ``run_field``."""
    if options.get("gaussian") is None and options.get("score") is None:
        options["gaussian"] = FieldGaussianScore.fit(ensemble)
    if paths > QUICK_PATHS or steps > QUICK_STEPS:
        few, short = min(paths, QUICK_PATHS), min(steps, QUICK_STEPS)
        yield run_field(ensemble, schedule, paths=few, steps=short, token=token, **options)
    yield run_field(ensemble, schedule, paths=paths, steps=steps, token=token, **options)


class _Process:
    """Both directions of ``shape`` = (paths, *event), chunk by chunk."""

    def __init__(self, schedule: Schedule, shape: torch.Size, shown: int, token: Token | None) -> None:
        self.schedule, self.shown, self.token = schedule, shown, token
        self.paths, self.event, self.run = shape[0], tuple(shape[1:]), block_run(shape[0])

    def forward(self, data: Tensor, times: np.ndarray, edges: Edges, noise: Noise) -> Leg:
        """From the ``data`` along rising ``times``, one Brownian path each."""

        def work(first: int, count: int) -> tuple[FrameSums, list[np.ndarray]]:
            sums, kept = FrameSums(edges, self.event, self.run, first, count), []
            x, s = data[first : first + count], 0.0
            for frame, t in enumerate(times):
                self._go_on()
                if t > s:
                    x, s = transition(x, self.schedule, float(t), noise.starting_at(first), frame, s), float(t)
                self._keep(sums, kept, frame, x)
            return sums, kept

        return self._leg(times, self._map(work))

    def backward(
        self, score: ScoreModel, gaussian: FieldGaussianScore, solver: Solver, times: np.ndarray, kept: np.ndarray,
        edges: Edges, prior: str, noise: Noise,
    ) -> tuple[Leg, Tensor, int]:  # fmt: skip
        """From the prior along falling ``times``; also the outcome, and the calls of the score for each chunk."""
        at = score_at(score, self.schedule)
        frame_of = {int(step): frame for frame, step in enumerate(kept)}
        asked_at = {float(times[step]): frame for step, frame in frame_of.items() if step < len(times) - 1}
        level = float(self.schedule.f(times[0])), float(self.schedule.xi(times[0]))
        last = len(kept) - 1

        def work(first: int, count: int) -> tuple[tuple[FrameSums, list[np.ndarray]], Tensor, int]:
            sums, shown, own, calls = (
                FrameSums(edges, self.event, self.run, first, count),
                [],
                noise.starting_at(first),
                0,
            )

            def asked(x: Tensor, t: float) -> Tensor:
                # A solver may ask at a time more than once; the last time is at the point where the path goes through.
                nonlocal calls
                self._go_on()
                calls += 1
                s = at(x, t)
                if float(t) in asked_at:
                    sums.add_score(asked_at[float(t)], s)
                if float(t) == times[-2]:
                    sums.add_score(last, s)
                return s

            def look(step: int, t: float, x: Tensor) -> None:
                if step in frame_of:
                    self._keep(sums, shown, frame_of[step], x)

            x = gaussian.draw_prior(count, *level, own, kind=prior)
            x = solver(x, asked, self.schedule, times, own, look)
            return (sums, shown), x, calls

        chunks, ends, calls = zip(*self._map(work), strict=True)
        return self._leg(times[kept], list(chunks)), torch.cat(ends), calls[0]

    def _map(self, work: Callable[[int, int], object]) -> list:
        return map_chunks(work, self.paths, chunk_size(self.paths, int(np.prod(self.event))), self.token)

    def _go_on(self) -> None:
        if self.token is not None:
            self.token.check()

    def _keep(self, sums: FrameSums, fields: list[np.ndarray], frame: int, x: Tensor) -> None:
        sums.add(frame, x)
        fields.append(x[: max(self.shown - sums.first, 0)].numpy().copy())

    def _leg(self, times: np.ndarray, chunks: list[tuple[FrameSums, list[np.ndarray]]]) -> Leg:
        statistics = frame_statistics([sums for sums, _ in chunks])
        fields = np.concatenate([np.stack(kept) for _, kept in chunks], axis=1)
        return Leg(**vars(statistics), times=times, sigma=self.schedule.sigma(times), fields=fields)


def _spread_in_time(times: np.ndarray, count: int) -> np.ndarray:
    """At most ``count`` steps of a falling grid, both ends among them, as equidistant in t as the grid allows."""
    if len(times) <= count:
        return np.arange(len(times))
    wanted = np.linspace(times[0], times[-1], count)
    return np.unique(np.abs(times[:, None] - wanted).argmin(axis=0))


def _check(ensemble: Tensor, paths: int, frames: int, shown: int) -> None:
    if len(ensemble) < 2:
        raise ValueError(f"an ensemble needs at least two configurations, got {len(ensemble)}")
    if paths < 2:
        raise ValueError(f"paths must be at least 2, got {paths}")
    if not 3 <= frames <= MAX_FRAMES:
        raise ValueError(f"frames must be from 3 to {MAX_FRAMES}, got {frames}")
    if shown < 1:
        raise ValueError(f"shown must be at least 1, got {shown}")
