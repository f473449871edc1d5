"""Rows beside two ensembles that are compared: what else there is of the law that one of them was generated for.

The Gaussian baseline of the model that generated it, the model's own fields where these were corrected, and the
theory itself: a free field exactly, any other from a reference ensemble of cluster updates made on the spot.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.diffusion.field_generate import GRID, SOLVER, STEPS, generate_fields
from core.diffusion.field_model import FieldModel, shipped
from core.diffusion.field_source import Bound, bind, bind_ensemble, equilibrium_run
from core.ensembles.generated import CHAINS, Origin
from core.jobs import Token
from core.noise import Noise
from core.schedule_record import schedule_of
from core.statistics import published
from core.statistics.compare import compare
from core.statistics.errors import Measured
from core.statistics.format import thousands
from core.statistics.free_field import free_observables
from core.statistics.measure import Measurement, measure
from core.theories.phi4 import Phi4

KINDS = ("baseline", "learned", "exact", "published")
CONFIGS, REFERENCE = 2048, 4096
"""Configurations generated for a row, and of a reference ensemble."""


@dataclass(frozen=True)
class FurtherRow:
    """``kind`` is one of KINDS, ``title`` and ``how`` are for people.

    ``observables`` by the names of ``core.statistics.measure``, an error of 0 where they are exact. ``sigma`` is the
    signed difference of the first ensemble from them in units of the joint error; ``chi2_per_dof`` and the effective
    sample sizes are nan where there are none.
    """

    kind: str
    title: str
    how: str
    observables: dict[str, Measured]
    sigma: dict[str, float]
    configs: int = 0
    chi2_per_dof: float = math.nan
    effective_sample_size: float = math.nan


def applicable(theory: Phi4, origin: Origin | None) -> list[str]:
    """The rows that say something here without being asked for: of a free field, and of a model's ensemble."""
    kinds = []
    if origin is not None:
        kinds = ["baseline"] * (origin.score == "learned") + ["learned"] * (origin.correction["kind"] != "none")
    if origin is not None or theory.lam == 0:
        kinds.append("exact")
    return kinds


def further_row(
    kind: str, a: Measurement, origin: Origin | None, model: Path | None, seed: int = 0, token: Token | None = None
) -> FurtherRow:
    """One row beside the ensemble ``a``.

    ``origin`` and the file ``model`` tell how the other ensemble was generated, which 'baseline' and 'learned' need.
    Raises ValueError where they are missing, or the row does not exist for this theory.
    """
    theory = a.theory
    if kind == "published":
        if not published.belongs_to(theory):
            raise ValueError("the published figures are those of κ = 0.4, λ = 0.022 on 32 × 32")
        found = {**published.CUMULANTS, **published.ratios()}
        sigma = {name: _sigma(a.observables[name], m) for name, m in published.ratios().items()}
        return FurtherRow(kind, published.TITLE, published.CAVEAT, found, sigma)
    if kind == "exact" and theory.lam == 0:
        exact = {name: Measured(v, 0.0) for name, v in free_observables(theory.free_propagator()).items()}
        sigma = {name: _sigma(a.observables[name], m) for name, m in exact.items()}
        return FurtherRow(kind, "Exact theory", "The free field, from its propagator.", exact, sigma)
    if kind == "exact":
        fields = equilibrium_run(theory, seed, REFERENCE, token)
        found = measure(theory, [fields], token=token)
        how = f"A reference of {thousands(found.n_configs)} configurations of cluster updates, made here."
        return _row(kind, "Reference, cluster", how, a, found)
    if origin is None or model is None:
        raise ValueError(f"the row {kind} needs the model of the second ensemble, which none has generated")
    score = "gaussian" if kind == "baseline" else origin.score
    bound = _bound(model, origin, theory, score)
    chain = origin.correction["kind"] in CHAINS
    solver, grid, steps = (SOLVER, GRID, STEPS) if chain else (origin.solver, origin.grid, origin.steps)
    fields = generate_fields(
        bound.score, schedule_of(origin.schedule), CONFIGS, solver=solver, grid=grid, steps=steps, prior=origin.prior,
        noise=Noise(seed, "further row"), token=token,
    )  # fmt: skip
    title = "Gaussian baseline" if kind == "baseline" else f"{origin.score.capitalize()}, uncorrected"
    how = (
        f"{thousands(CONFIGS)} configurations of {model.name}, {bound.baseline} baseline, {solver}, {steps} steps, "
        "made here."
    )
    return _row(kind, title, how, a, measure(theory, [fields[None].numpy()], independent=True, token=token))


def find_model(origin: Origin, beside: Iterable[Path]) -> Path | None:
    """The file of the model that generated an ensemble: in one of these folders, or shipped; None where there is none.

    A file of the same name with other weights is none.
    """
    if not origin.digest:
        ensembles = (folder / origin.model for folder in beside)
        return next((path for path in ensembles if path.is_file()), None)
    files = [folder / f"{origin.model}.safetensors" for folder in beside]
    files += [path for name, path in shipped().items() if name == origin.model]
    for path in files:
        if path.is_file() and FieldModel.load(path).digest == origin.digest:
            return path
    return None


def _bound(model: Path, origin: Origin, theory: Phi4, score: str) -> Bound:
    if not origin.digest:
        return bind_ensemble(model, theory.event)
    baseline = origin.baseline if origin.baseline in ("refitted", "extrapolated") else None
    return bind(
        FieldModel.load(model), event=theory.event, kappa=theory.kappa, lam=theory.lam, score=score, baseline=baseline,
        seed=origin.seed,
    )  # fmt: skip


def _row(kind: str, title: str, how: str, a: Measurement, found: Measurement) -> FurtherRow:
    both = compare(a, found)
    ess = float(found.n_configs) if found.independent else found.effective_sample_size["abs_m"]
    return FurtherRow(
        kind, title, how, found.observables, {name: row.sigma for name, row in both.observables.items()},
        found.n_configs, both.joint.chi2 / both.joint.dof if both.joint.dof else math.nan, ess,
    )  # fmt: skip


def _sigma(a: Measured, b: Measured) -> float:
    error = float(np.hypot(a.error, b.error))
    return (a.value - b.value) / error if error > 0 else math.nan
