"""The page's frame: the controls on the left, three tabs on the right, each built when it is first opened."""

from __future__ import annotations

from typing import Any, Protocol

import panel as pn
import panel_material_ui as pmui

from dashboard import locks
from dashboard.pages.compare.link import compare_link
from dashboard.pages.one.langevin import LangevinTab
from dashboard.pages.one.line import LineTab
from dashboard.pages.one.plane import PlaneTab
from dashboard.pages.one.state import OneState
from dashboard.pages.one.training import ScoreTraining
from dashboard.pages.process import LABELS as PROCESS_LABELS
from dashboard.pages.schedule_card import ScheduleEditor
from dashboard.shell import Shell
from dashboard.widgets import controls

LABELS = PROCESS_LABELS | {
    "means": "Means",
    "stds": "Widths",
    "mu2": "μ²",
    "coupling": "Coupling g",
    "formula": "Potential S(x)",
    "moments": "Show moments μₙ",
    "plane_target": "Target in the plane",
    "epsilon": "Step size ε",
    "therm": "Thermalisation steps",
    "noise_strength": "Noise strength",
    "metropolis": "Metropolis-adjusted (MALA)",
}
TABS = ("line", "plane", "langevin")


class Tab(Protocol):
    """What a tab offers: its content, and a call when it comes to the front."""

    content: Any

    def show(self) -> None: ...


class OneView:
    """Builds the sidebar and the tabs, and keeps visible what matters for the present choice."""

    def __init__(self, shell: Shell) -> None:
        self.state = state = OneState()
        self.shell = shell
        shell.sync(state, [name for name in state.param if name != "name"])
        self.training = ScoreTraining(self._training_target, lambda: int(state.seed), shell)  # type: ignore[arg-type]
        shell.sync(self.training, ["training_steps"])
        self.widgets = controls(state, [n for n in state.param if n not in ("name", "tab", "drawn", "pace")], LABELS)
        self.schedule = ScheduleEditor(state, shell, self.widgets)
        self.compare = compare_link(str(state.tab))
        self.sidebar = [*self._sidebar(), self.compare]
        self._tabs: dict[str, Tab] = {}
        self.places = [pn.Column(sizing_mode="stretch_width", margin=0) for _ in TABS]
        names = list(state.param["tab"].names)
        self.bar = pmui.Tabs(
            *zip(names, self.places, strict=True),
            active=TABS.index(str(state.tab)),
            sizing_mode="stretch_width",
            margin=0,
        )
        if locks.locked(state, "tab"):
            self.bar.disabled = [i for i, name in enumerate(TABS) if name != state.tab]
        self.bar.param.watch(self._chosen, "active")
        state.param.watch(self._arrange, ["tab", "target", "plane_target", "score", "metropolis"])
        state.param.watch(self._open, "tab")
        self.main = [self.bar]
        self._arrange()
        self._open()

    def _chosen(self, event: Any) -> None:
        self.state.tab = TABS[event.new]
        self.bar.active = TABS.index(str(self.state.tab))  # a link may keep the tab

    def _training_target(self) -> Any:
        return self.state.make_plane_target() if self.state.tab == "plane" else self.state.make_target()

    def tab(self, name: str) -> Tab:
        """The tab of that name, built at the first call."""
        if name not in self._tabs:
            kind = {"line": LineTab, "plane": PlaneTab, "langevin": LangevinTab}[name]
            self._tabs[name] = tab = kind(self.state, self.shell, self.training)
            self.places[TABS.index(name)].append(tab.content)
        return self._tabs[name]

    def _sidebar(self) -> list[Any]:
        w = self.widgets
        learned = pn.Column(
            *controls(self.training, ["training_steps"]).values(), self.training.panel(),
            margin=0, sizing_mode="stretch_width",
        )  # fmt: skip
        self.learning = learned
        sections = {
            "Target": [
                "target",
                "means",
                "stds",
                "weights",
                "mu2",
                "coupling",
                "formula",
                "plane_target",
                "thickness",
                "seed",
            ],
            "Noise schedule": self.schedule.items(),
            "Score": ["score", learned],
            "Backward process": ["solver", "grid", "steps", "paths", "prior", "moments"],
            "Langevin process": ["epsilon", "metropolis", "noise_strength", "therm", "chains"],
        }
        self.cards = {
            title: pmui.Card(
                *(w[item] if isinstance(item, str) else item for item in items),
                title=title, collapsible=True, margin=(4, 6), sizing_mode="stretch_width", variant="outlined",
                title_variant="subtitle2",
            )
            for title, items in sections.items()
        }  # fmt: skip
        locks.tidy(self.cards.values())
        return list(self.cards.values())

    def _arrange(self, *_: Any) -> None:
        """Show the controls that the present tab, target and schedule have."""
        state, w = self.state, self.widgets
        plane, langevin = state.tab == "plane", state.tab == "langevin"
        with pn.io.hold():
            for name in ("means", "stds", "weights"):
                w[name].visible = not plane and state.target == "mixture"
            for name in ("mu2", "coupling"):
                w[name].visible = not plane and state.target == "quartic"
            w["formula"].visible = not plane and state.target == "formula"
            w["target"].visible = not plane
            w["plane_target"].visible = plane
            w["thickness"].visible = plane and state.plane_target != "three-peak"
            w["moments"].visible = not plane
            for title in ("Noise schedule", "Score", "Backward process"):
                self.cards[title].visible = not langevin
            self.cards["Langevin process"].visible = langevin
            self.learning.visible = state.score == "learned"
            self.training.describe()
            w["noise_strength"].visible = not state.metropolis

    def _open(self, *_: Any) -> None:
        """Bring the present tab to the front."""
        name = str(self.state.tab)
        self.bar.active = TABS.index(name)
        self.compare.follow(name)
        self.tab(name).show()
