"""The tab *Play*: an ensemble is made in view, dissolved, and made again out of noise."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import panel as pn
import panel_material_ui as pmui

from core.diffusion.trust import TrustCheck
from core.jobs import Token
from core.samplers.ensemble import Thermalisation
from core.statistics.format import thousands
from dashboard import style
from dashboard.live import Live, sentence
from dashboard.pages.compare.link import compare_link
from dashboard.pages.diffusion.action import Implied, implied
from dashboard.pages.diffusion.ensembles import Request
from dashboard.pages.diffusion.library import Stored, StoredEnsemble
from dashboard.pages.diffusion.outcome import Outcome
from dashboard.pages.diffusion.recipes import field_recipe
from dashboard.pages.diffusion.rows import Row
from dashboard.pages.diffusion.scene import run_scene, thermalising_scene
from dashboard.pages.diffusion.shared_work import at_hand, shared_work
from dashboard.pages.diffusion.sidebar import Sidebar
from dashboard.pages.diffusion.state import DiffusionState
from dashboard.pages.diffusion.table import TABLE_CSS, table_html
from dashboard.pages.diffusion.work import Correcting, Event, source
from dashboard.pages.one.equations import equations
from dashboard.shell import Shell
from dashboard.stage import Scene, Stage
from dashboard.widgets import switch

WATCHED = (
    "kappa", "lam", "L", "model", "score", "baseline", "ensemble", "configurations", "sweeps", "seed", "fit_level",
    "schedule", "sigma", "beta_min", "beta_max", "drawn", "keep_variance",
    "solver", "grid", "steps", "paths", "prior", "correction", "correction_steps",
)  # fmt: skip
"""What a run depends on."""
LOOKS = ("view", "group", "shown")
"""What only its picture depends on."""
PICTURE_EVERY = 0.08
"""Seconds between pictures of thermalising chains."""
PATIENCE = 0.5
"""Seconds without a picture of the present setting after which thermalising chains are shown."""
HEIGHT = style.picture_height("max(430px, calc(100vh - 150px))", above=46)


class PlayView:
    """One session's runs, their stage and their table."""

    def __init__(self, shell: Shell, state: DiffusionState) -> None:
        self.state, self.shell = state, shell
        self.controls = Sidebar(shell, state)
        self.sidebar = [*self.controls.cards, compare_link("fields")]
        self.stage = Stage(
            height=None, sizing_mode="stretch_both", min_height=400, margin=(0, 4), dark=shell.param.dark,
            areas=shell.param.areas, label="A lattice field dissolves into noise and re-forms",
        )  # fmt: skip
        self.stage.reproduces(lambda: None if self.outcome is None else field_recipe(self.outcome, state, WATCHED))
        self.note = pn.pane.Alert("", alert_type="warning", visible=False, margin=(0, 10), sizing_mode="stretch_width")
        self.equation = pn.pane.LaTeX("", renderer="mathjax", margin=(12, 14, 4, 14), sizing_mode="stretch_width")
        self.table = pn.pane.HTML("", sizing_mode="stretch_width", margin=(4, 14), stylesheets=[TABLE_CSS])
        self.text = pn.pane.Markdown("", margin=(0, 14), sizing_mode="stretch_width")
        self.progress = pn.pane.HTML("", margin=(12, 4), css_classes=["correction-progress"])
        self.stop = pmui.Button(
            label="Stop the correction", css_classes=["control-stop-correction"], size="small", variant="outlined",
            margin=(6, 14), description="Leave the table without the corrected row.",
        )  # fmt: skip
        self.stop.on_click(self._stopped)
        self.correcting = pn.Row(self.stop, self.progress, margin=0, visible=False)
        self.main = [self._layout()]
        self.live = Live(self._deliver, self._fail)
        self.afterwards = Live(self._fitted, self._fail)
        self.outcome: Outcome | None = None
        self.rows: list[Row] = []
        self.check: TrustCheck | None = None
        self.implied: Implied | None = None
        self._preview = ""
        self._played = False
        self._open = False
        self._asked = ""  # the setting of the present request
        shell.on_close(self.live.close)
        shell.on_close(self.afterwards.close)
        shell.on_leave(self._left)
        state.param.watch(self._changed, list(WATCHED))
        state.param.watch(self._redraw, list(LOOKS))

    def open(self) -> None:
        """The tab has come to the front: its run goes on, where it is not there yet."""
        self._open = True
        self.controls.refresh()
        if self._setting() != self._asked:
            self.refresh()

    def rest(self) -> None:
        """The tab is hidden: nothing is computed."""
        self._open = False
        self._left()

    def _left(self) -> None:
        self.live.cancel()
        self.afterwards.cancel()
        if self.stage.busy or self.correcting.visible:
            self._asked = ""
        self.correcting.visible = False

    def _stopped(self, *_: Any) -> None:
        """The correction alone: all else is there before it begins."""
        self.live.cancel()
        self.correcting.visible = False

    def _layout(self) -> Any:
        top = pn.FlexBox(
            pn.Row(switch(self.state, "view"), switch(self.state, "shown"), margin=0), switch(self.state, "group"),
            justify_content="space-between", gap="0px 8px", margin=0, sizing_mode="stretch_width",
        )  # fmt: skip
        picture = pn.FlexBox(
            self.stage, margin=0, sizing_mode="stretch_width", styles={"height": HEIGHT, "flex": "none"}
        )
        below = pn.Column(
            self.table, self.correcting, sizing_mode="stretch_width", margin=0, styles={"overflow-x": "auto"}
        )
        self.shell.aside(below, self.equation, self.text)
        items = self.note, top, picture, below, self.equation, self.text
        return pn.Column(*items, sizing_mode="stretch_width", margin=0)

    def _changed(self, *_: Any) -> None:
        if self._open:
            self.refresh()

    def _setting(self) -> str:
        return repr([getattr(self.state, name) for name in WATCHED])

    def refresh(self) -> None:
        """Make what the state asks for: the ensemble if it is new, then both processes and the table."""
        self._asked = self._setting()
        state = DiffusionState(**{name: getattr(self.state, name) for name in WATCHED})  # what the worker reads
        try:
            origin = source(state)
            if state.schedule == "drawn":
                state.make_schedule()
        except (ValueError, OSError) as problem:
            self.live.cancel()
            self._fail(problem)
            return
        self.stage.busy = True
        self.correcting.visible = False
        self._preview, self.check = "", None
        self.table.styles = {"opacity": "0.35"}  # it still belongs to what was there before
        self.live.submit(partial(self._stages, state, origin), at_once=partial(self._at_once, state, origin))

    def _at_once(self, state: DiffusionState, origin: Request | Stored, token: Token) -> tuple[Event, Scene] | None:
        outcome = at_hand(state, origin)
        return None if outcome is None else (outcome, self._scene(outcome))

    def _stages(self, state: DiffusionState, origin: Request | Stored, token: Token) -> Iterator[tuple[Event, Any]]:
        began, last, pictured = time.monotonic(), 0.0, False

        def report(found: Correcting) -> None:
            if not token.cancelled:
                self.live.soon(self._deliver, (found, None))

        for event in shared_work(state, origin, token, report):
            if isinstance(event, Thermalisation):
                now = time.monotonic()
                if now - last < PICTURE_EVERY or now - began < PATIENCE:
                    continue
                last = now
                if not pictured:
                    self.stage.push(thermalising_scene(event, int(self.state.shown)))  # type: ignore[arg-type]
                yield event, None
            elif isinstance(event, Outcome):
                pictured = True
                scene = self._scene(event)
                scene.block  # noqa: B018  packed here, off the loop
                yield event, scene
            else:
                yield event, None

    def _scene(self, outcome: Outcome) -> Scene:
        look = str(self.state.view), str(self.state.group), int(self.state.shown)  # type: ignore[arg-type]
        found = self.implied if self.implied is not None and self.implied.outcome is outcome else None
        return run_scene(outcome, found, *look)

    def _deliver(self, result: tuple[Event, Any]) -> None:
        event, scene = result
        with pn.io.hold():
            if isinstance(event, Thermalisation):
                self._progress(f"cluster update {event.done} of {event.total}")
            elif isinstance(event, str):
                self._progress(event)
            elif isinstance(event, Outcome):
                self._show(event, scene)
            elif isinstance(event, TrustCheck):
                self.check = event
                self.controls.tell(self.outcome.score if self.outcome else None, event)
                self.table.object = table_html(self.rows, event)
            elif isinstance(event, Correcting):
                count = f"{thousands(event.done)} of {thousands(event.total)} configurations" if event.total else "…"
                self.progress.object = f"Correction: {count}"
                self.correcting.visible = True
            else:
                self.rows = event
                self.correcting.visible = False
                self.table.param.update(object=table_html(event, self.check), styles={"opacity": "1"})

    def _progress(self, words: str) -> None:
        """What is under way; behind the preview's size, where there is a preview."""
        self.stage.status = f"{self._preview}, {words}" if self._preview else words

    def _show(self, outcome: Outcome, scene: Scene) -> None:
        if self.stage.scene is not scene or self.stage.error:  # the page may have opened with it
            self.stage.show(scene)
        count = f"{thousands(len(outcome.run.generated))} configurations"
        self._preview = "" if outcome.last else f"preview · {count}"
        self.stage.status = self._preview or count
        self.stage.busy = not outcome.last
        if not self._played:
            self._played = self.stage.playing = True
        warnings = [w for w in (outcome.data.warning, *outcome.run.warnings) if w]
        self.note.param.update(object=" ".join(warnings), visible=bool(warnings))
        self.text.object = explanation(outcome)
        self.equation.object = equations(outcome.data.theory, outcome.schedule, str(self.state.solver))
        self.controls.tell(outcome.score)
        self.outcome = outcome
        self._fit(outcome)

    def _fit(self, outcome: Outcome) -> None:
        """Find the couplings that the score implies, once somebody looks at them: that takes as long as a short run."""
        known = self.implied is not None and self.implied.outcome is outcome
        if self.state.group != "action" or not outcome.last or known:
            return

        def stages(token: Token) -> Iterator[Implied]:
            yield implied(outcome, int(self.state.seed), token)  # type: ignore[arg-type]

        self.afterwards.submit(stages)

    def _fitted(self, found: Implied) -> None:
        self.implied = found
        self._redraw()

    def _redraw(self, *_: Any) -> None:
        if self.outcome is not None:
            self.stage.show(self._scene(self.outcome))
            self._fit(self.outcome)

    def _fail(self, error: Exception) -> None:
        self._asked = ""
        self.stage.param.update(error=sentence(error), busy=False)


CORRELATED = (
    "They come from Markov chains: the errors in the table count their autocorrelation, the bands of the curves beside "
    "the field take them as independent and are too narrow by √(2τ_int)."
)


def explanation(outcome: Outcome) -> str:
    """In Markdown: where the data and the score come from, and how far the noise reaches."""
    run, schedule = outcome.run, outcome.schedule
    stored = outcome.data if isinstance(outcome.data, StoredEnsemble) else None
    data = f"{stored.describe()} " if stored else ""
    if stored and stored.chains:
        data += f"{CORRELATED} "
    return (
        f"{data}**Score.** {outcome.score.text} The noise runs from σ̃ = {run.levels.low:.2g} to "
        f"{float(schedule.sigma(schedule.t_max)):.3g}; the largest mode spreads over {run.levels.high / 2:.3g}."
    )
