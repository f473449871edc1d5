"""The results of ``stoqlab bench train`` for people: a table for each contender, and who was sooner."""

from __future__ import annotations

import itertools

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from core.cli.train_curves import Excess, Lead, Results
from core.cli.train_race import Point
from core.statistics.format import with_error

LEAST_WIDTH = 120
"""Columns of text that a table needs, also where the terminal has fewer."""
NAMES = {
    "ours": "ours",
    "published": "published network",
    "adapted": "published network with our noise levels and averaged weights",
}


def print_results(results: Results, heading: str) -> None:
    """Everything that is known, on stdout."""
    console = Console(highlight=False)
    console.width = max(console.width, LEAST_WIDTH)
    console.print(
        f"[bold]{heading}[/]\nHeld-out loss less that of the Gaussian baseline in bands of σ̃, nats per unit of log σ̃; "
        "total: relative\nentropy of the backward path less that of the baseline's, nats.",
        soft_wrap=True,
    )
    for name, points in results.points.items():
        last = points[-1]
        rate = f", {results.rate(name):.3g} iterations/s" if last.step else ""
        console.print(f"\n[bold]{NAMES[name]}[/], {last.parameters} parameters{rate}")
        console.print(_table(results, points))
    for name, lead in results.leads().items():
        console.print(_verdict(NAMES[name], lead), soft_wrap=True)


def _table(results: Results, points: list[Point]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    bands = [f"{low:.2g}–\n{high:.2g}" for low, high in itertools.pairwise(results.exam.edges)]
    headings = ["\nseconds", "\nstep", *bands, "\ntotal"]
    if results.reference is not None:
        headings.append("over the\nreference")
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    for point in points:
        table.add_row(f"{point.seconds:.1f}", str(point.step), *(_short(v) for v, _ in _numbers(results, point.losses)))
    if results.reference is not None:
        table.add_row("reference", "", *(_short(v) for v, _ in _numbers(results, results.reference)))
    table.add_row("error", "of last", *(_short(e) for _, e in _numbers(results, points[-1].losses)), style="dim")
    return table


def _numbers(results: Results, losses: np.ndarray) -> list[tuple[float, float]]:
    """Values with errors: the bands and the total over the baseline, the total over the reference."""
    over = Excess.of(losses, results.baseline, results.exam)
    found = [*zip(over.value, over.error, strict=True), (over.total, over.total_error)]
    if results.reference is not None:
        beyond = Excess.of(losses, results.reference, results.exam)
        found.append((beyond.total, beyond.total_error))
    return found


def _short(number: float) -> str:
    """A number of nats in as few digits as the eye can take in."""
    size = abs(number)
    return f"{number:.{0 if size >= 100 else 1 if size >= 10 else 3}f}"


def _verdict(name: str, lead: Lead) -> str:
    difference = with_error(lead.difference.total, lead.difference.total_error)
    if lead.seconds is None:
        reached = f"Ours did not reach what the {name} had after {lead.end:.0f} s"
    else:
        how = "before its first step, by the Gaussian baseline alone" if lead.step == 0 else f"at step {lead.step}"
        reached = (
            f"Ours had what the {name} had after {lead.end:.0f} s within {lead.seconds:.2g} s ({how}), "
            f"{lead.factor:.0f} times sooner"
        )
    return f"{reached}; at the end of both the difference was {difference} nats."
