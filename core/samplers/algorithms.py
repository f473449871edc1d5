"""The Markov-chain algorithms by name: what each is called, which parameters it takes, and values for those not given.

A parameter has the same name here, on the command line and on the page. ``automatic`` completes them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from core.contracts import Theory
from core.noise import Noise
from core.samplers import cluster, hmc, langevin, mala, metropolis
from core.samplers.contract import Step
from core.samplers.fourier import FourierKernel, gaussian_propagator
from core.samplers.integrators import INTEGRATORS
from core.samplers.pilots import VOLUME_POWER, pilot_fields, pilot_lattice, pilot_noise, tuned_step_size
from core.samplers.warm_up import warm_up_step
from core.theories.phi4 import Phi4

Tensor = torch.Tensor


@dataclass(frozen=True)
class Algorithm:
    """One algorithm under the sampler contract.

    ``unit`` says what one step is: 'trajectory', 'sweep' or 'step'. ``parameters`` maps the name of each parameter to
    its default, None where it is chosen automatically. ``sentence`` is a plain sentence about it. ``exact`` is False
    where the stationary law has a step-size bias. ``start(theory, x, **parameters)`` gives the state of chains at
    ``x`` (chains, *event) and raises ValueError naming the parameter for a bad value.
    """

    name: str
    title: str
    unit: str
    parameters: Mapping[str, Any]
    sentence: str
    exact: bool
    start: Callable[..., Any]
    step: Step


def _start_hmc(
    theory: Theory,
    x: Tensor,
    step_size: float,
    n_steps: int,
    integrator: str = "leapfrog",
    fourier: bool = False,
    flip: bool = True,
) -> Any:
    _check(step_size=step_size, n_steps=n_steps, integrator=integrator, fourier=fourier, flip=flip)
    return hmc.init(theory, x, step_size, n_steps * step_size, flip, integrator, _kernel(theory, fourier))


def _start_langevin(theory: Theory, x: Tensor, step_size: float, fourier: bool = False, flip: bool = False) -> Any:
    _check(step_size=step_size, fourier=fourier, flip=flip)
    return langevin.init(theory, x, step_size, kernel=_kernel(theory, fourier), flip=flip)


def _start_mala(theory: Theory, x: Tensor, step_size: float, fourier: bool = False, flip: bool = True) -> Any:
    _check(step_size=step_size, fourier=fourier, flip=flip)
    return mala.init(theory, x, step_size, kernel=_kernel(theory, fourier), flip=flip)


def _start_metropolis(theory: Phi4, x: Tensor, step_size: float, overrelaxation: int = 0, flip: bool = True) -> Any:
    _check(step_size=step_size, overrelaxation=overrelaxation, flip=flip)
    return metropolis.init(theory, x, step_size, overrelaxation=overrelaxation, flip=flip)


def _start_cluster(theory: Phi4, x: Tensor, step_size: float, kind: str = "wolff", sweeps: int = 1) -> Any:
    _check(step_size=step_size, kind=kind, sweeps=sweeps)
    return cluster.init(theory, x, step_size, kind=kind, sweeps=sweeps)


def _kernel(theory: Theory, fourier: bool) -> FourierKernel | None:
    return FourierKernel(theory) if fourier else None


ALGORITHMS: dict[str, Algorithm] = {
    a.name: a
    for a in (
        Algorithm(
            "hmc",
            "Hybrid Monte Carlo",
            "trajectory",
            {"step_size": None, "n_steps": None, "integrator": "leapfrog", "fourier": False, "flip": True},
            "Gives the field random momenta, follows the equations of motion for a while, and accepts the new field "
            "with a probability that makes the result exact.",
            True,
            _start_hmc,
            hmc.step,
        ),
        Algorithm(
            "langevin",
            "Langevin (stochastic quantisation)",
            "step",
            {"step_size": None, "fourier": False, "flip": False},
            "Lets the field roll down its action while noise shakes it; the result is exact only as the step size "
            "goes to zero.",
            False,
            _start_langevin,
            langevin.step,
        ),
        Algorithm(
            "mala",
            "Metropolis-adjusted Langevin",
            "step",
            {"step_size": None, "fourier": False, "flip": True},
            "Takes a Langevin step as a proposal for the whole field and accepts or refuses it, which removes the "
            "step-size error.",
            True,
            _start_mala,
            mala.step,
        ),
        Algorithm(
            "metropolis",
            "Local Metropolis",
            "sweep",
            {"step_size": None, "overrelaxation": 0, "flip": True},
            "Changes one site after the other, each by a small random amount that is accepted or refused.",
            True,
            _start_metropolis,
            metropolis.step,
        ),
        Algorithm(
            "cluster",
            "Embedded cluster",
            "sweep",
            {"step_size": None, "kind": "wolff", "sweeps": 1},
            "Flips the sign of whole connected regions at once, in turn with local updates, and so hardly slows down "
            "near the critical point.",
            True,
            _start_cluster,
            cluster.step,
        ),
    )
}
"""Every algorithm, by its name."""

HMC_ACCEPTANCE, MALA_ACCEPTANCE, METROPOLIS_ACCEPTANCE = 0.8, 0.57, 0.5
LONGEST, LONGEST_AUTOMATIC = 100_000, 1000
"""Most integration steps of a trajectory, and most that are taken when a tiny step size would ask for more."""
MOST_SWEEPS = 1000
"""Most overrelaxation or local sweeps in one step."""
LANGEVIN_BIAS = 0.003
"""Bias of φ² allowed to the Langevin step, as a fraction of a site's fluctuation in the Gaussian approximation."""


def automatic(
    name: str, theory: Phi4, noise: Noise, dtype: torch.dtype = torch.float32, **given: Any
) -> dict[str, Any]:
    """The complete parameters of algorithm ``name``: those ``given``, and values for the others.

    A value of None counts as not given. The step size is tuned on pilot chains near equilibrium, to an acceptance of
    0.8 for HMC, 0.57 for MALA and 0.5 for the local Metropolis updates; it depends on the theory, the seed of
    ``noise`` and the given parameters alone. Beyond 2^16 sites it is that of a smaller lattice (``pilot_lattice``),
    scaled by V^(-1/4) for HMC and V^(-1/3) for MALA. An HMC trajectory lasts a quarter of the period of the slowest
    mode, but from 1 to 4, and has at most 1000 steps. The Langevin step is such that in the Gaussian approximation ⟨φ²⟩
    is too large by 0.3 % of a site's fluctuation; the interacting theory near its critical point makes some 0.8 % of
    it.

    All values are plain numbers, booleans and strings. Raises ValueError for an unknown algorithm, an unknown
    parameter or a bad value, naming it.
    """
    algorithm = find(name)
    for key in given:
        if key not in algorithm.parameters:
            raise ValueError(f"{key!r} is no parameter of {name}; it takes {', '.join(algorithm.parameters)}")
    given = {key: value for key, value in given.items() if value is not None}
    _check(**given)
    values = {**algorithm.parameters, **given}
    if values["step_size"] is None:
        pilots = pilot_lattice(theory)
        scale = (pilots.volume / theory.volume) ** VOLUME_POWER.get(name, 0.0)
        values["step_size"] = scale * _step_size(algorithm, pilots, noise, dtype, values)
    if name == "hmc" and values["n_steps"] is None:
        steps = _length(theory, values["fourier"]) / values["step_size"]
        values["n_steps"] = round(min(max(steps, 1), LONGEST_AUTOMATIC))
    return {key: _plain(value) for key, value in values.items()}


def find(name: str) -> Algorithm:
    """The algorithm called ``name``; ValueError for one that there is not."""
    if name not in ALGORITHMS:
        raise ValueError(f"the algorithm must be one of {', '.join(ALGORITHMS)}, got {name!r}")
    return ALGORITHMS[name]


def _step_size(algorithm: Algorithm, theory: Phi4, noise: Noise, dtype: torch.dtype, values: dict[str, Any]) -> float:
    if algorithm.name == "langevin":
        return _langevin_step(theory)
    x, noise = pilot_fields(theory, noise, dtype), pilot_noise(noise).of(algorithm.name)
    if algorithm.name == "hmc":
        length = _length(theory, values["fourier"])
        steps = max(1, round(length / warm_up_step(theory)))
        rest = {key: value for key, value in values.items() if key not in ("step_size", "n_steps")}
        return hmc.tuned_step_size(algorithm.start(theory, x, length / steps, steps, **rest), noise, HMC_ACCEPTANCE)
    if algorithm.name == "mala":
        target, guess = MALA_ACCEPTANCE, 2 * _langevin_step(theory)
        rest = {"fourier": values["fourier"], "flip": values["flip"]}
    else:
        target, guess, algorithm = METROPOLIS_ACCEPTANCE, 1.0, ALGORITHMS["metropolis"]
        rest = {}
    return tuned_step_size(
        lambda x, size: algorithm.start(theory, x, size, **rest), algorithm.step, x, guess, target, noise
    )


def _langevin_step(theory: Phi4) -> float:
    """The step ε whose bias of ⟨φ²⟩ in a Gaussian theory, ε/2 (times 𝒦, which is 1 on average), is as allowed."""
    return 2 * LANGEVIN_BIAS * float(gaussian_propagator(theory).mean())


def _length(theory: Phi4, fourier: bool) -> float:
    """A quarter of the period of the slowest mode, ω² = 𝒦(p)/G(p), from 1 to 4."""
    propagator = gaussian_propagator(theory)
    spectrum = FourierKernel(theory).spectrum if fourier else 1.0
    slowest = math.sqrt(float((spectrum / propagator).min()))
    return min(4.0, max(1.0, math.pi / 2 / slowest))


def _plain(value: Any) -> Any:
    """As JSON has it."""
    if isinstance(value, bool | str):
        return value
    return int(value) if isinstance(value, int | np.integer) else float(value)


def _check(**parameters: Any) -> None:
    for key, value in parameters.items():
        allowed = _ALLOWED[key](value)
        if allowed:
            raise ValueError(f"{key} must be {allowed}, got {value!r}")


def _positive(value: Any) -> str:
    good = isinstance(value, int | float | np.number) and not isinstance(value, bool) and 0 < value < math.inf
    return "" if good else "a positive finite number"


def _whole(least: int, most: int) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        good = isinstance(value, int | np.integer) and not isinstance(value, bool) and least <= value <= most
        return "" if good else f"a whole number from {least} to {most}"

    return check


def _one_of(names: tuple[str, ...]) -> Callable[[Any], str]:
    return lambda value: "" if value in names else f"one of {', '.join(names)}"


def _boolean(value: Any) -> str:
    return "" if isinstance(value, bool) else "true or false"


_ALLOWED: dict[str, Callable[[Any], str]] = {
    "step_size": _positive,
    "n_steps": _whole(1, LONGEST),
    "integrator": _one_of(tuple(INTEGRATORS)),
    "fourier": _boolean,
    "flip": _boolean,
    "overrelaxation": _whole(0, MOST_SWEEPS),
    "kind": _one_of(tuple(cluster.KINDS)),
    "sweeps": _whole(1, MOST_SWEEPS),
}
