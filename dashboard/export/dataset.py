"""A scene as an xarray Dataset: every frame of every curve, histogram and field, under names that say what they are."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from core import __version__
from dashboard.stage.scene import Panel, Scene
from dashboard.stage.series import Bundle, Image, Series

WHAT = {
    "low": "lower edge of the band", "high": "upper edge of the band", "edges": "edges of the bins",
    "heights": "height of the bins", "u": "first component", "v": "second component",
    "limits": "values of the lowest and of the highest colour",
}  # fmt: skip
UNITS = "1"
"""Everything is in the natural units of the theory: no quantity here has a dimension."""
COMPRESSED = 2**12
"""Values from which a variable is compressed."""


def scene_dataset(scene: Scene, label: str = "", settings: Mapping[str, Any] | None = None) -> xr.Dataset:
    """All numbers of a scene at full precision, on its play positions (dim ``position``).

    Series s of panel p gives the variables p_s_x, p_s_y and so on, s from its label. Fields are decoded with their
    colour limits, in 256 steps, beyond which they were cut off. ``settings`` become attributes.
    """
    dataset = xr.Dataset(attrs=_attributes(label, settings or {}))
    dataset["position"] = ("position", np.asarray(scene.positions, float), {"long_name": "play position", "units": "1"})
    if scene.captions:
        dataset["caption"] = ("position", np.array(list(scene.captions), dtype=object), {"long_name": "caption"})
    for panel in scene.panels:
        for name, series in named(panel):
            for part, (dims, values, attributes) in _variables(name, series, panel).items():
                dataset[f"{name}_{part}"] = (dims, values, attributes)
    return dataset


def netcdf(dataset: xr.Dataset) -> bytes:
    """The Dataset as a NetCDF-4 file."""
    packed = {"zlib": True, "complevel": 4, "shuffle": True}
    encoding: Any = {str(n): packed for n, v in dataset.data_vars.items() if v.size > COMPRESSED and v.dtype != object}
    with tempfile.TemporaryDirectory(prefix="stoqlab-export-") as folder:
        path = Path(folder) / "scene.nc"
        dataset.to_netcdf(path, engine="h5netcdf", encoding=encoding)
        return path.read_bytes()


def named(panel: Panel) -> list[tuple[str, Series]]:
    """The series of a panel, each with a name of its own, which begins with the panel's."""
    found: dict[str, Series] = {}
    for number, series in enumerate(panel.series):
        label = re.sub(r"\W+", "_", getattr(series, "label", "")).strip("_")
        name = f"{panel.id}_{label or f'{series.kind}{number}'}"
        if name in found:
            name += f"_{number}"
        found[name] = series
    return list(found.items())


def decoded(series: Image) -> np.ndarray:
    """The values behind the bytes of a field, (h, w) or (frames, h, w), float32; the bytes where nobody said them."""
    data, limits = np.asarray(series.data), series.values("limits")
    if limits is None:
        return data
    low, high = (np.asarray(limits[..., i], float)[..., None, None] for i in (0, 1))
    return (low + data / 255 * (high - low)).astype(np.float32)


def centres(series: Image) -> tuple[np.ndarray, np.ndarray]:
    """x and y of the middle of the pixels."""
    height, width = np.asarray(series.data).shape[-2:]
    x0, x1, y0, y1 = series.extent
    return x0 + (np.arange(width) + 0.5) / width * (x1 - x0), y0 + (np.arange(height) + 0.5) / height * (y1 - y0)


Variable = tuple[tuple[str, ...], np.ndarray, dict[str, str]]


def _variables(name: str, series: Series, panel: Panel) -> dict[str, Variable]:
    label = ": ".join(part for part in (panel.title or panel.id, getattr(series, "label", "")) if part)

    def described(part: str) -> dict[str, str]:
        axis = {"x": panel.xlabel, "t": panel.xlabel, "y": panel.ylabel}.get(part, "")
        if part in ("x", "t") and panel.clock:
            axis = "play position"
        return {"long_name": f"{label}: {axis or WHAT.get(part, part)}", "units": UNITS, "kind": series.kind}

    if isinstance(series, Image):
        x, y = centres(series)
        values = decoded(series)
        across: Variable = ((f"{name}_column",), x, described("x"))
        up: Variable = ((f"{name}_row",), y, described("y"))
        dims = (*("position",)[: values.ndim - 2], f"{name}_row", f"{name}_column")
        about = {"long_name": label, "units": UNITS, "kind": "image"}
        if series.limits is not None:
            about["resolution"] = "256 steps between the lowest and the highest colour"
        return {"x": across, "y": up, "value": (dims, values, about)}
    found: dict[str, Variable] = {}
    for part, axes in series.arrays.items():
        values = series.values(part)
        if values is None:
            continue
        own = (f"{name}_path", f"{name}_point") if isinstance(series, Bundle) else (f"{name}_point",)
        if part == "edges":
            own = (f"{name}_edge",)
        own = own[len(own) - axes :] if axes else ()
        moving = ("position",) if series.moves(part) else ()
        found[part] = (moving + own, np.asarray(values), described(part))
    return found


def _attributes(label: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"title": label, "source": f"StoqLab {__version__}", "Conventions": "CF-1.11"}
    for name, value in settings.items():
        found[f"setting_{name}"] = (
            value if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
        )
    return found
