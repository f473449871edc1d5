"""Chains that run while somebody watches and steers: couplings, algorithm and field may change between two blocks.

    simulation = Simulation(theory, "hmc", parameters, chains=16, seed=0)
    frame = simulation.advance(5)            # five updates of every chain
    simulation.steer(theory=other)           # the field stays, the couplings change
    simulation.paint("plus", [(3.5, 8.0)], radius=4.0)

Commands may come from any thread; they take effect at the beginning of the next block, in their order. The same seed
and the same sequence of blocks and commands give the same chains.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch

from core.jobs import Token
from core.noise import Noise
from core.samplers import hmc
from core.samplers.algorithms import find
from core.samplers.starts import STARTS
from core.samplers.strokes import BRUSHES, disc, painted
from core.samplers.warm_up import warm_up_step
from core.statistics.running import RunningStatistics
from core.theories.phi4 import Phi4

Tensor = torch.Tensor
R = TypeVar("R")

DEEDS = 300
"""Commands that are remembered; where there are more, none are."""

TIMED = 50
"""Blocks over which the rate is averaged."""
WHOLE_FIELD = ("hmc", "mala")
"""Algorithms that decide about the whole field at once. A field far from equilibrium moves as a body, whose energy
error would get every proposal refused; so after a disturbance, or in place of another, these begin with a warm-up."""
WARM_UP, WARM_UP_LENGTH = 20, 1.0
"""Trajectories of the warm-up, HMC that accepts always, and their mean length."""


@dataclass(frozen=True, eq=False)
class Frame:
    """What a block leaves to be seen.

    ``fields`` (chains, L, L) float32 now; ``updates`` of every chain since the seed, ``since`` of them since the
    statistics began; ``acceptance`` and ``energy_error``, the mean |ΔH|, of the last update (NaN without a decision);
    ``warming``, updates that are still to be accepted whatever they do (see `WHOLE_FIELD`);
    ``rate``, configurations of all chains per second of computing (NaN at first); ``problem``, a sentence where the
    chains cannot go on as they are, else empty; ``reset``, in a few words, why the statistics began anew.
    """

    theory: Phi4
    algorithm: str
    parameters: Mapping[str, Any]
    fields: np.ndarray
    updates: int
    since: int
    acceptance: float
    energy_error: float
    warming: int
    rate: float
    problem: str
    reset: str


class Deed(NamedTuple):
    """A command that was carried out: after how many updates, the method and its arguments."""

    updates: int
    name: str
    arguments: dict[str, Any]


class Simulation:
    """Chains of φ⁴ in two dimensions under one algorithm at a time, with the statistics since the last change."""

    def __init__(
        self,
        theory: Phi4,
        algorithm: str,
        parameters: Mapping[str, Any],
        chains: int = 16,
        start: str = "mixed",
        seed: int = 0,
    ) -> None:
        """Chains at ``start`` (see `core.samplers.starts.STARTS`); ``parameters`` are complete (see
        `core.samplers.live_parameters`).

        Raises ValueError for a lattice that is not a square and for bad values, naming them.
        """
        _require_square(theory)
        self.noise = Noise(seed).of("simulation")
        self._commands: list[tuple[Callable[[], None], str, dict[str, Any]]] = []
        self.begun: dict[str, Any] = {
            "theory": theory, "algorithm": algorithm, "parameters": dict(parameters), "chains": chains, "start": start,
            "seed": seed,
        }  # fmt: skip
        self.deeds: list[Deed] | None = []
        """What was done since, for who wants to do it again (`between` two blocks); None where it cannot be done."""
        self._queue, self._running = threading.Lock(), threading.Lock()
        self._starts = self._strokes = 0
        self._covered = np.zeros(theory.event, dtype=bool)
        self._problem = ""
        self._timed: deque[tuple[int, float]] = deque(maxlen=TIMED)
        self._theory, self._algorithm, self._parameters = theory, find(algorithm), dict(parameters)
        x = self._started(start, chains)
        self._state = self._algorithm.start(theory, x, **parameters)
        self._warm()
        self._good = x
        self._last = float("nan"), float("nan")
        self._reset = ""
        self._begin("start")

    def steer(
        self,
        theory: Phi4 | None = None,
        algorithm: str | None = None,
        parameters: Mapping[str, Any] | None = None,
    ) -> None:
        """Go on from the present field with other couplings, another algorithm or other parameters.

        A new algorithm needs its parameters, and begins with a warm-up where it needs one. The statistics begin anew.
        A bad value becomes the ``problem`` of the next frame, until the next command."""

        def command() -> None:
            new = theory or self._theory
            if new.event != self._theory.event:
                raise ValueError(f"a field of {self._theory.event} sites cannot go on with {new.event}: start anew")
            method = find(algorithm) if algorithm is not None else self._algorithm
            values = dict(self._parameters if parameters is None else parameters)
            switched = method.name != self._algorithm.name  # the field may be young, which the old one did not mind
            self._install(new, method, values, self._state.x)
            if theory is not None or switched:
                self._warm()
            self._begin("new couplings" if theory is not None else "new algorithm" if algorithm else "new step size")

        self._order(command, "steer", theory=theory, algorithm=algorithm, parameters=parameters)

    def restart(
        self,
        start: str,
        theory: Phi4 | None = None,
        chains: int | None = None,
        algorithm: str | None = None,
        parameters: Mapping[str, Any] | None = None,
    ) -> None:
        """New fields from ``start``, on another lattice or with another number of chains where asked for.

        Each restart has noise of its own; the count of updates goes on."""

        def command() -> None:
            if theory is not None:
                _require_square(theory)
            new = theory or self._theory
            method = find(algorithm) if algorithm is not None else self._algorithm
            values = dict(self._parameters if parameters is None else parameters)
            before, self._theory = self._theory, new
            try:
                x = self._started(start, chains or len(self._state.x))
                self._install(new, method, values, x)
            except ValueError:
                self._theory = before
                raise
            self._warm()
            self._begin("new fields")

        given = {"theory": theory, "chains": chains, "algorithm": algorithm, "parameters": parameters}
        self._order(command, "restart", start=start, **given)

    def paint(
        self,
        brush: str,
        points: Sequence[tuple[float, float]],
        radius: float,
        chain: int = 0,
        begins: bool = True,
    ) -> None:
        """A stroke of a brush (see `core.samplers.strokes`) through ``points`` on the field of one chain, in sites.

        ``begins`` is False for the continuation of a stroke: a site is flipped only once a stroke."""

        def command() -> None:
            if brush not in BRUSHES:
                raise ValueError(f"brush must be one of {', '.join(BRUSHES)}, got {brush!r}")
            x = self._state.x
            if not 0 <= chain < len(x):
                raise ValueError(f"chain must be from 0 to {len(x) - 1}, got {chain}")
            if begins:
                self._covered = np.zeros(self._theory.event, dtype=bool)
            rows, columns = self._theory.event
            now = disc((rows, columns), points, radius)
            self._strokes += 1
            x = x.clone()
            x[chain] = painted(self._theory, x[chain], brush, now & ~self._covered, self.noise, self._strokes)
            self._covered |= now
            self._install(self._theory, self._algorithm, self._parameters, x)
            self._warm()
            self._begin("a stroke")

        given = {"points": points, "radius": radius, "chain": chain, "begins": begins}
        self._order(command, "paint", brush=brush, **given)

    def forget(self) -> None:
        """Begin the statistics anew."""
        self._order(lambda: self._begin("asked to forget"), "forget")

    def advance(self, updates: int, measure: bool = True, token: Token | None = None) -> Frame:
        """Carry out the waiting commands, then take ``updates`` steps of every chain (0 only carries out commands).

        ``measure`` also adds the final fields to the costlier statistics (sites, moments, correlations). Where a
        chain runs away the fields from before come back and the frame's ``problem`` says so; nothing moves until a
        command changes that. Raises Cancelled once ``token`` is cancelled.
        """
        with self._running:
            self._obey()
            if not self._algorithm.exact and float(self._state.x.abs().max()) < 2 * self.statistics.edges[-1]:
                self._good = self._state.x
            done = 0
            began = time.perf_counter()
            while done < updates and not self._problem:
                if token is not None:
                    token.check()
                self._step()
                done += 1
            if done:
                self._timed.append((done, time.perf_counter() - began))
                if measure and not self._problem:
                    self.statistics.add_field(self._state.x)
            return self._frame()

    def observe(self, look: Callable[[RunningStatistics], Any]) -> Any:
        """``look(statistics)`` between two blocks, for another thread than the one that advances."""
        return self.between(lambda: look(self.statistics))

    def between(self, look: Callable[[], R]) -> R:
        """``look()`` between two blocks, for another thread than the one that advances."""
        with self._running:
            return look()

    @property
    def state(self) -> Any:
        """The sampler's state after the last block."""
        return self._state

    def _warm(self) -> None:
        """Put a warm-up before what comes."""
        self._warming = WARM_UP if self._algorithm.name in WHOLE_FIELD else 0

    @property
    def theory(self) -> Phi4:
        """The theory in use."""
        return self._theory

    @property
    def algorithm(self) -> str:
        """Name of the algorithm in use."""
        return self._algorithm.name

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The algorithm's parameters in use."""
        return self._parameters

    def _step(self) -> None:
        if self._warming:
            self._warm_step()
            return
        try:
            new, info = self._algorithm.step(self._state, self.noise)
        except FloatingPointError as error:
            text = str(error)
            self._problem = text[:1].upper() + text[1:] + ". The field is shown as it was before."
            self.deeds = None  # what comes back depends on the blocks
            self._replace(self._algorithm, self._theory, self._parameters, self._good, self._state.count)
            return
        self._state = new
        rate = info.total_accepted() / len(new.x)
        delta = float("nan") if info.log_ratio is None else float(info.log_ratio.abs().mean())
        self._last = rate, delta
        self.statistics.add(new.x, rate, info.log_ratio)

    def _warm_step(self) -> None:
        step_size = warm_up_step(self._theory)
        walker = hmc.init(self._theory, self._state.x, step_size, WARM_UP_LENGTH)
        walker = dataclasses.replace(walker, metropolis=False, count=self._state.count)
        walker, _ = hmc.step(walker, self.noise.of("warm-up"))
        self._warming -= 1
        self._replace(self._algorithm, self._theory, self._parameters, walker.x, walker.count)
        self._last = float("nan"), float("nan")
        self.statistics.add(walker.x)

    def _order(self, command: Callable[[], None], name: str, **arguments: Any) -> None:
        with self._queue:
            self._commands.append((command, name, arguments))

    def _obey(self) -> None:
        with self._queue:
            waiting, self._commands = self._commands, []
        for command, name, arguments in waiting:
            if self.deeds is not None:
                self.deeds.append(Deed(self._state.count, name, arguments))
                self.deeds = self.deeds if len(self.deeds) <= DEEDS else None
            try:
                command()
            except ValueError as error:
                text = str(error)
                self._problem = text[:1].upper() + text[1:]

    def _install(self, theory: Phi4, algorithm: Any, parameters: dict[str, Any], x: Tensor) -> None:
        self._replace(algorithm, theory, parameters, x, self._state.count)
        self._theory, self._algorithm, self._parameters = theory, algorithm, parameters
        self._warming = self._warming if algorithm.name in WHOLE_FIELD else 0
        self._problem = ""
        self._timed.clear()

    def _replace(self, algorithm: Any, theory: Phi4, parameters: Mapping[str, Any], x: Tensor, count: int) -> None:
        """A fresh state at ``x`` that goes on counting."""
        new = algorithm.start(theory, x, **parameters)
        self._state = dataclasses.replace(new, count=count, clock=self._state.clock)

    def _started(self, start: str, chains: int) -> Tensor:
        if start not in STARTS:
            raise ValueError(f"start must be one of {', '.join(STARTS)}, got {start!r}")
        self._starts += 1
        return STARTS[start](self._theory, chains, self.noise.of(f"start {self._starts}"), torch.float32)

    def _begin(self, reason: str) -> None:
        """Forget what was measured."""
        x = self._state.x
        reach = max(1.3 * self._theory.classical_minimum + 3.5, 4.0 * float(x.square().mean().sqrt()))
        self.statistics = RunningStatistics(self._theory, len(x), reach)
        self._reset = reason

    def _frame(self) -> Frame:
        steps, seconds = (sum(column) for column in zip(*self._timed, strict=True)) if self._timed else (0, 0.0)
        rate = steps * len(self._state.x) / seconds if seconds > 0 else float("nan")
        return Frame(
            self._theory, self._algorithm.name, self._parameters, self._state.x.numpy(), self._state.count,
            self.statistics.steps, *self._last, self._warming, rate, self._problem, self._reset,
        )  # fmt: skip


def _require_square(theory: Phi4) -> None:
    if len(theory.event) != 2 or theory.event[0] != theory.event[1]:
        raise ValueError(f"the lattice must be a square, got {theory.event}")
