"""The action that the score implies: its couplings at each noise level, and where its force is not the theory's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.diffusion.learned_action import EffectiveCouplings, ForceMap, effective_couplings, force_map
from core.jobs import Token
from dashboard.pages.diffusion.outcome import Outcome
from dashboard.pages.diffusion.timeline import Places, Timeline
from dashboard.stage import Band, Image, Line, Panel, Rule
from dashboard.stage.series import Series

FIELDS, FEWEST, LEVELS = 32, 16, 12
"""Configurations of the data that are dissolved, fewest that do, and noise levels to which they are."""
SYMBOLS = {"kappa": "κ", "a": "a", "lam": "λ"}


@dataclass(frozen=True, eq=False)
class Implied:
    """Of a run's score: ``couplings`` over the noise levels (None for too few data), ``force`` on one configuration."""

    outcome: Outcome
    couplings: EffectiveCouplings | None
    force: ForceMap


def implied(outcome: Outcome, seed: int, token: Token) -> Implied:
    """What the score of a run implies on its data, from the lowest level to the largest of data or schedule."""
    low, high = outcome.run.levels
    schedule = outcome.schedule
    levels = np.geomspace(low, max(2 * low, min(high / 2, float(schedule.sigma(schedule.t_max)))), LEVELS)
    fields, model = outcome.data.fields[:FIELDS], outcome.score.model
    couplings = None
    if len(fields) >= FEWEST:
        couplings = effective_couplings(model, fields, levels, seed=seed, token=token)
    return Implied(outcome, couplings, force_map(model, outcome.data.theory, fields[:1], low))


def action(outcome: Outcome, found: Implied | None, line: Timeline) -> list[Panel]:
    """A panel for each coupling over the axis, and the map of score − (−∂S)."""
    if found is None:
        return [Panel("map", title="Fitting the couplings that the score implies …", hide_axes=True)]
    panels = []
    if found.couplings is not None:
        theory, places = outcome.data.theory, line.places(outcome.schedule.t_of_sigma(found.couplings.sigma))
        truth = {"kappa": theory.kappa, "a": 1 - 2 * theory.lam, "lam": theory.lam}
        panels = [_coupling(found.couplings, name, truth[name], places) for name in SYMBOLS]
    difference, limit = found.force.difference[0].numpy(), 3 * max(found.force.rms, 1e-12)
    data = np.round(127.5 * (1 + np.clip(difference / limit, -1, 1))).astype(np.uint8)
    height, width = difference.shape
    image = Image(data, (0, width, 0, height), limits=np.array([-limit, limit]))
    note = f"{100 * found.force.relative:.2g} % of it"
    panels.append(Panel("map", [image], "Score − (−∂S)", note=note, aspect="equal", hide_axes=True, legend=False))
    return panels


def _coupling(found: EffectiveCouplings, name: str, truth: float, places: Places) -> Panel:
    learned, exact = found.of(name)
    series: list[Series] = [Rule(y=truth, color="muted")]
    for x, order in places:
        first = len(series) == 1
        series += [
            Line(x, exact.value[order], "exact score" if first else "", "exact", width=2, dash=True),
            Band(x, (learned.value - learned.error)[order], (learned.value + learned.error)[order], "", "learned", 0.3),
            Line(x, learned.value[order], "score" if first else "", "learned", width=1.8),
        ]
    symbol = SYMBOLS[name]
    note = f"theory: {truth:g}"
    return Panel(name, series, f"{symbol} of the score", note=note, clock=True, legend=name == "kappa")
