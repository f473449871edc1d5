"""Chains of one algorithm, moved by many steps at a time and kept as plain configurations.

A state is made anew from the configurations every few steps, at counts that are the same in every run. So a run that
goes on from configurations on disk takes the very steps that it would have taken without a stop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from core.devices import cores
from core.jobs import Token, map_chunks
from core.noise import Noise
from core.samplers.algorithms import ALGORITHMS
from core.samplers.contract import Info
from core.samplers.driver import CHUNK
from core.samplers.starts import STARTS
from core.samplers.warm_up import warmed
from core.theories.phi4 import Phi4

Tensor = torch.Tensor

SEGMENT = 16
"""Steps between two stops of a thermalisation, at each of which it can be interrupted and taken up again."""

SMALLEST_CHUNK = 2**14
"""Sites of a work item below which the steps of a chain cost less than what surrounds them."""

Draw = Callable[[int, int, Tensor], None]
"""``keep(k, first, x)`` takes configuration k of the chains ``first``, ``first + 1``, …"""


def begin(theory: Phi4, start: str, chains: int, noise: Noise, warm_up: bool, token: Token | None = None) -> Tensor:
    """Configurations (chains, *event) that the algorithm sets out from, float32.

    With ``warm_up`` the start is followed by 30 HMC trajectories that are always accepted: as long as a field moves
    as a body, its energy error is that of all its sites together and a chain might be refused for ever.
    """
    x = STARTS[start](theory, chains, noise, torch.float32)
    return warmed(theory, x, noise.of("warm-up"), token) if warm_up else x


def advance(
    theory: Phi4,
    sampler: str,
    parameters: Mapping[str, Any],
    x: Tensor,
    count: int,
    steps: int,
    noise: Noise,
    draws: int = 1,
    keep: Draw | None = None,
    fixed_length: bool = False,
    token: Token | None = None,
) -> tuple[Tensor, np.ndarray]:
    """``draws`` times ``steps`` steps from ``x`` (chains, *event), the first at address ``count``.

    ``keep`` is called after each ``steps`` steps of each chunk of chains, from several threads. ``fixed_length`` gives
    every HMC trajectory the same length. Returns the configurations and the acceptance (chains, draws), nan for an
    algorithm that decides nothing. Raises what the steps raise, and Cancelled once ``token`` is cancelled.
    """
    algorithm = ALGORITHMS[sampler]
    out, rates = torch.empty_like(x), np.empty((len(x), draws))
    changes: dict[str, Any] = {"fixed_length": True} if fixed_length else {}

    def work(first: int, number: int) -> None:
        here, own = x[first : first + number], noise.starting_at(first)
        for k in range(draws):
            state = replace(algorithm.start(theory, here, **parameters), count=count + k * steps, **changes)
            accepted = torch.zeros(number, dtype=torch.float64)
            for _ in range(steps):
                if token is not None:
                    token.check()
                state, info = algorithm.step(state, own)
                accepted += acceptance(info, number)
            here = state.x
            rates[first : first + number, k] = (accepted / max(steps, 1)).numpy()
            if keep is not None:
                keep(k, first, here)
        out[first : first + number] = here

    map_chunks(work, len(x), _chunk(theory, len(x)), token)
    return out, rates


def acceptance(info: Info, chains: int) -> Tensor:
    """Accepted fraction of each chain's proposals in a step, (chains,) float64; nan where nothing was decided."""
    value = info.accepted if info.rate is None else info.rate
    return torch.full((chains,), torch.nan, dtype=torch.float64) if value is None else value.double()


def segments(count: int, last: int) -> Iterator[int]:
    """Lengths of the pieces from ``count`` to ``last`` that end at multiples of ``SEGMENT``."""
    while count < last:
        steps = min(SEGMENT - count % SEGMENT, last - count)
        yield steps
        count += steps


def _chunk(theory: Phi4, chains: int) -> int:
    """Chains in a work item: enough to be worth it, few enough for every core to have some."""
    smallest, largest = (max(1, sites // theory.volume) for sites in (SMALLEST_CHUNK, CHUNK))
    return min(max(-(-chains // cores()), smallest), largest)
