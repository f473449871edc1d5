"""The error budget in words and as tables."""

from __future__ import annotations

import html
from typing import NamedTuple

import numpy as np

from core.diffusion.error_budget import COLUMNS, NEGLIGIBLE, ErrorBudget
from core.statistics.format import MINUS, thousands, with_error
from core.statistics.measure import TITLES
from dashboard.definitions import explained

UNITS = {"In σ": "sigma", "In %": "percent"}
FAR = 3.0
"""Parts of more than this many of their own errors are taken as real, and printed in full ink."""
LEFT = 1 / 3
"""Two parts of opposite sign of which less than this share of the larger one is left nearly cancel."""


class Worst(NamedTuple):
    """A systematic part that is more than chance: its column, its observable, and what it is worth."""

    column: str
    name: str
    sigma: float
    error: float
    per_cent: float
    error_per_cent: float


def scale(found: ErrorBudget, unit: str) -> np.ndarray:
    """What to multiply the columns (observables,) by to have them in ``unit``, 'sigma' or 'percent'."""
    return found.per_sigma if unit == "sigma" else found.per_cent


def worst(found: ErrorBudget) -> Worst | None:
    """The largest part in units of the statistical error, of those of more than FAR of their own errors."""
    parts = [_part(found, column, k) for column in COLUMNS for k in range(len(found.names))]
    return max((part for part in parts if part is not None), key=lambda part: abs(part.sigma), default=None)


def _part(found: ErrorBudget, column: str, k: int) -> Worst | None:
    """One part of one observable; None for one that may be chance."""
    value, error = (float(x[k]) for x in found.columns[column])
    if not abs(value) > FAR * error:
        return None
    both = [float(x * unit[k]) for unit in (found.per_sigma, found.per_cent) for x in (value, error)]
    return Worst(column, found.names[k], *both)


def opponent(found: ErrorBudget, most: Worst) -> Worst | None:
    """The largest part that takes back most of ``most`` in the same observable; None where there is none.

    It is larger than the statistical error, more than chance, of the other sign, and leaves less than LEFT of ``most``.
    """
    k, parts = found.names.index(most.name), []
    for column in COLUMNS:
        part = _part(found, column, k)
        if part is None or abs(part.sigma) < 1:
            continue
        if part.sigma * most.sigma < 0 and abs(part.sigma + most.sigma) < LEFT * abs(most.sigma):
            parts.append(part)
    return max(parts, key=lambda part: abs(part.sigma), default=None)


def sentence(found: ErrorBudget, preview: bool = False) -> str:
    """In Markdown: which source of errors dominates, or which two nearly cancel; a ``preview`` is said to be one."""
    told = _headline(found)
    return f"**Preview from {thousands(found.n)} paths**, which the full run can overturn. {told}" if preview else told


def _headline(found: ErrorBudget) -> str:
    count = f"With {thousands(found.n)} generated against {thousands(found.data_n)} configurations of data,"
    most = worst(found)
    if most is None:
        return (
            f"{count} **statistics dominates**: no systematic part differs from 0 by more than {FAR:g} of its own "
            "errors. More configurations would find smaller ones."
        )
    share = "" if np.isnan(most.per_cent) else f", or {with_error(most.per_cent, most.error_per_cent)} %"
    part = f"{TITLES[most.name]} by {with_error(most.sigma, most.error)} σ{share}"
    if abs(most.sigma) < 1:
        return (
            f"{count} **statistics dominates**. The largest systematic part is {NAMES[most.column]}: it shifts {part}."
        )
    other = opponent(found, most)
    if other is not None:
        both = [f"{with_error(p.sigma, p.error)} σ by {NAMES[p.column]}" for p in (most, other)]
        left = f"{most.sigma + other.sigma:.2g}".replace("-", MINUS)
        return (
            f"{count} **{NAMES[most.column]} and {NAMES[other.column]} nearly cancel**: {TITLES[most.name]} is shifted "
            f"{both[0]} and {both[1]}, together by {left} σ, so that neither dominates."
        )
    return f"{count} **{NAMES[most.column]} dominates**: it shifts {part}."


NAMES = {
    "prior": "the prior", "discretisation": "the discretisation", "cut-off": "the cut-off in σ̃", "score": "the score",
}  # fmt: skip


def table_html(found: ErrorBudget, unit: str) -> str:
    """A row an observable, a column a source of errors, in σ of the comparison or in per cent of the data."""
    by = scale(found, unit)
    heads = "".join(f"<th scope=col>{name}</th>" for name in ("data", "generated", *COLUMNS, "total", "statistics"))
    rows = []
    for k, name in enumerate(found.names):
        cells = [f"<td>{with_error(float(e.value[k]), float(e.error[k]))}</td>" for e in (found.data, found.generated)]
        for column in (*COLUMNS, "total"):
            value, error = found.columns[column]
            cells.append(_cell(float(value[k] * by[k]), float(error[k] * by[k])))
        cells.append(f"<td>{_plain(float(found.statistics[k] * by[k]))}</td>")
        rows.append(f"<tr><th scope=row>{html.escape(TITLES[name])}</th>{''.join(cells)}</tr>")
    words = "units of the statistical error of the comparison" if unit == "sigma" else "per cent of the data"
    caption = (
        f"Generated minus exact, in {words}; errors in the last digits are those of paired differences. Each part is "
        "what changes when it alone is made exact while all random numbers stay: the prior from dissolved data, "
        f"{found.reference_steps} steps, a level σ̃ four times lower, the data themselves. They add up to the total."
    )
    return (
        f"<table><caption>{caption}</caption><thead><tr><th></th>{explained(heads)}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


def _cell(value: float, error: float) -> str:
    if np.isnan(value):
        return "<td>–</td>"
    if max(abs(value), error) < NEGLIGIBLE:
        return "<td class=small>0.00</td>"
    kind = "" if abs(value) > FAR * error else " class=small"
    return f"<td{kind}>{with_error(value, error)}</td>"


def _plain(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.2g}"


TABLE_CSS = """
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 14px; margin: 4px 0 18px; }
caption { text-align: left; padding: 4px 0; opacity: .75; font-size: 13px; max-width: 1000px; }
th, td { padding: 4px 14px 4px 0; text-align: left; white-space: nowrap; font-weight: 500; }
thead th { border-bottom: 1px solid currentColor; font-weight: 600; }
tbody th { font-weight: 600; }
td:nth-last-child(2), th:nth-last-child(2) { border-left: 1px solid #8886; padding-left: 10px; }
td.small { opacity: .6; }
"""
