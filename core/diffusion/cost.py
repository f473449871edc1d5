"""Cost to accuracy: what an independent configuration costs, by Markov chains and by a diffusion model.

The unit is processor time: seconds of one core, whatever the number of cores that worked. An independent configuration
costs

- a Markov chain 2 τ_int steps, τ_int of |M| (``core.samplers.race``: every algorithm with the same chains);
- a diffusion model, raw, one draw: independent, but of the model's law, not of e^{-S};
- reweighted by the weights of backward paths (``core.diffusion.path_weights``), one path over the ESS: exact;
- in a chain of independence Metropolis over such paths, 2 τ_int proposals: exact.

What has to be paid before the first configuration is the ``setup``: the training, and on a lattice that the model was
not trained on the short run for its baseline; for a chain its thermalisation, taken as 20 τ_int steps. The training
data count where the trainer made them itself (a live sampler); those of a file are not in the training time. From

    setup_model + N cost_model = setup_chain + N cost_chain

follows the number N of configurations from which on the model is the cheaper way.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.diffusion.field_generate import STEPS, generate_fields
from core.diffusion.field_model import FieldModel
from core.diffusion.field_noise import noise_range, schedule_reaching
from core.diffusion.field_source import Bound, bind
from core.diffusion.trust import path_proposal
from core.diffusion.weights import FEW, Weighted, independence_metropolis, join
from core.jobs import Token, one_thread
from core.noise import Noise
from core.samplers.race import Race, Standing
from core.statistics.autocorrelation import integrated_time
from core.statistics.errors import Measured
from core.statistics.format import with_error
from core.statistics.jackknife import jackknife
from core.statistics.lattice import abs_magnetisation
from core.theories.phi4 import Phi4

CHAINS = ("hmc", "mala", "langevin", "cluster")
"""The Markov chains that are measured, by their names in ``core.samplers.race``."""
PATH_STEPS = (30, 100)
"""Steps of the paths; the cheaper number counts."""
THERMALISATION = 20.0
"""Thermalisation of a chain, in τ_int."""
WINDOW = 400_000
"""Steps of a chain that are remembered: slow ones need many."""
SETTLED = 0.05
"""Relative error of a chain's cost at which its measurement may end early."""
_FIRST, _MOST_FIRST = 2**16, 512  # sites, and configurations, whose time tells how many to make
_MOST = 20_000
_BLOCKS = 32

Report = Callable[[str, float], None]
"""``progress(what, fraction)``."""


@dataclass(frozen=True)
class Cost:
    """What a configuration costs by one method. ``cost`` is in processor seconds, ``setup`` what is paid before.

    ``exact`` tells whether the law is e^{-S} (Langevin has its step-size bias, a raw model that of its score).
    ``trusted`` is False where chains are too short against τ_int, or too few paths carry the weight: the cost may then
    be far larger. ``detail`` says what it was computed from. ``model`` is the model's name, empty for a chain.
    """

    theory: Phi4
    method: str
    cost: Measured
    setup: float
    exact: bool
    trusted: bool
    detail: str
    model: str = ""


def break_even(model: Cost, chain: Cost) -> float:
    """Configurations from which on the model is cheaper than the chain; inf where it never is, 0 where always."""
    gain = chain.cost.value - model.cost.value
    ahead = model.setup - chain.setup
    if ahead <= 0:
        return 0.0 if gain >= 0 else math.inf
    return ahead / gain if gain > 0 else math.inf


def cost_table(
    theories: Iterable[Phi4],
    models: Sequence[FieldModel],
    *,
    seconds: float = 60.0,
    seed: int = 0,
    token: Token | None = None,
    progress: Report | None = None,
) -> list[Cost]:
    """The costs of all chains, and of the models that were trained at its couplings, for every theory in turn.

    Every chain and every model works for about ``seconds`` of processor time, chains for less where they are known to
    5 % before. Nothing else should compute in this process meanwhile. Raises ValueError where ``seconds`` is not
    positive, Cancelled once ``token`` is.
    """
    if not (math.isfinite(seconds) and seconds > 0):
        raise ValueError(f"seconds must be a positive number, got {seconds}")
    report, rows = progress or (lambda *_: None), []
    for theory in theories:
        rows += chain_costs(theory, seconds, seed, token, report)
        for model in models:
            if model.theory == "phi4" and not model.trusts(theory.kappa, theory.lam):
                rows += model_costs(theory, model, seconds, seed, token, report)
    return rows


def chain_costs(
    theory: Phi4, seconds: float, seed: int = 0, token: Token | None = None, progress: Report = lambda *_: None
) -> list[Cost]:
    """One row for each of CHAINS, from about ``seconds`` of work of each."""
    race, turn = Race(theory, CHAINS, seed=seed, token=token, window=WINDOW), seconds / 20
    standings = []
    while race.seconds < seconds:
        race.turn(min(turn, seconds - race.seconds), token)
        standings = race.standings()
        progress(f"chains, κ = {theory.kappa:g}, L = {theory.event[0]}", race.seconds / seconds)
        if all(s.settled and s.cost_error < SETTLED * s.cost for s in standings):
            break
    return [_of_chain(theory, race, i, s) for i, s in enumerate(standings)]


def _of_chain(theory: Phi4, race: Race, i: int, found: Standing) -> Cost:
    detail = f"τ_int(|M|) = {with_error(found.tau, found.tau_error)} steps"
    if math.isfinite(found.acceptance):
        detail += f", acceptance {found.acceptance:.2f}"
    return Cost(
        theory, found.variant.title, Measured(found.cost, found.cost_error), THERMALISATION / 2 * found.cost,
        found.variant.algorithm != "langevin", found.settled, detail,
    )  # fmt: skip


def model_costs(
    theory: Phi4, model: FieldModel, seconds: float, seed: int = 0, token: Token | None = None,
    progress: Report = lambda *_: None,
) -> list[Cost]:  # fmt: skip
    """Rows of a model for one theory: raw draws, paths reweighted, and path-space Metropolis.

    A third of ``seconds`` goes to each number of steps of PATH_STEPS and to the raw draws.
    """
    what = f"{model.name}, κ = {theory.kappa:g}, L = {theory.event[0]}"
    noise, share = Noise(seed).of("cost"), seconds / (1 + len(PATH_STEPS))
    progress(what, 0.0)
    began = time.process_time()
    known = model.at(theory.event, theory.kappa, theory.lam).source in ("fitted", "interpolated")
    bound = bind(
        model, event=theory.event, kappa=theory.kappa, lam=theory.lam, baseline=None if known else "refitted",
        seed=seed, token=token,
    )  # fmt: skip
    record = model.record
    training = record.seconds * (record.threads if record.device == "cpu" else 1)
    setup = training + time.process_time() - began
    where = "" if record.device == "cpu" else f", trained on {record.device}: seconds of that"
    origin = f"baseline {bound.baseline}{where}"

    schedule = schedule_reaching("ve", noise_range(bound.score.gaussian).high)  # type: ignore[attr-defined]
    draw = _timed(
        lambda n, own: generate_fields(bound.score, schedule, n, noise=own, token=token), theory.volume, noise, share
    )
    rows = [Cost(theory, "raw", draw, setup, False, True, f"{STEPS} steps, {origin}", model.name)]
    both: list[list[Cost]] = []
    for k, steps in enumerate(PATH_STEPS, 1):
        progress(what, k / (1 + len(PATH_STEPS)))
        both.append(_of_paths(theory, bound, model.name, schedule, steps, setup, noise, share, token, origin))
    progress(what, 1.0)
    return rows + [min(kind, key=_order) for kind in zip(*both, strict=True)]


def _order(row: Cost) -> tuple[bool, float]:
    return not row.trusted, row.cost.value if math.isfinite(row.cost.value) else math.inf


def _of_paths(
    theory: Phi4, bound: Bound, name: str, schedule: Any, steps: int, setup: float, noise: Noise, share: float,
    token: Token | None, origin: str,
) -> list[Cost]:  # fmt: skip
    """Reweighted, and in a Metropolis chain."""
    proposal = path_proposal(bound.score, theory, schedule, steps=steps)
    parts: list[Weighted] = []

    def make(n: int, own: Noise) -> None:
        parts.append(proposal.propose(n, own, token))

    one, found = _timed(make, theory.volume, noise.of(f"paths {steps}"), share), join(parts)
    ess, error = _ess(found)
    known = f"{steps} steps, {len(found)} paths, {origin}"
    cost = Measured(one.value / ess, one.value / ess * math.hypot(error / ess, one.error / one.value))
    rows = [
        Cost(
            theory, "path weights", cost, setup, True, found.ess * len(found) >= FEW,
            f"ESS {with_error(ess, error)}, {known}", name,
        )
    ]  # fmt: skip
    chain = independence_metropolis(found, 1, noise.of("metropolis"))
    m = abs_magnetisation(found.fields).numpy()
    tau = integrated_time(chain.series(m))
    cost = Measured(2 * tau.tau * one.value, 2 * tau.tau_error * one.value)
    detail = f"τ_int(|M|) = {with_error(tau.tau, tau.tau_error)}, acceptance {chain.acceptance:.2f}, {known}"
    settled = len(found) > 50 * tau.tau and chain.acceptance > 0.01
    return [*rows, Cost(theory, "path Metropolis", cost, setup, True, settled, detail, name)]


def _ess(found: Weighted) -> tuple[float, float]:
    """Effective sample size as a fraction, with its jackknife error."""
    w = found.weights
    parts = np.array_split(np.stack([w, w**2, np.ones(len(w))], axis=1), _BLOCKS)
    sums = np.stack([part.sum(0) for part in parts])
    ess = jackknife(lambda s: s[..., :1] ** 2 / (s[..., 1:2] * s[..., 2:]), sums, sums[:, 2:]).estimate
    return float(ess.value[0]), float(ess.error[0])


def _timed(make: Callable[[int, Noise], Any], volume: int, noise: Noise, share: float) -> Measured:
    """Processor seconds a configuration, from about ``share`` seconds in four pieces."""
    first = max(16, min(_MOST_FIRST, _FIRST // volume))
    with one_thread():
        began = time.process_time()
        make(first, noise)
        guess = (time.process_time() - began) / first
        count = int(min(max(share / max(guess, 1e-9) / 4, first / 4), _MOST / 4))
        times = []
        for piece in range(4):
            began = time.process_time()
            make(count, noise.starting_at(first + piece * count))
            times.append((time.process_time() - began) / count)
    return Measured(float(np.mean(times)), float(np.std(times, ddof=1) / 2))
