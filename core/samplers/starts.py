"""Where chains begin: ordered with both signs, hot, or cold.

An ordered start leaves no domain wall behind; a hot one deep in the broken phase keeps walls for a very long time, and
a cold one stays at its sign unless something flips it.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from core.noise import Noise
from core.theories.phi4 import Phi4

Tensor = torch.Tensor
Start = Callable[[Phi4, int, Noise, torch.dtype], Tensor]

SHAKE = 0.3
"""Standard deviation of the noise on an ordered start, in each site."""


def mixed_start(theory: Phi4, chains: int, noise: Noise, dtype: torch.dtype = torch.float32) -> Tensor:
    """Even chains at plus, odd chains at minus the classical minimum, each site shaken by N(0, 0.3²).

    Shape (chains, *event). Chain i is the same whatever the number of chains.
    """
    sign = 1.0 - 2.0 * ((torch.arange(chains) + noise.first) % 2)
    return _shaken(theory, theory.classical_minimum * sign, noise, dtype)


def cold_start(theory: Phi4, chains: int, noise: Noise, dtype: torch.dtype = torch.float32) -> Tensor:
    """Every chain at plus the classical minimum, each site shaken by N(0, 0.3²). Shape (chains, *event)."""
    return _shaken(theory, torch.full((chains,), theory.classical_minimum), noise, dtype)


def hot_start(theory: Phi4, chains: int, noise: Noise, dtype: torch.dtype = torch.float32) -> Tensor:
    """Independent N(0, 1) sites, shape (chains, *event)."""
    return _normal(theory, chains, noise, dtype)


STARTS: dict[str, Start] = {"mixed": mixed_start, "hot": hot_start, "cold": cold_start}


def _shaken(theory: Phi4, centre: Tensor, noise: Noise, dtype: torch.dtype) -> Tensor:
    shaken = SHAKE * _normal(theory, len(centre), noise, dtype)
    return shaken + centre.to(dtype).reshape(-1, *[1] * theory.d)


def _normal(theory: Phi4, chains: int, noise: Noise, dtype: torch.dtype) -> Tensor:
    if chains < 1:
        raise ValueError(f"chains must be at least 1, got {chains}")
    return noise.of("start").normal(0, (chains, *theory.event), dtype)
