"""A place to drop files on, or to choose them; they go to the server one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import param
from panel.custom import JSComponent

_HERE = Path(__file__).parent


class DropZone(JSComponent):
    """Puts files to ``address`` and counts in ``done`` those that have been answered."""

    address = param.String("", doc="Where files go, relative to the page.")
    accept = param.String("", doc="Suffixes, for the file chooser.")
    largest = param.Integer(0, doc="Bytes of a file.")
    done = param.Integer(0, doc="Files that have been taken or refused.")

    _esm = _HERE / "drop_zone.js"
    _stylesheets = [(_HERE / "drop_zone.css").read_text(encoding="utf-8")]  # noqa: RUF012

    def __init__(self, **params: Any) -> None:
        super().__init__(**{"sizing_mode": "stretch_width", "margin": (4, 12)} | params)
