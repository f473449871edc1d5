"""From an ensemble and its run to linked pictures: the fields, and one group of observables beside them."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from core.samplers.ensemble import Thermalisation
from dashboard.pages.diffusion.action import Implied, action
from dashboard.pages.diffusion.outcome import Outcome
from dashboard.pages.diffusion.panels import GROUPS, thermalisation
from dashboard.pages.diffusion.timeline import Timeline, clock, level
from dashboard.pages.lattice.scene import tile_extent
from dashboard.stage import Image, Panel, Scene

RANGE = 2.5
"""Half range of the colours in units of the root mean square of the field."""
NO_HISTORY = "These data come from the library, without a history"


@lru_cache(maxsize=6)  # sessions with one link show one scene, packed once
def run_scene(outcome: Outcome, found: Implied | None, view: str, group: str, shown: int) -> Scene:
    """The scene of a run. ``view`` is 'clock' or 'level'; ``group`` one of the observables; ``shown``, a square number,
    is how many configurations are in the picture; ``found`` is what the group 'action' needs, once it is there."""
    run, schedule = outcome.run, outcome.schedule
    line = {"clock": clock, "level": level}[view](run, schedule)
    spread = np.sqrt(run.prediction.value[line.there, 2])
    forward, backward = run.forward.fields, run.backward.fields
    shown = largest_square(min(shown, forward.shape[1], backward.shape[1]))
    if view == "clock":
        fields = np.concatenate([forward[:, :shown], backward[:, :shown]])
        pictures = [field_panel("field", "Field φ", fields, spread)]
    else:
        pictures = [
            field_panel("field", "Forward: data dissolved", forward[line.there, :shown], spread),
            field_panel("field2", "Backward: made from noise", backward[line.back, :shown], spread),
        ]
    if group == "data":
        beside = thermalisation(outcome.report) if outcome.report else [Panel("m", title=NO_HISTORY, hide_axes=True)]
    elif group == "action":
        beside = action(outcome, found, line)
    else:
        beside = GROUPS[group](run, schedule, line)
    return _scene(line, pictures, beside)


def thermalising_scene(report: Thermalisation, shown: int) -> Scene:
    """Some configurations and the histories of the chains while they thermalise."""
    fields = report.fields[: largest_square(min(shown, len(report.fields)))].numpy()
    spread = np.sqrt(report.phi_squared[: len(fields), -1].mean(keepdims=True))
    note = f"thermalising: cluster update {report.done} of {report.total}"
    picture = field_panel("field", "Field φ", fields[None], spread, note)
    return _scene(None, [picture], thermalisation(report))


def _scene(line: Timeline | None, pictures: list[Panel], beside: list[Panel]) -> Scene:
    columns, rows, areas = _below(pictures, beside) if len(pictures) == 2 else _right(pictures[0], beside)
    return Scene(
        positions=[0.0] if line is None else line.positions,
        panels=[*pictures, *beside],
        captions=[] if line is None else line.captions,
        marks=[] if line is None else line.marks,
        ticks=[] if line is None else line.ticks,
        columns=columns,
        rows=rows,
        areas=areas,
        duration=10.0,
        smooth=True,
    )


def _right(picture: Panel, beside: list[Panel]) -> tuple[str, str, list[str]]:
    """Columns, rows and areas: one picture, and the panels to its right, four of them in a square."""
    square = len(beside) == 4
    places = [beside[:2], beside[2:]] if square else [[panel] for panel in beside]
    columns = "1.9fr 1fr 1fr" if square else "1.15fr 1fr"
    areas = [f"{picture.id} {' '.join(panel.id for panel in row)}" for row in places]
    return columns, " ".join(["1fr"] * len(places)), areas


def _below(pictures: list[Panel], beside: list[Panel]) -> tuple[str, str, list[str]]:
    """Columns, rows and areas: two pictures, and the panels in one row below them.

    Behind each half is a thin column that belongs to its picture alone: panels that end in one column get one margin,
    and the colour bar's would be too wide for the others.
    """
    count = len(beside)
    above = [panel.id for panel in pictures for _ in range(count)]
    below = [panel.id for panel in beside for _ in range(2)]
    cells = list(zip(above, below, strict=True))
    across = below[count - 1] if below[count - 1] == below[count] else "."  # a panel in the middle
    cells = [*cells[:count], (above[0], across), *cells[count:], (above[-1], ".")]
    half = " ".join(["1fr"] * count) + " 4px"
    return f"{half} {half}", "1.5fr 1fr", [" ".join(row) for row in zip(*cells, strict=True)]


def field_panel(
    name: str, title: str, fields: np.ndarray, spread: np.ndarray, note: str = "", label: str = ""
) -> Panel:
    """A montage of fields (F, n, L, L), n a square number.

    Colours are symmetric about 0, equal in all of them, and follow the spread (F,) of the field at each time;
    ``label`` says at the colour bar what they mean.
    """
    limit = RANGE * np.maximum(spread, 1e-6)
    limits = np.stack([-limit, limit], axis=1)
    height, width = fields.shape[2:]
    shown = fields.shape[1]
    images = []
    for i in range(shown):
        x0, x1, _, _ = tile_extent(i, shown, width)
        _, _, y0, y1 = tile_extent(i, shown, height)
        images.append(
            Image(_bytes(fields[:, i], limit), (x0, x1, y0, y1), palette="diverging", limits=limits, label=label)
        )
    return Panel(name, images, title=title, aspect="equal", hide_axes=True, note=note, legend=False)


def _bytes(fields: np.ndarray, limit: np.ndarray) -> np.ndarray:
    """Fields (F, L, L) as bytes, −limit … +limit (F,) to 0 … 255."""
    scaled = fields / limit[:, None, None]
    return np.round(127.5 * (1 + np.clip(scaled, -1, 1))).astype(np.uint8)


def largest_square(n: int) -> int:
    """The largest square number up to n."""
    return math.isqrt(n) ** 2
