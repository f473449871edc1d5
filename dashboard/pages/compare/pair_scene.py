"""Two scenes of a room as one: pictures side by side on equal axes, curves over each other, one play position.

The scenes are those that the room itself draws, on its own clock; here their frames are picked for the common axis and
what is drawn against the clock is moved along it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from core.schedule import Schedule
from dashboard.pages.compare.axis import Axis, Leg, common_axis
from dashboard.stage import Band, Bundle, Image, Line, Mark, Panel, Rule, Scene
from dashboard.stage.scene import Limits
from dashboard.stage.series import Series

COLOURS = {"a": "k2", "b": "k4"}
"""Of both runs, wherever they are in one picture."""
SPAN = 2.0
"""Of a scene's own clock."""
LEFT_OUT = ("noise removed",)
"""Curves that would be too many where two runs are in one picture."""


@dataclass(frozen=True, eq=False)
class Side:
    """A run's scene on its own clock and the schedule it ran along."""

    scene: Scene
    schedule: Schedule

    def panel(self, name: str) -> Panel | None:
        """The panel of that name, where there is one."""
        return next((panel for panel in self.scene.panels if panel.id == name), None)


def axis_of(a: Side, b: Side, clock: str) -> Axis:
    """The common axis; ``clock`` is 't' or 'level'."""
    return common_axis(
        np.asarray(a.scene.positions), a.schedule, np.asarray(b.scene.positions), b.schedule, clock
    )  # fmt: skip


def pictures(a: Side, b: Side, axis: Axis, names: Sequence[str]) -> list[tuple[Panel, Panel]]:
    """The named panels of both on equal axes, called ``a_NAME`` and ``b_NAME``."""
    found = []
    for name in names:
        left, right = (
            _picked(panel, leg) for side, leg in ((a, axis.a), (b, axis.b)) if (panel := side.panel(name)) is not None
        )
        shared: dict[str, Any] = {key: _union(getattr(left, key), getattr(right, key)) for key in ("xlim", "ylim")}
        found.append(
            (
                replace(left, id=f"a_{name}", title=f"A · {left.title}", **shared),
                replace(right, id=f"b_{name}", title=f"B · {right.title}", legend=False, **shared),
            )
        )
    return found


def curves(a: Side, b: Side, axis: Axis, names: Sequence[str]) -> list[Panel]:
    """One panel for each name that either has, with the curves of both in their colours."""
    found = []
    for name in names:
        both = [
            (which, _picked(panel, leg))
            for which, side, leg in (("a", a, axis.a), ("b", b, axis.b))
            if (panel := side.panel(name)) is not None
        ]
        if not both:
            continue
        panels = [panel for _, panel in both]
        series = [s for which, panel in both for s in _coloured(panel.series, which)]
        # Predictions last: where both have the same, it is seen on top.
        series.sort(key=lambda s: isinstance(s, Line) and s.dash)
        log, symlog = any(p.log_y for p in panels), any(p.symlog_y for p in panels)
        limits = [p.ylim for p in panels]
        dashed = any(isinstance(s, Line) and s.dash for s in series)
        first = dashed and not any(panel.note for panel in found)
        found.append(
            replace(
                panels[0],
                series=series,
                log_y=log,
                symlog_y=symlog and not log,
                linthresh=max(p.linthresh for p in panels),
                ylim=_union(limits[0], limits[-1]) if not log else None,
                legend=not found,
                note="dashed: predicted" if first else "",
            )
        )
    return found


def together(axis: Axis, above: Sequence[tuple[Panel, Panel]], below: Sequence[Panel], a: Side, b: Side) -> Scene:
    """The scene: each pair of pictures in a row, the curves in the last one."""
    count = max(1, len(below))
    rows = [[left.id] * count + [right.id] * count for left, right in above]
    rows.append([panel.id for panel in below for _ in range(2)])
    return Scene(
        positions=axis.positions,
        panels=[*(panel for pair in above for panel in pair), *below],
        captions=axis.captions,
        marks=_marks(a, b, axis),
        ticks=axis.ticks,
        columns=" ".join(["1fr"] * (2 * count)),
        rows=" ".join(["1.25fr" if len(above) > 1 else "1.7fr"] * len(above) + ["1fr"]),
        areas=[" ".join(row) for row in rows],
        duration=10.0,
        smooth=a.scene.smooth and b.scene.smooth,
    )


def _picked(panel: Panel, leg: Leg) -> Panel:
    """A panel with the frames of the common axis."""
    series = [_at_frames(s, leg) for s in panel.series]
    if panel.clock:
        series = [_moved(s, leg) for s in series]
    limits = {name: _limits(getattr(panel, name), leg) for name in ("xlim", "ylim")}
    return replace(panel, series=series, **limits)


def _at_frames(series: Series, leg: Leg) -> Series:
    moving = {name: np.asarray(series.values(name))[leg.frames] for name in series.arrays if series.moves(name)}
    return replace(series, **moving) if moving else series  # pyright: ignore[reportArgumentType]


def _moved(series: Series, leg: Leg) -> Series:
    """A series against the clock, along the common axis."""
    if isinstance(series, Line | Band):
        return replace(series, x=_place(series.x, leg))
    if isinstance(series, Bundle):
        t, y = np.asarray(series.t, float), np.asarray(series.y, float)
        turn = int(np.searchsorted(t, 1.0, side="right"))  # other paths go back than have gone there
        t, y = _place(np.insert(t, turn, 1.0), leg), np.insert(y, turn, np.nan, axis=1)
        return replace(series, t=t, y=y)
    if isinstance(series, Rule) and series.x is not None:
        return replace(series, x=_place(series.x, leg))
    if isinstance(series, Image):
        data = np.asarray(series.data)
        width = data.shape[-1]
        wanted = np.linspace(0, SPAN, width)
        column = np.interp(wanted, leg.places, leg.clock) / SPAN * (width - 1)
        return replace(series, data=np.ascontiguousarray(data[..., column.round().astype(int)]))
    return series


def _place(clock: Any, leg: Leg) -> np.ndarray:
    return np.interp(np.asarray(clock, float), leg.clock, leg.places)


def _limits(limits: Limits, leg: Leg) -> Limits:
    return limits[leg.frames] if isinstance(limits, np.ndarray) and limits.ndim == 2 else limits


def _union(a: Limits, b: Limits) -> Limits:
    """Limits that hold both; None where either is found from the data."""
    if a is None or b is None or any(v is None for limits in (a, b) for v in np.asarray(limits, object).ravel()):
        return None if a is None or b is None else (_low(a, b), _high(a, b))
    left, right = np.broadcast_arrays(np.asarray(a, float), np.asarray(b, float))
    both = np.stack([np.minimum(left[..., 0], right[..., 0]), np.maximum(left[..., 1], right[..., 1])], axis=-1)
    return both if both.ndim == 2 else (float(both[0]), float(both[1]))


def _low(a: Any, b: Any) -> float | None:
    return None if a[0] is None or b[0] is None else min(float(a[0]), float(b[0]))


def _high(a: Any, b: Any) -> float | None:
    return None if a[1] is None or b[1] is None else max(float(a[1]), float(b[1]))


def _coloured(series: Sequence[Series], which: str) -> list[Series]:
    colour, named, found = COLOURS[which], False, []
    for s in series:
        if getattr(s, "label", "") in LEFT_OUT:
            continue
        changes: dict[str, Any] = {"color": colour, "label": ""}
        if isinstance(s, Line) and not s.dash and not named:
            changes["label"], named = which.upper(), True
        if isinstance(s, Line | Band | Rule):
            found.append(replace(s, **changes))
    return found


KEY = ("drowns", "emerges", "zero mode", "sign of M")
"""Marks that are worth their place where both runs have them at different places."""


def _marks(a: Side, b: Side, axis: Axis) -> list[Mark]:
    """What both runs mark, named with its run where the other has it elsewhere."""
    places: dict[tuple[float, str], list[tuple[str, Mark]]] = {}
    for which, side, leg in (("A", a, axis.a), ("B", b, axis.b)):
        for mark in side.scene.marks:
            position = float(_place(mark.position, leg))
            places.setdefault((round(position, 3), mark.label), []).append((which, replace(mark, position=position)))
    found = []
    for (_, label), marks in places.items():
        if len(marks) == 1 and label not in KEY:
            continue
        which, mark = marks[0]
        tooltip = "; ".join(f"{which}: {m.tooltip}" for which, m in marks) if len(marks) == 1 else mark.tooltip
        found.append(replace(mark, label=label if len(marks) > 1 else f"{which}: {label}", tooltip=tooltip))
    return sorted(found, key=lambda mark: mark.position)
