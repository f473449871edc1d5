"""The Python side of the curve editor: what it shows, and the points that come back from the browser."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import param
from panel.custom import JSComponent

DEFAULT = [(0.0, 1.0), (0.25, 1.8), (0.5, 3.2), (0.75, 5.6), (1.0, 10.0)]
LIMITS = (0.1, 100.0)
MOST = 8


class CurveEditor(JSComponent):
    """A positive curve g(t), 0 <= t <= 1, on a logarithmic axis.

    Editable, it shows ``points`` with a monotone curve of log g through them (as ``core.schedule.Tabulated``): drag a
    point, draw over the plot with the pen, double-click to add or remove, arrow keys to move the focused point. The
    first and last point stay at t = 0 and t = 1. Otherwise it shows ``curve`` as a plain line. ``points`` arrive from
    the browser every 60 ms during a drag and once at its end.
    """

    points = param.List(default=DEFAULT, doc="Points (t, g), with t rising from 0 to 1 and g > 0; at most eight.")
    initial = param.List(default=DEFAULT, doc="The points that the reset button brings back.")
    curve = param.List(default=[], doc="Points (t, g) of the line that is shown where nothing can be edited.")
    ylim = param.NumericTuple(default=LIMITS, length=2, doc="Range of g on the axis, both positive.")
    dark = param.Boolean(default=False, doc="Colours for a dark ground.")
    editable = param.Boolean(default=True, doc="Whether the points can be moved.")

    _esm = Path(__file__).with_name("editor.js")

    def __init__(self, **params: Any) -> None:
        params = {"height": 170, "sizing_mode": "stretch_width", "margin": (4, 12)} | params
        super().__init__(**params)

    @param.depends("points", "ylim", watch=True, on_init=True)
    def _check(self) -> None:
        check_points(self.points)
        low, high = self.ylim
        if not 0 < low < high < math.inf:
            raise ValueError(f"ylim must be two positive rising numbers, got {self.ylim}")

    def _process_property_change(self, props: dict[str, Any]) -> dict[str, Any]:
        if "points" in props:
            props = {**props, "points": [(float(t), float(g)) for t, g in props["points"]]}
        return super()._process_property_change(props)


def check_points(points: Sequence[Sequence[float]]) -> None:
    """Raise ValueError, naming what is wrong, unless ``points`` are 2 to 8 pairs with t from 0 to 1 and g > 0."""
    if not 2 <= len(points) <= MOST:
        raise ValueError(f"points must be 2 to {MOST} pairs (t, g), got {len(points)}")
    times = [t for t, _ in points]
    if times[0] != 0 or times[-1] != 1 or any(not b > a for a, b in itertools.pairwise(times)):
        raise ValueError(f"the times of points must rise from 0 to 1, got {times}")
    if not all(0 < g < math.inf for _, g in points):
        raise ValueError(f"the values g of points must be positive and finite, got {[g for _, g in points]}")
