"""The page's frame: tabs, each with its own controls, built when first opened."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Protocol

import panel as pn
import panel_material_ui as pmui

from dashboard.pages.diffusion import library, models
from dashboard.pages.diffusion.state import TABS, DiffusionState
from dashboard.shell import Shell

VIEWS = {
    "play": "PlayView",
    "train": "TrainView",
    "beside": "BesideView",
    "budget": "BudgetView",
}
"""The class of each tab, in the module of the tab's name."""
PACKAGE = __name__.rpartition(".")[0]


class Tab(Protocol):
    """What a tab offers: its controls, its pictures, and calls when it comes to the front and goes."""

    sidebar: list[Any]
    main: list[Any]

    def open(self) -> None: ...

    def rest(self) -> None: ...


class DiffusionView:
    """Builds the tabs, and swaps the sidebar with them."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        self.state = state = DiffusionState()
        state.param["ensemble"].objects = library.choices()
        state.param["model"].objects = models.choices()
        state.model = models.default()
        shell.sync(state, [name for name in state.param if name != "name"])
        if state.tab not in VIEWS:
            state.tab = "play"
        self._tabs: dict[str, Tab] = {}
        self.places = {name: pn.Column(sizing_mode="stretch_width", margin=0) for name in VIEWS}
        self.sides = {name: pn.Column(sizing_mode="stretch_width", margin=0, visible=False) for name in VIEWS}
        self.sidebar: list[Any] = list(self.sides.values())
        titles = {name: title for title, name in TABS.items()}
        self.names = list(VIEWS)
        self.bar = pmui.Tabs(
            *((titles[name], place) for name, place in self.places.items()),
            active=self.names.index(str(state.tab)), sizing_mode="stretch_width", margin=0,
        )  # fmt: skip
        self.bar.param.watch(lambda event: state.param.update(tab=self.names[event.new]), "active")
        state.param.watch(self._changed, "tab")
        self.main = [self.bar]
        self._open()

    def tab(self, name: str) -> Tab:
        """The tab of that name, built at the first call."""
        if name not in self._tabs:
            view = getattr(import_module(f"{PACKAGE}.{name}"), VIEWS[name])
            self._tabs[name] = tab = view(self.shell, self.state)
            self.places[name].extend(tab.main)
            self.sides[name].extend(tab.sidebar)
        return self._tabs[name]

    def _changed(self, event: Any) -> None:
        if event.old in self._tabs:
            self._tabs[event.old].rest()
        self._open()

    def _open(self) -> None:
        name = str(self.state.tab)
        with pn.io.hold():
            self.bar.active = self.names.index(name)
            tab = self.tab(name)
            for other, side in self.sides.items():
                side.visible = other == name
        tab.open()
