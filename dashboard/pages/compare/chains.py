"""Comparisons of Markov chains: both run before one's eyes, with the same start and the same noise."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import panel as pn
import panel_material_ui as pmui

from core.jobs import Token
from core.samplers.algorithms import find
from core.samplers.live_parameters import live_parameters
from core.samplers.pair import Chains, Pair
from core.statistics.format import thousands, with_error
from dashboard.live import Live, sentence
from dashboard.pages.compare.chain_scene import limit_of, live_scene, past_scene
from dashboard.pages.compare.kind import Settings, Table
from dashboard.pages.compare.layout import Layout
from dashboard.pages.compare.sides import Sides
from dashboard.pages.compare.state import CompareState
from dashboard.pages.compare.table import table_html
from dashboard.pages.lattice.state import LABELS, OPTIONS, LatticeState
from dashboard.shell import Shell
from dashboard.stage import Stage

SIZES = (16, 32, 64)
"""Lattices whose past is remembered in full."""
PICTURES = 25
"""Pictures a second, at most."""
NUMBERS_EVERY = 0.7
"""Seconds between tables."""
LONGEST = 300.0
"""Seconds of computing of each, after which both rest."""
IDLE = 0.2
"""Seconds between looks whether anybody watches again."""
SLOWNESS = 0.9
"""How much of the last colour scale is kept from picture to picture."""
NAMES = ("⟨|M|⟩", "⟨φ²⟩", "⟨S⟩/V", "χ", "U_L")
LABEL = "Two sets of chains while they run"
NOTE = (
    "Both begin from the same random numbers and chain i of A and chain i of B go on with the same ones (same seed, "
    "same Philox counters): they differ by the settings alone. Hold them, and the past of both can be played."
)


def _has(name: str) -> Any:
    return lambda s: name in find(str(s.algorithm)).parameters


SETTINGS = Settings(
    {
        "Theory": ("kappa", "lam", "L", "chain_count"),
        "Algorithm": ("algorithm", "auto_step", "step_size", *OPTIONS),
        "Start": ("start",),
    },
    LABELS,
    {name: _has(name) for name in OPTIONS} | {"step_size": lambda s: not s.auto_step},
)


def make_state() -> LatticeState:
    """The settings of one set of chains at their defaults."""
    state = LatticeState()
    state.param["L"].objects = {f"{n} × {n}": n for n in SIZES}
    return state


class ChainsView:
    """One session's pair of simulations."""

    def __init__(self, shell: Shell, state: CompareState, sides: Sides) -> None:
        self.shell, self.state, self.sides = shell, state, sides
        self.stage = Stage(
            height=None, sizing_mode="stretch_both", min_height=400, margin=(0, 4), dark=shell.param.dark, label=LABEL,
            controls=False,
        )  # fmt: skip
        self.run = pmui.Button(
            label="Hold", css_classes=["control-compare-run"], color="primary", size="small", margin=(6, 4, 4, 12),
            width=78, description="Stop both and play their past, or let them go on.",
        )  # fmt: skip
        self.again = pmui.Button(
            label="Start again", css_classes=["control-compare-again"], variant="outlined", size="small",
            margin=(6, 4, 4, 4), width=100, description="Both begin anew from the same noise.",
        )  # fmt: skip
        self.layout = Layout(shell, state, sides, SETTINGS, self.stage, NOTE, (self.run, self.again))
        self.sidebar, self.main = self.layout.sidebar.cards, self.layout.main
        self.pair: Pair | None = None
        self.numbers: Table | None = None
        self._held = threading.Event()
        self._limit = 0.0
        self.live = Live(self._deliver, self._fail)
        shell.on_close(self.live.close)
        shell.on_leave(self.live.cancel)
        self.run.on_click(lambda _: self.hold(not self._held.is_set()))
        self.again.on_click(lambda _: self.refresh())
        sides.watch(self.refresh)
        state.param.watch(lambda _: self.refresh(), ["seed", "pace"])
        shell.param.watch(self._write, "dark")
        self.refresh()

    def hold(self, still: bool) -> None:
        """Stop the chains and show their past, or let them go on."""
        (self._held.set if still else self._held.clear)()
        self.run.label = "Go on" if still else "Hold"
        if not still:
            self.stage.param.update(controls=False, playing=False)
            if self.pair is not None:
                self.live.submit(partial(self._going, self.pair, str(self.state.pace)))

    def refresh(self) -> None:
        """Begin both anew with the present settings."""
        seed, orders = int(self.state.seed), []  # type: ignore[arg-type]
        for which, side in (("A", self.sides.a), ("B", self.sides.b)):
            try:
                name = str(side.algorithm)  # type: ignore[attr-defined]
                given = side.given(set(find(name).parameters))  # type: ignore[attr-defined]
                orders.append((side.theory(), name, given, side.chains, str(side.start)))  # type: ignore[attr-defined]
            except ValueError as problem:
                self.live.cancel()
                self.stage.param.update(error=f"{which}: {sentence(problem)}", busy=False)
                return
        self.pair, self.numbers, self._limit = None, None, 0.0
        self.hold(False)
        self.stage.param.update(busy=True, error="", status="tuning step sizes")
        self.layout.fade(True)
        self.live.submit(partial(self._stages, orders, seed, str(self.state.pace)))

    def _stages(self, orders: list[Any], seed: int, pace: str, token: Token) -> Iterator[tuple[str, Any]]:
        """Step sizes, then the chains for as long as somebody watches."""
        yield "status", "tuning step sizes"  # what follows may be cancelled
        both = []
        for theory, name, given, chains, start in orders:
            token.check()
            both.append(Chains(theory, name, live_parameters(name, theory, **given), chains, start))
        pair = Pair(*both, seed=seed)
        yield "pair", pair
        yield from self._going(pair, pace, token)

    def _going(self, pair: Pair, pace: str, token: Token) -> Iterator[tuple[str, Any]]:
        evaluated = time.monotonic()
        while not self._held.is_set() and min(pair.seconds) < LONGEST and not pair.problem:
            token.check()
            if not self.stage.watched:
                time.sleep(IDLE)
                continue
            began = time.monotonic()
            speed = float(self.state.speed)  # type: ignore[arg-type]
            period = 1 / min(speed, PICTURES)
            pair.advance(max(1, round(speed * period)), pace, token)
            self.stage.push(self._picture(pair, pace))
            if time.monotonic() - evaluated > NUMBERS_EVERY:
                evaluated = time.monotonic()
                yield "table", numbers(pair)
            time.sleep(max(0.002, began + period - time.monotonic()))
        yield "table", numbers(pair)
        yield "past", (pair, past_scene(pair, pace))

    def _picture(self, pair: Pair, pace: str) -> Any:
        limit = limit_of(pair)
        self._limit = SLOWNESS * self._limit + (1 - SLOWNESS) * limit if self._limit else limit
        return live_scene(pair, pace, self._limit)

    def _deliver(self, result: tuple[str, Any]) -> None:
        what, found = result
        with pn.io.hold():
            if what == "status":
                self.stage.status = found
            elif what == "pair":
                self.pair = found
                self.stage.param.update(busy=False, status="")
                self.layout.fade(False)
            elif what == "table":
                self.numbers = found
                self._write()
            elif found[0] is self.pair:  # others have begun meanwhile, which are not held
                self._rest(*found)

    def _rest(self, pair: Pair, scene: Any) -> None:
        """Both are held: their past can be played."""
        self.hold(True)
        self.stage.show(scene)
        self.stage.param.update(controls=True)
        # In a message of its own: the scene must be there before its end can be sought.
        self.live.soon(setattr, self.stage, "position", float(scene.positions[-1]))
        if pair.problem:
            self.stage.error = pair.problem

    def _write(self, *_: Any) -> None:
        if self.numbers is not None:
            self.layout.table.object = table_html(self.numbers, self.shell.dark, live=not self._held.is_set())

    def _fail(self, error: Exception) -> None:
        self.stage.param.update(error=sentence(error), busy=False)


def numbers(pair: Pair) -> Table | None:
    """The averages of both, with how they came about; None before there are any."""
    found = pair.observables()
    if found is None:
        return None
    sizes = pair.averages("abs_m")
    words = []
    for i, which in enumerate("AB"):
        frame, average = pair.frames[i], sizes[i]
        parts = [f"{thousands(frame.updates)} updates in {pair.seconds[i]:.3g} s"]
        acceptance = pair.sides[i].observe(lambda s: s.acceptance())
        if math.isfinite(acceptance):
            parts.append(f"acceptance {acceptance:.2f}")
        if average.settled:
            parts.append(f"τ_int of |M| {with_error(average.tau, average.tau_error or None)} updates")
        else:
            parts.append("too short against its memory for an honest error")
        words.append(f"{which}: {', '.join(parts)}.")
    theories = [frame.theory for frame in pair.frames]
    same = (theories[0].kappa, theories[0].lam) == (theories[1].kappa, theories[1].lam)
    caption = " ".join([*words, "The first quarter is left out; errors from the spread between the chains."])
    return Table(NAMES, found, caption, () if same else ("⟨S⟩/V",), not all(s.settled for s in sizes))
