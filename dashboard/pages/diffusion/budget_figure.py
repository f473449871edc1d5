"""The error budget as bars, and the score's error by scale."""

from __future__ import annotations

from typing import Any

import holoviews as hv
import numpy as np

from core.diffusion.error_budget import COLUMNS, ErrorBudget
from core.diffusion.score_profile import ScoreProfile
from core.statistics.measure import TITLES
from dashboard.export.figure import svg_button
from dashboard.pages.diffusion.budget_texts import scale
from dashboard.stage import colour

hv.extension("bokeh")  # type: ignore[operator]
setattr(hv.renderer("bokeh"), "webgl", False)  # noqa: B010  slower than canvas where the browser draws in software

COLOURS = {"prior": "k2", "discretisation": "k6", "cut-off": "k1", "score": "k4", "total": "exact"}
WIDTH = 0.8
"""Of a group of bars; groups are 1 apart."""
PROFILED = {"phi2": "k2", "action": "k6", "abs_m": "k4", "kappa4_ratio": "k1"}
"""Observables of the profile."""
LOOK: dict[str, Any] = {
    "responsive": True,
    "show_grid": True,
    "hooks": [svg_button],
    "default_tools": ["save"],  # a wheel that zooms would stop the page from being scrolled
    "toolbar": "above",
    "legend_position": "right",
    "fontsize": {"labels": "10pt", "ticks": "10pt", "legend": "9pt", "title": "11pt"},
}


def bars(found: ErrorBudget, unit: str, dark: bool) -> hv.Overlay:
    """A group of bars for each observable, one for each source, with errors; behind them ± the statistical error."""
    by, groups = scale(found, unit), np.arange(len(found.names))
    statistics = found.statistics * by
    shade: Any = hv.Rectangles(
        [(k - 0.46, -s, k + 0.46, s) for k, s in zip(groups, statistics, strict=True) if np.isfinite(s)],
        label="± statistics",
    )
    layers: list[Any] = [
        shade.opts(color=colour("muted", dark), alpha=0.22, line_width=0),
        hv.HLine(0).opts(color=colour("muted", dark), line_width=1),
    ]
    columns = (*COLUMNS, "total")
    each = WIDTH / len(columns)
    for i, column in enumerate(columns):
        value, error = (part * by for part in found.columns[column])
        left = groups - WIDTH / 2 + i * each
        known = np.isfinite(value)
        ink = colour(COLOURS[column], dark)
        blocks: Any = hv.Rectangles(
            [
                (a + 0.08 * each, min(v, 0.0), a + 0.92 * each, max(v, 0.0))
                for a, v in zip(left[known], value[known], strict=True)
            ],
            label=column,
        )
        spread: Any = hv.ErrorBars((left[known] + each / 2, value[known], error[known]))
        layers += [
            blocks.opts(color=ink, line_width=0, alpha=0.9),
            spread.opts(
                line_color=colour("muted" if column == "total" else "exact", dark),
                line_width=1.4,
                upper_head=None,
                lower_head=None,
            ),
        ]
    picture: Any = hv.Overlay(layers)
    return picture.opts(
        **LOOK, height=330, title="Generated minus exact, source by source", xlabel="",
        ylabel="σ of the comparison" if unit == "sigma" else "per cent of the data",
        xticks=[(k, TITLES[name]) for k, name in enumerate(found.names)], xlim=(-0.5, len(groups) - 0.5),
    )  # fmt: skip


def profile_figure(found: ScoreProfile, dark: bool) -> hv.Overlay:
    """What the score's errors in each range of σ̃ do to some observables, in per cent of the data."""
    layers: list[Any] = [hv.HLine(0).opts(color=colour("muted", dark), line_width=1)]
    names = [name for name in PROFILED if name in found.names]
    for i, name in enumerate(names):
        k = found.names.index(name)
        unit = 100 / abs(found.data.value[k])
        x = found.sigma * (1 + 0.05 * (i - (len(names) - 1) / 2))  # side by side
        y, error = found.between.value[:, k] * unit, found.between.error[:, k] * unit
        ink = colour(PROFILED[name], dark)
        line: Any = hv.Curve((x, y), "sigma", "shift")
        points: Any = hv.Scatter((x, y), "sigma", "shift", label=TITLES[name])
        spread: Any = hv.ErrorBars((x, y, error), "sigma", ["shift", "error"])
        layers += [
            line.opts(color=ink, line_width=1, alpha=0.5),
            spread.opts(line_color=ink, line_width=1.4, upper_head=None, lower_head=None),
            points.opts(color=ink, size=7),
        ]
    picture: Any = hv.Overlay(layers)
    return picture.opts(
        **LOOK, height=290, title="Where the score errs: what each range of noise levels adds", logx=True,
        xlabel="σ̃, up to", ylabel="per cent of the data",
    )  # fmt: skip
