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
from core.samplers.contract import Info, random_signs, require_positive
from core.samplers.fourier import FourierKernel
from core.theories.phi4 import Phi4
from core.theories.phi4_langevin_kernel import langevin_step

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
    require_positive("epsilon", epsilon)
    return LangevinState(theory, x, float(epsilon), strength, kernel, flip)


def step(state: LangevinState, noise: Noise) -> tuple[LangevinState, Info]:
    """One step of every chain. Raises FloatingPointError when a chain runs away (step size too large)."""
    h = state.epsilon
    if state.strength is not None:
        h *= state.strength(state.count * state.epsilon) ** 2 / 2
    x, finite = _moved(state, h, noise)
    if not finite:
        raise FloatingPointError(
            f"the Langevin process ran away at step {state.count + 1}: ε = {state.epsilon:g} is too large for the "
            "force of this theory; take a smaller step or the Metropolis-adjusted one"
        )
    if state.flip:
        x = random_signs(x, state.count, noise)
    return replace(state, x=x, count=state.count + 1, clock=state.clock + h), Info()


def _moved(state: LangevinState, h: float, noise: Noise) -> tuple[Tensor, bool]:
    """x + h 𝒦 K + √(2h 𝒦) η, and whether all of it is finite. φ⁴ on the CPU has a compiled step where 𝒦 = 1."""
    theory, x = state.theory, state.x
    if isinstance(theory, Phi4) and state.kernel is None and x.device.type == "cpu":
        return langevin_step(theory, x, h, noise, state.count)
    force, eta = theory.force(x), noise.normal(state.count, tuple(x.shape), x.dtype, x.device)
    if state.kernel is not None:
        force, eta = state.kernel.apply(force), state.kernel.sqrt(eta)
    y = x + h * force + math.sqrt(2 * h) * eta
    return y, bool(torch.isfinite(y).all())
