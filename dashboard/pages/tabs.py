"""The frame of a page with tabs, each with its own controls, built when first opened."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Protocol

import panel as pn
import panel_material_ui as pmui

from dashboard import locks
from dashboard.shell import Shell


class Tab(Protocol):
    """What a tab offers: its controls, its pictures, and calls when it comes to the front and goes."""

    sidebar: list[Any]
    main: list[Any]

    def open(self) -> None: ...

    def rest(self) -> None: ...


class TabbedView:
    """Builds the tabs, and swaps the sidebar with them.

    ``state`` is a Parameterized whose ``tab`` names the one in front; ``titles`` maps titles to names, and ``views``
    names to classes, each in the module of that name in ``package``, made of the shell and the state.
    """

    def __init__(
        self,
        shell: Shell,
        state: Any,
        package: str,
        titles: Mapping[str, str],
        views: Mapping[str, str],
    ) -> None:
        self.shell, self.state, self._package, self._views = shell, state, package, views
        self.names = list(titles.values())
        self._tabs: dict[str, Tab] = {}
        self.places = {name: pn.Column(sizing_mode="stretch_width", margin=0) for name in self.names}
        self.sides = {name: pn.Column(sizing_mode="stretch_width", margin=0, visible=False) for name in self.names}
        self.sidebar: list[Any] = list(self.sides.values())
        self.bar = pmui.Tabs(
            *zip(titles, self.places.values(), strict=True),
            active=self.names.index(str(state.tab)), sizing_mode="stretch_width", margin=0,
        )  # fmt: skip
        if locks.locked(state, "tab"):
            self.bar.disabled = [i for i, name in enumerate(self.names) if name != state.tab]
        self.bar.param.watch(self._chosen, "active")
        state.param.watch(self._changed, "tab")
        self.main = [self.bar]
        self._open()

    def tab(self, name: str) -> Tab:
        """The tab of that name, built at the first call."""
        if name not in self._tabs:
            view = getattr(import_module(f"{self._package}.{name}"), self._views[name])
            self._tabs[name] = tab = view(self.shell, self.state)
            self.places[name].extend(tab.main)
            self.sides[name].extend(tab.sidebar)
            locks.tidy(tab.sidebar)
        return self._tabs[name]

    def _chosen(self, event: Any) -> None:
        self.state.tab = self.names[event.new]
        self.bar.active = self.names.index(str(self.state.tab))  # a link may keep the tab

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
