"""Symplectic integrators of Hamilton's equations, and the molecular dynamics of any theory in torch.

A scheme is a list of moves: kicks of the momenta by the force and drifts of the fields by the momenta, in turn, the
same read from either end. It is therefore reversible and preserves the volume of phase space whatever the lengths of
its moves, which is what the Metropolis decision of HMC relies on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from core.contracts import Theory

if TYPE_CHECKING:
    from core.samplers.fourier import FourierKernel

Tensor = torch.Tensor

OMELYAN = 0.1931833275037836
"""Length of the outer kicks of ``omelyan``, in steps: where the leading error has the least norm."""


class Moves(NamedTuple):
    """Lengths of the kicks, one more than there are drifts, and of the drifts: float64 arrays."""

    kicks: np.ndarray
    drifts: np.ndarray


def leapfrog(step_size: float, steps: int) -> Moves:
    """Half a kick, ``steps`` drifts with whole kicks between, half a kick: of second order, one force a step."""
    kicks = np.full(steps + 1, step_size)
    kicks[0] = kicks[-1] = step_size / 2
    return Moves(kicks, np.full(steps, step_size))


def omelyan(step_size: float, steps: int) -> Moves:
    """Second order of minimum norm (Omelyan, Mryglod and Folk; Takaishi and de Forcrand, hep-lat/0505020, section 2).

    A step is a kick λε, a drift ε/2, a kick (1 - 2λ)ε, a drift ε/2 and a kick λε, with λ = 0.19318…: two forces a
    step and, for the same number of forces, a smaller energy error than leapfrog's.
    """
    kicks = np.tile([2 * OMELYAN * step_size, (1 - 2 * OMELYAN) * step_size], steps + 1)[:-1]
    kicks[0] = kicks[-1] = OMELYAN * step_size
    return Moves(kicks, np.full(2 * steps, step_size / 2))


Mover = Callable[..., tuple[Tensor, Tensor]]
"""``mover(theory, x, p, moves, kernel)`` is the end point of the moves from (x, p)."""

INTEGRATORS: dict[str, Callable[[float, int], Moves]] = {"leapfrog": leapfrog, "omelyan": omelyan}


def make_moves(integrator: str, step_size: float, steps: int) -> Moves:
    """The moves of ``steps`` steps of the named integrator. ValueError for a name that is none."""
    if integrator not in INTEGRATORS:
        raise ValueError(f"integrator must be one of {', '.join(INTEGRATORS)}, got {integrator!r}")
    return INTEGRATORS[integrator](step_size, steps)


def integrate(
    theory: Theory, x: Tensor, p: Tensor, moves: Moves, kernel: FourierKernel | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Molecular dynamics of ``H = ½ p 𝒦 p + S(x)`` from (x, p), all (chains, *event): the end point and ΔH (chains,).

    Without a kernel 𝒦 = 1. ΔH is float64. A theory's own compiled ``integrate`` serves the CPU where 𝒦 = 1.
    """
    if x.device.type == "cpu" and kernel is None and hasattr(theory, "integrate"):
        return theory.integrate(x, p, *moves)  # type: ignore[attr-defined]
    return integrate_in_torch(theory, x, p, moves, kernel)


def integrate_in_torch(
    theory: Theory, x: Tensor, p: Tensor, moves: Moves, kernel: FourierKernel | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """The same with the theory's ``force`` and torch operations, on any device; on CUDA replayed from a graph."""
    before = energy(theory, x, p, kernel)
    x, p = mover(x.device)(theory, x, p, moves, kernel)
    return x, p, energy(theory, x, p, kernel) - before


def mover(device: torch.device) -> Mover:
    """What moves fields in torch on this kind of device: a replayed graph on CUDA, else one operation at a time."""
    if device.type == "cuda":
        from core.samplers.cuda_graph import replay

        return replay
    return one_by_one


def one_by_one(
    theory: Theory, x: Tensor, p: Tensor, moves: Moves, kernel: FourierKernel | None = None
) -> tuple[Tensor, Tensor]:
    """All moves from (x, p): the end point."""
    for kick, drift in pairs(moves):
        x, p = move(theory, x, p, kick, drift, kernel)
    return x, p


def pairs(moves: Moves) -> list[tuple[float, float]]:
    """(kick, the drift after it), in turn; the last drift is 0."""
    return list(zip(moves.kicks.tolist(), [*moves.drifts.tolist(), 0.0], strict=True))


def move(
    theory: Theory, x: Tensor, p: Tensor, kick: float | Tensor, drift: float | Tensor, kernel: FourierKernel | None
) -> tuple[Tensor, Tensor]:
    """p + kick · K(x), then x + drift · 𝒦p. The lengths may be tensors without axes."""
    p = p + kick * theory.force(x)
    return x + drift * (p if kernel is None else kernel.apply(p)), p


def energy(theory: Theory, x: Tensor, p: Tensor, kernel: FourierKernel | None = None) -> Tensor:
    """H = ½ p 𝒦 p + S(x) of each chain, float64."""
    velocity = p if kernel is None else kernel.apply(p)
    return theory.action(x).double() + (p.double() * velocity.double()).flatten(1).sum(1) / 2
