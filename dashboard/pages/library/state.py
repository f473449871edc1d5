"""What a person can look for on the page *Library*; all of it is in the address."""

from __future__ import annotations

import math

import param

from core.library.catalogue import Wanted
from core.statistics.format import MINUS

MOST_COMPARED = 4
KINDS = {"Everything": "", "Ensembles": "ensemble", "Raw fields": "array", "Models": "model", "Runs": "run"}
KINDS_AND_DELETED = KINDS | {"Deleted": "deleted"}
LOWEST, HIGHEST = 0.0, 0.6
LABELS = {
    "text": "Search",
    "kind": "Show",
    "low": "κ from",
    "high": "κ to",
    "lam": "λ",
    "L": "Lattice",
    "origin": "Made by",
    "abscissa": "Curves over",
}
FILTERS = ("kind", "text", "low", "high", "lam", "L", "origin")


class LibraryState(param.Parameterized):
    """Filters, the chosen row, and the runs that are compared."""

    text = param.String("", doc="Words that must occur in the name, the lattice (32 × 32) or what it was made by.")
    kind = param.Selector(default="", objects=KINDS_AND_DELETED, doc="What is listed.")
    low = param.Number(LOWEST, bounds=(LOWEST, HIGHEST), step=0.005, doc="Only what reaches this κ or a larger one.")
    high = param.Number(HIGHEST, bounds=(LOWEST, HIGHEST), step=0.005, doc="Only what reaches this κ or a smaller one.")
    lam = param.String("", doc="Only this λ; left empty, any.")
    L = param.Selector(
        default=0,
        objects={"Any": 0, "8": 8, "16": 16, "32": 32, "64": 64, "128": 128, "256": 256},
        doc="Only lattices that have an extent of so many sites.",
    )
    origin = param.Selector(
        default="", objects={"Anything": ""}, check_on_set=False, doc="Only what was made by this algorithm or model."
    )
    chosen = param.String("", doc="The row that is shown below, KIND:NAME.")
    compared = param.List(default=[], item_type=str, doc="Runs whose settings and curves are compared, at most four.")
    abscissa = param.Selector(
        default="seconds", objects={"Seconds of training": "seconds", "Steps": "steps"}, doc="What curves are over."
    )

    def wanted(self) -> Wanted:
        """What to look for. ValueError with a sentence for a λ that is no number."""
        lam = optional_number("λ", str(self.lam))
        everywhere = self.low <= LOWEST and self.high >= HIGHEST  # type: ignore[operator]
        return Wanted(
            str(self.text),
            str(self.kind) if self.kind != "deleted" else "",
            None if everywhere else (float(self.low), float(self.high)),  # type: ignore[arg-type]
            None if lam is None else (lam, lam),
            int(self.L) or None,  # type: ignore[arg-type]
            str(self.origin),
        )


def optional_number(title: str, text: str) -> float | None:
    """The number in a field, None where it is empty. ValueError, naming the field by its title, for anything else."""
    text = text.strip().replace(",", ".").replace(MINUS, "-")
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{title} must be a number, or left empty, got {text[:40]!r}")
    return value
