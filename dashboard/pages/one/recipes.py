"""The pictures of the page as scripts and command lines."""

from __future__ import annotations

from core.reproduce.chain import ChainRun
from core.reproduce.process import ProcessRun
from core.reproduce.recipe import Recipe
from core.theories.base import Target
from dashboard.pages.one.chain import SERIES_CHAINS, Chain
from dashboard.pages.one.order import Order
from dashboard.pages.one.state import OneState, numbers


def process_recipe(order: Order, state: OneState, frames: int, names: tuple[str, ...]) -> Recipe:
    """Of the picture that was made to this order; ``names`` are the settings that it depends on."""
    run = ProcessRun(
        order.target, order.schedule, order.model, order.solver, order.grid, order.steps, order.paths, order.prior,
        order.seed, frames, _weights(order.target, state), {name: getattr(state, name) for name in names},
    )  # fmt: skip
    return run.recipe()


def chain_recipe(chain: Chain, state: OneState, names: tuple[str, ...]) -> Recipe | None:
    """Of a chain as far as it has come; None before its first picture."""
    steps, kept = chain.reached
    if not steps:
        return None
    strength = "" if state.noise_strength == "constant" else str(state.noise_strength)
    run = ChainRun(
        chain.target, chain.start, chain.state.epsilon, strength,
        bool(state.metropolis), len(chain.state.x), int(state.seed), steps, kept, SERIES_CHAINS,  # type: ignore[arg-type]
        _weights(chain.target, state), {name: getattr(state, name) for name in names},
    )  # fmt: skip
    return run.recipe()


def _weights(target: Target, state: OneState) -> list[float] | None:
    """Those of a mixture as they were typed."""
    mixture = target.dim == 1 and target.name == "mixture"
    return numbers(str(state.weights), "weights") if mixture else None
