"""The page's frame: tabs, each with its own controls, built when first opened."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol

import panel as pn
import panel_material_ui as pmui

from dashboard.pages.lattice.state import TABS, LatticeState
from dashboard.shell import Shell

VIEWS = {"live": "LiveView", "race": "RaceView", "scan": "ScanView", "keep": "KeepView"}
PACKAGE = __name__.rpartition(".")[0]


class Tab(Protocol):
    """What a tab offers: its controls, its pictures, and calls when it comes to the front and goes."""

    sidebar: list[Any]
    main: list[Any]

    def open(self) -> None: ...

    def rest(self) -> None: ...


class LatticeView:
    """Builds the tabs that there are, and swaps the sidebar with them."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        self.state = state = LatticeState()
        shell.sync(state, [name for name in state.param if name != "name"])
        self.names = [name for name in TABS.values() if find_spec(f"{PACKAGE}.{name}") is not None]
        if state.tab not in self.names:
            state.tab = "live"
        self._tabs: dict[str, Tab] = {}
        self.places = {name: pn.Column(sizing_mode="stretch_width", margin=0) for name in self.names}
        self.sides = {name: pn.Column(sizing_mode="stretch_width", margin=0, visible=False) for name in self.names}
        self.sidebar: list[Any] = list(self.sides.values())
        titles = [title for title, name in TABS.items() if name in self.names]
        self.bar = pmui.Tabs(
            *zip(titles, self.places.values(), strict=True),
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
