"""The end-of-run table as a figure: how far each row's cumulants are from the exact ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import holoviews as hv
import numpy as np

from dashboard.export.figure import svg_button
from dashboard.pages.one.table import Row
from dashboard.stage import colour

hv.extension("bokeh")  # type: ignore[operator]
setattr(hv.renderer("bokeh"), "webgl", False)  # noqa: B010  slower than canvas where the browser draws in software

COLOURS = ("data", "fp", "forward", "k4", "k1", "learned")
ROOM = 1.08  # of the axis, beyond the farthest point with its error
ZERO = 1e-9  # below this share of κ₂^{n/2} an exact cumulant counts as 0, and has no relative deviation


def deviations(rows: Sequence[Row], dark: bool) -> hv.Overlay:
    """Deviation from exact in per cent with its error, one group of points for each cumulant that is not zero.

    ``rows[0]`` holds the exact values. Points of one cumulant stand side by side in the order of the table. The axis
    is symmetric about 0 and shows all of them but those of unstable rows, which would hide the rest.
    """
    exact = rows[0].cumulants.value
    scale = exact[2] ** (np.arange(len(exact)) / 2)
    orders = [n for n in range(1, len(exact)) if abs(exact[n]) > ZERO * scale[n]]
    measured, reach = rows[1:], 0.0
    readable = [row for row in measured if not row.unstable(exact)] or measured
    layers: list[Any] = [hv.HLine(0).opts(color=colour("muted", dark), line_width=1, line_dash="dashed")]
    for i, row in enumerate(measured):
        x = np.arange(len(orders)) + 0.7 * ((i + 0.5) / len(measured) - 0.5)
        unit = 100 / np.abs(exact[orders])
        y = (row.cumulants.value[orders] - exact[orders]) * unit * np.sign(exact[orders])
        error = row.cumulants.error[orders] * unit
        if row in readable:
            reach = max(reach, float(np.nanmax(np.abs(y) + error)))
        ink = colour(COLOURS[i % len(COLOURS)], dark)
        bars: Any = hv.ErrorBars((x, y, error))
        points: Any = hv.Scatter((x, y), "cumulant", "deviation in %", label=row.name)
        layers += [
            bars.opts(line_color=ink, line_width=1.5, upper_head=None, lower_head=None),
            points.opts(color=ink, size=8),
        ]
    ticks = [(k, f"κ{'₀₁₂₃₄₅₆₇₈'[n]}") for k, n in enumerate(orders)]
    picture: Any = hv.Overlay(layers)
    return picture.opts(
        responsive=True,
        height=270,
        title="Deviation from exact",
        xlabel="",
        ylabel="per cent",
        xticks=ticks,
        xlim=(-0.5, len(orders) - 0.5),
        ylim=(-ROOM * reach, ROOM * reach),
        legend_position="right",
        show_grid=True,
        hooks=[svg_button],
        default_tools=["save"],  # a wheel that zooms would stop the page from being scrolled
        toolbar="above",
        fontsize={"labels": "10pt", "ticks": "10pt", "legend": "9pt", "title": "11pt"},
    )
