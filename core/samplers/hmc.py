"""Hybrid (Hamiltonian) Monte Carlo: molecular dynamics as a proposal for the whole field.

Momenta p ~ N(0, 1) are drawn anew, ``H = ½ p² + S(φ)`` is integrated by leapfrog, and the end point is accepted with
probability min(1, e^{-ΔH}) (Duane, Kennedy, Pendleton and Roweth, Phys. Lett. B 195 (1987) 216). ΔH is taken in
float64 also for float32 fields. The number of leapfrog steps is drawn anew for every trajectory, uniformly around its
mean and the same for all chains, because a fixed length leaves a mode of matching period where it is (Mackenzie,
Phys. Lett. B 226 (1989) 369).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import torch

from core.contracts import Theory
from core.noise import Noise
from core.samplers.contract import Info, choose, decide

Tensor = torch.Tensor


@dataclass(frozen=True)
class HmcState:
    """Chains at the end of a trajectory; ``clock`` is the molecular-dynamics time that has passed.

    A trajectory has from ``steps/2`` to ``3 steps/2`` leapfrog steps, ``steps`` on average. Without ``metropolis``
    every trajectory is accepted: only for the way into equilibrium, where the energy error of a whole field moving
    as one would get chains rejected for ever.
    """

    theory: Any
    x: Tensor
    step_size: float
    steps: int
    flip: bool
    metropolis: bool = True
    count: int = 0
    clock: float = 0.0


def init(theory: Theory, x: Tensor, step_size: float, length: float = 1.0, flip: bool = False) -> HmcState:
    """Chains that start at ``x`` (chains, *event), with leapfrog steps of ``step_size`` and a mean ``length``.

    The length is rounded to a whole number of steps. ``flip`` follows each trajectory by φ → -φ with probability ½:
    a symmetry of the theory then costs nothing to explore. Raises ValueError for a step size or length that is not
    positive.
    """
    if not (math.isfinite(length) and length > 0):
        raise ValueError(f"length must be a positive finite number, got {length}")
    if not (math.isfinite(step_size) and step_size > 0):
        raise ValueError(f"step_size must be a positive finite number, got {step_size}")
    return HmcState(theory, x, float(step_size), max(1, round(length / step_size)), flip)


def step(state: HmcState, noise: Noise) -> tuple[HmcState, Info]:
    """One trajectory, one decision and, where asked for, one random sign of every chain."""
    p = noise.normal(state.count, tuple(state.x.shape), state.x.dtype, state.x.device)
    steps = _steps(state, noise)
    y, _, delta = integrate(state.theory, state.x, p, state.step_size, steps)
    accepted = decide(-delta, state.count, noise) if state.metropolis else torch.isfinite(delta)
    x = choose(accepted, y, state.x)
    if state.flip:
        u = noise.of("flip").uniform(state.count, (len(x), 1), device=x.device)[:, 0]
        x = choose(u < 0.5, -x, x)
    clock = state.clock + steps * state.step_size
    return replace(state, x=x, count=state.count + 1, clock=clock), Info(accepted, -delta)


def _steps(state: HmcState, noise: Noise) -> int:
    """Leapfrog steps of the present trajectory: the same for every chain, so drawn from path 0."""
    low, high = (state.steps + 1) // 2, 3 * state.steps // 2
    u = float(replace(noise.of("length"), first=0).uniform(state.count, (1, 1)))
    return low + int(u * (high - low + 1))


def integrate(theory: Any, x: Tensor, p: Tensor, step_size: float, steps: int) -> tuple[Tensor, Tensor, Tensor]:
    """Leapfrog from (x, p): the end point and ΔH (chains,). A theory's own compiled ``leapfrog`` serves the CPU."""
    if x.device.type == "cpu" and hasattr(theory, "leapfrog"):
        return theory.leapfrog(x, p, step_size, steps)
    return leapfrog(theory, x, p, step_size, steps)


def leapfrog(theory: Theory, x: Tensor, p: Tensor, step_size: float, steps: int) -> tuple[Tensor, Tensor, Tensor]:
    """The same for any theory, with its ``force``: half a kick, ``steps`` drifts with kicks between, half a kick."""
    before = _energy(theory, x, p)
    p = p + step_size / 2 * theory.force(x)
    for i in range(steps):
        x = x + step_size * p
        p = p + (step_size / 2 if i == steps - 1 else step_size) * theory.force(x)
    return x, p, _energy(theory, x, p) - before


def _energy(theory: Theory, x: Tensor, p: Tensor) -> Tensor:
    return theory.action(x).double() + p.double().square().flatten(1).sum(1) / 2


def tuned_step_size(state: HmcState, noise: Noise, acceptance: float = 0.8, trajectories: int = 60) -> float:
    """Step size at which trajectories of ``state``'s length are accepted with probability ``acceptance``.

    Runs the given pilot chains, which should be near equilibrium. The logarithm of the step follows the measured
    acceptance, ever more slowly; its average over the second half is returned. It never falls below an eighth of the
    present step, as rounding may keep the acceptance low. The pilots and their noise alone fix the answer, so it is
    the same for every ensemble.
    """
    length, lowest = state.steps * state.step_size, state.step_size / 8
    step_size, path = state.step_size, []
    for i in range(trajectories):
        state, info = step(replace(state, step_size=step_size, steps=max(1, round(length / step_size))), noise)
        assert info.log_ratio is not None
        rate = float(torch.exp(info.log_ratio.clamp(max=0)).nan_to_num(0.0).mean())
        step_size = min(length, max(lowest, step_size * math.exp((rate - acceptance) / (1 + i / 10))))
        path.append(math.log(step_size))
    return math.exp(sum(path[trajectories // 2 :]) / (trajectories - trajectories // 2))
