"""The tab *Error budget*: where the errors of what the diffusion process makes come from."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import panel as pn
import panel_material_ui as pmui
import param

from core.diffusion.error_budget import ErrorBudget, error_budget
from core.diffusion.score_profile import ScoreProfile, score_profile
from core.jobs import Token
from core.samplers.ensemble import Thermalisation
from core.statistics.format import thousands
from dashboard.live import Live
from dashboard.live import sentence as sentence_of
from dashboard.pages.diffusion.budget_texts import TABLE_CSS, UNITS, sentence, table_html
from dashboard.pages.diffusion.ensembles import Request
from dashboard.pages.diffusion.library import Stored, load
from dashboard.pages.diffusion.outcome import Score
from dashboard.pages.diffusion.state import BUDGET_KEYS, DiffusionState
from dashboard.pages.diffusion.tab_sidebar import TabSidebar
from dashboard.pages.diffusion.tab_state import ABSENT, SHARED, prepared
from dashboard.pages.diffusion.work import made, score_of
from dashboard.shell import Shell
from dashboard.widgets import control, switch

BUDGETED = tuple(name for name in SHARED if name != "paths")
"""What a budget depends on; it has its own number of paths."""
QUICK, QUICK_REFERENCE = 32, 60
"""Paths of the first table, and steps of the process that it takes as exact."""
REFERENCE = 150
"""The same of the full one: a second-order solver leaves them 4 % of the discretisation error of 30 steps."""
PROFILED = 256
"""Paths of the profile, at most."""


class BudgetState(param.Parameterized):
    """What belongs to this tab alone."""

    budget_paths = param.Integer(
        256, bounds=(32, 8192), doc="Paths that are made again and again, each time with one part exact; errors shrink "
        "as 1/√N.",
    )  # fmt: skip
    unit = param.Selector(default="sigma", objects=UNITS, doc="What the errors are held against.")


@dataclass(frozen=True)
class Progress:
    """``done`` of ``total`` paths of what ``words`` say."""

    words: str
    done: int
    total: int


@dataclass(frozen=True, eq=False)
class Outcome:
    """A budget, with the score's errors by scale once they are there.

    ``preview`` where a budget of more paths is to come; ``last`` where nothing better comes.
    """

    budget: ErrorBudget
    profile: ScoreProfile | None
    score: Score
    warning: str | None
    preview: bool
    last: bool


Event = Thermalisation | Outcome | Progress


def work(
    state: DiffusionState, paths: int, origin: Request | Stored, token: Token, report: Callable[[Progress], None]
) -> Iterator[Event]:
    """A budget of few paths, that of ``paths``, and the score's errors by scale; ``report`` tells how far it is."""
    data = load(origin) if isinstance(origin, Stored) else (yield from made(origin, token))
    score = score_of(state, data, token)
    seed = int(state.seed)  # type: ignore[arg-type]
    common: dict[str, Any] = {"theory": data.theory, "gaussian": score.gaussian, "seed": seed, "token": token}
    budget, seconds = None, ""
    for n, reference in dict.fromkeys(((min(QUICK, paths), QUICK_REFERENCE), (paths, REFERENCE))):
        if budget is not None:
            ratio = n * max(reference, int(state.steps)) / (budget.n * budget.reference_steps)  # type: ignore[arg-type]
            seconds = f", about {_duration(budget.seconds * ratio)}"
        words = f"{thousands(n)} paths, each made again with one part after the other exact{seconds}"
        yield Progress(words, 0, n)
        budget = error_budget(
            score.model, score.against, state.schedule_for(score.gaussian), n=n, solver=str(state.solver),
            grid=str(state.grid), steps=int(state.steps), prior=str(state.prior), reference_steps=reference,  # type: ignore[arg-type]
            progress=lambda done, total, words=words: report(Progress(words, done, total)), **common,
        )  # fmt: skip
        yield Outcome(budget, None, score, data.warning, preview=reference != REFERENCE, last=False)
    assert budget is not None
    n, words = min(paths, PROFILED), "the score's errors by scale"
    yield Progress(words, 0, n)
    profile = score_profile(
        score.model, score.against, n=n, progress=lambda done, total: report(Progress(words, done, total)), **common
    )
    yield Outcome(budget, profile, score, data.warning, preview=False, last=True)


class BudgetView:
    """One session's error budget."""

    def __init__(self, shell: Shell, state: DiffusionState) -> None:
        self.shell, self.state, self.own = shell, state, BudgetState()
        shell.sync(self.own, BUDGET_KEYS)
        self.paths = control(self.own, "budget_paths", "Paths")
        self.controls = TabSidebar(shell, state, "Error budget", [self.paths], (*ABSENT, "paths"))
        self.sidebar = self.controls.cards
        self.button = pmui.Button(
            label="Stop", css_classes=["control-budget-run"], size="small", variant="outlined", margin=(6, 10),
            description="Stop here, or begin again.",
        )  # fmt: skip
        self.unit = switch(self.own, "unit")
        wide: dict[str, Any] = {"sizing_mode": "stretch_width", "margin": (4, 14)}
        self.status = pn.pane.HTML("", css_classes=["budget-progress"], styles={"font-size": "13.5px"}, **wide)
        self.bar = pmui.LinearProgress(value=0, margin=(0, 14, 8, 14), sizing_mode="stretch_width")
        self.note = pn.pane.Alert("", alert_type="warning", visible=False, **wide)
        self.text = pn.pane.Markdown("", css_classes=["budget-text"], styles={"font-size": "15px"}, **wide)
        self.table = pn.pane.HTML("", css_classes=["budget-table"], stylesheets=[TABLE_CSS], **wide)
        self.figures = pn.Column(sizing_mode="stretch_width", margin=0)
        self.main = [self._layout()]
        self.outcome: Outcome | None = None
        self._open = self._busy = False
        self._asked = ""  # the setting of the present request
        self.live = Live(self._deliver, self._fail)
        shell.on_close(self.live.close)
        shell.on_leave(self._left)
        state.param.watch(self._changed, list(BUDGETED))
        self.own.param.watch(self._changed, "budget_paths")
        self.own.param.watch(self._draw, "unit")
        # Once more after all others have heard of the theme: what is drawn before has the former one's text and grid.
        shell.param.watch(lambda _: self.live.soon(self._draw), "dark")
        self.button.on_click(self._pressed)

    def open(self) -> None:
        """The tab has come to the front: its work goes on, where it is not done."""
        self._open = True
        self.controls.refresh()
        if self._setting() != self._asked:
            self.refresh()

    def rest(self) -> None:
        """The tab is hidden: nothing is computed."""
        self._open = False
        self._left()

    def _left(self) -> None:
        if self._busy:
            self.stop()
            self._asked = ""

    def _layout(self) -> Any:
        top = pn.FlexBox(
            self.unit, self.button, justify_content="space-between", gap="0px 8px", margin=0,
            sizing_mode="stretch_width",
        )  # fmt: skip
        below = pn.Column(self.table, sizing_mode="stretch_width", margin=0, styles={"overflow-x": "auto"})
        self.results = pn.Column(self.text, self.figures, below, sizing_mode="stretch_width", margin=0)
        return pn.Column(self.note, top, self.status, self.bar, self.results, sizing_mode="stretch_width", margin=0)

    def _changed(self, *_: Any) -> None:
        if self._open:
            self.refresh()

    def _setting(self) -> str:
        return repr([*(getattr(self.state, name) for name in BUDGETED), self.own.budget_paths])

    def _pressed(self, *_: Any) -> None:
        if self._busy:
            self.stop()
            self.status.object = "Stopped."
        else:
            self.refresh()

    def stop(self) -> None:
        """Compute no further; what is there stays."""
        self.live.cancel()
        self._rest(False)

    def _rest(self, busy: bool) -> None:
        self._busy = busy
        self.bar.visible = busy
        self.button.label = "Stop" if busy else "Begin again"

    def refresh(self) -> None:
        """Make the budget of the present settings."""
        self._asked = self._setting()
        try:
            state, origin = prepared(self.state)
        except (ValueError, OSError) as problem:
            self.live.cancel()
            self._fail(problem)
            return
        self._rest(True)
        self.results.styles = {"opacity": "0.35"}  # they still belong to what was there before
        self.live.submit(partial(self._stages, state, int(self.own.budget_paths), origin))  # type: ignore[arg-type]

    def _stages(self, state: DiffusionState, paths: int, origin: Request | Stored, token: Token) -> Iterator[Event]:
        def report(progress: Progress) -> None:
            if not token.cancelled:
                self.live.soon(self._progress, progress)

        return work(state, paths, origin, token, report)

    def _deliver(self, event: Event) -> None:
        with pn.io.hold():
            if isinstance(event, Thermalisation):
                self._progress(Progress("cluster updates of the data", event.done, event.total))
            elif isinstance(event, Progress):
                self._progress(event)
            else:
                self._show(event)

    def _progress(self, progress: Progress) -> None:
        self.status.object = html.escape(
            f"{progress.words}: {thousands(progress.done)} of {thousands(progress.total)}" if progress.done
            else f"{progress.words} …"
        )  # fmt: skip
        share = round(100 * progress.done / progress.total)
        self.bar.param.update(value=share, variant="determinate" if share else "indeterminate")

    def _show(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self.controls.tell(outcome.score)
        warnings = [w for w in (outcome.warning, *outcome.budget.warnings) if w]
        self.note.param.update(object=" ".join(warnings), visible=bool(warnings))
        self.text.object = sentence(outcome.budget, outcome.preview)
        self.results.styles = {"opacity": "1"}
        self._draw()
        if outcome.last:
            self.status.object = (
                f"{thousands(outcome.budget.n)} paths, {_duration(outcome.budget.seconds)} of computing"
            )
            self._rest(False)

    def _draw(self, *_: Any) -> None:
        """Table and figures, drawn anew in the present unit and theme."""
        if self.outcome is None:
            return
        from dashboard.pages.diffusion.budget_figure import bars, profile_figure

        unit, dark = str(self.own.unit), bool(self.shell.dark)
        self.table.object = table_html(self.outcome.budget, unit)
        look: dict[str, Any] = {"sizing_mode": "stretch_width", "margin": (0, 14)}
        figures = [pn.pane.HoloViews(bars(self.outcome.budget, unit, dark), height=340, **look)]
        if self.outcome.profile is not None:
            figures.append(pn.pane.HoloViews(profile_figure(self.outcome.profile, dark), height=300, **look))
        self.figures.objects = figures

    def _fail(self, error: Exception) -> None:
        self._asked = ""
        self.status.object = html.escape(sentence_of(error))
        self._rest(False)


def _duration(seconds: float) -> str:
    return f"{max(1, round(seconds))} s" if seconds < 100 else f"{round(seconds / 60)} min"
