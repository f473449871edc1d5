"""Hybrid (Hamiltonian) Monte Carlo: molecular dynamics as a proposal for the whole field.

Momenta are drawn anew, ``H = ½ p 𝒦 p + S(φ)`` is integrated by a symplectic integrator, and the end point is accepted
with probability min(1, e^{-ΔH}) (Duane, Kennedy, Pendleton and Roweth, Phys. Lett. B 195 (1987) 216). 𝒦 is 1, or a
kernel that lets long modes move as fast as short ones: ``p ~ N(0, 𝒦⁻¹)``, ``φ' = 𝒦 p``. ΔH is taken in float64 also
for float32 fields. The number of steps is drawn anew for every trajectory, uniformly around its mean and the same for
all chains, because a fixed length leaves a mode of matching period where it is (Mackenzie, Phys. Lett. B 226 (1989)
369).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

from core.contracts import Theory
from core.noise import Noise
from core.samplers.contract import Info, choose, decide, random_signs, require_positive
from core.samplers.dual_averaging import tuned
from core.samplers.integrators import integrate, make_moves

if TYPE_CHECKING:
    from core.samplers.fourier import FourierKernel

Tensor = torch.Tensor


@dataclass(frozen=True)
class HmcState:
    """Chains at the end of a trajectory; ``clock`` is the molecular-dynamics time that has passed.

    A trajectory has from ``steps/2`` to ``3 steps/2`` integration steps, ``steps`` on average; with ``fixed_length``
    all have ``steps``, which a published recipe may ask for. Without ``metropolis`` every trajectory is accepted: only
    for the way into equilibrium, where the energy error of a whole field moving as one would get chains rejected for
    ever.
    """

    theory: Any
    x: Tensor
    step_size: float
    steps: int
    flip: bool
    metropolis: bool = True
    integrator: str = "leapfrog"
    kernel: FourierKernel | None = None
    fixed_length: bool = False
    count: int = 0
    clock: float = 0.0


def init(
    theory: Theory,
    x: Tensor,
    step_size: float,
    length: float = 1.0,
    flip: bool = False,
    integrator: str = "leapfrog",
    kernel: FourierKernel | None = None,
) -> HmcState:
    """Chains that start at ``x`` (chains, *event), with integration steps of ``step_size`` and a mean ``length``.

    The length is rounded to a whole number of steps of the ``integrator``, 'leapfrog' or 'omelyan'. ``flip`` follows
    each trajectory by φ → -φ with probability ½: a symmetry of the theory then costs nothing to explore. ``kernel``
    is 𝒦, by default 1. Raises ValueError for a step size or length that is not positive, or an unknown integrator.
    """
    require_positive("length", length)
    require_positive("step_size", step_size)
    make_moves(integrator, step_size, 1)
    steps = max(1, round(length / step_size))
    return HmcState(theory, x, float(step_size), steps, flip, integrator=integrator, kernel=kernel)


def step(state: HmcState, noise: Noise) -> tuple[HmcState, Info]:
    """One trajectory, one decision and, where asked for, one random sign of every chain.

    A theory's own compiled ``trajectory`` serves the CPU where 𝒦 = 1.
    """
    steps = _steps(state, noise)
    moves = make_moves(state.integrator, state.step_size, steps)
    if state.x.device.type == "cpu" and state.kernel is None and hasattr(state.theory, "trajectory"):
        flips = noise.of("flip") if state.flip else None
        x, accepted, delta = state.theory.trajectory(state.x, noise, state.count, *moves, state.metropolis, flips)
    else:
        y, _, delta = integrate(state.theory, state.x, _momenta(state, noise), moves, state.kernel)
        accepted = decide(-delta, state.count, noise) if state.metropolis else torch.isfinite(delta)
        x = choose(accepted, y, state.x)
        x = random_signs(x, state.count, noise) if state.flip else x
    clock = state.clock + steps * state.step_size
    return replace(state, x=x, count=state.count + 1, clock=clock), Info(accepted, -delta)


def _momenta(state: HmcState, noise: Noise) -> Tensor:
    """Momenta of the step to come, N(0, 𝒦⁻¹)."""
    p = noise.normal(state.count, tuple(state.x.shape), state.x.dtype, state.x.device)
    return p if state.kernel is None else state.kernel.inverse_sqrt(p)


def _steps(state: HmcState, noise: Noise) -> int:
    """Integration steps of the present trajectory: the same for every chain, so drawn from path 0."""
    if state.fixed_length:
        return state.steps
    low, high = (state.steps + 1) // 2, 3 * state.steps // 2
    u = float(replace(noise.of("length"), first=0).uniform(state.count, (1, 1)))
    return low + int(u * (high - low + 1))


def tuned_step_size(state: HmcState, noise: Noise, acceptance: float = 0.8, trajectories: int = 60) -> float:
    """Step size at which trajectories of ``state``'s length are accepted with probability ``acceptance``.

    Runs the given pilot chains, which should be near equilibrium, by dual averaging. The step stays below the length
    and above an eighth of the present step, as rounding may keep the acceptance low. The pilots and their noise alone
    fix the answer, so it is the same for every ensemble.
    """
    length = state.steps * state.step_size

    def acceptance_at(step_size: float) -> float:
        nonlocal state
        state, info = step(replace(state, step_size=step_size, steps=max(1, round(length / step_size))), noise)
        return info.mean_probability()

    return tuned(acceptance_at, state.step_size, acceptance, trajectories, state.step_size / 8, length)


def reversibility_error(state: HmcState, noise: Noise) -> float:
    """Largest |φ - φ'| over the chains' sites after a trajectory forth and, with reversed momenta, back.

    A measure of rounding, for the health of a run; nan for a trajectory that runs away. Takes the momenta of the step
    to come.
    """
    moves = make_moves(state.integrator, state.step_size, state.steps)
    p = _momenta(state, noise)
    y, q, _ = integrate(state.theory, state.x, p, moves, state.kernel)
    back, _, _ = integrate(state.theory, y, -q, moves, state.kernel)
    error = float((back - state.x).abs().max())
    return error if math.isfinite(error) else math.nan
