"""Metropolis-adjusted Langevin algorithm: the Langevin step as a proposal, so that no step-size bias is left.

    y = x + ε K(x) + √(2ε) η,    log A = S(x) - S(y) + log q(x|y) - log q(y|x),
    log q(y|x) = -|y - x - ε K(x)|² / (4ε)

(Besag, J. R. Stat. Soc. B 56 (1994) 591; Roberts and Tweedie, Bernoulli 2 (1996) 341.) Logarithms are added in
float64 and never exponentiated.

With a kernel 𝒦 (see ``core.samplers.fourier``) the proposal is ``y = x + ε 𝒦 K(x) + √(2ε 𝒦) η`` and the exponent
``-(y - x - ε 𝒦 K)ᵀ 𝒦⁻¹ (y - x - ε 𝒦 K)/(4ε)``: still exact.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch

from core.contracts import Theory
from core.noise import Noise
from core.samplers.contract import Info, choose, decide
from core.samplers.fourier import FourierKernel
from core.samplers.langevin import move, require_step_size, signs

Tensor = torch.Tensor


@dataclass(frozen=True)
class MalaState:
    """Chains with their action (float64) and force; ``clock`` counts ε per step, accepted or not."""

    theory: Any
    x: Tensor
    action: Tensor
    force: Tensor
    epsilon: float
    kernel: FourierKernel | None = None
    flip: bool = False
    count: int = 0

    @property
    def clock(self) -> float:
        return self.count * self.epsilon


def init(
    theory: Theory, x: Tensor, epsilon: float, kernel: FourierKernel | None = None, flip: bool = False
) -> MalaState:
    """Chains that start at ``x`` (chains, *event) and propose steps of size ``epsilon`` > 0 (else ValueError).

    ``kernel`` accelerates the long modes; ``flip`` follows each decision by φ → -φ with probability ½, for a theory
    with that symmetry.
    """
    require_step_size(epsilon)
    return MalaState(theory, x, theory.action(x).double(), theory.force(x), float(epsilon), kernel, flip)


def step(state: MalaState, noise: Noise) -> tuple[MalaState, Info]:
    """One proposal and one decision of every chain."""
    x, eps = state.x, state.epsilon
    eta = noise.normal(state.count, tuple(x.shape), x.dtype, x.device)
    y = move(x, eps, state.force, eta, state.kernel)
    action, force = state.theory.action(y).double(), state.theory.force(y)
    log_ratio = state.action - action + _log_q(state, y, force, x) - _log_q(state, x, state.force, y)
    accepted = decide(log_ratio, state.count, noise)
    x, force = choose(accepted, y, x), choose(accepted, force, state.force)
    if state.flip:
        flipped = signs(state.count, len(x), noise, x.device)
        x, force = choose(flipped, -x, x), choose(flipped, -force, force)
    action = choose(accepted, action, state.action)
    return replace(state, x=x, action=action, force=force, count=state.count + 1), Info(accepted, log_ratio)


def _log_q(state: MalaState, x: Tensor, force: Tensor, y: Tensor) -> Tensor:
    """log q(y|x) up to a constant, shape (chains,), float64."""
    gap = y.double() - move(
        x.double(), state.epsilon, force.double(), torch.zeros_like(x, dtype=torch.float64), state.kernel
    )
    if state.kernel is not None:
        gap = state.kernel.inverse_sqrt(gap)
    return -gap.square().flatten(1).sum(1) / (4 * state.epsilon)
