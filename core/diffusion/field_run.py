"""Forward and backward process of a lattice ensemble, with what a view shows of them.

Both directions are recorded at the same times. Configurations are integrated in chunks on all cores; configuration i
is the same in every run of one seed, so a quick picture of a few shows the first ones of the full run.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from core.contracts import score_at
from core.diffusion.backward import SOLVERS, euler_warning
from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.field_noise import NoiseRange, noise_range, prior_warning, schedule_warning
from core.diffusion.forward import transition
from core.diffusion.grids import time_grid
from core.jobs import Token, map_chunks
from core.noise import Noise
from core.schedule import Schedule
from core.statistics.cumulants import PowerSums
from core.statistics.jackknife import Estimate
from core.statistics.lattice import abs_magnetisation
from core.statistics.prediction import predicted_cumulants

Tensor = torch.Tensor

MAX_FRAMES = 90
_BLOCKS = 64
_CHUNK = 2**16  # numbers that one work item carries: 64 configurations of 32²; the interpreter's share is small then


@dataclass(frozen=True, eq=False)
class Leg:
    """One direction, in the order in which it runs.

    ``times`` (F,); ``fields`` (F, shown, *event) float32, the first configurations; ``cumulants`` (F, 9), index n the
    single-site κ_n, with the odd moments set to 0 as the theory's symmetry has it; ``abs_m`` (F,) is ⟨|M|⟩. Errors
    come from blocks of configurations.
    """

    times: np.ndarray
    fields: np.ndarray
    cumulants: Estimate
    abs_m: Estimate

    @property
    def phi2(self) -> Estimate:
        """⟨φ²⟩ (F,), which for odd moments of 0 is κ_2."""
        return Estimate(self.cumulants.value[:, 2], self.cumulants.error[:, 2])


@dataclass(frozen=True, eq=False)
class FieldRun:
    """A forward and a backward process. ``prediction`` (F, 9) belongs to the forward times: fⁿ κ_n(0) + Ξ δ_{n2} with
    κ_n(0) measured on the ensemble, so that its errors are those of the ensemble; for the backward times it is the
    same in reverse. ``crossing`` names the times at which modes drown in noise. ``generated`` (n, *event) is the
    outcome of the backward process, ``levels`` the noise levels that suit the ensemble, ``warnings`` are sentences.
    """

    forward: Leg
    backward: Leg
    prediction: Estimate
    gaussian: FieldGaussianScore
    levels: NoiseRange
    crossing: dict[str, float]
    generated: Tensor
    warnings: tuple[str, ...]
    seconds: float


def run_field(
    ensemble: Tensor,
    schedule: Schedule,
    *,
    gaussian: FieldGaussianScore | None = None,
    solver: str = "heun",
    grid: str = "uniform",
    steps: int = 100,
    paths: int = 256,
    prior: str = "matched",
    seed: int = 0,
    frames: int = MAX_FRAMES,
    shown: int = 4,
    token: Token | None = None,
) -> FieldRun:
    """Dissolve the first ``paths`` configurations of ``ensemble`` (n, *event) and make as many out of noise.

    ``gaussian`` is the score and the matched prior (fitted to the whole ensemble by default); ``prior`` is
    ``matched`` or ``noise``, N(0, Ξ). The backward process runs on ``grid`` from the schedule's end to the level
    ``levels.low``. At most ``frames`` times are kept, those of the grid and t = 0. Raises ValueError for arguments
    out of range, FloatingPointError when the backward process diverges, Cancelled once ``token`` is.
    """
    began = time.perf_counter()
    _check(ensemble, solver, paths, frames, shown)
    gaussian = gaussian or FieldGaussianScore.fit(ensemble)
    levels = noise_range(gaussian)
    times = time_grid(schedule, steps, grid, min(float(schedule.t_of_sigma(levels.low)), 0.5 * schedule.t_max))
    kept = _spread_in_time(times, frames - 1)
    warnings = [schedule_warning(schedule, gaussian)]
    if solver == "euler":
        warnings.append(euler_warning(schedule, times, float(gaussian.connected.min())))
    if prior == "noise":
        warnings.append(prior_warning(schedule, gaussian))

    data = ensemble[:paths].float()
    paths = len(data)
    rising = np.concatenate([[0.0], times[kept][::-1]])
    forward, start = _forward(data, schedule, rising, Noise(seed).of("field/forward"), shown, token)
    noise = Noise(seed).of("field/backward")
    backward, generated = _backward(gaussian, schedule, SOLVERS[solver], times, kept, paths, prior, noise, shown, token)
    return FieldRun(
        forward, backward, _prediction(start, schedule, rising), gaussian, levels, gaussian.crossing(schedule),
        generated, tuple(w for w in warnings if w), time.perf_counter() - began,
    )  # fmt: skip


def field_stages(ensemble: Tensor, schedule: Schedule, token: Token, *, paths: int = 256, steps: int = 100, **options):
    """A quick picture (16 configurations, 25 steps), then the run that was asked for; options as of ``run_field``."""
    options["gaussian"] = options.get("gaussian") or FieldGaussianScore.fit(ensemble)
    if paths > 16 or steps > 25:
        yield run_field(ensemble, schedule, paths=min(paths, 16), steps=min(steps, 25), token=token, **options)
    yield run_field(ensemble, schedule, paths=paths, steps=steps, token=token, **options)


class _Kept:
    """What is kept of one chunk of configurations, from number ``first`` on."""

    def __init__(self, frames: int, paths: int, first: int, shown: int) -> None:
        self.first, self.shown = first, max(shown - first, 0)
        self.sums = PowerSums(frames, blocks=min(_BLOCKS, paths), run=1)
        self.magnetisation = PowerSums(frames, order=1, blocks=min(_BLOCKS, paths), run=1)
        self.fields: list[np.ndarray] = []

    def add(self, frame: int, x: Tensor) -> None:
        self.sums.add(x, self.first, frame)
        self.magnetisation.add(abs_magnetisation(x), self.first, frame)
        self.fields.append(x[: self.shown].numpy().copy())


def _leg(times: np.ndarray, chunks: list[_Kept]) -> tuple[Leg, PowerSums]:
    sums, magnetisation = chunks[0].sums, chunks[0].magnetisation
    for chunk in chunks[1:]:
        sums, magnetisation = sums + chunk.sums, magnetisation + chunk.magnetisation
    abs_m = magnetisation.moments()
    fields = np.concatenate([np.stack(c.fields) for c in chunks if c.shown], axis=1)
    return Leg(times, fields, sums.cumulants(True), Estimate(abs_m.value[:, 1], abs_m.error[:, 1])), sums


def _forward(
    data: Tensor, schedule: Schedule, times: np.ndarray, noise: Noise, shown: int, token: Token | None
) -> tuple[Leg, Estimate]:
    """The leg of the forward process, and the cumulants (9,) of the data."""

    def work(first: int, count: int) -> _Kept:
        kept, x, s = _Kept(len(times), len(data), first, shown), data[first : first + count], 0.0
        for frame, t in enumerate(times):
            if token is not None:
                token.check()
            if t > s:
                x, s = transition(x, schedule, float(t), noise.starting_at(first), frame, s), float(t)
            kept.add(frame, x)
        return kept

    leg, _ = _leg(times, map_chunks(work, len(data), _chunk(data[0].numel()), token))
    return leg, Estimate(leg.cumulants.value[0], leg.cumulants.error[0])


def _backward(
    gaussian: FieldGaussianScore, schedule: Schedule, solver: Callable[..., Tensor], times: np.ndarray,
    kept_steps: np.ndarray, paths: int, prior: str, noise: Noise, shown: int, token: Token | None,
) -> tuple[Leg, Tensor]:  # fmt: skip
    score = score_at(gaussian, schedule)
    frame_of = {int(step): frame for frame, step in enumerate(kept_steps)}
    f, xi = float(schedule.f(times[0])), float(schedule.xi(times[0]))

    def work(first: int, count: int) -> tuple[_Kept, Tensor]:
        kept, own = _Kept(len(kept_steps), paths, first, shown), noise.starting_at(first)

        def look(step: int, t: float, x: Tensor) -> None:
            if token is not None:
                token.check()
            if step in frame_of:
                kept.add(frame_of[step], x)

        x = gaussian.draw_prior(count, f, xi, own, kind=prior)
        return kept, solver(x, score, schedule, times, own, look)

    chunks, ends = zip(*map_chunks(work, paths, _chunk(int(np.prod(gaussian.event))), token), strict=True)
    leg, _ = _leg(times[kept_steps], list(chunks))
    return leg, torch.cat(ends)


def _spread_in_time(times: np.ndarray, count: int) -> np.ndarray:
    """At most ``count`` steps of a falling grid, both ends among them, as equidistant in t as the grid allows."""
    wanted = np.linspace(times[0], times[-1], count)
    return np.unique(np.abs(times[:, None] - wanted).argmin(axis=0))


def _prediction(start: Estimate, schedule: Schedule, times: np.ndarray) -> Estimate:
    f = np.asarray(schedule.f(times), dtype=float)
    return Estimate(
        predicted_cumulants(start.value, schedule, times), start.error * f[:, None] ** np.arange(len(start.error))
    )


def _chunk(sites: int) -> int:
    return max(1, _CHUNK // sites)


def _check(ensemble: Tensor, solver: str, paths: int, frames: int, shown: int) -> None:
    if len(ensemble) < 2:
        raise ValueError(f"an ensemble needs at least two configurations, got {len(ensemble)}")
    if solver not in SOLVERS:
        raise ValueError(f"solver must be one of {', '.join(SOLVERS)}, got {solver!r}")
    if paths < 2:
        raise ValueError(f"paths must be at least 2, got {paths}")
    if not 3 <= frames <= MAX_FRAMES:
        raise ValueError(f"frames must be from 3 to {MAX_FRAMES}, got {frames}")
    if shown < 1:
        raise ValueError(f"shown must be at least 1, got {shown}")
