"""Two simulations in one picture: fields side by side with one colour scale, |M| and S/V over each other.

While they run the newest fields are shown; held, the past becomes a scene that can be played on one position.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.samplers.pair import Moment, Pair
from core.statistics.format import thousands
from dashboard.pages.compare.pair_scene import COLOURS
from dashboard.pages.lattice.scene import colour_limit, tile_extent
from dashboard.stage import Image, Line, Panel, Rule, Scene
from dashboard.stage.series import Series

AXES = {"updates": "updates", "cost": "seconds of computing"}
Past = Sequence[tuple[Moment, Moment]]


def limit_of(pair: Pair) -> float:
    """The colour scale of both fields as they are now."""
    return max(colour_limit(frame.fields[:1]) for frame in pair.frames)


def live_scene(pair: Pair, pace: str, limit: float) -> Scene:
    """The newest fields, colours from −limit to +limit, and the curves so far."""
    fields = [frame.fields[:1] for frame in pair.frames]
    pictures = [_field(which, data, limit) for which, data in zip("ab", fields, strict=True)]
    return _scene(np.array([0.0]), pictures, pair.past, pace, clock=False)


def past_scene(pair: Pair, pace: str) -> Scene:
    """What is remembered of the run, on one play position: the updates of both, or their seconds of computing."""
    place = np.array([_place(a, pace) for a, _ in pair.past])
    kept = np.concatenate([[True], np.diff(np.maximum.accumulate(place)) > 0])
    past = [moments for moments, keep in zip(pair.past, kept, strict=True) if keep]
    fields = [np.stack([moments[i].field for moments in past]).astype(np.float32) for i in (0, 1)]
    limit = max(colour_limit(f) for f in fields)
    pictures = [_field(which, data, limit) for which, data in zip("ab", fields, strict=True)]
    return _scene(place[kept], pictures, past, pace, clock=True)


def _scene(positions: np.ndarray, pictures: list[Panel], past: Past, pace: str, clock: bool) -> Scene:
    end = max(_place(moment, pace) for moment in past[-1])
    panels = [_magnetisation(past, pace, clock, end), _action(past, pace, clock, end)]
    return Scene(
        positions=positions,
        panels=[*pictures, *panels],
        captions=[_caption(*moments) for moments in past] if clock else [],
        ticks=_ticks(end) if clock else [],
        columns="1fr 1fr",
        rows="1.5fr 1fr",
        areas=["a_field b_field", "m action"],
        duration=12.0,
    )


def _field(which: str, fields: np.ndarray, limit: float) -> Panel:
    """The first chain at one or at many moments (F, L, L)."""
    data = np.clip(fields * (127.5 / limit) + 127.5, 0, 255).astype(np.uint8)
    length = data.shape[-1]
    image = Image(
        data if len(data) > 1 else data[0], tile_extent(0, 1, length), palette="diverging",
        limits=np.array([-limit, limit]),
    )  # fmt: skip
    return Panel(
        f"{which}_field", [image], title=f"{which.upper()} · φ", aspect="equal", hide_axes=True, legend=False,
        note=f"{length} × {length}, first chain",
    )  # fmt: skip


def _magnetisation(past: Past, pace: str, clock: bool, end: float) -> Panel:
    series: list[Series] = [Rule(y=0.0)]
    for i, which in enumerate("ab"):
        x = np.array([_place(moments[i], pace) for moments in past])
        colour = COLOURS[which]
        series += [
            Line(x, np.array([moments[i].m for moments in past]), "", colour, width=1, opacity=0.6),
            Line(x, np.array([moments[i].abs_m for moments in past]), f"⟨|M|⟩ {which.upper()}", colour, width=2.2),
        ]
    values = [v for pair in past for moment in pair for v in (moment.m, moment.abs_m)]
    low, high = min(0.0, *values), max(0.0, *values)
    margin = 0.06 * max(high - low, 0.1)
    return Panel(
        "m", series, title="Magnetisation", note="thin: M of the first chain", xlabel=AXES[pace], clock=clock,
        xlim=(0.0, max(end, 1e-9)), ylim=(low - margin, high + margin),
    )  # fmt: skip


def _action(past: Past, pace: str, clock: bool, end: float) -> Panel:
    series = []
    for i, which in enumerate("ab"):
        x = np.array([_place(moments[i], pace) for moments in past])
        y = np.array([moments[i].action for moments in past])
        series.append(Line(x, y, which.upper(), COLOURS[which], width=2.2))
    return Panel(
        "action", series, title="Action S/V", note="mean over the chains", xlabel=AXES[pace], clock=clock,
        legend=False, xlim=(0.0, max(end, 1e-9)),
    )  # fmt: skip


def _place(moment: Moment, pace: str) -> float:
    return float(moment.updates) if pace == "updates" else moment.seconds


def _ticks(end: float) -> list[tuple[float, str]]:
    step = 10.0 ** np.floor(np.log10(max(end, 1e-9)))
    step = step if end / step > 3 else step / 5
    return [(float(v), f"{v:g}") for v in np.arange(0, end + step / 2, step) if v <= end]


def _caption(a: Moment, b: Moment) -> str:
    return f"updates {thousands(a.updates)} | {thousands(b.updates)}   computing {a.seconds:.2f} s | {b.seconds:.2f} s"
