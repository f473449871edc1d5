"""A plan: everything about an ensemble that has to be decided before the first step, as plain numbers.

Whoever has the plan can make the ensemble, any part of it, again: chain i, draw k are functions of the plan alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from core.ensembles.equilibration import equilibrate
from core.ensembles.request import PUBLISHED_TRAJECTORIES, EnsembleRequest
from core.jobs import Token
from core.noise import Noise
from core.samplers.algorithms import ALGORITHMS, Algorithm, automatic
from core.theories.phi4 import Phi4

FEWEST_CHAINS, MOST_CHAINS = 16, 256
"""Bounds on the number of chains that is chosen automatically, where there are enough configurations."""
DRAWS = 4
"""Configurations that each chain should at least have."""
LARGEST_GROUP = 4096
"""Most chains that the choice of a divisor may end with."""
UNIT_LENGTH_STEPS = 20
"""Leapfrog steps of a published trajectory where nothing is said about them."""


@dataclass(frozen=True)
class Plan:
    """How to make ``chains`` chains of ``draws`` configurations each.

    ``parameters`` are complete. ``warm_up`` says whether ``therm`` steps of the algorithm are preceded by some HMC
    trajectories that are always accepted. ``pilot_acceptance`` and ``pilot_tau`` (the longer τ_int of |M| and φ², in
    steps) are what the pilots showed, None where none ran. ``warnings`` concern the trust in the ensemble, ``notes``
    do not.
    """

    theory: Phi4
    sampler: str
    parameters: Mapping[str, Any]
    start: str
    protocol: str | None
    seed: int
    chains: int
    draws: int
    therm: int
    thin: int
    warm_up: bool
    pilot_acceptance: float | None = None
    pilot_tau: float | None = None
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def configs(self) -> int:
        """Configurations in all."""
        return self.chains * self.draws

    @property
    def algorithm(self) -> Algorithm:
        """The algorithm that the plan names."""
        return ALGORITHMS[self.sampler]

    @property
    def noise(self) -> Noise:
        """Where every deviate of the chains comes from."""
        return ensemble_noise(self.seed)

    @property
    def fixed_length(self) -> bool:
        """Whether all HMC trajectories have one length, as in the published protocol."""
        return self.protocol is not None

    @property
    def independent(self) -> bool:
        """Whether no two configurations come from one chain."""
        return self.draws == 1

    def request(self) -> EnsembleRequest:
        """The request that leads to this plan with nothing left to be found: the same chains."""
        if self.protocol is not None:  # its step size implies the number of steps
            parameters = {name: value for name, value in self.parameters.items() if name != "n_steps"}
            return EnsembleRequest(
                self.theory, self.sampler, self.configs, None, None, None, parameters, None, self.protocol, self.seed
            )
        return EnsembleRequest(
            self.theory, self.sampler, self.configs, self.chains, self.therm, self.thin, self.parameters, self.start,
            None, self.seed,
        )  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        """The plan as dictionaries, lists, numbers and strings."""
        fields = asdict(replace(self, theory=None)) | {"theory": describe(self.theory)}  # type: ignore[arg-type]
        return fields | {"warnings": list(self.warnings), "notes": list(self.notes)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Plan:
        """The plan that ``to_json`` described. Raises KeyError, TypeError or ValueError for something else."""
        fields = dict(data)
        fields["theory"] = theory_of(fields["theory"])
        fields["warnings"], fields["notes"] = tuple(fields["warnings"]), tuple(fields["notes"])
        return cls(**fields)


def ensemble_noise(seed: int) -> Noise:
    """The noise of an ensemble with this seed."""
    return Noise(seed, "ensemble")


def describe(theory: Phi4) -> dict[str, Any]:
    """A theory as plain numbers: its name, its couplings and the lattice's extents."""
    return {"name": theory.name, "shape": list(theory.event), "kappa": float(theory.kappa), "lam": float(theory.lam)}


def theory_of(description: Mapping[str, Any]) -> Phi4:
    """The theory of a description. Raises ValueError for one that is not known here."""
    if description.get("name") != Phi4.name:
        raise ValueError(f"the theory must be {Phi4.name}, got {description.get('name')!r}")
    return Phi4(tuple(int(n) for n in description["shape"]), float(description["kappa"]), float(description["lam"]))


def make_plan(request: EnsembleRequest, token: Token | None = None) -> Plan:
    """Decide all that ``request`` leaves open, on pilot chains that are the same whatever the size of the ensemble.

    The parameters of the algorithm come from ``automatic``. Thermalisation lasts until pilots from the start asked
    for and from the opposite kind of start agree (see ``equilibrate``); ``thin`` is 2 τ_int
    of the pilots' |M| or φ², whichever is longer. The
    number of chains is that divisor of ``configs`` which makes thermalisation about half of the work, between 16 and
    256 where the configurations suffice. Raises ValueError for parameters that do not fit and Cancelled once
    ``token`` is cancelled.
    """
    noise, theory = ensemble_noise(request.seed), theory_of(describe(request.theory))
    if request.protocol == "published":
        return _published(request, noise)
    parameters = automatic(request.sampler, theory, noise, **request.parameters)
    assert request.start is not None
    therm, thin, warnings, notes, acceptance, tau = request.therm, request.thin, [], [], None, None
    if therm is None or thin is None:
        found = equilibrate(theory, request.sampler, parameters, request.start, noise, token)
        acceptance, tau = found.acceptance, found.tau
        thin = max(1, math.ceil(2 * found.tau)) if thin is None else thin
        if therm is None:
            therm = found.steps
            warnings += found.warnings
            notes += found.notes
    chains = request.chains or _chains(request.configs, therm, thin)
    if chains < 4 <= request.configs // 16:
        notes.append(
            f"{request.configs} configurations cannot be shared by more than {chains} chain{'s' * (chains > 1)}; "
            "a rounder number would use all cores."
        )
    if not ALGORITHMS[request.sampler].exact:
        notes.append(f"{request.sampler} has a bias of the order of its step size {parameters['step_size']:.3g}.")
    return Plan(
        theory, request.sampler, parameters, request.start, None, request.seed, chains,
        request.configs // chains, therm, thin, therm > 0 and request.sampler in ("hmc", "mala"), acceptance, tau,
        tuple(warnings), tuple(notes),
    )  # fmt: skip


def extended(plan: Plan, configs: int) -> Plan:
    """The same plan for more configurations: longer chains, or more of them where each has but one by protocol.

    Raises ValueError for a number that is not a multiple of the plan's chains, or smaller than what is planned.
    """
    if configs < plan.configs:
        raise ValueError(f"configs must be at least the {plan.configs} of the ensemble to go on with, got {configs}")
    if plan.protocol is not None:
        return replace(plan, chains=configs)
    if configs % plan.chains:
        near = configs + plan.chains - configs % plan.chains
        raise ValueError(
            f"configs must be a multiple of the {plan.chains} chains of the ensemble to go on with, got {configs}; "
            f"the next one is {near}"
        )
    return replace(plan, draws=configs // plan.chains)


def _published(request: EnsembleRequest, noise: Noise) -> Plan:
    given, theory = dict(request.parameters), theory_of(describe(request.theory))
    if "step_size" in given:
        size = given["step_size"]
        steps = max(1, round(1 / size)) if size > 0 else 1
        if size > 0 and abs(steps * size - 1) > 1e-6:
            raise ValueError(
                f"step_size must divide the unit length of published trajectories, as 0.05 does, got {size}"
            )
    else:
        steps = given.get("n_steps", UNIT_LENGTH_STEPS)
    given |= {"n_steps": steps, "step_size": given.get("step_size", 1 / max(steps, 1)), "flip": False}
    warning = (
        f"not in equilibrium: a hot start and {PUBLISHED_TRAJECTORIES} trajectories of unit length, the published "
        "protocol, leave domain walls in the broken phase."
    )
    return Plan(
        theory, "hmc", automatic("hmc", theory, noise, **given), "hot", "published", request.seed,
        request.configs, 1, PUBLISHED_TRAJECTORIES - 1, 1, False, warnings=(warning,),
    )  # fmt: skip


def _chains(configs: int, therm: int, thin: int) -> int:
    """The divisor of ``configs`` nearest, by its logarithm, to the number of chains wanted."""
    wanted = min(max(round(2 * configs * thin / max(therm, 1)), FEWEST_CHAINS), MOST_CHAINS)
    wanted = max(1, min(wanted, configs // DRAWS))
    divisors = {d for k in range(1, math.isqrt(configs) + 1) if configs % k == 0 for d in (k, configs // k)}
    return min((d for d in divisors if d <= LARGEST_GROUP), key=lambda d: (abs(math.log(d / wanted)), d))
