"""What an ensemble of lattice fields is generated with: a score on one lattice, where it comes from, its theory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from core.contracts import ScoreModel
from core.diffusion.field_baseline import on_lattice
from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.field_magnetisation import fitted
from core.diffusion.field_model import FieldModel
from core.diffusion.field_score import FieldScore
from core.ensembles.files import open_ensemble
from core.ensembles.plan import make_plan
from core.ensembles.request import EnsembleRequest
from core.ensembles.run import generate
from core.jobs import Token
from core.noise import Noise
from core.theories.phi4 import Phi4

SCORES = ("learned", "gaussian")
BASELINES = ("stored", "extrapolated", "refitted")
"""``stored``: the one of the training; ``extrapolated`` from there to another lattice, and interpolated in the
couplings; ``refitted``: fitted to a short run of the theory, which also sets right what the network says of M where the
training has no table for it."""
REFIT = 4096
"""Configurations of the short run."""
_FIT_NUMBERS = 2**26  # most field values of an ensemble that a Gaussian is fitted to
_FITTED_SITES = 2**19  # that a table of the magnetisation is fitted to at each level
_OTHER = 0x9E3779B97F4A7C15  # keeps the short run apart from an ensemble that somebody makes with the same seed


@dataclass(frozen=True, eq=False)
class Bound:
    """A score that is a FieldGaussianScore or brings one as its ``gaussian``, and what is known of it.

    ``theory`` is None where the action is not known. ``name`` and ``digest`` are the model's (of a fit the ensemble's
    file, and ''), ``kind`` is one of SCORES, ``baseline`` says where the Gaussian part comes from, ``outside`` is a
    sentence where the couplings lie outside those of the training.
    """

    score: ScoreModel
    theory: Phi4 | None
    name: str = ""
    digest: str = ""
    kind: str = "gaussian"
    baseline: str = "fitted"
    outside: str = ""


def bind(
    model: FieldModel,
    *,
    event: tuple[int, ...] | None = None,
    kappa: float | None = None,
    lam: float | None = None,
    score: str = "learned",
    baseline: str | None = None,
    seed: int = 0,
    token: Token | None = None,
) -> Bound:
    """A field model on one lattice, by default that of its training, and at one pair of couplings.

    ``baseline`` is by default the stored one where there is one for this lattice and these couplings. Elsewhere it is
    refitted where the action is known, and extrapolated where it is not: in the broken phase the magnetisation of a
    larger lattice comes out wrong by tens of per cent with an extrapolated one. A model that does not know its action
    takes ``kappa`` and ``lam`` as what it is. Raises ValueError for a score or baseline that is not known or not there,
    or for couplings that do not suit the model.
    """
    for name, value, allowed in (("score", score, SCORES), ("baseline", baseline, (None, *BASELINES))):
        if value not in allowed:
            raise ValueError(f"{name} must be one of {', '.join(a for a in allowed if a)}, got {value!r}")
    found = None if baseline == "refitted" else model.at(event, kappa, lam)
    if found is not None and found.source == "extrapolated" and baseline is None and _known(model, kappa, lam):
        found = None
    if found is None:
        theory = Phi4(event or model.event, *_couplings(model, kappa, lam))
        found = refitted(model, theory, short_run(theory, seed, token=token), seed, score == "learned", token)
    if baseline == "stored" and found.source != "fitted":
        raise ValueError(
            f"baseline must be extrapolated or refitted: {model.name or 'the model'} has none stored for the lattice "
            f"{' × '.join(map(str, found.event))}" + (f" at kappa = {found.kappa:g}" if found.kappa is not None else "")
        )
    theory = found.theory_object
    if theory is None and kappa is not None and lam is not None:
        theory = Phi4(found.event, kappa, lam)
    return Bound(
        found if score == "learned" else found.gaussian, theory, model.name, model.digest, score, found.source,
        model.trusts(found.kappa, found.lam) if score == "learned" else "",
    )  # fmt: skip


def refitted(
    model: FieldModel, theory: Phi4, fields: torch.Tensor, seed: int, learned: bool = True, token: Token | None = None
) -> FieldScore:
    """The model with its Gaussian part fitted to ``fields`` (n, *event) of the theory.

    Where the training has no table of the magnetisation for this lattice and these couplings, a ``learned`` score gets
    one from the same fields, which takes seconds. Raises Cancelled once ``token`` is.
    """
    found = model.at(theory.event, theory.kappa, theory.lam, FieldGaussianScore.fit(fields))
    if found.table is not None or not learned:
        return found
    m = fields.double().flatten(1).mean(1).numpy()
    configs = min(max(_FITTED_SITES // theory.volume, 128), 1024)
    table = fitted(model, found.baseline, fields, m, configs, Noise(seed, "magnetisation of a short run"), token)
    return FieldScore(model, found.baseline, table)


def bind_ensemble(path: str | Path, event: tuple[int, ...] | None = None) -> Bound:
    """The Gaussian fitted to an ensemble file, extrapolated to another lattice where ``event`` asks for it.

    Raises what ``open_ensemble`` raises, ValueError also for a lattice of another dimension.
    """
    with open_ensemble(path) as reader:
        parts, left = [], max(1, _FIT_NUMBERS // reader.theory.volume)
        for block in reader.blocks():
            parts.append(torch.from_numpy(block.reshape(-1, *reader.theory.event)[:left]))
            left -= len(parts[-1])
            if left <= 0:
                break
        theory = reader.theory
    gaussian = FieldGaussianScore.fit(torch.cat(parts))
    name = Path(path).name
    if event is None or tuple(event) == theory.event:
        return Bound(gaussian, theory, name)
    return Bound(
        on_lattice(gaussian, tuple(event)), Phi4(tuple(event), theory.kappa, theory.lam), name, baseline="extrapolated"
    )


def short_run(theory: Phi4, seed: int, configs: int = REFIT, token: Token | None = None) -> torch.Tensor:
    """Configurations (n, *event) of the theory in equilibrium, by the cluster algorithm."""
    return torch.from_numpy(equilibrium_run(theory, seed, configs, token).reshape(-1, *theory.event))


def equilibrium_run(theory: Phi4, seed: int, configs: int, token: Token | None = None) -> np.ndarray:
    """The same as Markov chains (chains, draws, *event), float32."""
    plan = make_plan(EnsembleRequest(theory, "cluster", configs, seed=(seed + _OTHER) % 2**63), token)
    fields = np.empty((plan.chains, plan.draws, *theory.event), np.float32)
    for block in generate(plan, token=token):
        chains, draws = block.fields.shape[:2]
        fields[block.first_chain : block.first_chain + chains, block.first : block.first + draws] = block.fields
    return fields


def _known(model: FieldModel, kappa: float | None, lam: float | None) -> bool:
    """Whether the model knows its action, or is told it."""
    return bool(model.theory) or (kappa is not None and lam is not None)


def _couplings(model: FieldModel, kappa: float | None, lam: float | None) -> tuple[float, float]:
    found = []
    for name, given, known in (("kappa", kappa, model.kappa_range), ("lam", lam, model.lam_range)):
        if given is None and (known is None or known[0] != known[1]):
            raise ValueError(f"{name} must be given: the model does not fix it")
        found.append(float(given if given is not None else known[0]))  # type: ignore[index]
    return found[0], found[1]
