"""The table at the end of a run, in the form that talks show: a row an ensemble, a column an observable."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence

from core.diffusion.trust import TrustCheck
from core.statistics.format import MINUS, thousands, with_error
from dashboard.definitions import explained
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


def table_html(rows: Sequence[Row], check: TrustCheck | None = None) -> str:
    """The rows as an HTML table; below each value its difference to the data in units of both errors together.

    ``check`` has the weights of paths of the score that ran.

    Below the table stand the remarks on its rows.
    """
    body = []
    for row in rows:
        if row.problem:
            body.append(
                f"<tr><th scope=row>{html.escape(row.title)}</th><td colspan={len(COLUMNS) + 2} class=problem>"
                f"{html.escape(row.problem)}</td></tr>"
            )
            continue
        cells = "".join(_value(row, name) for name in COLUMNS)
        body.append(f"<tr><th scope=row>{html.escape(row.title)}</th>{cells}{_costs(row)}{_weights(row, check)}</tr>")
    remarks = [f"<p>{html.escape(row.remark)}</p>" for row in rows if row.remark]
    heads = "".join(f"<th scope=col>{title}</th>" for title in COLUMNS.values())
    heads += "<th scope=col>cost</th><th scope=col>acceptance</th>"
    made = max((row.configurations for row in rows[1:]), default=0)
    caption = (
        f"{thousands(rows[0].configurations)} configurations of data, {thousands(made)} made of noise in each row. "
        "Errors in the last digits; below them the signed difference to the data in units of the joint error, coloured "
        f"from {FAR:g} on. Odd moments are set to 0, by symmetry. Acceptance: of the correction, or of independence "
        "Metropolis with the weights of whole paths, with their effective sample size ESS (0 … 1)."
    )
    return (
        f"<table class=talk><caption>{caption}</caption><thead><tr><th></th>{explained(heads)}</tr></thead>"
        f"<tbody>{''.join(body)}</tbody></table>{''.join(remarks)}"
    )


def _value(row: Row, name: str) -> str:
    if name not in row.observables:
        return "<td>–</td>"
    below = _difference(row.sigma.get(name, math.nan))
    if row.below and name in row.below:
        below = f"<small>{html.escape(row.below[name])}</small>"
    return f"<td>{with_error(*row.observables[name])}{below}</td>"


def _difference(sigma: float) -> str:
    if math.isnan(sigma):
        return ""
    size = f"{abs(sigma):.1f}" if math.isfinite(sigma) else "∞"
    sign = "" if size == "0.0" else MINUS if sigma < 0 else "+"
    far = " class=far" if abs(sigma) > FAR else ""
    return f"<small{far}>{sign}{size} σ</small>"


def _costs(row: Row) -> str:
    if row.cost is None:
        return "<td>–</td>"
    evaluations, seconds = row.cost
    return f"<td>{seconds:.2g} s<small>{thousands(round(evaluations))} evaluations</small></td>"


def _weights(row: Row, check: TrustCheck | None) -> str:
    if row.main and check is not None:
        return f"<td>{check.acceptance:.2f}<small>ESS {check.ess:.2f}</small></td>"
    if row.acceptance is None:
        return "<td>–</td>"
    ess = "" if row.ess is None else f"<small>ESS {row.ess:.2f}</small>"
    return f"<td>{row.acceptance:.2f}{ess}</td>"


TABLE_CSS = """
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 14px;
  margin: 4px 0 18px; max-width: 100%; }
caption { text-align: left; padding: 4px 0; opacity: .75; font-size: 13px; }
th, td { padding: 4px 9px 4px 0; text-align: left; white-space: nowrap; vertical-align: top; font-weight: 500; }
thead th { border-bottom: 1px solid currentColor; font-weight: 600; }
tbody tr:first-child :is(td, th) { border-bottom: 1px solid #8886; }
tbody th { font-weight: 600; white-space: normal; min-width: 8em; max-width: 10em; }
p { margin: 4px 0; font-size: 13px; opacity: .75; max-width: 110em; }
td.problem { white-space: normal; }
small { display: block; font-size: 12.5px; opacity: .75; }
small.far { color: #d0267b; opacity: 1; font-weight: 600; }
"""
