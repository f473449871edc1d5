"""The live tab: the field while it moves, what to do to it, and one group of observables beside it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from functools import lru_cache, partial
from typing import Any

import panel as pn
import panel_material_ui as pmui

from core.jobs import Token
from core.reproduce.lattice import simulation_recipe
from core.reproduce.recipe import Recipe
from core.samplers.algorithms import find
from core.samplers.live_parameters import live_parameters, provisional_parameters
from core.samplers.simulation import Frame, Simulation
from core.theories.phi4 import Phi4
from dashboard import style
from dashboard.live import Live, sentence
from dashboard.pages.compare.link import compare_link
from dashboard.pages.lattice.health_card import HEIGHT as HEALTH_HEIGHT
from dashboard.pages.lattice.health_card import HealthWatch
from dashboard.pages.lattice.numbers import below_the_field, settings, summary, updates
from dashboard.pages.lattice.runner import Runner
from dashboard.pages.lattice.scene import colour_limit, field_scene, observables_scene, tile_at, tile_extent
from dashboard.pages.lattice.state import LABELS, PRESETS, LatticeState
from dashboard.shell import Shell
from dashboard.stage import LiveText, Stage
from dashboard.widgets import controls, switch

CURVES_EVERY = 0.2
"""Seconds between pictures of the observables."""
NUMBERS_EVERY = 0.4
SETTLE = 0.2
"""Seconds that the controls must rest before a step size is tuned."""
SLOWNESS = 0.9
"""How much of the last colour scale is kept from picture to picture, so that colours do not flicker."""
HEIGHT = style.picture_height(f"max(440px, calc(100vh - {104 + HEALTH_HEIGHT}px))")
_tuner = threading.Lock()
METHOD = ("algorithm", "auto_step", "step_size", "flip", "fourier", "kind", "integrator", "overrelaxation")
FIELDS = ("L", "chain_count", "start", "seed", "shown")


@lru_cache(maxsize=1024)
def _known(name: str, theory: Phi4, given: tuple[tuple[str, Any], ...]) -> dict[str, Any]:
    return live_parameters(name, theory, **dict(given))


def _tuned(name: str, theory: Phi4, given: tuple[tuple[str, Any], ...], token: Token) -> dict[str, Any]:
    """Parameters are the same for all sessions, and tuned once; one after the other, for pictures come first."""
    with _tuner:
        token.check()
        return _known(name, theory, given)


class LiveView:
    """One session's simulation, its stages and its controls."""

    def __init__(self, shell: Shell, state: LatticeState) -> None:
        self.state = state
        dark = shell.param.dark
        fill: dict[str, Any] = {"height": None, "sizing_mode": "stretch_both", "controls": False, "dark": dark}
        fill["areas"] = shell.param.areas
        self.field = Stage(
            label="The lattice field while it moves", paintable="field", min_height=300, margin=(0, 4), **fill
        )
        self.observables = Stage(label="Observables of the lattice field", min_height=300, margin=(0, 4), **fill)
        text = {"font-size": "0.845rem", "font-variant-numeric": "tabular-nums", "line-height": "1.4"}
        self.line = LiveText(margin=(2, 10, 0, 10), sizing_mode="stretch_width", styles=text)
        self.numbers = LiveText(margin=(2, 8, 0, 8), sizing_mode="stretch_width", styles=text)
        self.method = LiveText(margin=(2, 14, 6, 14), sizing_mode="stretch_width", styles=text)
        names = [name for name in state.param if name not in ("name", "tab", "brush", "group", "radius")]
        self.widgets = controls(state, names, LABELS)
        self.sidebar = [*self._sidebar(), compare_link("chains")]
        self.health = HealthWatch(shell)
        health = pn.Column(self.health.card, margin=0, sizing_mode="stretch_width")
        shell.aside(health)
        self.main = [self._layout(), health]
        self.live = Live(self._deliver, self._fail)
        self._told = threading.Event()
        self._told.set()
        self._limit = 0.0
        self._curves = self._written = 0.0
        self._tile = 0
        self._theory: Phi4 | None = None  # of the last picture
        self._asked: tuple[Phi4, str, dict[str, Any]] | None = None  # what is being tuned
        self._simulation: Simulation | None = None
        self.runner: Runner | None = None
        self.field.on_paint(self._paint)
        for stage in (self.field, self.observables):
            stage.reproduces(self._recipe)
        shell.on_close(self.close)
        state.param.watch(self._steered, ["kappa", "lam"])
        state.param.watch(self._other_method, list(METHOD))
        state.param.watch(self._anew, list(FIELDS))
        state.param.watch(self._looks, ["palette", "group", "shown", "speed", "radius", "L"])
        self._arrange()
        self._looks()

    def open(self) -> None:
        """The tab has come to the front."""
        if self.runner is None:
            self._build()
        else:
            self.runner.start()

    def rest(self) -> None:
        """The tab is hidden: nothing moves."""
        if self.runner is not None:
            self.runner.hide()

    def close(self) -> None:
        """The session ends."""
        self.live.close()
        if self.runner is not None:
            self.runner.stop()

    # What is on the page

    def _sidebar(self) -> list[Any]:
        w = self.widgets
        self.preset = pmui.Select(
            label="Preset", options={"Own couplings": ""} | {p.title: name for name, p in PRESETS.items()},
            value=self.state.preset, css_classes=["control-preset"], size="small", margin=(4, 12), width=None,
            sizing_mode="stretch_width", description="Couplings and a start, with a word on what to look for.",
        )  # fmt: skip
        self.preset.param.watch(self._preset, "value")
        sections: dict[str, list[Any]] = {
            "Theory": [self.preset, w["kappa"], w["lam"], w["L"], w["chain_count"]],
            "View": [w["speed"], w["shown"], w["palette"]],
            "Algorithm": [*(w[name] for name in METHOD), self.method],
            "Start": [w["start"], w["seed"]],
        }
        return [
            pmui.Card(
                *items, title=title, collapsible=True, margin=(4, 6), sizing_mode="stretch_width", variant="outlined",
                title_variant="subtitle2",
            )
            for title, items in sections.items()
        ]  # fmt: skip

    def _layout(self) -> Any:
        self.run = _button("Pause", "run", color="primary", width=78)
        self.single = _button("Step", "single", variant="outlined", disabled=True, width=64)
        self.again = _button("Start again", "again", variant="outlined")
        self.forget = _button("Forget the past", "forget", variant="outlined")
        self.run.on_click(lambda _: self.pause(not (self.runner and self.runner.paused)))
        self.single.on_click(lambda _: self.runner and self.runner.step())
        self.again.on_click(self._restart)
        self.forget.on_click(lambda _: self._order(lambda simulation: simulation.forget()))
        brushes = switch(self.state, "brush", margin=(4, 8))
        radius = controls(self.state, ["radius"], LABELS)["radius"]
        radius.param.update(width=150, sizing_mode=None, margin=(0, 10), show_value=False)
        left = pn.Column(
            pn.Row(self.run, self.single, self.again, self.forget, margin=0),
            pn.Row(brushes, radius, margin=0),
            self.field, self.line,
            margin=0, sizing_mode="stretch_both", styles={"flex": "1.4 1 420px", "min-width": "340px"},
        )  # fmt: skip
        right = pn.Column(
            pn.Row(switch(self.state, "group", margin=(4, 8)), margin=0), self.observables, self.numbers,
            margin=0, sizing_mode="stretch_both", styles={"flex": "1 1 380px", "min-width": "320px"},
        )  # fmt: skip
        return pn.FlexBox(
            left, right, flex_wrap="nowrap", align_items="stretch", gap="6px", margin=0,
            sizing_mode="stretch_width", styles={"height": HEIGHT},
        )  # fmt: skip

    def _arrange(self) -> None:
        """Show the controls that the algorithm has."""
        has = set(find(str(self.state.algorithm)).parameters)
        with pn.io.hold():
            for name in METHOD[3:]:
                self.widgets[name].visible = name in has
            self.widgets["step_size"].visible = not self.state.auto_step
            self.preset.value = self.state.preset

    def _looks(self, *_: Any) -> None:
        """What changes the picture and not the chains."""
        self.field.brush_radius = float(self.state.radius) * int(self.state.L)  # type: ignore[arg-type]
        self._curves = 0.0
        if self.runner is not None:
            self.runner.speed = float(self.state.speed)  # type: ignore[arg-type]
            self.runner.nudge()

    # What is done to the chains

    def pause(self, still: bool) -> None:
        """Hold the chains, or let them go on."""
        if self.runner is not None:
            self.runner.pause(still)
            self.run.label = "Go on" if still else "Pause"
            self.single.disabled = not still

    def _build(self) -> None:
        """A simulation from nothing, in place of the one there may be."""
        try:
            theory, name, given = self._wanted()
            self._simulation = simulation = Simulation(
                theory, name, provisional_parameters(name, theory, **given), self.state.chains,
                str(self.state.start), int(self.state.seed),  # type: ignore[arg-type]
            )  # fmt: skip
        except ValueError as problem:
            self._fail(problem)
            return
        if self.runner is None:
            self.runner = Runner(
                simulation, self._show, lambda error: self.live.soon(self._fail, error),
                lambda: self.field.watched, self.field.wait,
            )  # fmt: skip
            self.runner.speed = float(self.state.speed)  # type: ignore[arg-type]
        self.runner.simulation = simulation
        self.runner.start()
        self._tune()

    def _wanted(self) -> tuple[Phi4, str, dict[str, Any]]:
        name = str(self.state.algorithm)
        return self.state.theory(), name, self.state.given(set(find(name).parameters))

    def _order(self, command: Any) -> None:
        """Give the simulation a command."""
        if self._simulation is None or self.runner is None:
            self.open()
            return
        command(self._simulation)
        self.runner.nudge()

    def _preset(self, event: Any) -> None:
        preset = PRESETS.get(event.new)
        if preset is not None and event.new != self.state.preset:
            same = preset.start == self.state.start
            self.state.param.update(kappa=preset.kappa, lam=preset.lam, start=preset.start)
            if same:
                self._restart()  # another start does so by itself

    def _steered(self, *_: Any) -> None:
        """Other couplings: the field stays."""
        self._arrange()
        self._with_theory(lambda simulation, theory, name, given: simulation.steer(
            theory=theory, parameters=provisional_parameters(name, theory, **given) if name == "langevin" else None
        ))  # fmt: skip

    def _other_method(self, *events: Any) -> None:
        names = {event.name for event in events}
        if names == {"step_size"} and self.state.auto_step:
            return
        self._arrange()
        if names == {"auto_step"} and not self.state.auto_step and self._take_over():
            return
        self._with_theory(lambda simulation, theory, name, given: simulation.steer(
            algorithm=name, parameters=provisional_parameters(name, theory, **given)
        ))  # fmt: skip

    def _take_over(self) -> bool:
        """Begin setting the step size by hand from the one in use; True where that changes it."""
        if self._simulation is None:
            return False
        low, high = self.state.param["step_size"].bounds
        used = min(high, max(low, float(f"{self._simulation.parameters['step_size']:.2g}")))
        changes = used != self.state.step_size
        self.state.step_size = used
        return changes

    def _anew(self, *events: Any) -> None:
        """New fields, where the present ones do not fit; a new seed begins from nothing."""
        names = {event.name for event in events}
        if names == {"shown"} and self._simulation is not None and len(self._simulation.state.x) >= events[0].new:
            return
        self._arrange()
        if "seed" in names and self.runner is not None:
            self._build()
        else:
            self._restart()

    def _restart(self, *_: Any) -> None:
        self._limit = 0.0
        self._with_theory(lambda simulation, theory, name, given: simulation.restart(
            str(self.state.start), theory, self.state.chains, name, provisional_parameters(name, theory, **given)
        ))  # fmt: skip

    def _with_theory(self, command: Any) -> None:
        """Order ``command(simulation, theory, algorithm, given)`` and tune what was not given."""
        try:
            theory, name, given = self._wanted()
            self._order(lambda simulation: command(simulation, theory, name, given))
        except ValueError as problem:
            self._fail(problem)
            return
        self.field.error = ""
        self._tune()

    def _tune(self) -> None:
        theory, name, given = self._asked = self._wanted()
        self.live.submit(partial(self._tuning, name, theory, given))

    def _tuning(self, name: str, theory: Phi4, given: dict[str, Any], token: Token) -> Iterator[Any]:
        time.sleep(SETTLE)
        token.check()
        yield name, theory, given, _tuned(name, theory, tuple(sorted(given.items())), token)

    def _deliver(self, result: tuple[str, Phi4, dict[str, Any], dict[str, Any]]) -> None:
        name, theory, given, parameters = result
        if (theory, name, given) == self._asked:
            self._order(lambda simulation: simulation.steer(parameters=parameters))

    def _paint(self, points: list[tuple[float, float]], begins: bool) -> None:
        shown, length = int(self.state.shown), int(self.state.L)  # type: ignore[arg-type]
        if begins:
            tile = tile_at(*points[0], shown, length)
            if tile is None:
                return
            self._tile = tile
        x0, x1, y0, y1 = tile_extent(self._tile, shown, length)
        inside = [(x - x0, y - y0) for x, y in points if x0 <= x < x1 and y0 <= y < y1]
        if inside:
            self._order(lambda simulation: simulation.paint(
                str(self.state.brush), inside, self.field.brush_radius, self._tile, begins
            ))  # fmt: skip

    def _recipe(self) -> Recipe | None:
        names = ("L", "kappa", "lam", "algorithm", "start", "seed")
        simulation = self._simulation
        settings = {name: getattr(self.state, name) for name in names}
        return None if simulation is None else simulation_recipe(simulation, settings)

    # What is shown; called in the runner's thread but for the last three

    def _show(self, frame: Frame) -> None:
        with self.field.together():
            self._put_together(frame)

    def _put_together(self, frame: Frame) -> None:
        state, now = self.state, time.monotonic()
        shown = min(int(state.shown), len(frame.fields))  # type: ignore[arg-type]
        shown = max(n for n in (1, 4, 9, 16) if n <= max(shown, 1))
        limit = colour_limit(frame.fields[:shown])
        self._limit = SLOWNESS * self._limit + (1 - SLOWNESS) * limit if self._limit else limit
        self.field.push(field_scene(frame, shown, str(state.palette), self._limit))
        simulation, runner = self._simulation, self.runner
        steered, self._theory = frame.theory != self._theory, frame.theory
        if simulation is None or runner is None or not frame.since or steered:
            self._tell(frame, "")
            return
        self.health.look(simulation, runner.slowness)
        paused = runner.paused
        unit = updates(frame.algorithm)
        if paused or now - self._curves > CURVES_EVERY * runner.slowness:
            self._curves = now
            scene = simulation.observe(lambda s: observables_scene(str(state.group), frame, s, unit))
            self.observables.push(scene)
        if paused or now - self._written > NUMBERS_EVERY * runner.slowness:
            self._written = now
            self._tell(frame, simulation.observe(lambda s: summary(frame, s, str(state.group), unit)))

    def _tell(self, frame: Frame, numbers: str) -> None:
        """Write the numbers; as a change of the page unless the loop has not yet come to write the last ones."""
        line = below_the_field(frame, self.state.preset, str(self.state.start))
        texts = {self.line: line, self.numbers: numbers, self.method: settings(frame, self.state)}
        if self.line.streams:
            for place, text in texts.items():
                if text:
                    place.post(text)
        elif self._told.is_set():
            self._told.clear()
            self.live.soon(self._say, texts)

    def _say(self, texts: dict[LiveText, str]) -> None:
        with pn.io.hold():
            for place, text in texts.items():
                if text and place.object != text:
                    place.object = text
        self._told.set()

    def _fail(self, error: Exception) -> None:
        self._asked = None
        self.field.error = sentence(error)


def _button(label: str, name: str, **look: Any) -> pmui.Button:
    """The tooltip comes late: it lies over the next button."""
    return pmui.Button(
        label=label, css_classes=[f"control-live-{name}"], size="small", margin=(6, 4, 4, 8), description=DOES[name],
        description_delay=1500, **look,
    )  # fmt: skip


DOES = {
    "run": "Hold the chains, or let them go on.",
    "single": "One update of all chains, while they are held.",
    "again": "New fields from the chosen start.",
    "forget": "Statistics begin anew; the fields stay.",
}
