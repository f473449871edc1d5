"""What a tab that runs the process of the tab *Play* in another way takes from the state of the page."""

from __future__ import annotations

from dashboard.pages.diffusion.ensembles import Request
from dashboard.pages.diffusion.library import Stored
from dashboard.pages.diffusion.play import WATCHED
from dashboard.pages.diffusion.state import DiffusionState
from dashboard.pages.diffusion.work import source

ABSENT = ("correction", "correction_steps")
"""Controls that act on nothing there."""
SHARED = tuple(name for name in WATCHED if name not in ABSENT)
"""What such a tab depends on."""


def prepared(state: DiffusionState) -> tuple[DiffusionState, Request | Stored]:
    """A copy of the state for the working thread, and where the data come from. ValueError or OSError with a sentence
    for settings that cannot be used."""
    copy = DiffusionState(**{name: getattr(state, name) for name in SHARED})
    origin = source(copy)
    if copy.schedule == "drawn":
        copy.make_schedule()
    return copy, origin
