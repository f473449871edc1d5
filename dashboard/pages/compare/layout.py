"""How a comparison lies on the page: rooms and sides above, the pictures, the table and what to know below."""

from __future__ import annotations

from typing import Any

import panel as pn

from dashboard import style
from dashboard.pages.compare.heading import ROOMS_CSS, SIDES_CSS, rooms_html, sides_html
from dashboard.pages.compare.kind import Settings
from dashboard.pages.compare.sidebar import Sidebar
from dashboard.pages.compare.sides import Sides
from dashboard.pages.compare.state import CompareState
from dashboard.shell import Shell

CAPTION_CSS = "p { margin: 4px 0; font-size: 13px; line-height: 1.4; opacity: 0.8; max-width: 110ch; }"
HEIGHT = "clamp(430px, calc(100vh - 168px), 1000px)"


class Layout:
    """``main`` and ``sidebar`` of the page around a stage; ``buttons`` stand beside the names of the sides."""

    def __init__(
        self, shell: Shell, state: CompareState, sides: Sides, settings: Settings, stage: Any, note: str,
        buttons: tuple[Any, ...] = (),
    ) -> None:  # fmt: skip
        self.shell, self.state, self.sides, self.settings = shell, state, sides, settings
        self.sidebar = Sidebar(shell, state, sides, settings)
        wide: dict[str, Any] = {"sizing_mode": "stretch_width"}
        self.rooms = pn.pane.HTML("", margin=(4, 8, 0, 4), stylesheets=[ROOMS_CSS], **wide)
        self.names = pn.pane.HTML(
            "", margin=(2, 12), stylesheets=[SIDES_CSS], css_classes=["compare-sides"], align="center", **wide
        )
        self.note = pn.pane.Alert("", alert_type="warning", visible=False, margin=(0, 10), **wide)
        self.table = pn.pane.HTML(
            "", margin=(6, 14, 0, 14), stylesheets=[style.TABLE_CSS, CAPTION_CSS], css_classes=["compare-table"], **wide
        )
        picture = pn.FlexBox(stage, margin=0, styles={"height": HEIGHT, "flex": "none"}, **wide)
        text = pn.pane.Markdown(note, margin=(0, 14), css_classes=["compare-note"], **wide)
        above = pn.Row(*buttons, self.names, margin=0, **wide)
        below = pn.Column(self.table, margin=0, styles={"overflow-x": "auto"}, **wide)
        self.main = [pn.Column(self.rooms, self.note, above, picture, below, text, margin=0, **wide)]
        shell.param.watch(self.draw, "dark")
        sides.watch(self.draw)
        self.draw()

    def draw(self, *_: Any) -> None:
        """Write the links and the names of the sides."""
        dark = self.shell.dark
        with pn.io.hold():
            self.rooms.object = rooms_html(str(self.state.room), dark)
            self.names.object = sides_html(self.sides, self.settings.labels, dark)

    def fade(self, old: bool) -> None:
        """Whether the numbers still belong to what was there before."""
        self.table.styles = {"opacity": "0.35" if old else "1"}

    def warn(self, text: str) -> None:
        """Sentences above the pictures; empty for none."""
        self.note.param.update(object=text, visible=bool(text))
