"""Local Metropolis algorithm for φ⁴: one site after the other, in checkerboard order, with optional overrelaxation.

A site's part of the action is ``S_x(φ) = (1 - 2λ) φ² + λ φ⁴ - 2κ Σ φ`` with Σ the sum over its 2d neighbours. A sweep
proposes ``φ → φ + Δ``, Δ uniform in (-step_size, step_size), at every site, and accepts it with probability
min(1, e^{-ΔS}) (Metropolis et al., J. Chem. Phys. 21 (1953) 1087).

Overrelaxation reflects the site about a centre that its neighbours fix, ``φ → 2c(Σ) - φ``, and accepts by the same
rule: an involution of unit Jacobian, so detailed balance holds for any c (Creutz, Phys. Rev. D 36 (1987) 515; Brown
and Woch, Phys. Rev. Lett. 58 (1987) 2394). Here c is the minimum of S_x on the side of Σ, found by Newton's method;
only the odd part of S_x about its minimum is then left to the decision. For the free field c = κΣ and every reflection
is accepted. (The Gaussian part's own centre κΣ/(1 - 2λ) lies far outside the minimum in the broken phase, where hardly
a reflection about it would be accepted.) Near criticality, κ = 0.27, λ = 0.022, L = 32, step_size 1.5, sweeps alone
have τ_int(|M|) = 414(70), with one sweep of reflections after each 32(3), with three 11(1) steps.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from core.noise import Noise
from core.samplers.contract import Info, random_signs, require_positive
from core.theories.phi4 import Phi4
from core.theories.phi4_metropolis_kernel import checkerboard, reflection_centre, sweeps

Tensor = torch.Tensor


@dataclass(frozen=True)
class MetropolisState:
    """Chains after a whole number of steps; ``clock`` counts Metropolis sweeps, one to a step."""

    theory: Phi4
    x: Tensor
    step_size: float
    overrelaxation: int = 0
    flip: bool = False
    count: int = 0
    clock: float = 0.0


def init(theory: Phi4, x: Tensor, step_size: float, overrelaxation: int = 0, flip: bool = False) -> MetropolisState:
    """Chains that start at ``x`` (chains, *event), with proposals of half-width ``step_size``.

    A step is one Metropolis sweep followed by ``overrelaxation`` sweeps of reflections, and with ``flip`` by φ → -φ
    with probability ½. Raises ValueError for a step size that is not positive, a negative or fractional
    ``overrelaxation``, an odd extent, and a theory or field that the compiled sweeps cannot take.
    """
    require_sweepable(theory, x, "checkerboard Metropolis updates")
    require_positive("step_size", step_size)
    require_reflections(overrelaxation)
    return MetropolisState(theory, x, float(step_size), int(overrelaxation), flip)


def step(state: MetropolisState, noise: Noise) -> tuple[MetropolisState, Info]:
    """One sweep of every chain; ``Info.rate`` is the fraction of its sites whose Metropolis proposal was accepted."""
    x, rate = sweep(state.theory, state.x, state.step_size, noise, state.count, 1, state.overrelaxation)
    if state.flip:
        x = random_signs(x, state.count, noise)
    return replace(state, x=x, count=state.count + 1, clock=state.clock + 1), Info(rate=rate)


def sweep(
    theory: Phi4, x: Tensor, step_size: float, noise: Noise, count: int, repeats: int = 1, overrelaxation: int = 0
) -> tuple[Tensor, Tensor]:
    """``repeats`` sweeps, each with its overrelaxation, from ``x``: the new fields and the acceptance (chains,).

    ``count`` is the address of the noise, which is taken from the stream ``noise.of("sweep")``.
    """
    x = x.clone(memory_format=torch.contiguous_format)
    rate = np.empty(len(x))
    sweeps(
        x.numpy().reshape(len(x), -1), *checkerboard(theory.event), float(theory.kappa), float(theory.lam),
        reflection_centre(theory.kappa, theory.lam, max(1.0, theory.classical_minimum)),
        float(step_size), repeats, overrelaxation, *noise.of("sweep").address(count), rate,
    )  # fmt: skip
    return x, torch.from_numpy(rate)


def require_sweepable(theory: object, x: Tensor, what: str) -> None:
    """ValueError unless ``theory`` is φ⁴ on even extents and ``x`` its float32 or float64 fields on the CPU."""
    if not isinstance(theory, Phi4):
        raise ValueError(f"theory must be φ⁴ for {what}, got {type(theory).__name__}")
    odd = [n for n in theory.event if n % 2]
    if odd:
        raise ValueError(f"every extent must be even for {what}, which colour the lattice in two, got {theory.event}")
    require_fields(theory, x)


def require_fields(theory: Phi4, x: Tensor) -> None:
    """ValueError unless ``x`` holds fields of ``theory``, float32 or float64, on the CPU."""
    if tuple(x.shape[1:]) != theory.event:
        raise ValueError(f"x must have the shape (chains, {', '.join(map(str, theory.event))}), got {tuple(x.shape)}")
    if x.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"x must be float32 or float64, got {x.dtype}")
    if x.device.type != "cpu":
        raise ValueError(f"x must be on the CPU for local updates, got {x.device}")


def require_reflections(overrelaxation: int) -> None:
    """ValueError unless ``overrelaxation`` is a whole number of at least 0."""
    if isinstance(overrelaxation, bool) or not isinstance(overrelaxation, int | np.integer) or overrelaxation < 0:
        raise ValueError(f"overrelaxation must be a whole number of sweeps of at least 0, got {overrelaxation!r}")
