"""The row of the table that the correction adds, by a few steps of the action or by exact Markov chains."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from core.diffusion.correction import correct
from core.diffusion.field_flow import TooLong, in_words
from core.diffusion.field_request import CHAIN_STEPS, SampleRequest
from core.diffusion.field_sample import SampleResult, sample
from core.diffusion.field_source import Bound
from core.ensembles.generated import CHAINS
from core.jobs import Token
from core.noise import Noise
from core.statistics.measure import Measurement
from dashboard.pages.diffusion.data import measured
from dashboard.pages.diffusion.outcome import Outcome
from dashboard.pages.diffusion.rows import Row, row
from dashboard.pages.diffusion.state import DiffusionState

PATIENCE = 60.0
"""Seconds that log q may take on the page."""
TITLES = {"path": "… exact by path weights", "metropolis": "… exact by log q"}


def corrected(
    state: DiffusionState,
    outcome: Outcome,
    there: Measurement,
    rows: list[Row],
    report: Callable[[int, int], None],
    token: Token,
) -> list[Row]:
    """The rows with that of the correction after the one of the score that ran; one with a sentence in place of values
    where the correction cannot be had. ``report(done, total)`` counts configurations."""
    if state.correction in CHAINS:
        added = _by_chains(state, outcome, there, report, token)
    else:
        added = _by_steps(state, outcome, there, token)
    place = next(k for k, r in enumerate(rows) if r.main) + 1
    return [*rows[:place], added, *rows[place:]]


def _by_steps(state: DiffusionState, outcome: Outcome, there: Measurement, token: Token) -> Row:
    run, began = outcome.run, time.perf_counter()
    better = correct(
        there.theory, run.generated, str(state.correction), int(state.correction_steps),  # type: ignore[arg-type]
        Noise(int(state.seed)).of("correction"), token,  # type: ignore[arg-type]
    )  # fmt: skip
    seconds = run.seconds + time.perf_counter() - began
    title = f"… corrected, {better.steps} {str(state.correction).upper()}"
    found = row(title, measured(there.theory, better.fields, token), there, (run.evaluations, seconds))
    return replace(found, acceptance=better.acceptance, remark=" ".join(better.warnings))


def _by_chains(
    state: DiffusionState, outcome: Outcome, there: Measurement, report: Callable[[int, int], None], token: Token
) -> Row:
    title = TITLES[str(state.correction)]
    try:
        result = _sampled(state, outcome, there, report, token)
    except TooLong as refused:
        return Row(title, {}, {}, problem=(
            f"It would take about {in_words(refused.seconds)} here: log q needs the divergence of the network, which "
            "is cheap for networks of the preset flow only. Path weights need no divergence."
        ))  # fmt: skip
    except ValueError as refused:
        return Row(title, {}, {}, problem=f"{refused}"[:1].upper() + f"{refused}"[1:] + ".")
    chains, draws = result.fields.shape[:2]
    found = row(
        f"{title}, {result.request.count} steps", measured(there.theory, result.fields, token), there,
        (result.evaluations, result.seconds),
    )  # fmt: skip
    layout = f"{chains} chains of {draws}" if chains > 1 else f"one chain of {draws}"
    about = (
        f"{title.removeprefix('… ').capitalize()}: independence Metropolis in {layout}, with e⁻ˢ as their law "
        "however bad the score is; errors with the chains' autocorrelation."
    )
    return replace(found, acceptance=result.acceptance, ess=result.ess, remark=" ".join([about, *result.warnings]))


def _sampled(
    state: DiffusionState, outcome: Outcome, there: Measurement, report: Callable[[int, int], None], token: Token
) -> SampleResult:
    kind, score = str(state.correction), outcome.score
    grid: dict[str, Any] = {"grid": str(state.grid)} if kind == "path" else {}
    steps = max(int(state.steps), CHAIN_STEPS[kind])  # type: ignore[arg-type]
    request = SampleRequest(
        len(outcome.run.generated), outcome.schedule, steps=steps + steps % 2, prior=str(state.prior),
        correction=kind, check=0, seed=int(state.seed), **grid,  # type: ignore[arg-type]
    )  # fmt: skip
    bound = Bound(score.model, there.theory, kind=score.kind)
    return sample(
        request, bound, device="cpu", patience=PATIENCE, token=token,
        progress=lambda phase, done, total: report(done, total),
    )  # fmt: skip
