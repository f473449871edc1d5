"""The button *Share* in the header, and the panel that it opens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import param
from panel.custom import JSComponent

from dashboard.share.links import LONGEST, Links

_HERE = Path(__file__).parent
OFTEN = 100
"""Short links that one session may make."""


class SharePanel(JSComponent):
    """Shows the link of the present state and makes others of it.

    ``offer()`` gives, when the panel is opened, what can be locked (a list of {"key", "label", "how"}) and which
    pictures can stand alone (a list of {"name", "title"}).
    """

    query = param.String(doc="The present query of the address.")
    offered = param.Dict({"controls": [], "pictures": []}, doc="What can be locked, and what embedded.")
    answer = param.Dict({}, doc="To the last wish for a short link: {query, id} or {query, problem}.")

    _esm = (_HERE / "share.js").read_text(encoding="utf-8")
    _stylesheets = [  # noqa: RUF012
        (_HERE.parent / "dialog.css").read_text(encoding="utf-8"),
        (_HERE / "share.css").read_text(encoding="utf-8"),
    ]

    def __init__(self, offer: Callable[[], dict[str, Any]], links: Links | None = None, **params: Any) -> None:
        super().__init__(**{"margin": 0, "align": "center", "css_classes": ["share"], **params})
        self._offer, self._links, self._made = offer, links or Links(), 0

    def _handle_msg(self, data: Any) -> Any:
        """From the browser: {"open": true}, or {"shorten": query}."""
        if not isinstance(data, dict):
            return None
        if "open" in data:
            self.offered = self._offer()
        wish = data.get("shorten")
        if isinstance(wish, str) and len(wish) <= 2 * LONGEST:
            return self._shorten(wish)
        return None

    def _shorten(self, wish: str) -> Any:
        self._made += 1
        if self._made > OFTEN:
            problem = f"This page has made {OFTEN} short links; open it anew for more."
            self.answer = {"query": wish, "problem": problem}
            return None

        async def answer() -> None:
            try:
                self.answer = {"query": wish, "id": await asyncio.to_thread(self._links.keep, wish)}
            except (ValueError, OSError) as problem:
                self.answer = {"query": wish, "problem": str(problem)}

        return asyncio.ensure_future(answer())
