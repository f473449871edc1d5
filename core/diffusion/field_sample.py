"""Ensembles of lattice fields by a diffusion model, raw or corrected: what the command line and the page both call.

Without correction the configurations are independent draws of the law that score, solver and prior make. ``mala`` and
``hmc`` take a few steps of the true action from there. ``path`` and ``metropolis`` make Markov chains of independent
proposals, with e^{-S} as their exact law however bad the score is: proposals are backward paths with their weights, or
draws of the probability flow with the exact divergence.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from core.contracts import ScoreModel
from core.devices import describe, pick_device
from core.diffusion.backward import euler_warning
from core.diffusion.correction import correct
from core.diffusion.field_flow import PATIENCE, field_flow, require_affordable
from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.field_generate import backward_times, baseline_of, generate_fields
from core.diffusion.field_noise import prior_warning, schedule_warning
from core.diffusion.field_request import CORRECTION_STEPS, SampleRequest
from core.diffusion.field_source import Bound
from core.diffusion.trust import TrustCheck, path_proposal, trust_check
from core.diffusion.weights import Weighted, independence_metropolis, join
from core.ensembles.generated import CHAINS, Origin, write_generated
from core.jobs import Token, one_thread
from core.noise import Noise
from core.schedule import Schedule
from core.schedule_record import describe_schedule

Tensor = torch.Tensor

LOW_ACCEPTANCE = 0.1
_PIECE = 2**20  # sites of the proposals between two reports

Report = Callable[[str, int, int], None]
"""``progress(phase, done, total)`` in configurations, the phase being 'sampling', 'correcting' or 'checking'."""


@dataclass(frozen=True, eq=False)
class SampleResult:
    """``fields`` (chains, draws, *event) float32; a single chain of independent draws unless ``chains`` were made.

    ``evaluations`` of the score were spent on each configuration kept. ``ess`` (0 … 1) and ``acceptance`` are nan where
    they are not known; the latter is that of the correction. ``accepted``, ``log_weight`` and ``log_likelihood`` are
    (chains, draws) where computed. ``check`` tells what the path weights of some configurations and Schwinger–Dyson
    say of results without weights.
    """

    request: SampleRequest
    bound: Bound
    schedule: Schedule
    fields: Tensor
    evaluations: float
    ess: float
    acceptance: float
    check: TrustCheck | None
    correction: dict[str, Any]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    seconds: float
    accepted: np.ndarray | None = field(default=None, repr=False)
    log_weight: np.ndarray | None = field(default=None, repr=False)
    log_likelihood: np.ndarray | None = field(default=None, repr=False)

    @property
    def independent(self) -> bool:
        """Whether the configurations are independent draws."""
        return self.request.correction not in CHAINS

    def save(self, path: str | Path, force: bool = False) -> None:
        """Write the ensemble to a file.

        Raises ValueError where the action is not known, and what ``write_generated`` raises.
        """
        if self.bound.theory is None:
            raise ValueError("kappa and lam must be given for an ensemble file: the model does not know its action")
        write_generated(
            path, self.bound.theory, self.fields, self.origin(), self.accepted, self.log_weight, self.log_likelihood,
            force,
        )  # fmt: skip

    def origin(self) -> Origin:
        """How the ensemble was generated, as plain numbers."""
        r, check = self.request, self.check
        about: dict[str, Any] = {}
        if check is not None:
            value, error = check.schwinger_dyson[:2]
            about = {"level": check.level, "sentence": check.sentence, "paths": check.configs}
            about |= {"schwinger_dyson": _plain(value), "schwinger_dyson_error": _plain(error)}
        return Origin(
            self.bound.name, self.bound.digest, self.bound.kind, self.bound.baseline, describe_schedule(self.schedule),
            *r.done_with, r.count, self.evaluations, r.prior, self.correction, self.acceptance, self.ess, about,
            r.seed, self.seconds, list(self.warnings), list(self.notes),
        )  # fmt: skip


class _Made(NamedTuple):
    """What one way of sampling gives."""

    fields: Tensor
    evaluations: float
    ess: float = math.nan
    acceptance: float = math.nan
    correction: dict[str, Any] | None = None
    warnings: tuple[str, ...] = ()
    accepted: np.ndarray | None = None
    log_weight: np.ndarray | None = None
    log_likelihood: np.ndarray | None = None


def sample(
    request: SampleRequest,
    bound: Bound,
    *,
    device: str = "auto",
    patience: float = PATIENCE,
    progress: Report | None = None,
    token: Token | None = None,
) -> SampleResult:
    """Generate the ensemble that ``request`` asks for with the score ``bound``.

    Configuration i depends on the seed and i alone, that of a chain on the seed and the proposals of the chain.
    ``metropolis`` is refused where it would take more than ``patience`` seconds (TooLong). Raises ValueError for what
    does not fit together, MemoryError for too many configurations, FloatingPointError when a process diverges,
    Cancelled once ``token`` is.
    """
    began, where = time.perf_counter(), pick_device(device)
    if request.correction != "none" and bound.theory is None:
        raise ValueError(f"the correction {request.correction} needs the action: give kappa and lam")
    gaussian = baseline_of(bound.score)
    request.require_memory(gaussian.connected.size)
    schedule = request.schedule_for(gaussian)
    noise, report = Noise(request.seed, "generated"), progress or (lambda *_: None)
    warnings = [w for w in _warnings(request, bound, gaussian, schedule) if w]
    if request.correction in CHAINS:
        make = _paths if request.correction == "path" else _flow
        made = _chains(request, bound, make(request, bound, schedule, str(where), patience), noise, report, token)
    else:
        made = _draws(request, bound, schedule, noise, str(where), report, token)
    check = None
    if request.correction not in CHAINS and bound.theory is not None and request.check:
        report("checking", 0, request.check)
        x = made.fields[0]
        check = trust_check(
            bound.score, bound.theory, noise=noise, fields=x, schedule=schedule, steps=request.count,
            grid=request.grid, configs=request.check, device=str(where), token=token,
        )  # fmt: skip
        if check.level == "amber":
            warnings.append(check.sentence)
    return SampleResult(
        request, bound, schedule, made.fields, made.evaluations, made.ess if check is None else check.ess,
        made.acceptance, check, {"kind": request.correction} | (made.correction or {}),
        (*warnings, *made.warnings), (f"Sampled on {describe(where)}.",), time.perf_counter() - began,
        made.accepted, made.log_weight, made.log_likelihood,
    )  # fmt: skip


class _Counting:
    """A score that counts how many configurations it was asked about."""

    def __init__(self, score: ScoreModel) -> None:
        self._score, self.gaussian, self.asked = score, baseline_of(score), []

    def score(self, x: Tensor, f: float = 1.0, xi: float = 0.0) -> Tensor:
        self.asked.append(len(x))  # appending is safe between threads
        return self._score.score(x, f, xi)


def _draws(
    request: SampleRequest, bound: Bound, schedule: Schedule, noise: Noise, device: str, report: Report,
    token: Token | None,
) -> _Made:  # fmt: skip
    score, n = _Counting(bound.score), request.configs
    x = generate_fields(
        score, schedule, n, solver=request.solver, grid=request.grid, steps=request.count, prior=request.prior,
        noise=noise, device=device, token=token, progress=lambda done, total: report("sampling", done, total),
    )  # fmt: skip
    evaluations = sum(score.asked) / n
    if request.correction == "none":
        return _Made(x[None], evaluations)
    report("correcting", 0, n)
    steps = request.correction_steps or CORRECTION_STEPS[request.correction]
    given = {} if request.step_size is None else {"step_size": request.step_size}
    with one_thread():
        done = correct(bound.theory, x, request.correction, steps, noise.of("correction"), token, **given)  # type: ignore[arg-type]
    about = {"steps": steps} | {k: _plain(v) for k, v in done.parameters.items()}
    return _Made(done.fields[None], evaluations, math.nan, done.acceptance, about, done.warnings)


class _Proposals(NamedTuple):
    """``propose(n, noise, token)`` gives weighted proposals, each after so many ``evaluations``."""

    propose: Callable[[int, Noise, Token | None], Weighted]
    evaluations: int
    likelihood: bool = False


def _paths(request: SampleRequest, bound: Bound, schedule: Schedule, device: str, patience: float) -> _Proposals:
    steps = request.count
    paths = path_proposal(
        bound.score, bound.theory, schedule, steps=steps, grid=request.grid, prior=request.prior, device=device
    )
    return _Proposals(paths.propose, len(paths.times) - 1)


def _flow(request: SampleRequest, bound: Bound, schedule: Schedule, device: str, patience: float) -> _Proposals:
    flow = field_flow(bound.score, schedule, steps=request.count, device=device)
    require_affordable(flow, request.proposals()[2], patience)
    theory = bound.theory
    assert theory is not None
    return _Proposals(lambda n, noise, token: flow.propose(theory, n, noise, token), 6 * flow.steps, True)


def _chains(
    request: SampleRequest, bound: Bound, proposals: _Proposals, noise: Noise, report: Report, token: Token | None
) -> _Made:
    """Independence Metropolis over proposals, the first of each chain dropped."""
    chains, dropped, total = request.proposals()
    piece, parts = max(1, _PIECE // bound.theory.volume), []  # type: ignore[union-attr]
    with one_thread():
        for done in range(0, total, piece):
            count = min(piece, total - done)
            parts.append(proposals.propose(count, noise.starting_at(done), token))
            report("sampling", done + count, total)
    pool = join(parts)
    chain = independence_metropolis(pool, chains, noise)
    index = chain.index[:, dropped:]
    kept = replace(chain, index=index, accepted=chain.accepted[:, dropped:])
    log_w = kept.series(pool.log_weights)
    log_q = None
    if proposals.likelihood:
        log_q = kept.series(-bound.theory.action(pool.fields).numpy() - pool.log_weights)  # type: ignore[union-attr]
    warnings = list(pool.warnings)
    if kept.acceptance < LOW_ACCEPTANCE:
        warnings.append(
            f"Only {kept.acceptance:.1%} of the proposals were accepted: the chains stand still for long, and errors "
            "are to be trusted only if they are much longer than τ_int."
        )
    about = {"chains": chains, "dropped": dropped, "proposals": total}
    return _Made(
        kept.fields.float(), proposals.evaluations * total / request.configs, pool.ess, kept.acceptance, about,
        tuple(warnings), kept.accepted, log_w, log_q,
    )  # fmt: skip


def _warnings(
    request: SampleRequest, bound: Bound, gaussian: FieldGaussianScore, schedule: Schedule
) -> list[str | None]:
    found = [bound.outside, schedule_warning(schedule, gaussian)]
    if request.prior == "noise":
        found.append(prior_warning(schedule, gaussian))
    if request.solver == "euler" and request.correction not in CHAINS:
        times = backward_times(gaussian, schedule, solver="euler", grid=request.grid, steps=request.count)
        found.append(euler_warning(schedule, times, float(gaussian.connected.min())))
    return found


def _plain(value: Any) -> Any:
    """A number as JSON has it."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value
