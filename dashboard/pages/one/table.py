"""The table at the end of a run: cumulants of what the backward process made, beside data and exact values."""

from __future__ import annotations

import html
from dataclasses import dataclass, replace

import numpy as np

from core.contracts import ScoreModel
from core.diffusion.run import run_backward
from core.jobs import Token
from core.schedule import make_schedule
from core.statistics.cumulants import Estimate, PowerSums
from core.statistics.format import thousands, with_error
from dashboard.definitions import explained
from dashboard.pages.one.order import Order
from dashboard.pages.one.picture import Picture

FAR = 4.0
"""Deviations from the exact value beyond this many errors are coloured."""
UNSTABLE = 1.0
"""A relative deviation of κ₂ beyond this is no statistics: the integrator's step was too long."""


@dataclass(frozen=True, eq=False)
class Row:
    """One line: its name and κ_0 … κ_8 with errors."""

    name: str
    cumulants: Estimate

    def unstable(self, exact: np.ndarray) -> bool:
        """Whether κ₂ is off by more than any statistics could be."""
        return bool(abs(self.cumulants.value[2] / exact[2] - 1) > UNSTABLE)


def table_rows(order: Order, picture: Picture, learned: ScoreModel | None, token: Token) -> tuple[list[Row], str]:
    """Exact, data, this run, and VE and VP with the same solver for the exact and, if there is one, the learned score.

    VE and VP take the σ of the present schedule, or 10 where it has none. Runs that diverge are left out.
    """
    target = order.target
    exact = target.cumulants(8)
    data = PowerSums(shift=float(target.mean[0]))
    data.add(picture.forward.start)
    measured = data.cumulants()
    rows = [
        Row("exact", Estimate(exact, np.zeros(9))),
        Row("data (forward, t = 0)", Estimate(measured.value[0], measured.error[0])),
        Row(f"this run ({order.schedule.name.upper()}, {order.score_name} score)", picture.backward.cumulants()),
    ]
    sigma = float(getattr(order.schedule, "sigma_max", 10.0))
    models: list[tuple[str, ScoreModel]] = [("exact score", target)] + ([("learned score", learned)] if learned else [])
    for label, model in models:
        for name in ("ve", "vp"):
            run = replace(order, schedule=make_schedule(name, sigma), model=model)
            row = _row(f"{name.upper()}, {label}", run, token)
            if row:
                rows.append(row)
    caption = (
        f"After {thousands(order.steps)} steps ({order.solver}, {order.grid} grid, {order.prior} prior, "
        f"σ = {sigma:g}), {thousands(picture.paths)} paths. "
        f"Errors in the last digits; coloured ones are more than {FAR:g} errors from exact."
    )
    return rows, caption


def _row(name: str, order: Order, token: Token) -> Row | None:
    try:
        run = run_backward(
            order.target,
            order.schedule,
            order.model,
            solver=order.solver,
            grid=order.grid,
            steps=order.steps,
            paths=order.paths,
            prior=order.prior,
            seed=order.seed,
            token=token,
        )
    except FloatingPointError:
        return None
    return Row(name, run.cumulants())


def table_html(rows: list[Row], caption: str) -> str:
    """The rows as an HTML table; odd cumulants appear where the exact ones are not zero."""
    exact = rows[0].cumulants.value
    scale = exact[2] ** (np.arange(9) / 2)
    orders = [n for n in (1, 2, 3, 4, 5, 6, 7, 8) if n % 2 == 0 or abs(exact[n]) > 1e-9 * scale[n]]
    head = explained("".join(f"<th scope=col>κ{'₀₁₂₃₄₅₆₇₈'[n]}</th>" for n in orders))
    body = []
    for row in rows:
        unstable = row.unstable(exact)
        name = html.escape(row.name) + (": unstable, take more steps" if unstable else "")
        cells = []
        for n in orders:
            value, error = float(row.cumulants.value[n]), float(row.cumulants.error[n])
            far = unstable or (error > 0 and abs(value - exact[n]) > FAR * error)
            cells.append(f"<td{' class=far' if far else ''}>{with_error(value, error)}</td>")
        body.append(f"<tr><th scope=row>{name}</th>{''.join(cells)}</tr>")
    return (
        f"<table><caption>{html.escape(caption)}</caption><thead><tr><th></th>{head}</tr></thead>"
        f"<tbody>{''.join(body)}</tbody></table>"
    )
