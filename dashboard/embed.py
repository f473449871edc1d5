"""A page for a frame in somebody else's page: the picture and its play controls, no header, no sidebar.

``?embed=1`` shows all pictures of the present tab, ``&panel=NAME`` one panel of one picture alone, and ``&detail=low``
leaves the play controls out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import panel as pn
import panel_material_ui as pmui

from dashboard.address import Address
from dashboard.stage import Stage

DETAILS = ("low", "full")
SX: dict[str, Any] = {
    ".MuiAppBar-root, .MuiToolbar-root, .sidebar, .MuiDrawer-root": {"display": "none !important"},
    "main": {"padding": "0 !important", "backgroundColor": "background.paper"},
}
"""For the page: nothing but its main area."""


def embedded(address: Address) -> bool:
    """Whether the address asks for the picture alone."""
    return address.get("embed").lower() in ("1", "true")


def stages(objects: Any) -> Iterator[Stage]:
    """The stages among what a page shows at present, in their order; tabs that are not in front are left out."""
    for item in objects:
        if isinstance(item, Stage):
            yield item
        elif isinstance(item, pmui.Tabs | pn.Tabs):
            yield from stages([item.objects[item.active]])
        elif isinstance(getattr(item, "objects", None), list):
            yield from stages(item.objects)


def frame(address: Address, main: list[Any], say: Callable[[str, str], None]) -> list[Any]:
    """What a frame shows instead of ``main``; ``say(sentence, severity)`` is told what the address asks for in vain."""
    found = list(stages(main))
    if sentence := _complaint(address, found):
        say(sentence, "warning")
    if not found:
        return [pn.pane.Markdown("This page has no picture to embed.", margin=(10, 14))]
    name, detail = address.get("panel"), address.get("detail") or "full"
    alone = name.isidentifier()
    for stage in found:
        changes: dict[str, Any] = {"height": None, "min_height": 0, "sizing_mode": "stretch_both", "margin": 0}
        if detail == "low":
            changes["controls"] = False
        if alone:
            changes |= {"stylesheets": [*stage.stylesheets, _ALONE.replace("NAME", name)], "styles": _ON_TOP}
        else:
            changes["styles"] = {"flex": "1 1 0", "min-width": "0"}
        stage.param.update(**changes)
    box = {"position": "relative", "height": "100%"} if alone else {"height": "100%"}
    kind = pn.Column if alone else pn.FlexBox
    return [kind(*found, sizing_mode="stretch_both", margin=0, styles=box)]


def _complaint(address: Address, found: list[Stage]) -> str:
    # Pictures that are still computed are not yet known and not complained about.
    name, detail = address.get("panel"), address.get("detail")
    if detail and detail not in DETAILS:
        return f"detail = {detail!r} in the address cannot be used: it must be low or full."
    known = [panel.id for stage in found if stage.scene is not None for panel in stage.scene.panels]
    if (name and not name.isidentifier()) or (name and known and name not in known):
        return f"panel = {name!r} in the address cannot be used: it must be one of {', '.join(known)}."
    return ""


# One panel on the whole grid, for all others take no room. Stages without it lie on top of each other, unseen.
_ALONE = """
:host { pointer-events: none; }
.stage-root { pointer-events: auto; }
.stage-root:not(:has(> .stage-grid > [data-panel="NAME"])) { visibility: hidden; pointer-events: none; }
.stage-grid { grid-template: minmax(0, 1fr) / minmax(0, 1fr) !important; }
.stage-panel { display: none; }
.stage-panel[data-panel="NAME"] { display: block; grid-area: 1 / 1 / 2 / 2 !important; }
"""
_ON_TOP = {"position": "absolute", "inset": "0"}
