"""What one sees of stochastic quantisation and diffusion side by side, in words and as a table."""

from __future__ import annotations

import html
import math

import numpy as np

from core.diffusion.side_by_side_tracks import NAMES, SideBySide, Track
from core.statistics.format import MINUS, thousands, with_error
from dashboard.definitions import explained
from dashboard.pages.diffusion.beside_scene import TITLES

FAR = 4.0
"""Deviations of more than this many errors are coloured."""


def table_html(found: SideBySide, configurations: int) -> str:
    """Both results beside the reference: values, their distance from it in σ, and what they cost."""
    q, d = found.quantisation, found.diffusion
    runs = int(d.run[-1])
    rows = [
        _row("Cluster ensemble", found, None, f"{thousands(configurations)}", "–", "–"),
        _row(
            "Stochastic quantisation", found, q, f"{thousands(round(q.independent(found.n)))}",
            thousands(round(float(q.evaluations[-1]))), _seconds(float(q.seconds[-1])),
        ),
        _row(
            "Diffusion", found, d, thousands(runs * found.n), thousands(round(float(d.evaluations[-1]))),
            _seconds(float(d.seconds[-1])),
        ),
    ]  # fmt: skip
    heads = "".join(f"<th scope=col>{TITLES[name]}</th>" for name in NAMES)
    heads += "<th>independent<br>configurations</th><th>drift evaluations<br>for each field</th><th>computing</th>"
    caption = (
        f"{thousands(found.n)} fields each. Errors in the last digits; below them the signed difference to the cluster "
        f"ensemble in units of the joint error, coloured from {FAR:g} on. The later half of the Langevin run counts, "
        "worth as many independent configurations as its slower autocorrelation time leaves, and no fewer than it has "
        "chains."
    )
    return (
        f"<table class=talk><caption>{caption}</caption><thead><tr><th></th>{explained(heads)}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


def _row(title: str, found: SideBySide, track: Track | None, count: str, evaluations: str, seconds: str) -> str:
    value, error = found.reference if track is None else track.result
    sigma = np.full(len(NAMES), np.nan) if track is None else found.sigma(track)
    cells = "".join(
        f"<td>{with_error(float(v), float(e))}{_difference(float(s))}</td>"
        for v, e, s in zip(value, error, sigma, strict=True)
    )
    return (
        f"<tr><th scope=row>{html.escape(title)}</th>{cells}<td>{count}</td><td>{evaluations}</td><td>{seconds}</td>"
        "</tr>"
    )


def _difference(sigma: float) -> str:
    if math.isnan(sigma):
        return ""
    sign = MINUS if sigma < 0 else "+"
    return f"<small{' class=far' if abs(sigma) > FAR else ''}>{sign}{abs(sigma):.1f} σ</small>"


def sentence(found: SideBySide) -> str:
    """In Markdown: what one sees, with the numbers of this run."""
    q, d = found.quantisation, found.diffusion
    runs, tau = int(d.run[-1]), q.slowest
    chains = (
        "**Stochastic quantisation** has one drift, K = −∂S/∂φ, fixed for all times. "
        f"Its {thousands(found.n)} chains begin hot, thermalise, and make one long run. "
    )
    if q.settled:
        chains += (
            "Each configuration remembers those before: "
            f"τ_int = {with_error(tau.tau_int, tau.tau_int_error)} steps, or {tau.tau_int * q.epsilon:.2g} in "
            "Parisi–Wu time. "
        )
    else:
        chains += (
            f"**These have not thermalised** after {thousands(int(q.evaluations[-1]))} steps: they still move as a "
            "body. It takes more steps, or an algorithm that moves the long modes faster. "
        )
    if q.settled and np.abs(found.sigma(q)).max() > FAR:
        chains += (
            "They rest, but not where the cluster ensemble is: the step ε shifts the law, by the more the larger it "
            "is, and domain walls of the hot start live long. "
        )
    process = (
        f"**Diffusion** has a drift that changes with time, ∇log P_t, of the learned score. It starts from noise, "
        f"does {thousands(round(float(d.evaluations[-1]) / runs))} evaluations, and is done: {_runs(runs)} of "
        f"{thousands(found.n)} fields, all of them independent of each other."
    )
    rate = float(d.seconds[-1] / d.evaluations[-1]) / float(q.seconds[-1] / q.evaluations[-1])
    price = f" One evaluation of the learned drift costs as much as {thousands(round(rate))} of the force." * (rate > 2)
    return f"{chains}\n\n{process}{price}"


def _runs(count: int) -> str:
    return "one short run" if count == 1 else f"{thousands(count)} short runs"


def _seconds(seconds: float) -> str:
    return f"{seconds:.2g} s" if seconds >= 0.1 else f"{1e3 * seconds:.2g} ms"
