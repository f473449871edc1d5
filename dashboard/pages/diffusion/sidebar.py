"""The controls of the tab *Play*, those that are of use at present, and the light that says what to trust."""

from __future__ import annotations

import html
from contextlib import suppress
from typing import Any

import panel as pn
import panel_material_ui as pmui

from core.diffusion.correction import CORRECTIONS as STEPS_OF_A_CHAIN
from core.diffusion.trust import TrustCheck
from dashboard.pages.diffusion import library, models
from dashboard.pages.diffusion.library import stored
from dashboard.pages.diffusion.outcome import Score
from dashboard.pages.diffusion.state import LABELS, PRESETS, DiffusionState
from dashboard.pages.process import LABELS as PROCESS_LABELS
from dashboard.pages.schedule_card import ScheduleEditor
from dashboard.shell import Shell
from dashboard.widgets import controls

OF_THE_FILE = ("kappa", "lam", "L", "configurations", "sweeps")
"""What an ensemble of the library brings along."""
ELSEWHERE = ("name", "tab", "drawn", "view", "group", "shown")
"""Parameters without a control in the sidebar."""


class Sidebar:
    """``cards`` in their order; ``widgets`` by the names of their parameters."""

    def __init__(self, shell: Shell, state: DiffusionState) -> None:
        self.state = state
        names = [name for name in state.param if name not in ELSEWHERE]
        self.widgets = controls(state, names, PROCESS_LABELS | LABELS)
        self.schedule = ScheduleEditor(state, shell, self.widgets)
        self.light = pn.pane.HTML(
            "", margin=(2, 12), sizing_mode="stretch_width", stylesheets=[LIGHT_CSS], css_classes=["control-trust"]
        )
        self.presets = [self._preset(name, kappa) for name, kappa in PRESETS.items()]
        self.cards = self._cards()
        state.param.watch(self.arrange, ["fit_level", "schedule", "ensemble", "model", "score", "correction", "lam"])
        state.param.watch(self._adopt, "ensemble")
        self._adopt()
        self.arrange()

    def _cards(self) -> list[Any]:
        w = self.widgets
        sections: dict[str, list[Any]] = {
            "Theory": [pn.Row(*self.presets, margin=(0, 8)), w["kappa"], w["lam"], w["L"], self.light],
            "Score": [w["model"], w["score"], w["baseline"]],
            "Noise schedule": [w["fit_level"], *self.schedule.items()],
            "Backward process": [
                w["solver"], w["steps"], w["grid"], w["paths"], w["prior"], w["correction"], w["correction_steps"],
                w["seed"],
            ],
            "Data": [w["ensemble"], w["configurations"], w["sweeps"]],
        }  # fmt: skip
        return [
            pmui.Card(
                *items, title=title, collapsible=True, margin=(4, 6), sizing_mode="stretch_width", variant="outlined",
                title_variant="subtitle2",
            )
            for title, items in sections.items()
        ]  # fmt: skip

    def _preset(self, name: str, kappa: float) -> pmui.Button:
        button = pmui.Button(
            label=f"κ = {kappa:.2f}", css_classes=[f"control-preset-{kappa:g}"], size="small", variant="outlined",
            margin=(3, 4), sizing_mode="stretch_width", description=f"{name} and λ = 0.022.",
        )  # fmt: skip

        def pressed(_: Any) -> None:
            model = models.at_home(str(self.state.model), kappa)
            self.state.param.update(kappa=kappa, lam=0.022, model=model)

        button.on_click(pressed)
        return button

    def _adopt(self, *_: Any) -> None:
        """Take the couplings of an ensemble of the library, as far as the controls reach."""
        if not self.state.ensemble:
            return
        with suppress(ValueError, OSError), pn.io.hold():
            theory = stored(str(self.state.ensemble)).theory
            for name, value in (("kappa", theory.kappa), ("lam", theory.lam), ("L", theory.event[0])):
                with suppress(ValueError):
                    setattr(self.state, name, value)

    def arrange(self, *_: Any) -> None:
        """A fitted schedule needs no strength, a drawn one cannot be fitted, an ensemble brings its couplings."""
        state, w = self.state, self.widgets
        with pn.io.hold():
            self.schedule.arrange()
            drawn = state.schedule == "drawn"
            w["fit_level"].visible = not drawn
            if state.fit_level and not drawn:
                for name in ("sigma", "beta_max"):
                    w[name].visible = False
            self.schedule.editor.visible = drawn or not state.fit_level
            w["score"].visible = bool(state.model) or state.lam == 0 or state.score == "exact"
            w["baseline"].visible = bool(state.model) and state.score == "learned"
            w["correction_steps"].visible = state.correction in STEPS_OF_A_CHAIN
            for control in (*(w[name] for name in OF_THE_FILE), *self.presets):
                control.disabled = bool(state.ensemble)

    def refresh(self) -> None:
        """Offer the models and ensembles that there are now."""
        for name, found in (("model", models.choices()), ("ensemble", library.choices())):
            if dict(self.widgets[name].options) != found:
                self.state.param[name].objects = found

    def tell(self, score: Score | None, check: TrustCheck | None = None) -> None:
        """Say what to trust: outside the training at once, the rest once its ``check`` is there."""
        if score is None:
            return
        if check is not None:
            level, text = check.level, check.sentence
        elif score.doubt:
            level, text = "amber", score.doubt
        else:
            level, text = "grey", "Checking the score …"
        self.light.object = light(level, f"{text} {score.baseline}".strip())


def light(level: str, text: str) -> str:
    """A coloured light, 'green', 'amber' or 'grey', with its sentence, in HTML."""
    return f'<p class="{level}" role="status"><i></i><span>{html.escape(text)}</span></p>'


LIGHT_CSS = """
p { display: flex; gap: 8px; margin: 2px 0; font-size: 13px; line-height: 1.35; }
i { flex: none; width: 12px; height: 12px; margin-top: 3px; border-radius: 50%; }
.grey i { background: #8d959e; }
.green i { background: #00a56a; }
.amber i { background: #f0a202; box-shadow: 0 0 0 3px #f0a20244; }
"""
