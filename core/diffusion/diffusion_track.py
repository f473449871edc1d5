"""Runs of the backward process one after the other, recorded while they run, with what they cost."""

from __future__ import annotations

import math
import time

import numpy as np
import torch

from core.contracts import ScoreModel, Tensor, score_at
from core.diffusion.exponential import FIELD_SOLVERS
from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.field_generate import backward_times, chunk_size
from core.diffusion.side_by_side_tracks import Runs, observables
from core.jobs import Token, map_chunks, one_thread
from core.noise import Noise
from core.samplers import driver
from core.schedule import Schedule
from core.statistics.jackknife import Estimate
from core.statistics.lattice import phi_squared

FRAMES = 60
"""Records of a run of the diffusion process, at most."""


class Diffusion:
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
        estimates = [observables(np.concatenate(ends[: k + 1])) for k in range(runs)]
        return Runs(
            evaluations=counted, seconds=clock, observables=observables(table[..., :4]),
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
