"""From an ensemble and its run to linked pictures: the fields, and one group of observables beside them."""

from __future__ import annotations

import math

import numpy as np

from core.diffusion.field_run import FieldRun
from core.samplers.ensemble import Thermalisation
from core.schedule import Schedule
from dashboard.pages.diffusion.panels import GROUPS, thermalisation
from dashboard.pages.diffusion.timeline import Timeline, clock, level
from dashboard.pages.lattice.scene import tile_extent
from dashboard.stage import Image, Panel, Scene

RANGE = 2.5
"""Half range of the colours in units of the root mean square of the field."""
COLUMNS = {4: ("1fr 1fr", [(0, 1), (2, 3)]), 3: ("1fr", [(0,), (1,), (2,)]), 2: ("1fr", [(0,), (1,)])}
"""Columns, and rows of panels, of a group by its number of panels."""


def run_scene(
    run: FieldRun, schedule: Schedule, report: Thermalisation | None, view: str, group: str, shown: int
) -> Scene:
    """The scene of a run. ``view`` is 'clock' or 'level'; ``report`` is how the data thermalised, for the group 'data';
    ``shown``, a square number, is how many configurations are in the picture."""
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
    return _scene(line, pictures, _beside(run, schedule, line, report, group))


def _beside(
    run: FieldRun, schedule: Schedule, line: Timeline, report: Thermalisation | None, group: str
) -> list[Panel]:
    if group != "data":
        return GROUPS[group](run, schedule, line)
    if report is None:
        return [Panel("m", title="Data from the library: see the page Lattice for their history", hide_axes=True)]
    return thermalisation(report)


def thermalising_scene(report: Thermalisation, shown: int) -> Scene:
    """Some configurations and the histories of the chains while they thermalise."""
    fields = report.fields[: largest_square(min(shown, len(report.fields)))].numpy()
    spread = np.sqrt(report.phi_squared[: len(fields), -1].mean(keepdims=True))
    note = f"thermalising: cluster update {report.done} of {report.total}"
    picture = field_panel("field", "Field φ", fields[None], spread, note)
    return _scene(None, [picture], thermalisation(report))


def _scene(line: Timeline | None, pictures: list[Panel], beside: list[Panel]) -> Scene:
    columns, places = COLUMNS.get(len(beside), ("1fr", [(0,)]))
    wide = len(places[0])
    lead = "1.9fr" if wide == 2 else "1.15fr"
    if len(pictures) == 2:
        lead, columns = "1fr 1fr", "0.7fr 0.7fr" if wide == 2 else "1fr"
    names = " ".join(panel.id for panel in pictures)
    return Scene(
        positions=[0.0] if line is None else line.positions,
        panels=[*pictures, *beside],
        captions=[] if line is None else line.captions,
        marks=[] if line is None else line.marks,
        ticks=[] if line is None else line.ticks,
        columns=f"{lead} {columns}",
        rows=" ".join(["1fr"] * len(places)),
        areas=[f"{names} {' '.join(beside[i].id for i in row)}" for row in places],
        duration=10.0,
    )


def field_panel(name: str, title: str, fields: np.ndarray, spread: np.ndarray, note: str = "") -> Panel:
    """A montage of fields (F, n, L, L), n a square number.

    Colours are symmetric about 0, equal in all of them, and follow the spread (F,) of the field at each time.
    """
    limit = RANGE * np.maximum(spread, 1e-6)
    limits = np.stack([-limit, limit], axis=1)
    height, width = fields.shape[2:]
    shown = fields.shape[1]
    images = []
    for i in range(shown):
        x0, x1, _, _ = tile_extent(i, shown, width)
        _, _, y0, y1 = tile_extent(i, shown, height)
        images.append(Image(_bytes(fields[:, i], limit), (x0, x1, y0, y1), palette="diverging", limits=limits))
    return Panel(name, images, title=title, aspect="equal", hide_axes=True, note=note, legend=False)


def _bytes(fields: np.ndarray, limit: np.ndarray) -> np.ndarray:
    """Fields (F, L, L) as bytes, −limit … +limit (F,) to 0 … 255."""
    scaled = fields / limit[:, None, None]
    return np.round(127.5 * (1 + np.clip(scaled, -1, 1))).astype(np.uint8)


def largest_square(n: int) -> int:
    """The largest square number up to n."""
    return math.isqrt(n) ** 2
