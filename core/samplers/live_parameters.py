"""Complete parameters of an algorithm for a run that somebody watches, and who does not want to wait for them."""

from __future__ import annotations

import dataclasses
from typing import Any

from core.noise import Noise
from core.samplers.algorithms import automatic
from core.samplers.pilots import VOLUME_POWER
from core.samplers.warm_up import warm_up_step
from core.theories.phi4 import Phi4

PILOT_L = 64
"""Step sizes of larger lattices follow from this one by their known scaling, so that nobody waits for them."""


def live_parameters(name: str, theory: Phi4, seed: int = 0, **given: Any) -> dict[str, Any]:
    """The complete parameters of an algorithm for a run that is watched: those ``given``, the others automatic.

    As `core.samplers.algorithms.automatic`, but beyond 64² the step size of that lattice is scaled to the volume
    instead of being tuned again. HMC then takes more steps of the smaller size, so that a trajectory is as long.
    """
    noise = Noise(seed).of("simulation")
    length = max(theory.event)
    if length <= PILOT_L:
        return automatic(name, theory, noise, **given)
    pilot = automatic(name, dataclasses.replace(theory, L=PILOT_L), noise, **given)
    factor = (PILOT_L / length) ** (2 * VOLUME_POWER.get(name, 0.0))
    if given.get("step_size") is None:
        pilot["step_size"] *= factor
        if "n_steps" in pilot and given.get("n_steps") is None:
            pilot["n_steps"] = max(1, round(pilot["n_steps"] / factor))
    return pilot


def provisional_parameters(name: str, theory: Phi4, **given: Any) -> dict[str, Any]:
    """Complete parameters at once, with a careful step size, to begin with until the tuned ones are there."""
    careful = {"hmc": warm_up_step(theory), "mala": 0.005, "metropolis": 1.0, "cluster": 1.0}
    if given.get("step_size") is None and name in careful:
        given = given | {"step_size": careful[name]}
    return automatic(name, theory, Noise(0), **given)
