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
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch

from core.contracts import ScoreModel, Tensor, score_at
from core.diffusion.exponential import FIELD_SOLVERS
from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.field_generate import GRID, SOLVER, STEPS, backward_times, baseline_of, chunk_size
from core.jobs import Token, map_chunks, one_thread
from core.noise import Noise
from core.samplers import driver, langevin
from core.samplers.contract import Info, Step
from core.samplers.starts import hot_start
from core.schedule import Schedule
from core.statistics.errors import Measured, block_length, cut, jackknifed, mean
from core.statistics.jackknife import Estimate, jackknife
from core.statistics.lattice import abs_magnetisation, action_density, phi_squared
from core.theories.phi4 import Phi4

R = TypeVar("R")

NAMES = ("phi2", "abs_m", "action", "kappa4_ratio")
"""⟨φ²⟩, ⟨|M|⟩, ⟨S⟩/V and κ4/κ2², by their names in ``core.statistics.measure``."""
LEAST = 8
"""Fewest fields that errors can come from."""
RECORDS = 256
"""Equidistant records of a Langevin run, at most; as many again at equal ratios of the clock show its beginning."""
FRAMES = 60
"""Records of a run of the diffusion process, at most."""
BLOCKS = 64
_FIRST_RECORDS = 4  # before an average over half of them has a meaning


@dataclass(frozen=True, eq=False, kw_only=True)
class Track:
    """What one of the two shows while the clock runs: F records in order.

    ``evaluations`` (F,) and ``seconds`` (F,) are the clock. ``observables`` (F, 4) are those of NAMES at the moment,
    averaged over the fields, ``drift`` (F,) is √(⟨K²⟩/V) or √(⟨s²⟩/V). ``fields`` (G, shown, *event) float32 belong to
    the records ``shown_at`` (G,). ``estimate`` (H, 4) is the best estimate by the time of the records ``estimated_at``
    (H,), the last of them the result.
    """

    evaluations: np.ndarray
    seconds: np.ndarray
    observables: Estimate
    drift: np.ndarray
    fields: np.ndarray
    shown_at: np.ndarray
    estimate: Estimate
    estimated_at: np.ndarray

    @property
    def result(self) -> Estimate:
        """The last estimate, (4,)."""
        return Estimate(self.estimate.value[-1], self.estimate.error[-1])


@dataclass(frozen=True, eq=False, kw_only=True)
class Quantisation(Track):
    """The Langevin chains. An estimate averages over the later half of the time so far; its error is the spread over
    chains, which are independent.

    ``tau`` has the autocorrelation times of |M| and φ² in the later half, in steps: ``abs_m`` and ``phi2``.
    ``change`` is how far ⟨φ²⟩ or ⟨|M|⟩ moved from the third to the last quarter, in standard errors.
    """

    epsilon: float
    tau: dict[str, Measured]
    change: float

    @property
    def settled(self) -> bool:
        """Whether the chains no longer move as a body, as far as one can tell."""
        return self.change < 4

    @property
    def slowest(self) -> Measured:
        """The longer of the autocorrelation times."""
        return max(self.tau.values(), key=lambda tau: tau.tau_int)

    def independent(self, n: int) -> float:
        """How many independent configurations the later half of ``n`` chains is worth, n at the least."""
        return max(float(n), n * self.evaluations[-1] / 2 / (2 * self.slowest.tau_int))


@dataclass(frozen=True, eq=False, kw_only=True)
class Runs(Track):
    """Runs of the diffusion process one after the other. An estimate takes all that have ended.

    ``run`` and ``step`` (F,) say which one a record belongs to, from 1, and how many of its ``steps`` are done.
    """

    run: np.ndarray
    step: np.ndarray
    steps: int


@dataclass(frozen=True, eq=False)
class SideBySide:
    """Both, with ``n`` fields each, and what the data say: ``reference`` (4,), ``reference_drift`` = √(⟨K²⟩/V)."""

    theory: Phi4
    n: int
    quantisation: Quantisation
    diffusion: Runs
    reference: Estimate
    reference_drift: float

    def sigma(self, track: Track) -> np.ndarray:
        """Result minus reference (4,), in units of their joint error."""
        value, error = track.result
        return (value - self.reference.value) / np.hypot(error, self.reference.error)


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
    for name, value, least in (("n", n, LEAST), ("duration", duration, 2 * _FIRST_RECORDS), ("runs", runs, 1)):
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
    columns = _columns(theory)
    flat = chained.flatten(0, 1)
    measured = torch.stack([column(flat) for column in columns.values()], dim=-1).numpy()
    reference = _reference(measured[:, :4].reshape(*chained.shape[:2], 4))
    chains = _quantisation(theory, columns, n, epsilon, duration, shown, noise.of("langevin"), token)
    process = _Diffusion(columns, score, gaussian, schedule, solver, grid, steps, prior)
    drift, of_runs = math.sqrt(measured[:, 4].mean()), noise.of("diffusion")
    for k in range(runs):
        process.take(n, shown, of_runs.of(f"run {k}"), token)
        yield SideBySide(theory, n, chains, process.record(), reference, drift)


def _columns(theory: Phi4) -> driver.Observables:
    """One number a configuration (n,), float64, from whose averages everything follows; the last is K² for a site."""
    return {
        "phi2": phi_squared,
        "abs_m": abs_magnetisation,
        "action": action_density(theory),
        "phi4": lambda x: x.double().square().square().flatten(1).mean(1),
        "drift": lambda x: phi_squared(theory.force(x)),
    }


def _observables(columns: np.ndarray) -> Estimate:
    """The observables of NAMES (…, 4) of averages (n, …, 4) over independent fields."""
    sums = np.stack([part.sum(axis=0) for part in np.array_split(columns, min(BLOCKS, len(columns)))])
    counts = np.array([len(part) for part in np.array_split(columns, len(sums))], dtype=float)
    counts = np.broadcast_to(counts.reshape(-1, *[1] * (sums.ndim - 1)), (*sums.shape[:-1], 1))

    stacked = np.concatenate([sums, counts], axis=-1)
    return jackknife(lambda s: _derived(s[..., :4] / s[..., 4:]), stacked, counts).estimate


def _derived(means: np.ndarray) -> np.ndarray:
    """The observables of NAMES (…, 4) from averages of φ², |M|, S/V and φ⁴."""
    phi2, abs_m, action, phi4 = np.moveaxis(means, -1, 0)
    return np.stack([phi2, abs_m, action, phi4 / phi2**2 - 3], axis=-1)


def _reference(columns: np.ndarray) -> Estimate:
    """The observables of NAMES (4,) of averages (chains, draws, 4), in blocks longer than the autocorrelation."""
    if columns.shape[1] == 1:
        return _observables(columns[:, 0])
    length = block_length(*(mean(columns[..., k]).tau_int for k in (0, 1)))
    return jackknifed(_derived, cut(columns, length))


def _quantisation(
    theory: Phi4, columns: driver.Observables, n: int, epsilon: float, duration: int, shown: int, noise: Noise,
    token: Token | None,
) -> Quantisation:  # fmt: skip
    """The Langevin chains, recorded at equidistant steps and, for the beginning, at equal ratios."""
    every = -(-duration // RECORDS)
    duration = every * (duration // every)
    even, ratios = np.arange(0, duration + 1, every), np.geomspace(1, duration, RECORDS).round().astype(int)
    at = np.union1d(even, ratios)
    moving, looking = _Stopwatch(), _Stopwatch()
    columns = {name: looking.around(column) for name, column in columns.items()}
    state = langevin.init(theory, hot_start(theory, n, noise), epsilon)
    found = [np.stack([column(state.x).numpy() for column in columns.values()], axis=-1)]
    fields = [state.x[:shown].numpy().copy()]
    looking.seconds.clear()
    began = time.perf_counter()
    for count in np.diff(at):
        (frame,) = driver.frames(state, moving.around(_leap(int(count))), noise, 1, None, columns, shown, token)
        state = frame.state
        found.append(np.concatenate(list(frame.series.values()), axis=1))
        fields.append(frame.trajectories[:, 0])
    seconds = (time.perf_counter() - began) * moving.total / (moving.total + looking.total)
    table = np.stack(found, axis=1)  # (n, F, 5)
    later = table[:, np.isin(at, even)]
    estimate, first = _of_later_half(later[..., :4])
    half = later[:, len(even) // 2 + 1 :]
    tau = {name: _scaled(mean(np.ascontiguousarray(half[..., k])), every) for name, k in (("phi2", 0), ("abs_m", 1))}
    kept = np.flatnonzero(np.isin(at, ratios) | (at == 0))
    return Quantisation(
        evaluations=at.astype(float), seconds=seconds * at / duration, observables=_observables(table[..., :4]),
        drift=np.sqrt(table[..., 4].mean(axis=0)), fields=np.stack([fields[k] for k in kept]), shown_at=kept,
        estimate=estimate, estimated_at=np.flatnonzero(np.isin(at, even))[first:], epsilon=epsilon, tau=tau,
        change=_change(later[..., :2]),
    )  # fmt: skip


class _Stopwatch:
    """What calls of some functions take, added up over all threads."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    @property
    def total(self) -> float:
        return sum(self.seconds)

    def around(self, function: Callable[..., R]) -> Callable[..., R]:
        def timed(*arguments: Any) -> R:
            began = time.perf_counter()
            result = function(*arguments)
            self.seconds.append(time.perf_counter() - began)
            return result

        return timed


def _leap(count: int) -> Step:
    """``count`` Langevin steps as one step of a sampler."""

    def step(state: langevin.LangevinState, noise: Noise) -> tuple[langevin.LangevinState, Info]:
        info = Info()
        for _ in range(count):
            state, info = langevin.step(state, noise)
        return state, info

    return step


def _of_later_half(later: np.ndarray) -> tuple[Estimate, int]:
    """From averages (n, K, 4) at equidistant times, from 0 on: estimates (K - first, 4) over the later half of the
    time so far, and the first record that has one."""
    sums = np.cumsum(later, axis=1)
    last = np.arange(_FIRST_RECORDS, later.shape[1])
    return _observables((sums[:, last] - sums[:, last // 2]) / (last - last // 2)[:, None]), _FIRST_RECORDS


def _change(later: np.ndarray) -> float:
    """The largest change of the columns (n, K, columns) from the third to the last quarter, in standard errors."""
    quarter = later.shape[1] // 4
    moved = later[:, -quarter:].mean(1) - later[:, -2 * quarter : -quarter].mean(1)
    error = moved.std(axis=0, ddof=1) / math.sqrt(len(moved))
    return float(np.max(np.abs(moved.mean(axis=0)) / np.maximum(error, 1e-300)))


def _scaled(tau: Measured, every: int) -> Measured:
    return tau._replace(tau_int=tau.tau_int * every, tau_int_error=tau.tau_int_error * every)


class _Diffusion:
    """The backward process, recorded at the same steps in every run."""

    def __init__(
        self, columns: driver.Observables, score: ScoreModel, gaussian: FieldGaussianScore, schedule: Schedule,
        solver: str, grid: str, steps: int, prior: str,
    ) -> None:  # fmt: skip
        self.columns = [column for name, column in columns.items() if name != "drift"]
        self.gaussian, self.schedule, self.prior = gaussian, schedule, prior
        self.score, self.solve = score_at(score, schedule), FIELD_SOLVERS[solver](gaussian)
        self.times = backward_times(gaussian, schedule, solver=solver, grid=grid, steps=steps)
        self._parts: list[tuple[np.ndarray, np.ndarray, np.ndarray, float]] = []
        last = len(self.times) - 1
        self.kept = np.unique(np.linspace(0, last, min(last + 1, FRAMES)).round().astype(int))

    def take(self, n: int, shown: int, noise: Noise, token: Token | None) -> None:
        """One more run, of ``n`` paths."""
        with one_thread():
            self._parts.append(self._run(n, shown, noise, token))

    def record(self) -> Runs:
        """All runs so far."""
        tables, fields, evaluations, seconds = zip(*self._parts, strict=True)
        runs = len(tables)
        table = np.concatenate(tables, axis=1)  # (n, F, 5)
        frames = len(self.kept)
        before = np.concatenate([[0.0], np.cumsum(seconds)])
        clock = np.concatenate([b + e / e[-1] * s for b, e, s in zip(before, evaluations, seconds, strict=False)])
        counted = np.concatenate([k * e[-1] + e for k, e in enumerate(evaluations)])
        ends = [found[:, -1, :4] for found in tables]
        estimates = [_observables(np.concatenate(ends[: k + 1])) for k in range(runs)]
        return Runs(
            evaluations=counted, seconds=clock, observables=_observables(table[..., :4]),
            drift=np.sqrt(table[..., 4].mean(axis=0)), fields=np.concatenate(fields),
            shown_at=np.arange(table.shape[1]), estimate=Estimate(*(np.stack(p) for p in zip(*estimates, strict=True))),
            estimated_at=np.arange(1, runs + 1) * frames - 1, run=np.repeat(np.arange(1, runs + 1), frames),
            step=np.tile(self.kept, runs), steps=len(self.times) - 1,
        )  # fmt: skip

    def _run(
        self, n: int, shown: int, noise: Noise, token: Token | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
        """Averages (n, F, 5) and fields (F, shown, …) at the kept steps, the evaluations (F,) by then, and seconds."""
        t = self.times[0]
        level = float(self.schedule.f(t)), float(self.schedule.xi(t))

        def work(first: int, count: int) -> tuple[np.ndarray, np.ndarray, list[int], float]:
            own = noise.starting_at(first)
            table, fields = np.empty((count, len(self.kept), 5)), []
            calls: list[int] = []
            asked, latest, looking = 0, torch.zeros(count), 0.0

            def at(x: Tensor, t: float) -> Tensor:
                nonlocal asked, latest, looking
                if token is not None:
                    token.check()
                s = self.score(x, t)
                began = time.perf_counter()
                asked, latest = asked + 1, phi_squared(s)
                if len(fields) == 1:  # the first record is taken before the score is known there
                    table[:, 0, 4] = latest.numpy()
                looking += time.perf_counter() - began
                return s

            def look(step: int, t: float, x: Tensor) -> None:
                nonlocal looking
                began, k = time.perf_counter(), len(fields)
                if k < len(self.kept) and step == self.kept[k]:
                    table[:, k] = torch.stack([*(column(x) for column in self.columns), latest.double()], -1).numpy()
                    fields.append(x[: max(shown - first, 0)].numpy().copy())
                    calls.append(asked)
                looking += time.perf_counter() - began

            began = time.perf_counter()
            x = self.gaussian.draw_prior(count, *level, own, kind=self.prior)
            self.solve(x, at, self.schedule, self.times, own, look)
            whole = time.perf_counter() - began
            return table, np.stack(fields), calls, looking / whole

        began = time.perf_counter()
        sites = math.prod(self.gaussian.event)
        tables, fields, calls, looked = zip(*map_chunks(work, n, chunk_size(n, sites), token), strict=True)
        seconds = (time.perf_counter() - began) * (1 - float(np.mean(looked)))
        return np.concatenate(tables), np.concatenate(fields, axis=1), np.array(calls[0], float), seconds
