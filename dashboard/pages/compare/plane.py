"""Comparisons in the plane: particles over their density side by side, area and variance over each other."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, ClassVar, NamedTuple

import numpy as np

from core.contracts import Tensor
from core.diffusion.run import run_backward
from core.jobs import Token
from core.statistics.format import thousands
from core.statistics.jackknife import Jackknifed
from core.statistics.paired import difference
from dashboard.pages.compare.axis import Axis
from dashboard.pages.compare.kind import Kind, Settings, Table
from dashboard.pages.compare.line import LABELS, PATHS, PROCESS, RELEVANT, cumulants_of, order_of
from dashboard.pages.compare.pair_scene import Side, pictures
from dashboard.pages.one.order import Order
from dashboard.pages.one.plane import FAST, FULL, MOST_PATHS, paint
from dashboard.pages.one.state import OneState
from dashboard.stage import Panel, Scene

ORDERS = (1, 2, 3, 4)


class Ran(NamedTuple):
    """The scene of a run with what was asked for."""

    order: Order
    scene: Scene
    paths: int
    last: bool


class Plane(Kind):
    """Two variables."""

    settings: ClassVar[Settings] = Settings(
        {"Target": ("plane_target", "thickness"), **PROCESS},
        LABELS,
        RELEVANT | {"thickness": lambda s: s.plane_target != "three-peak"},
    )
    label = "Two runs in the plane on one clock"
    note = PATHS

    def make_state(self) -> OneState:
        return OneState()

    def order(self, state: Any, seed: int) -> Order:
        copy = OneState(**{name: getattr(state, name) for name in self.settings.names}, seed=seed)
        order = order_of(copy.make_plane_target(), copy)
        return replace(order, paths=min(order.paths, MOST_PATHS))

    def key(self, order: Order) -> Hashable:
        return order.key

    def runs(self, order: Order, token: Token) -> Iterator[Ran]:
        with suppress(FloatingPointError):  # too few steps for the solver
            yield Ran(order, paint(order, FAST, token), min(order.paths, FAST.paths), False)
        yield Ran(order, paint(order, FULL, token), min(order.paths, FULL.paths), True)

    def last(self, run: Ran) -> bool:
        return run.last

    def side(self, run: Ran) -> Side:
        return Side(run.scene, run.order.schedule)

    def pictures(self, a: Any, b: Any, sides: tuple[Side, Side], axis: Axis, shown: int) -> list[tuple[Panel, Panel]]:
        return pictures(*sides, axis, ("plane",))

    def curves(self, a: Ran, b: Ran) -> Sequence[str]:
        return "area", "variance"

    def table(self, a: Ran, b: Ran, token: Token) -> Table:
        found = difference(*(_cumulants(_samples(run.order, token)) for run in (a, b)))
        names = tuple(f"κ{'₀₁₂₃₄'[n]}({axis})" for axis in ("x₁", "x₂") for n in ORDERS)
        return Table(names, found, f"Cumulants of the samples. A: {self.size(a)}, B: {self.size(b)}.")

    def size(self, run: Ran) -> str:
        return f"{thousands(run.paths)} paths"


def _samples(order: Order, token: Token) -> Tensor:
    """The samples of the run in the picture, (paths, 2)."""
    return run_backward(
        order.target, order.schedule, order.model, solver=order.solver, grid=order.grid,
        steps=min(order.steps, FULL.steps), paths=min(order.paths, FULL.paths), prior=order.prior, seed=order.seed,
        token=token,
    ).samples  # fmt: skip


def _cumulants(samples: Tensor) -> Jackknifed:
    """κ₁ … κ₄ of both coordinates."""
    both = [cumulants_of(samples[:, i].contiguous(), ORDERS) for i in (0, 1)]
    return Jackknifed(
        np.concatenate([k.value for k in both]), np.concatenate([k.deviations for k in both], axis=1)
    )  # fmt: skip
