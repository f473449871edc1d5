"""The rooms of the laboratory. Each is a module with ``build(shell) -> Content``, imported when first opened."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from types import ModuleType


@dataclass(frozen=True)
class Room:
    """A page: its name in the address (``?page=name``), its title, one line of promise, and its module."""

    name: str
    title: str
    promise: str
    module: str

    def load(self) -> ModuleType:
        return importlib.import_module(self.module)


ROOMS: dict[str, Room] = {
    room.name: room
    for room in (
        Room("home", "Home", "What this is, in one picture.", "dashboard.pages.home"),
        Room(
            "one",
            "One degree of freedom",
            "Draw a noise schedule and watch a distribution dissolve and re-form, with its cumulants beside it.",
            "dashboard.pages.one",
        ),
        Room(
            "lattice",
            "Lattice",
            "Watch a φ⁴ field fluctuate, order and freeze; steer its couplings, paint on it, and race algorithms.",
            "dashboard.pages.lattice",
        ),
        Room(
            "diffusion",
            "Diffusion",
            "Dissolve φ⁴ fields into noise and make new ones out of it with a learned score; steer its couplings.",
            "dashboard.pages.diffusion",
        ),
        Room(
            "compare",
            "Compare",
            "Two runs side by side with the same noise and one play position: VE and VP, exact and learned, κ and κ′.",
            "dashboard.pages.compare",
        ),
        Room(
            "library",
            "Library",
            "Ensembles, models and the history of runs: search, compare, import and export.",
            "dashboard.pages.library",
        ),
    )
}

FORMER = {"field": "diffusion"}
"""Former names of rooms, which addresses may still have."""
