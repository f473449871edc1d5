"""Comparisons in one dimension: distributions and trajectories side by side, cumulants over each other."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import Any, ClassVar, NamedTuple

from core.contracts import Tensor
from core.diffusion.learned import LearnedScore, pretrained
from core.jobs import Token
from core.statistics.cumulants import PowerSums
from core.statistics.format import thousands
from core.statistics.jackknife import Jackknifed
from core.statistics.paired import difference
from core.theories.base import Target
from dashboard.pages.compare.axis import Axis
from dashboard.pages.compare.kind import Kind, Settings, Table
from dashboard.pages.compare.pair_scene import Side, pictures
from dashboard.pages.one.order import Order, make_order
from dashboard.pages.one.picture import Picture
from dashboard.pages.one.picture import pictures as pictures_of
from dashboard.pages.one.scene import build_scene
from dashboard.pages.one.state import OneState
from dashboard.pages.process import LABELS as PROCESS_LABELS
from dashboard.stage import Panel

PROCESS = {
    "Noise schedule": ("schedule", "sigma", "beta_min", "beta_max", "drawn", "keep_variance"),
    "Score": ("score",),
    "Backward process": ("solver", "grid", "steps", "paths", "prior"),
}
"""Controls of every forward and backward process."""
RELEVANT = {
    "sigma": lambda s: s.schedule in ("ve", "vp"),
    "beta_min": lambda s: s.schedule == "vp-linear",
    "beta_max": lambda s: s.schedule == "vp-linear",
    "drawn": lambda s: s.schedule == "drawn",
    "keep_variance": lambda s: s.schedule == "drawn",
}
LABELS = PROCESS_LABELS | {
    "means": "Means",
    "stds": "Widths",
    "mu2": "μ²",
    "coupling": "Coupling g",
    "formula": "Potential S(x)",
    "drawn": "Points t:g of the schedule",
    "plane_target": "Target in the plane",
}
PATHS = (
    "Path i of A and path i of B have the same random numbers (same seed, same Philox counters): they differ by the "
    "settings alone. The error of B − A is that of such pairs, often far below the errors of A and B."
)


class Shipped:
    """Learned scores of a comparison: the shipped ones."""

    def model_for(self, target: Target) -> LearnedScore | None:
        """The shipped score of exactly this target, else None."""
        return pretrained(target)


def order_of(target: Target, state: OneState) -> Order:
    """What the settings ask for with this target; ValueError with a sentence where it cannot be."""
    if state.score == "learned" and pretrained(target) is None:
        raise ValueError(
            "no learned score is shipped for this target; take another target or score, or train one on the page One "
            "degree of freedom."
        )
    return make_order(target, state, Shipped())


class Ran(NamedTuple):
    """A picture with what was asked for."""

    order: Order
    picture: Picture


class Line(Kind):
    """One variable."""

    settings: ClassVar[Settings] = Settings(
        {"Target": ("target", "means", "stds", "weights", "mu2", "coupling", "formula"), **PROCESS},
        LABELS,
        RELEVANT
        | {name: lambda s: s.target == "mixture" for name in ("means", "stds", "weights")}
        | {name: lambda s: s.target == "quartic" for name in ("mu2", "coupling")}
        | {"formula": lambda s: s.target == "formula"},
    )
    label = "Two runs in one dimension on one clock"
    note = PATHS

    def make_state(self) -> OneState:
        return OneState()

    def order(self, state: Any, seed: int) -> Order:
        copy = OneState(**{name: getattr(state, name) for name in self.settings.names}, seed=seed)
        return order_of(copy.make_target(), copy)

    def key(self, order: Order) -> Hashable:
        return order.key

    def runs(self, order: Order, token: Token) -> Iterator[Ran]:
        for picture in pictures_of(order, token):
            yield Ran(order, picture)

    def last(self, run: Ran) -> bool:
        return not run.picture.preview

    def side(self, run: Ran) -> Side:
        return Side(build_scene(run.picture), run.order.schedule)

    def pictures(self, a: Any, b: Any, sides: tuple[Side, Side], axis: Axis, shown: int) -> list[tuple[Panel, Panel]]:
        return pictures(*sides, axis, ("density", "bundle"))

    def curves(self, a: Ran, b: Ran) -> Sequence[str]:
        return tuple(f"k{n}" for n in ((1, 2, 3, 4) if _odd(a, b) else (2, 4, 6, 8)))

    def table(self, a: Ran, b: Ran, token: Token) -> Table:
        orders = [n for n in range(1, 9) if n % 2 == 0 or _odd(a, b)]
        found = difference(*(cumulants_of(run.picture.backward.samples[:, 0], orders) for run in (a, b)))
        names = tuple(f"κ{'₀₁₂₃₄₅₆₇₈'[n]}" for n in orders)
        return Table(names, found, f"Cumulants of the samples. A: {self.size(a)}, B: {self.size(b)}.")

    def size(self, run: Ran) -> str:
        return f"{thousands(run.picture.paths)} paths"

    def warnings(self, run: Ran) -> Sequence[str]:
        return run.picture.warnings


def _odd(a: Ran, b: Ran) -> bool:
    """Whether a target has odd cumulants."""
    return any(n % 2 for run in (a, b) for n in run.picture.cumulants)


def cumulants_of(x: Tensor, orders: Sequence[int]) -> Jackknifed:
    """κₙ of numbers (n,), number i in the same block whatever n, for the orders."""
    sums = PowerSums(shift=float(x.mean()))
    sums.add(x)
    found = sums.jackknifed_cumulants()
    return Jackknifed(found.value[0][list(orders)], found.deviations[:, 0][:, list(orders)])
