"""The button *?* in the header with what it opens, the tour, and the definitions under the pointer."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import param
from panel.custom import JSComponent

from dashboard.definitions import DEFINITIONS
from dashboard.help.texts import KEYS, STEPS

_HERE = Path(__file__).parent
_FILES = ("keys", "definitions", "names", "tour", "help")


def _module() -> str:
    return "\n".join((_HERE / f"{name}.js").read_text(encoding="utf-8") for name in _FILES)


class Help(JSComponent):
    """One on each page, also where its button is not shown: definitions under the pointer come from it."""

    keys = param.List(KEYS, doc="Keys and what they do.")
    definitions = param.List([asdict(one) for one in DEFINITIONS], doc="All definitions, in the order of their search.")
    steps = param.List(STEPS, doc="Of the tour: {find, title, text}.")
    tour = param.Boolean(True, doc="Whether newcomers are offered the tour.")
    button = param.Boolean(True, doc="Whether there is a button.")

    _esm = _module()
    _stylesheets = [  # noqa: RUF012
        (_HERE.parent / "dialog.css").read_text(encoding="utf-8"),
        (_HERE / "help.css").read_text(encoding="utf-8"),
    ]

    def __init__(self, **params: Any) -> None:
        super().__init__(**{"margin": 0, "align": "center", "css_classes": ["help"], **params})
