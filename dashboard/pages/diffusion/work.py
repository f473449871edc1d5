"""What is computed for one setting of the page, in a thread of the pool: quick first, then in full, then the table."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.field_model import FieldModel
from core.diffusion.field_run import run_field
from core.diffusion.field_score import FieldScore
from core.diffusion.field_source import refitted
from core.diffusion.trust import TrustCheck, trust_check
from core.jobs import Token
from core.limits import limits
from core.noise import Noise
from core.samplers.ensemble import Thermalisation
from core.statistics.format import thousands
from dashboard.pages.diffusion import models
from dashboard.pages.diffusion.corrected import corrected
from dashboard.pages.diffusion.data import flat, halves, measured
from dashboard.pages.diffusion.ensembles import Ensemble, Request, make
from dashboard.pages.diffusion.library import Stored, StoredEnsemble, load, stored
from dashboard.pages.diffusion.outcome import Outcome, Score
from dashboard.pages.diffusion.rows import Row, rows
from dashboard.pages.diffusion.state import SHOWN, DiffusionState

QUICK_CHAINS, QUICK_PATHS, QUICK_STEPS = 64, 16, 30
"""Of the quick picture; the steps of the full one where those are fewer."""
FRAMES = 60
CHECKED = 64
"""Paths whose weights tell what to trust."""


@dataclass(frozen=True)
class Correcting:
    """How far the correction is, in configurations; a ``total`` of 0 is not known yet."""

    done: int
    total: int


Event = Thermalisation | Outcome | list[Row] | TrustCheck | Correcting | str


def source(state: DiffusionState) -> Request | Stored:
    """Where the data come from; ValueError or OSError with a sentence where they cannot, and for a run that is more
    than a visitor may ask for (`core.limits`)."""
    limits().check("configurations", max(int(state.paths), int(state.configurations)))  # type: ignore[arg-type]
    origin = _origin(state)
    limits().check("lattice_side", max(origin.theory.event))
    limits().check("field_steps", int(state.paths) * origin.theory.volume * int(state.steps))  # type: ignore[arg-type]
    return origin


def _origin(state: DiffusionState) -> Request | Stored:
    if state.ensemble:
        return stored(str(state.ensemble))
    numbers = (int(getattr(state, name)) for name in ("configurations", "sweeps", "seed"))
    return Request(state.theory(), *numbers)


def score_of(state: DiffusionState, data: Ensemble | StoredEnsemble, token: Token, last: bool = True) -> Score:
    """The score that the state asks for, on the lattice of the data. ValueError with a sentence where there is none.

    One that is fitted to the data is fitted to half of them. Only the ``last`` one sets right what a network says of
    the magnetisation on a lattice, or at couplings, that its training has no table for.
    """
    theory, everything = data.theory, data.series
    if state.score == "exact":
        if theory.lam != 0:
            raise ValueError(
                f"the exact score is known for the free field alone, and λ is {theory.lam:g}; set λ = 0 or choose "
                "another score"
            )
        gaussian = FieldGaussianScore(theory.free_propagator())
        return Score(
            gaussian, gaussian, "exact", "The exact score of the free field, from its propagator.", everything
        )  # fmt: skip
    first, second = halves(everything, theory)
    if not state.model:
        gaussian = FieldGaussianScore.fit(flat(first, theory))
        text = (
            f"{gaussian.describe()} It knows the two-point function alone, so κ₂ comes back; what is missing in κ₄, κ₆ "
            "and κ₈ is interaction, which a learned score has to supply."
        )
        return Score(gaussian, gaussian, "gaussian", text, second, True)
    model = models.model(str(state.model))
    doubt = model.trusts(theory.kappa, theory.lam)
    at_home = any(own.event == theory.event for own in model.baselines)
    # At couplings outside the training the model has no baseline to offer; on another lattice one may be far off.
    refit = bool(doubt) or state.baseline == "refitted" or not (at_home or state.baseline == "extrapolated")
    if refit:
        score = _refitted(model, data, flat(first, theory), last and state.score == "learned", token)
    else:
        score = model.at(theory.event, theory.kappa, theory.lam)
    against = second if refit else everything
    baseline = BASELINES[score.source].format(" × ".join(map(str, model.event)))
    if score.source == "extrapolated":
        doubt = EXTRAPOLATED
    if state.score == "gaussian":
        text = f"The Gaussian baseline of the model. {baseline} {score.gaussian.describe()}"
        return Score(score.gaussian, score.gaussian, "gaussian", text, against, refit)
    return Score(score, score.gaussian, "learned", score.describe(), against, refit, baseline, doubt)


_KEPT = 8
_refits: OrderedDict[tuple[FieldModel, Ensemble | StoredEnsemble, bool], FieldScore] = OrderedDict()


def _refitted(
    model: FieldModel, data: Ensemble | StoredEnsemble, fields: torch.Tensor, learned: bool, token: Token
) -> FieldScore:
    """The model refitted to ``fields``, a part of the data: once for all sessions."""
    key = (model, data, learned)
    found = _refits.get(key)
    if found is None:
        found = _refits[key] = refitted(model, data.theory, fields, 0, learned, token)
        while len(_refits) > _KEPT:
            _refits.popitem(last=False)
    return found


BASELINES = {
    "fitted": "Baseline: fitted to the training ensemble.",
    "refitted": "Baseline: refitted to the data here.",
    "interpolated": "Baseline: interpolated between the couplings of the training.",
    "extrapolated": "Baseline: extrapolated from {}; it can be refitted to the data here.",
}
EXTRAPOLATED = "On another lattice an extrapolated baseline can make wrong fields, above all near the transition."


def work(
    state: DiffusionState, origin: Request | Stored, token: Token, report: Callable[[Correcting], None] = lambda _: None
) -> Iterator[Event]:
    """Reports while chains thermalise, a quick picture, the one that was asked for, its table, what to trust, and the
    table with the correction.

    Strings say what is under way; ``report`` tells how far the correction is.
    """
    paths, steps = int(state.paths), int(state.steps)  # type: ignore[arg-type]
    quick = (min(QUICK_PATHS, paths), min(QUICK_STEPS, steps))
    if isinstance(origin, Stored):
        data = load(origin)
    else:
        few = Request(origin.theory, min(QUICK_CHAINS, origin.configurations), origin.sweeps, origin.seed)
        data = yield from made(few, token)
    if quick != (paths, steps):
        yield _outcome(state, data, *quick, False, token)
    if isinstance(origin, Request):
        data = yield from made(origin, token)
    yield f"{thousands(paths)} under way"
    outcome = _outcome(state, data, paths, steps, True, token)
    yield outcome
    score, noise = outcome.score, Noise(int(state.seed))  # type: ignore[arg-type]
    there = measured(data.theory, score.against, token)
    found = rows(state, outcome, there, token)
    yield found
    yield trust_check(
        score.model, data.theory, noise=noise.of("trust"), fields=outcome.run.generated, schedule=outcome.schedule,
        steps=min(steps, QUICK_STEPS), configs=CHECKED, token=token,
    )  # fmt: skip
    if state.correction != "none":
        yield Correcting(0, 0)
        yield corrected(state, outcome, there, found, lambda done, total: report(Correcting(done, total)), token)


def made(request: Request, token: Token) -> Iterator[Thermalisation]:
    """Reports of an ensemble that is made; returns the ensemble."""
    for found in make(request, token):
        if isinstance(found, Ensemble):
            return found
        yield found
    raise AssertionError("an ensemble ends its making")


def _outcome(
    state: DiffusionState, data: Ensemble | StoredEnsemble, paths: int, steps: int, last: bool, token: Token
) -> Outcome:
    score = score_of(state, data, token, last)
    schedule = state.schedule_for(score.gaussian)
    run = run_field(
        data.fields, schedule, gaussian=score.gaussian, score=score.model, solver=str(state.solver),
        grid=str(state.grid), prior=str(state.prior), seed=int(state.seed),  # type: ignore[arg-type]
        paths=paths, steps=steps, frames=FRAMES, shown=SHOWN, token=token,
    )  # fmt: skip
    return Outcome(run, schedule, data, score, last)
