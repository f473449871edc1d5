"""Two simulations on one clock: chains that have the same seed and differ in theory, algorithm or parameters.

    pair = Pair((theory, "hmc", parameters, 16, "mixed"), (theory, "langevin", others, 16, "mixed"), seed=0)
    pair.advance(5, "updates")       # five updates of both
    pair.advance(5, "cost")          # five updates of A, and as many of B as take the same time

Both take their noise from the same addresses, so that equal settings give equal chains.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from core.jobs import Token
from core.samplers.simulation import Frame, Simulation
from core.statistics.paired import Paired, paired
from core.statistics.running import Average
from core.statistics.scalars import scalars
from core.theories.phi4 import Phi4

PACES = ("updates", "cost")
KEPT = 400
"""Moments that are remembered; once there are so many, every second one is dropped."""
MEASURED = ("abs_m", "m2", "m4", "phi2", "action")
"""Averages over the chains' past that the observables are made of."""
OBSERVABLES = ("abs_m", "phi2", "action", "chi", "binder")
"""What ``Pair.observables`` gives, in its order."""


class Chains(NamedTuple):
    """One of the two: ``parameters`` are complete (see `core.samplers.live_parameters`), ``start`` is one of
    `core.samplers.starts.STARTS`."""

    theory: Phi4
    algorithm: str
    parameters: Mapping[str, Any]
    chains: int
    start: str


@dataclass(frozen=True, eq=False)
class Moment:
    """One of the two at one time: ``updates`` and ``seconds`` of computing so far, ``field`` (L, L) float16 and ``m``
    of the first chain, and the means over all chains of |M| and S/V."""

    updates: int
    seconds: float
    field: np.ndarray
    m: float
    abs_m: float
    action: float


class Pair:
    """``sides`` are the simulations A and B, ``frames`` their newest frames, ``past`` the moments of both, in pairs."""

    def __init__(self, a: Chains, b: Chains, seed: int = 0) -> None:
        """Raises ValueError for settings that a simulation refuses."""
        torch.set_num_threads(1)
        both = (a, b)
        for one in both:  # the first call of a kernel loads or compiles it, which is not the chains' work
            Simulation(*one._replace(chains=1), seed).advance(1, measure=False)
        self.sides = [Simulation(*one, seed) for one in both]
        self.seconds = [0.0, 0.0]
        self.frames: list[Frame] = [side.advance(0) for side in self.sides]
        self.past: list[tuple[Moment, Moment]] = []
        self._every, self._count = 1, 0
        self._remember()

    @property
    def problem(self) -> str:
        """A sentence where one of them cannot go on, else empty."""
        found = [f"{name}: {frame.problem}" for name, frame in zip("AB", self.frames, strict=True) if frame.problem]
        return " ".join(found)

    def advance(self, updates: int, pace: str = "updates", token: Token | None = None) -> None:
        """``updates`` of A, and of B either as many or those that take the same time of computing.

        Times are seconds of one thread. What one has computed beyond the other is made up for in the next call. Raises
        ValueError for another ``pace`` and Cancelled once ``token`` is cancelled.
        """
        if pace not in PACES:
            raise ValueError(f"pace must be one of {', '.join(PACES)}, got {pace!r}")
        self._run(0, updates, token)
        if pace == "updates":
            self._run(1, self.frames[0].updates - self.frames[1].updates, token)
        while pace == "cost" and self.seconds[1] < self.seconds[0] and not self.problem:
            # Some clocks of threads are so coarse that the first updates seem to take no time.
            cost = self.seconds[1] / self.frames[1].updates if self.seconds[1] else math.inf
            self._run(1, max(1, int((self.seconds[0] - self.seconds[1]) / cost)), token)
        self._count += 1
        if self._count % self._every == 0:
            self._remember()

    def averages(self, name: str) -> tuple[Average, Average]:
        """Of one of `core.statistics.running.SCALARS` but m, with τ_int, for A and B."""
        a, b = (side.observe(lambda s: s.average(name)) for side in self.sides)
        return a, b

    def observables(self) -> Paired | None:
        """OBSERVABLES of both over their past less its first quarter; None before there is enough of it.

        Chain i of both has the same noise, so the errors of the differences are those of pairs of chains.
        """
        means = [side.observe(lambda s: np.stack([s.in_blocks(n) for n in MEASURED], axis=-1)) for side in self.sides]
        if any(x.shape[1] == 0 for x in means):
            return None
        functions = [_observables(side.state.theory.volume) for side in self.sides]
        return paired(functions[0], means[0].mean(axis=1), functions[1], means[1].mean(axis=1))

    def _run(self, i: int, updates: int, token: Token | None) -> None:
        if updates <= 0 or self.frames[i].problem:
            return
        began = time.thread_time()
        self.frames[i] = self.sides[i].advance(updates, measure=False, token=token)
        self.seconds[i] += time.thread_time() - began

    def _remember(self) -> None:
        if len(self.past) >= KEPT:
            self.past = self.past[::2]
            self._every *= 2
        a, b = (_moment(frame, seconds) for frame, seconds in zip(self.frames, self.seconds, strict=True))
        self.past.append((a, b))


def _moment(frame: Frame, seconds: float) -> Moment:
    m, _, action = scalars(frame.theory, torch.from_numpy(frame.fields))
    return Moment(
        frame.updates, seconds, frame.fields[0].astype(np.float16), float(m[0]), float(np.abs(m).mean()),
        float(action.mean()),
    )  # fmt: skip


def _observables(volume: int) -> Any:
    def function(mean: np.ndarray) -> np.ndarray:
        abs_m, m2, m4, phi2, action = (mean[..., i] for i in range(5))
        return np.stack([abs_m, phi2, action, volume * (m2 - abs_m**2), 1 - m4 / (3 * m2**2)], axis=-1)

    return function
