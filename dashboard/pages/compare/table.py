"""The table below a comparison: quantities of A and B, and their difference in units of its error."""

from __future__ import annotations

import html
import math

from core.statistics.format import MINUS, with_error
from dashboard.definitions import label
from dashboard.pages.compare.kind import Table
from dashboard.pages.compare.pair_scene import COLOURS
from dashboard.stage import colour

FAR = 4.0
"""Differences of more than this many errors are coloured."""
COLUMNS = ("A", "B", "B − A", "in σ")


def table_html(table: Table, dark: bool, live: bool = False) -> str:
    """An HTML table with a row for each quantity; ``live`` where it is written anew all the time."""
    found, sigma = table.found, table.found.sigma
    body = []
    for i, name in enumerate(table.names):
        numbers = [_number(e.value[i], e.error[i]) for e in (found.a, found.b)]
        if name in table.silent:
            numbers += ["–", "–"]
            far = False
        else:
            numbers += [_number(found.difference.value[i], found.difference.error[i]), _sigmas(float(sigma[i]))]
            far = abs(float(sigma[i])) > FAR and not table.early
        cells = "".join(f"<td>{number}</td>" for number in numbers[:3])
        last = f"<td{' class=far' if far else ''}>{numbers[3]}</td>"
        body.append(f"<tr><th scope=row>{label(html.escape(name), not live)}</th>{cells}{last}</tr>")
    heads = "".join(
        f"<th scope=col{_style(which, dark)}>{title}</th>"
        for title, which in zip(COLUMNS, ("a", "b", "", ""), strict=True)
    )
    caption = f"{html.escape(table.caption)} Errors in the last digits; coloured from {FAR:g} σ on."
    faint = ' style="opacity:0.6"' if table.early else ""
    return (
        f"<p>{caption}</p><table class=pairs{faint}><thead><tr><th></th>{heads}</tr></thead>"
        f"<tbody>{''.join(body)}</tbody></table>"
    )


def _style(which: str, dark: bool) -> str:
    return f' style="color:{colour(COLOURS[which], dark)}"' if which else ""


def _number(value: float, error: float) -> str:
    return with_error(float(value), float(error) if math.isfinite(error) else None)


def _sigmas(sigma: float) -> str:
    if math.isnan(sigma):
        return "–"
    size = f"{abs(sigma):.1f}" if math.isfinite(sigma) else "∞"
    return size if size == "0.0" else f"{MINUS if sigma < 0 else '+'}{size}"
