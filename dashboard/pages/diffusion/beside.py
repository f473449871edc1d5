"""The tab *Side by side*: stochastic quantisation and diffusion make fields of the same theory on one clock."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import panel as pn
import param

from core.diffusion.side_by_side import side_by_side_stages
from core.diffusion.side_by_side_tracks import SideBySide
from core.jobs import Token
from core.samplers.ensemble import Thermalisation
from core.statistics.format import thousands
from dashboard import style
from dashboard.live import Live
from dashboard.live import sentence as sentence_of
from dashboard.pages.diffusion.beside_scene import CLOCKS, beside_scene
from dashboard.pages.diffusion.beside_texts import sentence, table_html
from dashboard.pages.diffusion.data import flat
from dashboard.pages.diffusion.ensembles import Request
from dashboard.pages.diffusion.library import Stored, load
from dashboard.pages.diffusion.outcome import Score
from dashboard.pages.diffusion.state import BESIDE_KEYS, SHOWN, DiffusionState
from dashboard.pages.diffusion.tab_sidebar import TabSidebar
from dashboard.pages.diffusion.tab_state import SHARED, prepared
from dashboard.pages.diffusion.table import TABLE_CSS
from dashboard.pages.diffusion.work import made, score_of
from dashboard.shell import Shell
from dashboard.stage import Scene, Stage
from dashboard.widgets import controls, switch

OWN = ("epsilon", "duration", "runs")
LABELS = {"epsilon": "Langevin step ε", "duration": "Langevin steps", "runs": "Runs of the diffusion process"}
QUICK = 16
"""Fields of the first picture."""
HEIGHT = style.picture_height("clamp(430px, calc(100vh - 150px), 900px)", above=46)


class BesideState(param.Parameterized):
    """What belongs to this tab alone."""

    epsilon = param.Number(
        0.02, bounds=(0.001, 0.2), doc="Step of the Langevin process in Parisi–Wu time; its bias grows with it."
    )
    duration = param.Integer(
        3000, bounds=(100, 30_000), doc="Steps of the Langevin process, each one evaluation of the drift."
    )
    runs = param.Integer(
        4, bounds=(1, 16), doc="How often the diffusion process starts anew from noise, with all its fields."
    )
    clock = param.Selector(default="evaluations", objects=CLOCKS, doc="What both are held against.")


@dataclass(frozen=True, eq=False)
class Outcome:
    """Both runs; ``data`` is how many configurations the reference has, ``progress`` says what this is
    a part of, and is empty once nothing better comes."""

    found: SideBySide
    score: Score
    data: int
    warning: str | None
    progress: str

    @property
    def last(self) -> bool:
        """Whether nothing better comes."""
        return not self.progress


Event = Thermalisation | Outcome | str


def work(
    state: DiffusionState, epsilon: float, duration: int, runs: int, origin: Request | Stored, token: Token
) -> Iterator[Event]:
    """Reports while the reference is made, a quick picture, then both runs in full; strings say what is under way."""
    data = load(origin) if isinstance(origin, Stored) else (yield from made(origin, token))
    score = score_of(state, data, token)
    schedule, paths = state.schedule_for(score.gaussian), int(state.paths)  # type: ignore[arg-type]
    for n, times in dict.fromkeys(((min(QUICK, paths), 1), (paths, runs))):
        full = (n, times) == (paths, runs)
        if full:
            yield f"{thousands(n)} fields, {thousands(times)} runs under way"
        stages = side_by_side_stages(
            data.theory, score.model, schedule, score.against, n=n, epsilon=epsilon, duration=duration, runs=times,
            solver=str(state.solver), grid=str(state.grid), steps=int(state.steps), prior=str(state.prior),  # type: ignore[arg-type]
            seed=int(state.seed), shown=min(n, SHOWN), token=token,  # type: ignore[arg-type]
        )  # fmt: skip
        for done, found in enumerate(stages, 1):
            last = full and done == times
            progress = "" if last else f"run {done} of {times}" if full else "preview"
            yield Outcome(found, score, len(flat(score.against, data.theory)), data.warning, progress)


class BesideView:
    """One session's pair of processes."""

    def __init__(self, shell: Shell, state: DiffusionState) -> None:
        self.shell, self.state, self.own = shell, state, BesideState()
        shell.sync(self.own, BESIDE_KEYS)
        self.own_widgets = controls(self.own, OWN, LABELS)
        self.controls = TabSidebar(shell, state, "Both processes", list(self.own_widgets.values()))
        self.sidebar = self.controls.cards
        self.stage = Stage(
            height=None, sizing_mode="stretch_both", min_height=400, margin=(0, 4), dark=shell.param.dark,
            areas=shell.param.areas, label="Stochastic quantisation and diffusion side by side",
        )  # fmt: skip
        self.note = pn.pane.Alert("", alert_type="warning", visible=False, margin=(0, 10), sizing_mode="stretch_width")
        self.text = pn.pane.Markdown("", margin=(4, 14), sizing_mode="stretch_width", css_classes=["beside-text"])
        self.table = pn.pane.HTML(
            "", sizing_mode="stretch_width", margin=(4, 14), stylesheets=[TABLE_CSS], css_classes=["beside-table"]
        )
        self.main = [self._layout()]
        self.outcome: Outcome | None = None
        self._played = self._open = False
        self._asked = ""  # the setting of the present request
        self.live = Live(self._deliver, self._fail)
        shell.on_close(self.live.close)
        shell.on_leave(self._left)
        state.param.watch(self._changed, list(SHARED))
        self.own.param.watch(self._changed, list(OWN))
        state.param.watch(self._redraw, "shown")
        self.own.param.watch(partial(self._redraw, rewind=True), "clock")

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
        if self.stage.busy:
            self._asked = ""

    def _layout(self) -> Any:
        top = pn.FlexBox(
            switch(self.own, "clock"), switch(self.state, "shown"), justify_content="space-between", gap="0px 8px",
            margin=0, sizing_mode="stretch_width",
        )  # fmt: skip
        picture = pn.FlexBox(
            self.stage, margin=0, sizing_mode="stretch_width", styles={"height": HEIGHT, "flex": "none"}
        )
        below = pn.Column(self.table, sizing_mode="stretch_width", margin=0, styles={"overflow-x": "auto"})
        self.shell.aside(self.text, below)
        return pn.Column(self.note, top, picture, self.text, below, sizing_mode="stretch_width", margin=0)

    def _changed(self, *_: Any) -> None:
        if self._open:
            self.refresh()

    def _setting(self) -> str:
        return repr([*(getattr(self.state, n) for n in SHARED), *(getattr(self.own, n) for n in OWN)])

    def refresh(self) -> None:
        """Make what the state asks for."""
        self._asked = self._setting()
        own = float(self.own.epsilon), int(self.own.duration), int(self.own.runs)  # type: ignore[arg-type]
        try:
            state, origin = prepared(self.state)
        except (ValueError, OSError) as problem:
            self.live.cancel()
            self._fail(problem)
            return
        self.stage.busy = True
        self.table.styles = {"opacity": "0.35"}  # it still belongs to what was there before
        self.live.submit(partial(self._stages, state, own, origin))

    def _stages(
        self, state: DiffusionState, own: tuple[float, int, int], origin: Request | Stored, token: Token
    ) -> Iterator[tuple[Event, Scene | None]]:
        for event in work(state, *own, origin, token):
            scene = None
            if isinstance(event, Outcome):
                scene = self._scene(event)
                scene.block  # noqa: B018  packed here, off the loop
            yield event, scene

    def _scene(self, outcome: Outcome) -> Scene:
        return beside_scene(outcome.found, str(self.own.clock), int(self.state.shown))  # type: ignore[arg-type]

    def _deliver(self, result: tuple[Event, Scene | None]) -> None:
        event, scene = result
        if isinstance(event, Thermalisation):
            self.stage.status = f"reference ensemble: cluster update {event.done} of {event.total}"
        elif isinstance(event, str):
            self.stage.status = f"preview, {event}"
        elif scene is not None:
            with pn.io.hold():
                self._show(event, scene)

    def _show(self, outcome: Outcome, scene: Scene) -> None:
        first, self.outcome = self.outcome is None, outcome
        self.stage.show(scene, keep_position=not first)
        count = f"{thousands(outcome.found.n)} fields each"
        if not self._played:
            self._played = self.stage.playing = True
        self.note.param.update(object=outcome.warning or "", visible=bool(outcome.warning))
        self.text.object = sentence(outcome.found)
        self.table.param.update(
            object=table_html(outcome.found, outcome.data), styles={"opacity": "1" if outcome.last else "0.35"}
        )
        self.controls.tell(outcome.score)
        status = " · ".join(part for part in (outcome.progress, count) if part)
        self.stage.param.update(status=status, busy=not outcome.last)

    def _redraw(self, *_: Any, rewind: bool = False) -> None:
        if self.outcome is not None:
            self.stage.show(self._scene(self.outcome), keep_position=not rewind)

    def _fail(self, error: Exception) -> None:
        self._asked = ""
        self.stage.param.update(error=sentence_of(error), busy=False)
