"""Langevin chains of a lattice field from a hot start, recorded while they run, with what they cost."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from core.diffusion.side_by_side_tracks import Quantisation, observables
from core.jobs import Token
from core.noise import Noise
from core.samplers import driver, langevin
from core.samplers.contract import Info, Step
from core.samplers.starts import hot_start
from core.statistics.errors import Measured, mean
from core.statistics.jackknife import Estimate
from core.theories.phi4 import Phi4

R = TypeVar("R")

RECORDS = 256
"""Equidistant records of a Langevin run, at most; as many again at equal ratios of the clock show its beginning."""
FIRST_RECORDS = 4  # before an average over half of them has a meaning


def quantisation(
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
        evaluations=at.astype(float), seconds=seconds * at / duration, observables=observables(table[..., :4]),
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
    last = np.arange(FIRST_RECORDS, later.shape[1])
    return observables((sums[:, last] - sums[:, last // 2]) / (last - last // 2)[:, None]), FIRST_RECORDS


def _change(later: np.ndarray) -> float:
    """The largest change of the columns (n, K, columns) from the third to the last quarter, in standard errors."""
    quarter = later.shape[1] // 4
    moved = later[:, -quarter:].mean(1) - later[:, -2 * quarter : -quarter].mean(1)
    error = moved.std(axis=0, ddof=1) / math.sqrt(len(moved))
    return float(np.max(np.abs(moved.mean(axis=0)) / np.maximum(error, 1e-300)))


def _scaled(tau: Measured, every: int) -> Measured:
    return tau._replace(tau_int=tau.tau_int * every, tau_int_error=tau.tau_int_error * every)
