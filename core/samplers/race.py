"""Algorithms side by side on the same couplings, from the same fields, with the same time to work.

    race = Race(theory, ("hmc", "cluster"), seed=0)
    while True:
        race.turn(0.2)                       # each works for 0.2 seconds in turn
        print(race.standings())

Work is measured as processor time of the thread that calls ``turn``, in which every algorithm moves all of its chains
on one core; so other load on the machine does not count, nor do measurements. The figure of merit is the work per
independent configuration of one chain, 2 τ_int steps (τ_int = ½ + Σ ρ(t), of |M|).
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from core.jobs import Token
from core.noise import Noise
from core.samplers.algorithms import ALGORITHMS, Algorithm, automatic
from core.samplers.starts import mixed_start
from core.samplers.warm_up import warmed
from core.statistics.autocorrelation import integrated_time
from core.statistics.scalars import scalars
from core.theories.phi4 import Phi4

FEWEST, MOST = 2, 4
"""How many algorithms take part."""
CHAINS, SITES = 16, 2**18
"""Chains of each algorithm, fewer where they would have more sites than this together; at least two."""
THERMALISATION = 200
"""Updates before the start, overrelaxed sweeps and clusters in turn: all begin in equilibrium, or near it."""
WINDOW = 20_000
"""Steps that are remembered, the newest ones, unless told otherwise."""
ENOUGH = 25.0
"""A chain that is shorter than so many τ_int has not yet told its τ_int."""


@dataclass(frozen=True)
class Variant:
    """An algorithm with its parameters: ``given`` to it, the others automatic. ``title`` is what people call it.

    No variant flips the sign of the whole field as an extra move: it costs nothing, helps all alike, and would hide
    how the algorithms themselves find the other sign.
    """

    name: str
    title: str
    algorithm: str
    given: tuple[tuple[str, Any], ...] = ()


VARIANTS: dict[str, Variant] = {
    v.name: v
    for v in (
        Variant("hmc", "HMC", "hmc", (("flip", False),)),
        Variant("hmc-fourier", "HMC, Fourier accelerated", "hmc", (("flip", False), ("fourier", True))),
        Variant("langevin", "Langevin", "langevin"),
        Variant("mala", "MALA", "mala", (("flip", False),)),
        Variant("metropolis", "Metropolis", "metropolis", (("flip", False),)),
        Variant(
            "overrelaxed", "Metropolis, overrelaxed", "metropolis", (("flip", False), ("overrelaxation", 4)),
        ),
        Variant("cluster", "Cluster (Wolff)", "cluster", (("kind", "wolff"), ("sweeps", 4))),
        Variant("swendsen-wang", "Cluster (Swendsen–Wang)", "cluster", (("kind", "swendsen-wang"), ("sweeps", 4))),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Standing:
    """How one algorithm fares: ``steps`` done in ``seconds`` of work; ``tau`` of |M| with its error, in steps; ``cost``
    the seconds of work for an independent configuration of a single chain, 2 τ_int steps, with its error.

    All of ``tau``, ``cost`` and their errors are nan before there is anything to tell. ``settled`` says whether the
    chains are long enough, against their memory, for these to be trusted.
    """

    variant: Variant
    steps: int
    seconds: float
    acceptance: float
    abs_m: float
    abs_m_error: float
    tau: float
    tau_error: float
    cost: float
    cost_error: float
    settled: bool


class _Runner:
    """One algorithm in the race, with the recent past of its chains."""

    def __init__(self, variant: Variant, theory: Phi4, x: torch.Tensor, noise: Noise, window: int) -> None:
        self.variant = variant
        self.algorithm: Algorithm = ALGORITHMS[variant.algorithm]
        self.parameters = automatic(variant.algorithm, theory, noise, x.dtype, **dict(variant.given))
        self.noise = noise.of(variant.name)
        self.state = self.algorithm.start(theory, x.clone(), **self.parameters)
        self.seconds, self.steps, self.acceptance = 0.0, 0, math.nan
        self.m: deque[np.ndarray] = deque(maxlen=window)
        self.clock: deque[float] = deque(maxlen=window)
        self._compile(theory, x)

    def _compile(self, theory: Phi4, x: torch.Tensor) -> None:
        """The first call of a kernel loads or compiles it, which is not work."""
        self.algorithm.step(self.algorithm.start(theory, x[:1].clone(), **self.parameters), self.noise)

    def work(self, seconds: float, token: Token | None) -> None:
        end = self.seconds + seconds
        accepted, done = 0.0, 0
        while self.seconds < end:
            if token is not None:
                token.check()
            began = time.thread_time()
            self.state, info = self.algorithm.step(self.state, self.noise)
            self.seconds += time.thread_time() - began
            self.steps += 1
            self.m.append(scalars(self.state.theory, self.state.x)[0])
            self.clock.append(self.seconds)
            accepted, done = accepted + info.total_accepted() / len(self.state.x), done + 1
        if done:
            self.acceptance = accepted / done

    def standing(self) -> Standing:
        tau = tau_error = cost = cost_error = abs_m = error = math.nan
        settled = False
        if len(self.m) >= 20:
            found = integrated_time(np.abs(np.array(self.m)).T)
            tau, tau_error, abs_m, error = found.tau, found.tau_error, found.mean, found.mean_error
            chains = len(self.state.x)
            cost = 2 * tau * self.seconds / self.steps / chains
            cost_error = cost * tau_error / tau
            settled = bool(len(self.m) > ENOUGH * max(tau, 1.0) and tau_error > 0)
        return Standing(
            self.variant, self.steps, self.seconds, self.acceptance, abs_m, error, tau, tau_error, cost, cost_error,
            settled,
        )  # fmt: skip


class Race:
    """Two to four algorithms, each with its own copy of the same chains.

    The same seed gives the same chains after the same number of steps, but how many steps fit into a turn is up to
    the machine.
    """

    def __init__(
        self,
        theory: Phi4,
        names: Sequence[str],
        chains: int | None = None,
        seed: int = 0,
        token: Token | None = None,
        window: int = WINDOW,
    ) -> None:
        """Bring the chains into equilibrium and tune every algorithm; ``names`` are keys of VARIANTS, and ``window``
        steps are remembered.

        Raises ValueError for fewer than two or more than four algorithms, for the same one twice or an unknown one,
        and whatever an algorithm says of the theory; Cancelled once ``token`` is.
        """
        check_entries(names)
        torch.set_num_threads(1)
        self.theory = theory
        chains = max(2, min(CHAINS, SITES // theory.volume)) if chains is None else chains
        noise = Noise(seed).of("race")
        self.start = _equilibrium(theory, chains, noise, token)
        self._runners = []
        for name in names:
            if token is not None:
                token.check()
            self._runners.append(_Runner(VARIANTS[name], theory, self.start, noise, window))

    @property
    def seconds(self) -> float:
        """Work that every algorithm has done, at least."""
        return min(runner.seconds for runner in self._runners)

    def turn(self, seconds: float, token: Token | None = None) -> None:
        """Every algorithm works for ``seconds``, one after the other; those that overran before, for less.

        Raises Cancelled once ``token`` is cancelled.
        """
        end = self.seconds + seconds
        for runner in self._runners:
            runner.work(max(0.0, end - runner.seconds), token)

    def standings(self) -> list[Standing]:
        """One for every algorithm, in their order."""
        return [runner.standing() for runner in self._runners]

    def field(self, i: int) -> np.ndarray:
        """The first chain of algorithm ``i`` now, shape (L, L)."""
        return self._runners[i].state.x[0].numpy()

    def history(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        """Seconds of work and M of the first chain of algorithm ``i``, over the newest steps."""
        runner = self._runners[i]
        return np.array(runner.clock), np.array([m[0] for m in runner.m])

    def parameters(self, i: int) -> dict[str, Any]:
        """The complete parameters of algorithm ``i``."""
        return self._runners[i].parameters


def check_entries(names: Sequence[str]) -> None:
    """Raise ValueError where these algorithms cannot race."""
    if not FEWEST <= len(names) <= MOST:
        raise ValueError(f"a race takes from {FEWEST} to {MOST} algorithms, got {len(names)}")
    if len(set(names)) < len(names):
        raise ValueError(f"the algorithms of a race must differ, got {', '.join(names)}")
    for name in names:
        if name not in VARIANTS:
            raise ValueError(f"an algorithm in a race must be one of {', '.join(VARIANTS)}, got {name!r}")


def _equilibrium(theory: Phi4, chains: int, noise: Noise, token: Token | None) -> torch.Tensor:
    """Chains (chains, *event) in equilibrium, from the mixed ordered start."""
    noise = noise.of("thermalisation")
    x = warmed(theory, mixed_start(theory, chains, noise), noise.of("warm-up"), token)
    cluster, sweeps = ALGORITHMS["cluster"], ALGORITHMS["metropolis"]
    size = automatic("metropolis", theory, noise)["step_size"]
    for turn in range(THERMALISATION // 10):
        for algorithm, extra in ((sweeps, {"overrelaxation": 4}), (cluster, {})):
            own = noise.of(f"{algorithm.name} {turn}")
            state = algorithm.start(theory, x, size, **extra)
            for _ in range(5):
                if token is not None:
                    token.check()
                state, _ = algorithm.step(state, own)
            x = state.x
    return x


def verdict(standings: Sequence[Standing]) -> str:
    """The race in plain words: who is ahead, by how much, and of whom nothing can be said yet."""
    known = sorted((s for s in standings if s.settled), key=lambda s: s.cost)
    unknown = [s.variant.title for s in standings if not s.settled]
    if not known:
        return "Too early to tell: no chain is long yet against its own memory."
    best = known[0]
    parts = [f"{best.variant.title} is ahead"] if len(known) > 1 else [f"So far only {best.variant.title} has settled"]
    for other in known[1:]:
        factor = other.cost / best.cost
        error = factor * math.hypot(best.cost_error / best.cost, other.cost_error / other.cost)
        if factor - 1 < 2 * error:
            parts.append(f"{other.variant.title} is as fast within the errors")
        else:
            parts.append(f"{other.variant.title} needs {factor:.2g} times the work")
    if unknown:
        verb = "have" if len(unknown) > 1 else "has"
        parts.append(f"{' and '.join(unknown)} {verb} not yet run long enough to tell")
    return "; ".join(parts) + "."
