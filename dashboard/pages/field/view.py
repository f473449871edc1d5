"""The page's controls and stage: an ensemble is made in view, then dissolved and re-formed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import panel as pn
import panel_material_ui as pmui

from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.field_run import FieldRun, run_field
from core.jobs import Token
from core.schedule import Schedule
from dashboard import style
from dashboard.live import Live
from dashboard.pages.field.ensembles import Ensemble, Request, make
from dashboard.pages.field.library import Stored, StoredEnsemble, choices, load, stored
from dashboard.pages.field.scene import run_scene, thermalising_scene
from dashboard.pages.field.state import LABELS, PRESETS, FieldState
from dashboard.pages.field.table import table_html
from dashboard.pages.one.equations import equations
from dashboard.pages.process import LABELS as PROCESS_LABELS
from dashboard.pages.schedule_card import ScheduleEditor
from dashboard.shell import Shell
from dashboard.stage import Scene, Stage
from dashboard.widgets import controls

WATCHED = (
    "kappa", "lam", "L", "ensemble", "configurations", "trajectories", "seed", "fit_level",
    "schedule", "sigma", "beta_min", "beta_max", "drawn", "keep_variance",
    "solver", "grid", "steps", "paths", "prior",
)  # fmt: skip
PICTURE_EVERY = 0.08  # seconds between pictures of a thermalising chain
OF_THE_FILE = ("kappa", "lam", "L", "configurations", "trajectories")
"""What an ensemble of the library brings along."""
QUICK_PATHS, QUICK_STEPS = 16, 25


class FieldView:
    """One session's view of the page."""

    def __init__(self, shell: Shell) -> None:
        self.state = state = FieldState()
        state.param["ensemble"].objects = choices()
        shell.sync(state, [name for name in state.param if name != "name"])
        self.widgets = controls(state, [n for n in state.param if n not in ("name", "drawn")], PROCESS_LABELS | LABELS)
        self.schedule = ScheduleEditor(state, shell, self.widgets)
        self.stage = Stage(height=660, dark=shell.param.dark, label="A lattice field dissolves into noise and re-forms")
        self.note = pn.pane.Alert("", alert_type="warning", visible=False, margin=(0, 10), sizing_mode="stretch_width")
        self.equation = pn.pane.LaTeX("", renderer="mathjax", margin=(12, 14, 4, 14), sizing_mode="stretch_width")
        self.table = pn.pane.HTML("", sizing_mode="stretch_width", margin=(4, 14), stylesheets=[style.TABLE_CSS])
        self.text = pn.pane.Markdown("", margin=(0, 14), sizing_mode="stretch_width")
        self.live = Live(self._deliver, self._fail)
        shell.on_close(self.live.close)
        shell.on_leave(self.live.cancel)
        self.run: tuple[FieldRun, Schedule] | None = None
        self._played = False
        self.sidebar = self._sidebar()
        items = self.note, self.stage, self.table, self.equation, self.text
        self.main = [pn.Column(*items, sizing_mode="stretch_width", margin=0)]
        state.param.watch(self.refresh, list(WATCHED))
        state.param.watch(self._redraw, "shown")
        state.param.watch(self._arrange, ["fit_level", "schedule", "ensemble"])
        state.param.watch(self._adopt, "ensemble")
        self._arrange()
        self._adopt()
        self.refresh()

    def _sidebar(self) -> list[Any]:
        w = self.widgets
        self.presets = [self._preset(name, kappa) for name, kappa in PRESETS.items()]
        sections: dict[str, list[Any]] = {
            "Theory": [*self.presets, w["kappa"], w["lam"], w["L"]],
            "Ensemble": [w["ensemble"], w["configurations"], w["trajectories"], w["seed"], w["shown"]],
            "Noise schedule": [w["fit_level"], *self.schedule.items()],
            "Backward process": [w["solver"], w["grid"], w["steps"], w["paths"], w["prior"]],
        }
        return [
            pmui.Card(
                *items, title=title, collapsible=True, margin=(4, 6), sizing_mode="stretch_width", variant="outlined",
                title_variant="subtitle2",
            )
            for title, items in sections.items()
        ]  # fmt: skip

    def _preset(self, name: str, kappa: float) -> pmui.Button:
        button = pmui.Button(
            label=name, css_classes=[f"control-preset-{kappa:g}"], size="small", variant="outlined", margin=(3, 12),
            sizing_mode="stretch_width", description=f"Set κ = {kappa:g} and λ = 0.022.",
        )  # fmt: skip

        def pressed(_: Any) -> None:
            self.state.param.update(kappa=kappa, lam=0.022)

        button.on_click(pressed)
        return button

    def _arrange(self, *_: Any) -> None:
        """A fitted schedule needs no strength of its own; a drawn one cannot be fitted."""
        self.schedule.arrange()
        drawn = self.state.schedule == "drawn"
        self.widgets["fit_level"].visible = not drawn
        if self.state.fit_level and not drawn:
            for name in ("sigma", "beta_max"):
                self.widgets[name].visible = False
        self.schedule.editor.visible = drawn or not self.state.fit_level
        for control in (*(self.widgets[name] for name in OF_THE_FILE), *self.presets):
            control.disabled = bool(self.state.ensemble)

    def _adopt(self, *_: Any) -> None:
        """Take the couplings of an ensemble of the library, as far as the controls reach."""
        if not self.state.ensemble:
            return
        with suppress(ValueError, OSError), pn.io.hold():
            theory = stored(str(self.state.ensemble)).theory
            for name, value in (("kappa", theory.kappa), ("lam", theory.lam), ("L", theory.event[0])):
                with suppress(ValueError):
                    setattr(self.state, name, value)

    def refresh(self, *_: Any) -> None:
        """Make what the state asks for: the ensemble if it is new, then both processes."""
        state = FieldState(**{name: getattr(self.state, name) for name in WATCHED})  # what the worker reads stays put
        try:
            if state.ensemble:
                request = stored(str(state.ensemble))
            else:
                numbers = (int(getattr(state, name)) for name in ("configurations", "trajectories", "seed"))
                request = Request(state.theory(), *numbers)
            if state.schedule == "drawn":
                state.make_schedule()
        except (ValueError, OSError) as problem:
            self.live.cancel()
            self._fail(problem)
            return
        self.stage.busy = True
        self.table.styles = {"opacity": "0.35"}  # it still belongs to what was there before
        self.live.submit(partial(self._stages, request, state))

    def _stages(self, request: Request | Stored, state: FieldState, token: Token) -> Iterator[Any]:
        last = 0.0
        ensemble: Ensemble | StoredEnsemble | None = load(request) if isinstance(request, Stored) else None
        for report in make(request, token) if isinstance(request, Request) else ():
            if isinstance(report, Ensemble):
                ensemble = report
            elif time.monotonic() - last > PICTURE_EVERY:
                last = time.monotonic()
                self.stage.push(thermalising_scene(report, self._index))
                yield "thermalising", report.done, report.total
        assert ensemble is not None
        gaussian = FieldGaussianScore.fit(ensemble.fields)
        schedule = state.schedule_for(gaussian)
        paths, steps = int(state.paths), int(state.steps)  # type: ignore[arg-type]
        work = [(min(QUICK_PATHS, paths), min(QUICK_STEPS, steps)), (paths, steps)]
        for few, short in dict.fromkeys(work):
            run = run_field(
                ensemble.fields,
                schedule,
                gaussian=gaussian,
                solver=str(state.solver),
                grid=str(state.grid),
                prior=str(state.prior),
                seed=int(state.seed),  # type: ignore[arg-type]
                paths=few,
                steps=short,
                frames=60,
                token=token,
            )
            scene = run_scene(run, schedule, self._index)
            scene.block  # noqa: B018  packed here, off the loop
            yield "run", run, schedule, scene, ensemble, (few, short) == work[-1]

    @property
    def _index(self) -> int:
        return int(self.state.shown) - 1  # type: ignore[arg-type]

    def _deliver(self, result: tuple[Any, ...]) -> None:
        if result[0] == "thermalising":
            self.stage.status = f"HMC trajectory {result[1]} of {result[2]}"
            return
        _, run, schedule, scene, ensemble, last = result
        self.run = run, schedule
        self._show(scene, run, ensemble, last)

    def _show(self, scene: Scene, run: FieldRun, ensemble: Ensemble | StoredEnsemble, last: bool) -> None:
        with pn.io.hold():
            self.stage.show(scene)
            n = len(run.generated)
            self.stage.status = f"{'' if last else 'preview · '}{n} configurations"
            self.stage.busy = not last
            if not self._played:
                self._played = self.stage.playing = True
            warnings = [w for w in (ensemble.warning, *run.warnings) if w]
            self.note.param.update(object=" ".join(warnings), visible=bool(warnings))
            if last:
                self.table.param.update(object=table_html(run), styles={"opacity": "1"})
            data = f"{ensemble.describe()} " if isinstance(ensemble, StoredEnsemble) else ""
            self.text.object = data + self._explain(run)
            _, schedule = self.run or (None, None)
            if schedule is not None:
                self.equation.object = equations(ensemble.theory, schedule, str(self.state.solver))

    def _explain(self, run: FieldRun) -> str:
        _, schedule = self.run or (None, None)
        level = float(schedule.sigma(schedule.t_max)) if schedule else float("nan")
        return (
            f"**Score.** {run.gaussian.describe()} It knows the two-point function alone, so κ₂ comes back; what is "
            "missing in κ₄, κ₆ and κ₈ is interaction, which a learned score has to supply. "
            f"The noise runs from σ̃ = {run.levels.low:.2g} to {level:.3g}; the largest mode spreads over "
            f"{run.levels.high / 2:.3g}."
        )

    def _redraw(self, *_: Any) -> None:
        if self.run is not None:
            run, schedule = self.run
            self.stage.show(run_scene(run, schedule, self._index))

    def _fail(self, error: Exception) -> None:
        text = str(error) or type(error).__name__
        self.stage.param.update(error=text[:1].upper() + text[1:], busy=False)
