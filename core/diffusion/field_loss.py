"""The loss of a lattice denoiser, in nats, with a target from which the Gaussian noise has been cancelled.

Denoising score matching has the target φ_0. Where the action is known, so is K = -∂S/∂φ at φ_0, and target score
matching (arXiv:2402.08667, section 3) has the target x̃ + σ̃² K(φ_0). Both have E[φ_0 | x̃] as their mean, so what they
differ by, ``δ = σ̃ (η + σ̃ K)``, has the mean 0 at every x̃, and every target

    T = φ_0 + c(p) δ_p

will do. The noise of T is least for ``c = -⟨φ_0 δ*⟩/⟨|δ|²⟩``, mode by mode. As ⟨φ_p K_p*⟩ = -V and ⟨|K_p|²⟩ = V ⟨∂²S⟩_p
(by parts), that is ``c = 1/(1 + σ̃² ⟨∂²S⟩_p)``. For a Gaussian field all noise is gone with it, and T is its denoiser;
otherwise only that of the interaction is left.

The loss ``½ Σ_x (D - T)²/σ̃²`` per unit of log σ̃ counts in nats: what a denoiser has above the true one, integrated
over log σ̃ and doubled, is the relative entropy of the laws of paths (arXiv:2101.09258, theorem 1).
"""

from __future__ import annotations

from dataclasses import dataclass

from core.contracts import Tensor
from core.diffusion.field_baseline import Propagators
from core.diffusion.field_network import FieldNetwork, Level


@dataclass(frozen=True)
class Batch:
    """Fields ``x0`` (n, *event) float32 with levels ``sigma`` (n,), noise ``eta`` (n, *event), and propagators of n
    rows or one. ``force`` (n, *event) is K(x_0), or None where the action is not known."""

    x0: Tensor
    sigma: Tensor
    eta: Tensor
    propagators: Propagators
    force: Tensor | None = None


def denoising_loss(network: FieldNetwork | None, batch: Batch) -> Tensor:
    """½ Σ_x (D - T)²/σ̃² of each configuration, shape (n,); the Gaussian denoiser's without a network."""
    level, x = _level(batch)
    residual = _residual(level, batch)
    if network is not None:
        residual = residual - _columns(batch.sigma, x) * network(x, batch.sigma, batch.propagators)
    return 0.5 * residual.square().flatten(1).sum(1)


def _residual(level: Level, batch: Batch) -> Tensor:
    """(T - B)/σ̃, what the Gaussian denoiser leaves."""
    if batch.force is None:
        return (batch.x0 - level.back(level.gaussian_modes())) / _columns(batch.sigma, batch.x0)
    # (T - B)/σ̃ = (φ_0 - B)/σ̃ + c ⋆ (η + σ̃ K)
    p, sigma = batch.propagators, batch.sigma
    share = 1 / (1 + level.variance * p.curvature())
    noise = level.transform(batch.eta + _columns(sigma, batch.x0) * batch.force)
    rest = (level.transform(batch.x0) - level.gaussian_modes()) / level.variance.sqrt()
    return level.back(rest + share * noise)


def _level(batch: Batch) -> tuple[Level, Tensor]:
    x = batch.x0 + _columns(batch.sigma, batch.x0) * batch.eta
    return Level(x, batch.sigma, batch.propagators), x


def _columns(values: Tensor, like: Tensor) -> Tensor:
    return values.reshape(-1, *[1] * (like.ndim - 1))
