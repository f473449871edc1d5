"""Metropolis-adjusted Langevin algorithm: the Langevin step as a proposal, so that no step-size bias is left.

    y = x + ε 𝒦 K(x) + √(2ε 𝒦) η,    log A = S(x) - S(y) + log q(x|y) - log q(y|x),
    log q(y|x) = -(y - x - ε 𝒦 K(x)) 𝒦⁻¹ (y - x - ε 𝒦 K(x)) / (4ε)

(Besag, J. R. Stat. Soc. B 56 (1994) 591; Roberts and Tweedie, Bernoulli 2 (1996) 341), with 𝒦 = 1 or a kernel of
``core.samplers.fourier``. This is one leapfrog step of size √(2ε) from momenta p = 𝒦^(-½) η, and log A is -ΔH of it
(Neal, arXiv:1206.1901, section 5.2): written so, the large terms of log q cancel before they are computed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import torch

from core.contracts import Theory
from core.noise import Noise
from core.samplers import hmc
from core.samplers.contract import Info, require_positive
from core.samplers.fourier import FourierKernel

Tensor = torch.Tensor


@dataclass(frozen=True)
class MalaState:
    """Chains of the process; ``clock`` counts ε per step, accepted or not."""

    theory: Any
    x: Tensor
    epsilon: float
    kernel: FourierKernel | None = None
    flip: bool = False
    count: int = 0
    clock: float = 0.0


def init(
    theory: Theory, x: Tensor, epsilon: float, kernel: FourierKernel | None = None, flip: bool = False
) -> MalaState:
    """Chains that start at ``x`` (chains, *event) and propose steps of size ``epsilon`` > 0 (else ValueError).

    ``kernel`` is 𝒦, by default 1. ``flip`` follows each decision by φ → -φ with probability ½, for a theory with that
    symmetry.
    """
    require_positive("epsilon", epsilon)
    return MalaState(theory, x, float(epsilon), kernel, flip)


def step(state: MalaState, noise: Noise) -> tuple[MalaState, Info]:
    """One proposal, one decision and, where asked for, one random sign of every chain."""
    one_leapfrog = hmc.HmcState(
        state.theory, state.x, math.sqrt(2 * state.epsilon), 1, state.flip, kernel=state.kernel, count=state.count
    )
    after, info = hmc.step(one_leapfrog, noise)
    return replace(state, x=after.x, count=after.count, clock=state.clock + state.epsilon), info
