"""The page's beginning: which room, which preset, and what the address says of both runs."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from dashboard.pages.compare.sides import Sides
from dashboard.pages.compare.state import OWN, PRESETS, SAME, CompareState, Preset, first_of
from dashboard.shell import Content, Shell

KINDS = {"line": "Line", "plane": "Plane", "fields": "Fields"}
"""The class of each room that is played, in the module of the room's name."""


def build(shell: Shell) -> Content:
    """The page's content for one session."""
    view = view_of(shell)
    return Content("Compare", view.sidebar, view.main)


def view_of(shell: Shell) -> Any:
    """The comparison that the address asks for.

    ``preset`` names one of PRESETS to begin with, or SAME; what else the address says of the runs, as ``a.NAME`` and
    ``b.NAME``, goes beyond it. Both runs begin as the room's first preset where there is none.
    """
    state = CompareState()
    asked = shell.address.get("preset")
    if asked and asked != SAME and asked not in PRESETS:
        shell.say(f"There is no preset {asked!r}; there are {', '.join(PRESETS)}.", "warning")
    shell.address.set("preset", None)
    if asked in PRESETS:
        state.param.update(room=PRESETS[asked].room, **PRESETS[asked].shared)
    shell.sync(state, ["room"])
    room = str(state.room)
    shell.sync(state, OWN[room])
    preset = PRESETS[asked if asked in PRESETS and PRESETS[asked].room == room else first_of(room)]
    if asked == SAME:
        preset = Preset("", room, {}, {})
    if room == "chains":
        from dashboard.pages.compare.chains import SETTINGS, ChainsView, make_state

        sides = synced_sides(shell, make_state, SETTINGS.names, preset)
        return ChainsView(shell, state, sides)
    from dashboard.pages.compare.played import PlayedView

    kind = getattr(import_module(f"{__package__}.{room}"), KINDS[room])()
    sides = synced_sides(shell, kind.make_state, kind.settings.names, preset)
    return PlayedView(shell, state, sides, kind)


def synced_sides(shell: Shell, make: Any, names: tuple[str, ...], preset: Preset) -> Sides:
    """Both states as the preset has them, but for what the address says, which follows them from now on."""
    sides = Sides(make, names)
    sides.apply(preset)
    for which, side in (("a", sides.a), ("b", sides.b)):
        shell.sync(side, {name: f"{which}.{name}" for name in names})
    sides.regroup()
    return sides
