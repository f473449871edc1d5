"""What every sampler has in common: a state with the chains in it, and what one step tells about itself."""

from __future__ import annotations

import math
from typing import Any, NamedTuple, Protocol

import torch

from core.noise import Noise

Tensor = torch.Tensor


class State(Protocol):
    """A frozen dataclass. Its tensors have the chains on their leading axis; everything else is shared by them."""

    @property
    def x(self) -> Tensor:
        """The configurations now, shape (chains, *event)."""
        ...

    @property
    def count(self) -> int:
        """Steps done so far; also the address of the next step's noise."""
        ...

    @property
    def clock(self) -> float:
        """Time of the process: Parisi–Wu time for Langevin and MALA, molecular-dynamics time for HMC."""
        ...


class Info(NamedTuple):
    """``accepted`` (chains,) booleans and ``log_ratio`` (chains,) = log A before its cut at 0, float64.

    ``rate`` (chains,) float64, the fraction of accepted proposals, is what a step with many local decisions has
    instead. All are None for a step without a Metropolis decision.
    """

    accepted: Tensor | None = None
    log_ratio: Tensor | None = None
    rate: Tensor | None = None

    def total_accepted(self) -> float:
        """Acceptance summed over the chains; nan for a step without a Metropolis decision."""
        each = self.accepted if self.rate is None else self.rate
        return float("nan") if each is None else float(each.sum())

    def mean_probability(self) -> float:
        """Mean over the chains of the probability of acceptance, min(1, A), where it is known, else of the acceptance.

        A ratio of nan counts as 0. nan for a step without a Metropolis decision.
        """
        if self.log_ratio is not None:
            return float(torch.exp(self.log_ratio.clamp(max=0)).nan_to_num(0.0).mean())
        each = self.accepted if self.rate is None else self.rate
        return float("nan") if each is None else float(each.double().mean())


class Step(Protocol):
    """``step(state, noise) -> (state, info)``: pure; chain i takes the deviates of path i at address ``count``."""

    def __call__(self, state: Any, noise: Noise) -> tuple[Any, Info]: ...


def decide(log_ratio: Tensor, count: int, noise: Noise) -> Tensor:
    """Metropolis decision of each chain: accept where log u < log A. A ratio of nan is refused."""
    u = noise.uniform(count, (len(log_ratio), 1), device=log_ratio.device)[:, 0]
    return torch.log(u) < log_ratio


def random_signs(x: Tensor, count: int, noise: Noise) -> Tensor:
    """φ → -φ of each chain with probability ½, from the stream ``noise.of("flip")``."""
    u = noise.of("flip").uniform(count, (len(x), 1), device=x.device)[:, 0]
    return choose(u < 0.5, -x, x)


def choose(accepted: Tensor, new: Tensor, old: Tensor) -> Tensor:
    """``new`` where accepted, else ``old``, chain by chain."""
    return torch.where(accepted.reshape(-1, *[1] * (new.ndim - 1)), new, old)


def require_positive(name: str, value: float) -> None:
    """Raises ValueError, with the parameter's name, for a number that is not positive and finite."""
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name} must be a positive finite number, got {value}")
