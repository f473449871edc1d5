"""What the page *Compare* shares between both runs, and the comparisons that it offers ready made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import param

from dashboard.pages.process import ProcessState

ROOMS = {"One dimension": "line", "The plane": "plane", "Lattice fields": "fields", "Lattice chains": "chains"}
CLOCKS = {"Equal t": "t", "Equal noise level σ̃": "level"}
PACES = {"Equal updates": "updates", "Equal time of computing": "cost"}
OWN = {
    "line": ("seed", "clock"),
    "plane": ("seed", "clock"),
    "fields": ("seed", "clock", "shown"),
    "chains": ("seed", "pace", "speed"),
}
"""What belongs to both runs, by room."""


class CompareState(param.Parameterized):
    """The room, and what both runs have in common by definition."""

    room = param.Selector(default="line", objects=ROOMS, doc="What is compared.")
    seed = param.Integer(0, bounds=ProcessState.param["seed"].bounds, doc="Of both runs: they have the same noise.")
    clock = param.Selector(default="t", objects=CLOCKS, doc="What is equal in both pictures: time or noise level.")
    pace = param.Selector(
        default="updates", objects=PACES, doc="What is equal in both: the number of updates, or the time they took."
    )
    speed = param.Selector(
        default=25,
        objects={"2 updates a second": 2, "10 a second": 10, "25 a second": 25, "100 a second": 100},
        doc="How often the chains are updated; at equal time of computing those of A.",
    )
    shown = param.Selector(
        default=1, objects={"1": 1, "2 × 2": 4, "3 × 3": 9}, doc="How many fields of each run are in the picture."
    )


@dataclass(frozen=True)
class Preset:
    """A comparison: values of ``both`` runs, and those of ``a`` and ``b`` alone; ``shared`` are of the page itself."""

    title: str
    room: str
    a: Mapping[str, Any]
    b: Mapping[str, Any]
    both: Mapping[str, Any] = field(default_factory=dict)
    shared: Mapping[str, Any] = field(default_factory=dict)


PRESETS: dict[str, Preset] = {
    "ve-vp": Preset("VE | VP", "line", {"schedule": "ve"}, {"schedule": "vp"}),
    "exact-learned": Preset("Exact | learned score", "line", {"score": "exact"}, {"score": "learned"}),
    "exact-gaussian": Preset("Exact | Gaussian score", "line", {"score": "exact"}, {"score": "gaussian"}),
    "euler-exponential": Preset(
        "Euler | exponential solver", "line", {"solver": "euler"}, {"solver": "multistep"},
        {"steps": 30, "grid": "karras"},
    ),
    "plane-ve-vp": Preset(
        "VE | VP", "plane", {"schedule": "ve"}, {"schedule": "vp"}, 
        {"plane_target": "spiral", "paths": 5000}, {"clock": "level"},
    ),
    "plane-score": Preset(
        "Exact | Gaussian score", "plane", {"score": "exact"}, {"score": "gaussian"}, {"paths": 5000}
    ),
    "fields-ve-vp": Preset("VE | VP", "fields", {"schedule": "ve"}, {"schedule": "vp"}),
    "fields-score": Preset("Gaussian | learned score", "fields", {"score": "gaussian"}, {"score": "learned"}),
    "fields-kappa": Preset("κ = 0.21 | 0.27", "fields", {"kappa": 0.21}, {"kappa": 0.27}),
    "fields-solver": Preset(
        "Euler | exponential solver", "fields", {"solver": "euler"}, {"solver": "exponential"}, {"steps": 60}
    ),
    "hmc-langevin": Preset(
        "HMC | Langevin", "chains", {"algorithm": "hmc"}, {"algorithm": "langevin"}, {"kappa": 0.27}, {"pace": "cost"}
    ),
    "kappa": Preset("κ = 0.21 | 0.27", "chains", {"kappa": 0.21}, {"kappa": 0.27}),
}  # fmt: skip
"""By their names in the address (``?page=compare&preset=ve-vp``)."""


SAME = "same"
"""In place of a preset: both runs begin alike, at the defaults of the room."""


def first_of(room: str) -> str:
    """The preset that a room opens with."""
    return next(name for name, preset in PRESETS.items() if preset.room == room)
