"""A Langevin chain that runs while one watches: its state and what the picture looks back on, bounded in size."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from core.jobs import Token
from core.limits import limits
from core.noise import Noise
from core.samplers import langevin, mala, strengths
from core.samplers.driver import frames
from core.samplers.step_size import mean_square
from core.statistics.autocorrelation import Autocorrelation, integrated_time
from core.theories.base import Target
from dashboard.pages.one.state import OneState

STRENGTHS: dict[str, Callable[[float], float] | None] = {
    "constant": None,
    "growing": strengths.growing,
    "falling": strengths.falling,
}
LINES = 5  # trajectories in the picture
WINDOW = 400  # steps of them
SERIES_CHAINS, SERIES_STEPS = 200, 2000  # what autocorrelation and errors are computed from
CURVE = 4000  # points of the curve ⟨x²⟩; every second one is dropped when it is full
ENOUGH = 20.0  # autocorrelation times that make a past long
RUNAWAY = 100.0  # window widths from the origin beyond which a chain counts as lost
OBSERVABLES = {"x2": mean_square, "x": lambda x: x[:, 0]}


@dataclass(frozen=True, eq=False)
class Statistics:
    """τ_int, mean and error of x², and ρ of x, after thermalisation; times in steps."""

    x2: Autocorrelation
    x: Autocorrelation
    draws: int

    @property
    def slowest(self) -> Autocorrelation:
        """Of x and x², the one with the longer memory: x² does not see on which side of a barrier a chain is."""
        return max(self.x, self.x2, key=lambda found: found.tau)

    @property
    def settled(self) -> bool:
        """Whether the recent past is long against that memory."""
        return self.slowest.tau * ENOUGH < self.draws


@dataclass
class Chain:
    """Chains of one law side by side. ``counts`` on ``edges`` is everything since thermalisation; ``clock`` and
    ``mean`` the curve ⟨x²⟩ over the chains against Parisi–Wu time."""

    target: Target
    state: Any
    step: Any
    noise: Noise
    therm: int
    edges: np.ndarray
    counts: np.ndarray
    batch: int = 1
    acceptance: float = float("nan")
    clock: list[float] = field(default_factory=list)
    mean: list[float] = field(default_factory=list)
    trace: deque[tuple[float, np.ndarray]] = field(default_factory=lambda: deque(maxlen=WINDOW))
    series: dict[str, deque[np.ndarray]] = field(
        default_factory=lambda: {name: deque(maxlen=SERIES_STEPS) for name in OBSERVABLES}
    )
    every: int = 1
    reached: tuple[int, int] = (0, 0)
    """Steps taken, and how many of them the statistics come from; both of the same moment."""

    def advance(self, token: Token) -> None:
        """Take ``batch`` steps and add what happened."""
        before = self.state.count
        (frame,) = frames(self.state, self.step, self.noise, self.batch, None, OBSERVABLES, LINES, token)
        self.state, self.acceptance = frame.state, frame.acceptance
        width = float(self.edges[-1] - self.edges[0])
        if float(self.state.x.abs().max()) > RUNAWAY * (width + abs(float(self.edges[0]))):
            raise FloatingPointError(
                f"the chain runs away: ε = {self.state.epsilon:g} is too large for the steepest part of this action. "
                "Take a smaller ε, or the Metropolis-adjusted step."
            )
        mean = frame.series["x2"].mean(axis=0)
        for i, clock in enumerate(frame.clock):
            self.trace.append((float(clock), frame.trajectories[:, i, 0]))
            if (before + i) % self.every == 0:
                self.clock.append(float(clock))
                self.mean.append(float(mean[i]))
        if len(self.clock) > CURVE:
            self.clock, self.mean, self.every = self.clock[::2], self.mean[::2], 2 * self.every
        if before >= self.therm:
            for name, kept in self.series.items():
                kept.extend(frame.series[name][:SERIES_CHAINS].T)
            self.counts = self.counts + np.histogram(self.state.x.numpy(), self.edges)[0]
        self.reached = self.state.count, len(self.series["x2"])

    @property
    def start(self) -> float:
        """Where the chains begin: far out on one side, so that one sees them thermalise."""
        return float(self.target.window()[0][1])

    @property
    def pace(self) -> float:
        """Parisi–Wu time of one step, on average so far."""
        return self.state.clock / max(1, self.state.count)

    def statistics(self) -> Statistics | None:
        """Autocorrelation of the recent past; None before there is enough of it."""
        if len(self.series["x2"]) < 20:
            return None
        x2, x = (integrated_time(np.array(self.series[name]).T) for name in ("x2", "x"))
        return Statistics(x2, x, len(self.series["x"]))


def make_chain(state: OneState) -> Chain:
    """The chain that the state asks for, see ``Chain.start``.

    ValueError for what cannot be, and for more chains than a visitor may ask for (`core.limits`).
    """
    limits().check("chains", int(state.chains))  # type: ignore[arg-type]
    target = state.make_target()
    low, high = target.window()[0]
    x = torch.full((int(state.chains), 1), float(high), dtype=torch.float64)  # type: ignore[arg-type]
    edges = np.linspace(low - 0.15 * (high - low), high + 0.15 * (high - low), 91)
    noise = Noise(int(state.seed)).of("langevin")  # type: ignore[arg-type]
    epsilon, therm = float(state.epsilon), int(state.therm)  # type: ignore[arg-type]
    if state.metropolis:
        return Chain(target, mala.init(target, x, epsilon), mala.step, noise, therm, edges, np.zeros(90))
    start = langevin.init(target, x, epsilon, STRENGTHS[str(state.noise_strength)])
    return Chain(target, start, langevin.step, noise, therm, edges, np.zeros(90))
