"""A scene as one binary block: a header in JSON and the arrays behind it.

Layout: header length as uint32 (little-endian), the JSON padded with blanks to a multiple of 8, then the arrays, each
at an offset (counted from the first array) that is a multiple of 8, float32 or uint8. In the header an array reads
{"offset", "shape", "type": "f4" | "u1", "moving"}.

The palettes come first among the arrays and take "fixed" bytes of them. Header and palettes are the *form* of a scene,
the arrays behind them its *values*: of two scenes with the same form, the second is known by its values alone.
"""

import json
from typing import Any, NamedTuple

import numpy as np

from dashboard.stage.colours import palette
from dashboard.stage.scene import Limits, Panel, Scene
from dashboard.stage.series import Arrows, Bars, Bundle, Image, Rule, Series

_OPTIONS = ("label", "color", "width", "dash", "opacity", "size", "extent", "palette", "pixelated")


_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


class _Writer:
    """Collects arrays; the same array object is stored once."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.length = 0
        self.seen: dict[tuple[int, bool], tuple[Any, dict]] = {}

    def add(self, array: Any, moving: bool = False) -> dict:
        key = (id(array), moving)
        if key in self.seen:
            return self.seen[key][1]
        value = np.asarray(array)
        if value.dtype == np.uint8:
            stored, kind = np.ascontiguousarray(value), "u1"
        else:
            with np.errstate(over="ignore"):
                stored, kind = value.astype("<f4", order="C"), "f4"
            stored = np.where(np.isfinite(stored), stored, np.float32(np.nan))
        reference = {"offset": self.length, "shape": list(value.shape), "type": kind, "moving": moving}
        data = stored.tobytes() + bytes(-stored.nbytes % 8)
        self.parts.append(data)
        self.length += len(data)
        self.seen[key] = (array, reference)  # keeps the array alive, so that its id stays its own
        return reference


class Packed(NamedTuple):
    """A scene's form and its values; the block is one behind the other."""

    form: bytes
    values: bytes


def pack(scene: Scene) -> Packed:
    """The block of a scene, as `dashboard/stage/js/block.js` reads it."""
    writer = _Writer()
    palettes = {s.palette for panel in scene.panels for s in panel.series if isinstance(s, Image)}
    tables = {
        name: {
            theme: writer.add(np.frombuffer(palette(name, theme == "dark"), np.uint8)) for theme in ("light", "dark")
        }
        for name in sorted(palettes)
    }
    fixed = len(writer.parts)
    header = {
        "palettes": tables,
        "fixed": writer.length,
        "positions": writer.add(np.asarray(scene.positions, np.float64)),
        "captions": list(scene.captions),
        "marks": [{"position": float(m.position), "label": m.label, "tooltip": m.tooltip} for m in scene.marks],
        "ticks": [[float(position), label] for position, label in scene.ticks],
        "columns": scene.columns,
        "rows": scene.rows,
        "areas": scene.grid,
        "duration": float(scene.duration),
        "smooth": scene.smooth,
        "panels": [_panel(panel, scene, writer) for panel in scene.panels],
    }
    text = _encode(header).encode()
    text += b" " * (-(len(text) + 4) % 8)
    form = b"".join([len(text).to_bytes(4, "little"), text, *writer.parts[:fixed]])
    return Packed(form, b"".join(writer.parts[fixed:]))


def unpack(block: bytes) -> tuple[dict, np.ndarray]:
    """Header and data area (bytes) of a block: what the browser sees, for tests and inspection."""
    length = int.from_bytes(block[:4], "little")
    return json.loads(block[4 : 4 + length]), np.frombuffer(block, np.uint8, offset=4 + length)


def _panel(panel: Panel, scene: Scene, writer: _Writer) -> dict:
    plain = ("id", "title", "xlabel", "ylabel", "clock", "legend", "note", "aspect", "hide_axes", "linthresh")
    scale = "log" if panel.log_y else "symlog" if panel.symlog_y else "linear"
    positions = np.asarray(scene.positions, np.float64)
    wanted_x = panel.xlim
    if panel.clock and wanted_x is None:
        wanted_x = (positions[0], positions[-1] if positions.size > 1 else positions[0] + 1.0)
    return {name: getattr(panel, name) for name in plain} | {
        "scale": scale,
        "xlim": _limits(wanted_x, panel, "x", "linear", writer),
        "ylim": _limits(panel.ylim, panel, "y", scale, writer),
        "series": [_series(series, writer) for series in panel.series],
    }


def _series(series: Series, writer: _Writer) -> dict:
    options = {name: getattr(series, name) for name in _OPTIONS if hasattr(series, name)}
    arrays = {
        name: writer.add(getattr(series, name), series.moves(name))
        for name in series.arrays
        if getattr(series, name) is not None
    }
    return {"kind": series.kind, **options, "arrays": arrays}


def _limits(wanted: Limits, panel: Panel, axis: str, scale: str, writer: _Writer) -> dict:
    if isinstance(wanted, np.ndarray) and wanted.ndim == 2:
        return writer.add(wanted, moving=True)
    low, high = (None, None) if wanted is None else (wanted[0], wanted[1])
    if low is None or high is None:
        found = _extremes(panel, axis, scale)
        low, high = (found[0] if low is None else low), (found[1] if high is None else high)
    low, high = float(low), float(high)
    if not low < high:
        low, high = (low / 2, low * 2) if scale == "log" else (low - 0.5, high + 0.5)
    return writer.add(np.array([low, high]))


def _extremes(panel: Panel, axis: str, scale: str) -> tuple[float, float]:
    """The interval that shows all data of a panel, with a margin; histograms and densities stand on zero."""
    values: list[np.ndarray] = []
    flush = True
    for series in panel.series:
        part, tight = _coordinates(series, axis)
        values += part
        flush = flush and tight
    found = [np.asarray(v, np.float64).ravel() for v in values]
    every = np.concatenate(found) if found else np.array([0.0, 1.0])
    every = every[np.isfinite(every) & ((every > 0) | (scale != "log"))]
    if every.size == 0:
        return (0.1, 1.0) if scale == "log" else (0.0, 1.0)
    low, high = float(every.min()), float(every.max())
    if scale == "log":
        return low / 1.5, high * 1.5
    if scale == "symlog":
        return low * (0.5 if low > 0 else 1.8), high * (0.5 if high < 0 else 1.8)
    if flush:
        return low, high
    margin = 0.05 * (high - low)
    on_zero = axis == "y" and low == 0.0
    return low if on_zero else low - margin, high + margin


def _coordinates(series: Series, axis: str) -> tuple[list, bool]:
    """The values of a series along an axis, and whether the axis may end exactly there."""
    if isinstance(series, Rule):
        return [], True
    if isinstance(series, Image):
        return [series.extent[:2] if axis == "x" else series.extent[2:]], True
    if isinstance(series, Bars):
        return ([series.edges], True) if axis == "x" else ([series.heights, [0.0]], False)
    if isinstance(series, Bundle):
        return ([series.t], True) if axis == "x" else ([series.y], False)
    if axis == "x":
        return [series.values("x")], not (isinstance(series, Arrows) or series.kind == "points")
    return [series.values(name) for name in ("y", "low", "high") if name in series.arrays], False
