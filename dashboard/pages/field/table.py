"""The table at the end of a run: what the ensemble had, and what is back after the round trip through noise."""

from __future__ import annotations

import html

import numpy as np

from core.diffusion.field_run import FieldRun
from core.statistics.format import MINUS, thousands, with_error

ORDERS = (2, 4, 6, 8)
FAR = 4.0
"""Deviations of more than this many errors are coloured."""


def table_rows(run: FieldRun) -> list[tuple[str, tuple[float, float], tuple[float, float]]]:
    """Name, (value, error) in the ensemble and (value, error) after the round trip: κ₂ … κ₈ of a site, and ⟨|M|⟩."""
    there, back = run.forward, run.backward
    pairs = [
        (f"κ{'₀₁₂₃₄₅₆₇₈'[n]} of a site", there.cumulants.value[0, n], there.cumulants.error[0, n],
         back.cumulants.value[-1, n], back.cumulants.error[-1, n])
        for n in ORDERS
    ]  # fmt: skip
    pairs.append(("⟨|M|⟩", there.abs_m.value[0], there.abs_m.error[0], back.abs_m.value[-1], back.abs_m.error[-1]))
    return [(name, (float(a), float(da)), (float(b), float(db))) for name, a, da, b, db in pairs]


def table_html(run: FieldRun) -> str:
    """The rows as an HTML table with the deviation in units of both errors together; far ones are coloured.

    The errors add in squares. For κ₂ and ⟨|M|⟩ that is an upper bound: the score and the prior are fitted to the
    ensemble, and what it has too much of by chance comes back.
    """
    body = []
    for name, (a, da), (b, db) in table_rows(run):
        sigma = (b - a) / np.hypot(da, db)
        far = " class=far" if abs(sigma) > FAR else ""
        sign = MINUS if sigma < 0 else "+"
        body.append(
            f"<tr><th scope=row>{html.escape(name)}</th><td>{with_error(a, da)}</td><td>{with_error(b, db)}</td>"
            f"<td{far}>{sign}{abs(sigma):.1f} σ</td></tr>"
        )
    caption = (
        f"{thousands(len(run.generated))} configurations, dissolved and re-formed. Errors in the last digits; "
        f"coloured deviations are more than {FAR:g} errors."
    )
    return (
        f"<table class=pairs><caption>{html.escape(caption)}</caption><thead><tr><th></th><th>ensemble</th>"
        f"<th>after the round trip</th><th>deviation</th></tr></thead><tbody>{''.join(body)}</tbody></table>"
    )
