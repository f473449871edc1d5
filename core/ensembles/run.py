"""Carries out a plan: the configurations block by block, each block small enough to hold and to lose."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from core.ensembles.chains import advance, begin, segments
from core.ensembles.plan import Plan
from core.jobs import Token
from core.noise import Noise

Tensor = torch.Tensor

BLOCK_BYTES = 2**26
"""Most that the fields of a block take, where a single draw does not take more."""
GROUP_BYTES = 2**28
"""Most that the present configurations of the chains that run together take."""
BLOCK_SECONDS, SHARE = 0.5, 0.05
"""A block takes about half a second, or a twentieth of the time already spent on the run: at most so much is lost."""
LONGEST_BLOCK_SECONDS = 20.0


@dataclass(frozen=True)
class Block:
    """Draws ``first``, … of the chains ``first_chain``, ….

    ``fields`` (chains, draws, *event) float32. Of each configuration, (chains, draws) float64: ``magnetisation`` M,
    ``phi_squared`` V⁻¹ Σ φ², ``action`` S/V, and ``acceptance``, the accepted fraction of the proposals that led to it
    (nan for an algorithm that decides nothing).
    """

    first: int
    fields: np.ndarray
    magnetisation: np.ndarray
    phi_squared: np.ndarray
    action: np.ndarray
    acceptance: np.ndarray
    first_chain: int = 0


@dataclass(frozen=True)
class Warming:
    """Chains on their way into equilibrium: ``x`` (chains, *event) after ``done`` steps of the thermalisation."""

    done: int
    x: Tensor


def generate(plan: Plan, first_draw: int = 0, x: Tensor | None = None, token: Token | None = None) -> Iterator[Block]:
    """All draws of the plan from ``first_draw`` on, in blocks in order of the draws, groups of chains one by one.

    To go on with an interrupted run give ``first_draw`` > 0 together with ``x`` (chains, *event), the configurations
    of draw ``first_draw - 1`` of all chains: what follows is bit for bit what would have followed. Raises ValueError
    for one without the other, FloatingPointError where a Langevin chain runs away, and Cancelled once ``token`` is
    cancelled.
    """
    if (first_draw > 0) != (x is not None):
        raise ValueError(f"draws from {first_draw} on need the configurations before them, and only then")
    for first, chains in groups(plan, 0, plan.chains):
        here = x[first : first + chains] if x is not None else warmed(plan, first, chains, token=token)
        yield from draws(plan, here, first, first_draw, token)


def groups(plan: Plan, first: int, last: int) -> list[tuple[int, int]]:
    """Chains ``first`` … ``last - 1`` as (first chain, chains) of groups that fit into memory together."""
    size = max(1, GROUP_BYTES // (4 * plan.theory.volume))
    return [(k, min(size, last - k)) for k in range(first, last, size)]


def warmed(
    plan: Plan,
    first: int,
    chains: int,
    warming: Warming | None = None,
    report: Callable[[Warming, float], None] | None = None,
    token: Token | None = None,
) -> Tensor:
    """The chains ``first``, … after thermalisation, (chains, *event), from the start or from ``warming`` on.

    ``report`` is called every few steps with where they are and their acceptance since.
    """
    noise = plan.noise.starting_at(first)
    if warming is None:
        warming = Warming(0, begin(plan.theory, plan.start, chains, noise, plan.warm_up, token))
    for steps in segments(warming.done, plan.therm):
        x, rate = advance(
            plan.theory,
            plan.sampler,
            plan.parameters,
            warming.x,
            warming.done,
            steps,
            noise,
            fixed_length=plan.fixed_length,
            token=token,
        )
        warming = Warming(warming.done + steps, x)
        if report is not None:
            report(warming, float(rate.mean()))
    return warming.x


def draws(plan: Plan, x: Tensor, first_chain: int, first_draw: int, token: Token | None = None) -> Iterator[Block]:
    """The draws from ``first_draw`` on of the chains ``first_chain``, …, which are at ``x`` now."""
    noise = plan.noise.starting_at(first_chain)
    began, seconds_each = time.monotonic(), None
    while first_draw < plan.draws:
        at_most = max(1, BLOCK_BYTES // (x.numel() * 4))
        if seconds_each is not None:
            spent = time.monotonic() - began
            block_seconds = min(max(BLOCK_SECONDS, SHARE * spent), LONGEST_BLOCK_SECONDS)
            at_most = min(at_most, max(1, int(block_seconds / seconds_each)))
        number = min(plan.draws - first_draw, at_most if seconds_each is not None else 1)
        start = time.monotonic()
        x, block = _block(plan, x, first_chain, first_draw, number, noise, token)
        seconds_each = max((time.monotonic() - start) / number, 1e-9)
        yield block
        first_draw += number


def _block(
    plan: Plan, x: Tensor, first_chain: int, first_draw: int, number: int, noise: Noise, token: Token | None
) -> tuple[Tensor, Block]:
    theory = plan.theory
    fields = np.empty((len(x), number, *theory.event), dtype=np.float32)
    magnetisation, phi_squared, action = np.empty((3, len(x), number))

    def keep(k: int, first: int, now: Tensor) -> None:
        some = slice(first, first + len(now))
        flat = now.double().flatten(1)
        fields[some, k] = now.numpy()
        magnetisation[some, k] = flat.mean(1)
        phi_squared[some, k] = flat.square().mean(1)
        action[some, k] = theory.action(now) / theory.volume

    x, rates = advance(
        theory, plan.sampler, plan.parameters, x, plan.therm + first_draw * plan.thin, plan.thin, noise, number, keep,
        plan.fixed_length, token,
    )  # fmt: skip
    return x, Block(first_draw, fields, magnetisation, phi_squared, action, rates, first_chain)
