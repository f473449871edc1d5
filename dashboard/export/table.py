"""What a scene shows at one play position, as a table in CSV: one line a number, in long format."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from core import __version__
from dashboard.export.dataset import UNITS, centres, decoded, named
from dashboard.stage.scene import Scene
from dashboard.stage.series import Arrows, Band, Bars, Bundle, Image, Rule, Series

NUMBERS = ("path", "x", "x_low", "x_high", "y", "y_low", "y_high", "u", "v", "value")
COLUMNS = ("panel", "series", "kind", "position", *NUMBERS, "x_name", "y_name", "units")


def frame_at(scene: Scene, position: float) -> int:
    """The last frame at or before a position, as the stage shows it."""
    positions = np.asarray(scene.positions, float)
    return int(np.clip(np.searchsorted(positions, position + 1e-6, side="right") - 1, 0, len(positions) - 1))


def scene_table(scene: Scene, position: float, label: str = "", settings: Mapping[str, Any] | None = None) -> str:
    """The picture at ``position`` in CSV: curves, histograms, particles and fields of its frame, and all that does not
    move. Lines that begin with # say what it is; empty cells are what a series does not have."""
    frame = frame_at(scene, position)
    at = float(np.asarray(scene.positions)[frame])
    out = io.StringIO()
    head = [f"StoqLab {__version__}: {label}", f"position = {at!r}"]
    head += [" ".join(scene.captions[frame].split())] if scene.captions else []
    head += [f"{name} = {value}" for name, value in (settings or {}).items()]
    out.writelines(f"# {' '.join(line.split())}\n" for line in head)
    table = csv.writer(out, lineterminator="\n")
    table.writerow(COLUMNS)
    for panel in scene.panels:
        names = ("play position" if panel.clock else panel.xlabel or "x", panel.ylabel or panel.title or "y", UNITS)
        for name, series in named(panel):
            own = getattr(series, "label", "") or name.removeprefix(f"{panel.id}_")
            for numbers in _rows(series, frame):
                cells = ("" if n not in numbers else _text(numbers[n]) for n in NUMBERS)
                table.writerow((panel.title or panel.id, own, series.kind, repr(at), *cells, *names))
    return out.getvalue()


def _rows(series: Series, frame: int) -> Iterator[dict[str, float]]:
    if isinstance(series, Image):
        x, y = centres(series)
        values = decoded(series)
        values = values[frame] if values.ndim == 3 else values
        for (i, b), (j, a) in itertools.product(enumerate(y), enumerate(x)):
            yield {"x": a, "y": b, "value": values[i, j]}
        return
    arrays = {
        name: np.asarray(series.values(name), float)[frame]
        if series.moves(name)
        else np.asarray(series.values(name), float)
        for name in series.arrays
        if series.values(name) is not None
    }
    if isinstance(series, Rule):
        yield {name: float(value) for name, value in arrays.items()}
    elif isinstance(series, Bars):
        edges = arrays["edges"]
        for low, high, height in zip(edges[:-1], edges[1:], arrays["heights"], strict=True):
            yield {"x": (low + high) / 2, "x_low": low, "x_high": high, "y": height}
    elif isinstance(series, Bundle):
        for path, row in enumerate(arrays["y"]):
            for t, value in zip(arrays["t"], row, strict=True):
                yield {"path": path, "x": t, "y": value}
    else:
        called = {"low": "y_low", "high": "y_high"} if isinstance(series, Band | Arrows) else {}
        columns = [called.get(name, name) for name in arrays]
        for numbers in zip(*arrays.values(), strict=True):
            yield dict(zip(columns, numbers, strict=True))


def _text(value: float) -> str:
    return str(value) if isinstance(value, int) else repr(float(value))
