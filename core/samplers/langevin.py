"""Stochastic quantisation: the Langevin process in Parisi–Wu time.

    ∂φ/∂τ = K + √2 η,      φ ← φ + ε K(φ) + √(2ε) η,      K = -∂S/∂φ

whose stationary law is exp(-S)/Z up to a bias of order ε (Parisi and Wu, Sci. Sin. 24 (1981) 483; arXiv:2309.17082,
section 2). Another common normalisation, ``ẋ = K/2 + η``, is the same process with its clock running twice as fast.

A noise strength g(t) that depends on time, ``ẋ = ½ g² K + g η``, changes the clock and nothing else: it is the
process above in the Parisi–Wu time ``τ = ½ ∫ g²``. Constant g = √2 is the process itself.

A kernel 𝒦 (see ``core.samplers.fourier``) lets every mode move at its own pace, ``φ_p ← φ_p + ε 𝒦(p) K_p + √(2ε 𝒦(p))
η_p``, and leaves the stationary law unchanged as ε → 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch

from core.contracts import Theory
from core.noise import Noise
from core.samplers.contract import Info, choose
from core.samplers.fourier import FourierKernel

Tensor = torch.Tensor


@dataclass(frozen=True)
class LangevinState:
    """Chains of the Langevin process; ``clock`` is the Parisi–Wu time that has passed."""

    theory: Any
    x: Tensor
    epsilon: float
    strength: Callable[[float], float] | None = None
    kernel: FourierKernel | None = None
    flip: bool = False
    count: int = 0
    clock: float = 0.0


def init(
    theory: Theory,
    x: Tensor,
    epsilon: float,
    strength: Callable[[float], float] | None = None,
    kernel: FourierKernel | None = None,
    flip: bool = False,
) -> LangevinState:
    """Chains that start at ``x`` (chains, *event) and take steps of size ``epsilon`` > 0.

    Without ``strength`` the step is in Parisi–Wu time. With it, ``strength(t)`` is g at time t = ε · (steps done), a
    step is ``x ← x + ½ g² ε K + g √ε η``, and the Parisi–Wu clock advances by ½ g² ε. ``kernel`` accelerates the long
    modes. ``flip`` follows each step by φ → -φ with probability ½, for a theory with that symmetry. Raises ValueError
    for an epsilon that is not a positive number.
    """
    require_step_size(epsilon)
    return LangevinState(theory, x, float(epsilon), strength, kernel, flip)


def step(state: LangevinState, noise: Noise) -> tuple[LangevinState, Info]:
    """One step of every chain. Raises FloatingPointError when a chain runs away (step size too large)."""
    h = state.epsilon
    if state.strength is not None:
        h *= state.strength(state.count * state.epsilon) ** 2 / 2
    x = move(
        state.x,
        h,
        state.theory.force(state.x),
        noise.normal(state.count, tuple(state.x.shape), state.x.dtype, state.x.device),
        state.kernel,
    )
    if not bool(torch.isfinite(x).all()):
        raise FloatingPointError(
            f"the Langevin process ran away at step {state.count + 1}: ε = {state.epsilon:g} is too large for the "
            "force of this theory; take a smaller step or the Metropolis-adjusted one"
        )
    if state.flip:
        x = choose(signs(state.count, len(x), noise, x.device), -x, x)
    return replace(state, x=x, count=state.count + 1, clock=state.clock + h), Info()


def move(x: Tensor, epsilon: float, force: Tensor, eta: Tensor, kernel: FourierKernel | None) -> Tensor:
    """x + ε 𝒦 K + √(2ε 𝒦) η, without a kernel 𝒦 = 1."""
    if kernel is not None:
        force, eta = kernel.apply(force), kernel.sqrt(eta)
    return torch.add(x, force, alpha=epsilon).add_(eta, alpha=math.sqrt(2 * epsilon))


def signs(count: int, chains: int, noise: Noise, device: torch.device) -> Tensor:
    """For each chain whether step ``count`` ends with φ → -φ, with probability ½, shape (chains,)."""
    return noise.of("flip").uniform(count, (chains, 1), device=device)[:, 0] < 0.5


def require_step_size(epsilon: float) -> None:
    """ValueError unless ``epsilon`` is a positive finite number."""
    if not (math.isfinite(epsilon) and epsilon > 0):
        raise ValueError(f"epsilon must be a positive finite step size, got {epsilon}")
