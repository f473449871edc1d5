"""The entry *Jobs* in the header, and the list that it opens: what is under way on this server, whose, and how far."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any
from weakref import WeakSet

import panel as pn
import param
from panel.custom import JSComponent

from core.jobs.board import board, describe
from dashboard.faults import sentence
from dashboard.jobs_panel.owner import COOKIE, valid

_HERE = Path(__file__).parent
LISTED = 12
"""Jobs that are over and still shown; those under way all are."""
PLACES = {
    "training": {"page": "diffusion", "tab": "train"},
    "scan": {"page": "lattice", "tab": "scan"},
    "ensemble": {"page": "lattice", "tab": "keep"},
}
"""The address at which the outcome of each kind is."""
_panels: WeakSet[JobsPanel] = WeakSet()


class JobsPanel(JSComponent):
    """Rows of `describe` with ``id`` and ``place``, the newest first; hidden while there are none.

    ``owner`` is the id of the browser, which keeps it. `refresh` brings the rows up to date.
    """

    jobs = param.List(default=[], doc="What is listed.")
    owner = param.String("", doc="What the browser knows its jobs by.")
    cookie = param.String(COOKIE, constant=True, doc="Where it keeps that.")
    problem = param.String("", doc="A sentence below the list.")

    _esm = _HERE / "panel.js"
    _stylesheets = [(_HERE / "panel.css").read_text(encoding="utf-8")]  # noqa: RUF012

    def __init__(self, **params: Any) -> None:
        super().__init__(**{"margin": 0, "align": "center"} | params)
        self._document = pn.state.curdoc
        _panels.add(self)
        self.refresh()

    def refresh(self) -> None:
        """Show the jobs as they are now; call it where widgets may be touched."""
        rows = rows_for(str(self.owner))
        if rows != self.jobs:
            self.jobs = rows

    def close(self) -> None:
        """The session ends."""
        _panels.discard(self)

    def tell(self) -> None:
        """Bring the list up to date soon, on the session's own loop."""
        if rows_for(str(self.owner)) == self.jobs:
            return
        if self._document is None or self._document.session_context is None:
            self.refresh()
        else:
            self._document.add_next_tick_callback(partial(JobsPanel.refresh, self))

    def _handle_msg(self, data: Any) -> None:
        """``{"cancel": number}`` ends a job of this browser; ``{"owner": id}`` says what the browser has kept."""
        if not isinstance(data, dict):
            return
        number, owner = data.get("cancel"), data.get("owner")
        if isinstance(number, int) and not isinstance(number, bool):
            try:
                board().cancel(number, str(self.owner))
            except ValueError as problem:
                self.problem = sentence(problem)
            else:
                self.problem = ""
        elif valid(owner):
            self.owner = owner
        self.refresh()


def rows_for(owner: str) -> list[dict[str, Any]]:
    """The jobs as this owner sees them: those under way and the latest of the others, the newest first."""
    entries = board().jobs()
    over = [number for number, entry in entries.items() if entry.over]
    old = set(over[:-LISTED])
    return [
        {"id": number, "place": PLACES.get(entry.kind, {}), **describe(entry, owner)}
        for number, entry in reversed(entries.items())
        if number not in old
    ]


def tell_all() -> None:
    """Bring the lists of all sessions up to date. Call it from the server's loop, again and again."""
    for panel in list(_panels):
        panel.tell()
