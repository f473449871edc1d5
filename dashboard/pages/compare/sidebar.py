"""The controls of a comparison: what differs twice, once for A and once for B, and what both have in common once."""

from __future__ import annotations

from typing import Any

import panel as pn
import panel_material_ui as pmui

from dashboard.pages.compare.kind import Settings
from dashboard.pages.compare.pair_scene import COLOURS
from dashboard.pages.compare.sides import Sides
from dashboard.pages.compare.state import OWN, PRESETS, CompareState
from dashboard.shell import Shell
from dashboard.stage import colour
from dashboard.widgets import control, controls

LABELS = {"clock": "Play position", "pace": "Play position", "shown": "Fields shown", "speed": "Speed of A"}


class Sidebar:
    """``cards`` in their order: the comparison, what differs, and the room's own sections."""

    def __init__(self, shell: Shell, state: CompareState, sides: Sides, settings: Settings) -> None:
        self.shell, self.state, self.sides, self.settings = shell, state, sides, settings
        self.common = controls(sides.a, settings.names, settings.labels)
        self._rows: dict[str, tuple[Any, Any]] = {}
        self._bars: list[Any] = []
        self.rows = pn.Column(margin=0, sizing_mode="stretch_width")
        self.more = pmui.Select(
            label="Let A and B differ in", options={}, value="", css_classes=["control-differ"], size="small",
            margin=(8, 12, 4, 12), width=None, sizing_mode="stretch_width",
            description="Gives a setting of both runs one control for A and one for B.",
        )  # fmt: skip
        self.more.param.watch(self._more, "value")
        self.preset = pmui.Select(
            label="Preset", options={}, value="", css_classes=["control-preset"], size="small", margin=(4, 12),
            width=None, sizing_mode="stretch_width", description="Comparisons that are worth a look, in this room.",
        )  # fmt: skip
        self.preset.options = {"Own settings": ""} | {
            preset.title: name for name, preset in PRESETS.items() if preset.room == state.room
        }
        self.preset.param.watch(self._preset, "value")
        own = controls(state, OWN[str(state.room)], LABELS)
        self.sections = {
            title: _card(title, [self.common[name] for name in names]) for title, names in settings.sections.items()
        }
        self.cards = [
            _card("Comparison", [self.preset, *own.values()]),
            _card("What differs", [self.rows, self.more]),
            *self.sections.values(),
        ]
        sides.watch(self.arrange)
        shell.param.watch(self._paint, "dark")
        self.arrange()

    def arrange(self) -> None:
        """Show the controls that the present settings need."""
        split = self.sides.split
        with pn.io.hold():
            wanted = [self._row(name)[0] for name in split]
            if list(self.rows.objects) != wanted:
                self.rows.objects = wanted
            for name, widget in self.common.items():
                widget.visible = name not in split and self._of_use(name)
            for title, names in self.settings.sections.items():
                self.sections[title].visible = any(self.common[name].visible for name in names)
            offered = {self._label(n): n for n in self.settings.names if n not in split and self._of_use(n)}
            self.more.options = {"…": ""} | offered
            self.preset.value = next(
                (n for n, p in PRESETS.items() if p.room == self.state.room and self.sides.fits(p)), ""
            )  # fmt: skip

    def _of_use(self, name: str) -> bool:
        test = self.settings.relevant.get(name)
        return test is None or test(self.sides.a) or test(self.sides.b)

    def _label(self, name: str) -> str:
        return self.settings.labels.get(name) or str(self.sides.a.param[name].label)

    def _row(self, name: str) -> tuple[Any, Any]:
        """The controls of a setting that differs, made when first needed."""
        if name not in self._rows:
            label, pair = self._label(name), []
            for which, side in (("a", self.sides.a), ("b", self.sides.b)):
                widget = control(side, name, f"{label} · {which.upper()}", css_classes=[f"control-{which}-{name}"])
                box = pn.Column(widget, margin=(2, 8, 2, 10), sizing_mode="stretch_width", name=which)
                self._bars.append(box)
                pair.append(box)
            join = pmui.Button(
                label=f"Same {label} for both", css_classes=[f"control-join-{name}"], size="small", variant="text",
                margin=(0, 12, 4, 12), sizing_mode="stretch_width", description="B takes the value of A.",
            )  # fmt: skip
            join.on_click(lambda _: self.sides.join(name))
            self._rows[name] = pn.Column(*pair, join, margin=0, sizing_mode="stretch_width"), join
            self._paint()
        return self._rows[name]

    def _paint(self, *_: Any) -> None:
        for box in self._bars:
            box.styles = {"border-left": f"4px solid {colour(COLOURS[box.name], self.shell.dark)}"}

    def _more(self, event: Any) -> None:
        if event.new:
            self.sides.part(str(event.new))
            self.more.value = ""

    def _preset(self, event: Any) -> None:
        preset = PRESETS.get(str(event.new))
        if preset is not None and not self.sides.fits(preset):
            self.state.param.update(**preset.shared)
            self.sides.apply(preset)


def _card(title: str, items: list[Any]) -> pmui.Card:
    return pmui.Card(
        *items, title=title, collapsible=True, margin=(4, 6), sizing_mode="stretch_width", variant="outlined",
        title_variant="subtitle2",
    )  # fmt: skip
