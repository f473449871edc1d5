"""The tab *Race*: algorithms side by side on the same couplings, with the same time to work."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import panel as pn
import panel_material_ui as pmui
import param

from core.jobs import Token
from core.samplers.race import VARIANTS, Race, Standing, check_entries, verdict
from core.theories.phi4 import Phi4
from dashboard.live import Live, sentence
from dashboard.pages.lattice.race_scene import race_scene, slowing_scene, standings_table
from dashboard.pages.lattice.state import LABELS, RACE_KEYS, LatticeState
from dashboard.shell import Shell
from dashboard.stage import Stage
from dashboard.widgets import choices, controls

ENTRIES = ["hmc", "metropolis", "overrelaxed", "cluster"]
TURN = 0.04
"""Seconds of work of each algorithm between two pictures."""
STANDINGS_EVERY = 0.7
"""Seconds between evaluations of τ_int."""
LONGEST = 120.0
"""Seconds of work of each algorithm after which a race ends."""
IDLE = 0.2
"""Seconds between looks whether anybody watches again."""
HEIGHT = "max(390px, calc(100vh - 395px))"
"""Of the picture; the table below it is in sight without scrolling where the window allows."""
Key = tuple[Phi4, tuple[str, ...], int]


class RaceSettings(param.Parameterized):
    """What belongs to this tab alone."""

    entries = param.ListSelector(
        default=list(ENTRIES),
        objects={v.title: name for name, v in VARIANTS.items()},
        doc="The algorithms that race: two to four of them.",
    )


class RaceView:
    """One session's race, its picture, and what earlier ones have found."""

    def __init__(self, shell: Shell, state: LatticeState) -> None:
        self.shell, self.state, self.settings = shell, state, RaceSettings()
        shell.sync(self.settings, RACE_KEYS)
        fill: dict[str, Any] = {"controls": False, "dark": shell.param.dark, "margin": (0, 4)}
        self.stage = Stage(height=None, sizing_mode="stretch_both", label="A race of algorithms", **fill)
        self.slowing = Stage(
            height=230, sizing_mode="stretch_width", label="τ_int against the size of the lattice", **fill
        )
        self.table = pn.pane.HTML("", margin=(4, 8), sizing_mode="stretch_width")
        self.verdict = pn.pane.HTML(
            "", css_classes=["race-verdict"], margin=(2, 12), sizing_mode="stretch_width",
            styles={"font-size": "14px", "line-height": "1.45"},
        )  # fmt: skip
        small: dict[str, Any] = {"size": "small", "margin": (6, 4, 4, 8)}
        self.run = pmui.Button(
            label="Stop", css_classes=["control-race-run"], color="primary",
            description="Hold the race, or let it go on.", **small,
        )  # fmt: skip
        self.again = pmui.Button(
            label="Reset", css_classes=["control-race-again"], variant="outlined",
            description="A new race from the same fields.", **small,
        )  # fmt: skip
        self.entries = choices(self.settings, "entries", "From two to four", css_classes=["control-race-entries"])
        self.sidebar = self._sidebar()
        self.main = [self._layout()]
        self.live = Live(self._deliver, self._fail)
        self._stopped = threading.Event()
        self._open = False
        self._key: Key | None = None
        self._race: Race | None = None
        self._times: dict[tuple[float, float], dict[str, dict[int, Standing]]] = {}
        self._last: list[Standing] = []
        self.run.on_click(lambda _: self.stop(not self._stopped.is_set()))
        self.again.on_click(lambda _: self.reset())
        state.param.watch(self._changed, ["kappa", "lam", "L", "seed"])
        self.settings.param.watch(self._changed, "entries")
        shell.param.watch(lambda _: self._write(), "dark")
        shell.on_close(self.live.close)
        shell.on_leave(self.live.cancel)

    def open(self) -> None:
        """The tab has come to the front: the race goes on, or a new one begins where the couplings are others."""
        self._open = True
        self._start()

    def rest(self) -> None:
        """The tab is hidden: nobody races."""
        self._open = False
        self.live.cancel()

    def stop(self, still: bool) -> None:
        """Hold the race, or let it go on."""
        (self._stopped.set if still else self._stopped.clear)()
        self.run.label = "Go on" if still else "Stop"

    def reset(self) -> None:
        """A new race, also where nothing has changed."""
        self._key = None
        self.stop(False)
        self._start()

    def _sidebar(self) -> list[Any]:
        w = controls(self.state, ["kappa", "lam", "L", "seed"], LABELS)
        sections = {"Theory": [w["kappa"], w["lam"], w["L"], w["seed"]], "Algorithms": [self.entries]}
        return [
            pmui.Card(
                *items, title=title, collapsible=True, margin=(4, 6), sizing_mode="stretch_width", variant="outlined",
                title_variant="subtitle2",
            )
            for title, items in sections.items()
        ]  # fmt: skip

    def _layout(self) -> Any:
        top = pn.Row(self.run, self.again, self.verdict, margin=0, sizing_mode="stretch_width")
        below = pn.FlexBox(
            pn.Column(self.table, margin=0, styles={"flex": "2.8 1 480px", "min-width": "0"}),
            pn.Column(self.slowing, margin=0, styles={"flex": "1 1 240px", "min-width": "0"}),
            flex_wrap="wrap", gap="6px", margin=0, sizing_mode="stretch_width",
        )  # fmt: skip
        explanation = pn.pane.Markdown(EXPLANATION, margin=(0, 14), sizing_mode="stretch_width")
        picture = pn.FlexBox(
            self.stage, margin=0, sizing_mode="stretch_width", styles={"height": HEIGHT, "flex": "none"}
        )
        return pn.Column(top, picture, below, explanation, sizing_mode="stretch_width", margin=0)

    def _changed(self, *_: Any) -> None:
        if self._open:
            self._start()

    def _start(self) -> None:
        try:
            theory = self.state.theory()
            names = tuple(str(name) for name in self.settings.entries)  # type: ignore[union-attr]
            check_entries(names)
            key = (theory, names, int(self.state.seed))  # type: ignore[arg-type]
        except ValueError as problem:
            self._key = None
            self.live.cancel()
            self._fail(problem)
            return
        self.stage.error = ""
        if key != self._key:
            self._key, self._race, self._last = key, None, []
        self.live.submit(partial(self._stages, key))

    def _stages(self, key: Key, token: Token) -> Iterator[tuple[Key, Race | None, list[Standing]]]:
        """The race, in a thread of the pool: turns, pictures and standings."""
        yield key, None, []  # what follows may be cancelled
        race = self._race
        if race is None:
            theory, names, seed = key
            race = Race(theory, names, seed=seed, token=token)
        evaluated = 0.0
        while race.seconds < LONGEST:
            token.check()
            if self._stopped.is_set() or not self.stage.watched:
                time.sleep(IDLE)
                if race.seconds:
                    yield key, race, []
                continue
            race.turn(TURN, token)
            self.stage.push(race_scene(race, [VARIANTS[name] for name in key[1]], str(self.state.palette)))
            now = time.monotonic()
            if now - evaluated > STANDINGS_EVERY:
                evaluated = now
                yield key, race, race.standings()
        yield key, race, race.standings()

    def _deliver(self, result: tuple[Key, Race | None, list[Standing]]) -> None:
        key, race, standings = result
        if key != self._key:
            return
        self.stage.busy = race is None
        if race is None and self._race is None:
            self.verdict.object = "Bringing the chains into equilibrium and tuning step sizes …"
        self._race = race or self._race
        if standings:
            theory = key[0]
            times = self._times.setdefault((theory.kappa, theory.lam), {})
            for standing in standings:
                if standing.settled:
                    times.setdefault(standing.variant.name, {})[theory.event[0]] = standing
            self._last = standings
            self._write()

    def _write(self) -> None:
        if not self._last or self._race is None:
            return
        theory = self._race.theory
        with pn.io.hold():
            self.table.object = standings_table(self._last, self.shell.dark)
            ended = f" The race ends after {LONGEST:g} seconds of work." if self._race.seconds >= LONGEST else ""
            self.verdict.object = verdict(self._last) + ended
            self.slowing.show(slowing_scene(self._times.get((theory.kappa, theory.lam), {}), theory.kappa))

    def _fail(self, error: Exception) -> None:
        self.stage.param.update(error=sentence(error), busy=False)


EXPLANATION = """
**What to look for.** Every algorithm has its own copy of the same chains, in equilibrium at the start, and the same
seconds on one core, so what counts is the last column: the work for one independent configuration, 2 τ_int steps of one
chain (τ_int = ½ + Σ ρ(t), of |M|). Near κ = 0.27 let L = 16, 32 and 64 race in turn: the memory of local updates grows
as a power of L, that of clusters hardly. Grey numbers come from chains shorter than 25 τ_int. None uses the
global sign flip, so M has to find its other sign by itself.
"""
