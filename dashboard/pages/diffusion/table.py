"""The table at the end of a run, in the form that talks show: a row an ensemble, a column an observable."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence

from core.statistics.format import MINUS, thousands, with_error
from dashboard.pages.diffusion.rows import Row

COLUMNS = {
    "kappa2": "κ₂ = ⟨φ²⟩",
    "kappa4": "κ₄",
    "kappa6": "κ₆",
    "kappa8": "κ₈",
    "action": "⟨S⟩/V",
    "abs_m": "⟨|M|⟩",
    "chi": "χ",
    "binder": "U<sub>L</sub>",
}
"""Observables by the names of ``core.statistics.measure``, with their headings in HTML."""
FAR = 4.0
"""Deviations of more than this many errors are coloured."""


def table_html(rows: Sequence[Row]) -> str:
    """The rows as an HTML table; below each value its difference to the data in units of both errors together.

    The errors add in squares. Where the score is fitted to these data that is an upper bound for κ₂ and ⟨|M|⟩: what
    they have too much of by chance comes back.
    """
    body = []
    for row in rows:
        cells = "".join(_value(row, name) for name in COLUMNS)
        body.append(f"<tr><th scope=row>{html.escape(row.title)}</th>{cells}{_costs(row)}</tr>")
    heads = "".join(f"<th>{title}</th>" for title in COLUMNS.values())
    heads += "<th>configurations</th><th>evaluations</th><th>seconds</th><th>acceptance</th>"
    caption = (
        "Errors in the last digits; below them the signed difference to the data in units of the joint error, coloured "
        f"from {FAR:g} on. Odd moments are set to 0, by symmetry."
    )
    return (
        f"<table class=talk><caption>{caption}</caption><thead><tr><th></th>{heads}</tr></thead>"
        f"<tbody>{''.join(body)}</tbody></table>"
    )


def _value(row: Row, name: str) -> str:
    if name not in row.observables:
        return "<td>–</td>"
    return f"<td>{with_error(*row.observables[name])}{_difference(row.sigma.get(name, math.nan))}</td>"


def _difference(sigma: float) -> str:
    if math.isnan(sigma):
        return ""
    size = f"{abs(sigma):.1f}" if math.isfinite(sigma) else "∞"
    far = " class=far" if abs(sigma) > FAR else ""
    return f"<small{far}>{MINUS if sigma < 0 else '+'}{size} σ</small>"


def _costs(row: Row) -> str:
    evaluations, seconds = (thousands(row.cost[0]), f"{row.cost[1]:.2g}") if row.cost else ("–", "–")
    acceptance = "–" if row.acceptance is None else f"{row.acceptance:.2f}"
    count = thousands(row.configurations) if row.configurations else "–"
    return "".join(f"<td>{text}</td>" for text in (count, evaluations, seconds, acceptance))


TABLE_CSS = """
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 14px; margin: 4px 0 18px; }
caption { text-align: left; padding: 4px 0; opacity: .75; }
th, td { padding: 4px 14px 4px 0; text-align: left; white-space: nowrap; vertical-align: top; font-weight: 500; }
thead th { border-bottom: 1px solid currentColor; font-weight: 600; }
tbody tr:first-child :is(td, th) { border-bottom: 1px solid #8886; }
tbody th { font-weight: 600; }
small { display: block; font-size: 12.5px; opacity: .75; }
small.far { color: #d0267b; opacity: 1; font-weight: 600; }
"""
