"""Metropolis-adjusted Langevin algorithm: the Langevin step as a proposal, so that no step-size bias is left.

    y = x + ε K(x) + √(2ε) η,    log A = S(x) - S(y) + log q(x|y) - log q(y|x),
    log q(y|x) = -|y - x - ε K(x)|² / (4ε)

(Besag, J. R. Stat. Soc. B 56 (1994) 591; Roberts and Tweedie, Bernoulli 2 (1996) 341.) Logarithms are added in
float64 and never exponentiated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import torch

from core.contracts import Theory
from core.noise import Noise
from core.samplers.contract import Info, choose, decide
from core.samplers.langevin import require_step_size

Tensor = torch.Tensor


@dataclass(frozen=True)
class MalaState:
    """Chains with their action (float64) and force; ``clock`` counts ε per step, accepted or not."""

    theory: Any
    x: Tensor
    action: Tensor
    force: Tensor
    epsilon: float
    count: int = 0

    @property
    def clock(self) -> float:
        return self.count * self.epsilon


def init(theory: Theory, x: Tensor, epsilon: float) -> MalaState:
    """Chains that start at ``x`` (chains, *event) and propose steps of size ``epsilon`` > 0 (else ValueError)."""
    require_step_size(epsilon)
    return MalaState(theory, x, theory.action(x).double(), theory.force(x), float(epsilon))


def step(state: MalaState, noise: Noise) -> tuple[MalaState, Info]:
    """One proposal and one decision of every chain."""
    x, eps = state.x, state.epsilon
    eta = noise.normal(state.count, tuple(x.shape), x.dtype, x.device)
    y = x + eps * state.force + math.sqrt(2 * eps) * eta
    action, force = state.theory.action(y).double(), state.theory.force(y)
    log_back = -_squared(x - y - eps * force) / (4 * eps)
    log_there = -_squared(y - x - eps * state.force) / (4 * eps)
    log_ratio = state.action - action + log_back - log_there
    accepted = decide(log_ratio, state.count, noise)
    new = replace(
        state,
        x=choose(accepted, y, x),
        action=choose(accepted, action, state.action),
        force=choose(accepted, force, state.force),
        count=state.count + 1,
    )
    return new, Info(accepted, log_ratio)


def _squared(v: Tensor) -> Tensor:
    return v.double().square().flatten(1).sum(1)
