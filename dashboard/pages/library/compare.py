"""Runs side by side: settings with their differences marked, and loss curves over each other."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import numpy as np

from core.history import Run
from core.library.catalogue import when
from core.statistics.format import with_error
from dashboard.pages.library.rows import GLANCE
from dashboard.stage import Line, Panel, Rule, Scene

COLOURS = ("k1", "k3", "k6", "k2")
BANDS = ("k1", "k2", "k3", "k6", "k5", "k4", "k8", "exact")


def curves_scene(runs: Sequence[Run], abscissa: str) -> Scene | None:
    """Loss curves, those of one run line by line, those of several in total; None where there are none.

    ``abscissa`` is ``steps`` or ``seconds``. Curves of another unit than the first one's are left out.
    """
    known = [(number, run, run.curves) for number, run in enumerate(runs) if run.curves is not None]
    if not known:
        return None
    unit = known[0][2].unit
    lines = []
    for number, run, curves in known:
        if curves.unit != unit:
            continue
        x = np.asarray(curves.steps if abscissa == "steps" else curves.seconds, dtype=float)
        if len(known) == 1:
            for i, (name, values) in enumerate(curves.lines.items()):
                lines.append(Line(x, np.asarray(values), name, BANDS[i % len(BANDS)], width=1.8))
        else:
            name, values = next(iter(curves.lines.items()))
            lines.append(Line(x, np.asarray(values), f"{number + 1}: {run.title}", COLOURS[number % 4], width=2.0))
    values = np.concatenate([np.asarray(line.y) for line in lines])
    signed = bool(np.nanmin(values) < 0)
    series: list[Any] = [Rule(y=0.0, label="Gaussian baseline", color="gauss")] if signed else []
    below = "step" if abscissa == "steps" else "seconds of training"
    note = "" if len(known) == 1 else "total over all noise levels"
    panel = Panel("loss", [*series, *lines], title=f"Loss, {unit}", xlabel=below, note=note)
    return Scene(positions=[0.0], panels=[panel])


def left_out(runs: Sequence[Run]) -> list[str]:
    """Titles of runs without a curve in the picture of ``curves_scene``."""
    units = [run.curves.unit for run in runs if run.curves is not None]
    return [run.title for run in runs if run.curves is None or run.curves.unit != units[0]]


def settings_html(runs: Sequence[Run]) -> str:
    """Settings and results of the runs in columns; rows in which they differ are marked."""
    head = "".join(f"<th scope=col>{i}: {html.escape(run.title)}</th>" for i, run in enumerate(runs, 1))
    columns = _settings(runs)
    texts = {
        name.replace("_", " "): [_text(column.get(name)) for column in columns]
        for name in dict.fromkeys(name for column in columns for name in column)
    }
    # What differs comes first.
    rows = [_row(name, some) for name, some in sorted(texts.items(), key=lambda item: len(set(item[1])) == 1)]
    results = [
        _row(GLANCE.get(name, name), [with_error(*run.results[name]) if name in run.results else "–" for run in runs])
        for name in dict.fromkeys(name for run in runs for name in run.results)
    ]
    return (
        f"<table class='pairs compared'><thead><tr><th scope=col>Settings</th>{head}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody>"
        f"<thead><tr><th scope=col>Results</th>{'<th></th>' * len(runs)}</tr></thead><tbody>{''.join(results)}</tbody>"
        "</table><p>Marked ● : the runs differ.</p>"
    )


def _settings(runs: Sequence[Run]) -> list[dict[str, Any]]:
    return [
        {
            "kind": run.kind, "ended": when(run.ended), "by": run.by, "seed": run.seed, **run.settings,
            **{f"version of {name}": version for name, version in run.versions.items()},
        }
        for run in runs
    ]  # fmt: skip


def _row(name: str, texts: Sequence[str]) -> str:
    differ = len(set(texts)) > 1
    cells = "".join(f"<td>{html.escape(text)}</td>" for text in texts)
    mark = "<span aria-label='differs'>● </span>" if differ else ""
    return f"<tr{' class=differs' if differ else ''}><th scope=row>{mark}{html.escape(name)}</th>{cells}</tr>"


def _text(value: Any) -> str:
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
