"""What the share panel offers: controls that can be locked, and pictures that can stand alone."""

from __future__ import annotations

from typing import Any

from dashboard import locks
from dashboard.address import Address
from dashboard.embed import stages


def offer(address: Address, main: list[Any]) -> dict[str, Any]:
    """The controls of the page so far ({"key", "label", "how"}; how is free, locked or hidden), and the panels of the
    pictures that are in sight ({"name", "title"})."""
    controls = [
        {"key": key, "label": label, "how": locks.locked(state, name) or "free"}
        for key, (state, name) in address.claimed.items()
        if (label := "Tab" if name == "tab" else locks.label(state, name))
    ]
    pictures = [
        {"name": panel.id, "title": panel.title or panel.id}
        for stage in stages(main)
        if stage.scene is not None
        for panel in stage.scene.panels
    ]
    return {"controls": controls, "pictures": pictures}
