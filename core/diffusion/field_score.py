"""The score of a field model on one lattice, at one pair of couplings, under every schedule."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING

import torch

from core.contracts import Tensor
from core.diffusion.field_baseline import Baseline, Propagators
from core.diffusion.field_divergence import network_divergence
from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.field_magnetisation import MagnetisationTable
from core.diffusion.field_noise import noise_range
from core.diffusion.finite import require_finite
from core.diffusion.gaussian_law import GaussianLaw
from core.theories.phi4 import Phi4

if TYPE_CHECKING:
    from core.diffusion.field_model import FieldModel

SITES_AT_ONCE = 2**13
"""Sites that go through the network together on the CPU: they stay in the cache."""


class FieldScore:
    """Score model around a ``FieldModel`` and a baseline.

    With the denoiser ``D(x̃, σ̃) = B + σ̃² c(x̃, σ̃)`` at x̃ = x/f, σ̃ = √Ξ/f the score is ``(f D - x)/Ξ``, that of the
    baseline plus ``c/f``; ``table`` sets right what D says of the magnetisation. Above the trained levels c is 0; below
    them it is that of the lowest. The baseline is evaluated in the precision of x, the network in float32. Fields pass
    through in blocks of fixed size, so that the score of the first ones does not depend on how many there are.
    """

    def __init__(self, model: FieldModel, baseline: Baseline, table: MagnetisationTable | None = None) -> None:
        self.model, self.baseline, self.table = model, baseline, table
        self._propagators = Propagators.of([baseline])
        self._network = model.network
        self._places: dict[torch.device, tuple] = {}

    @property
    def gaussian(self) -> FieldGaussianScore:
        """The baseline, which is also the prior."""
        return self.baseline.gaussian

    @property
    def event(self) -> tuple[int, ...]:
        """Shape of one configuration."""
        return self.baseline.event

    @property
    def kappa(self) -> float | None:
        """Hopping parameter, None where unknown."""
        return self.baseline.kappa

    @property
    def lam(self) -> float | None:
        """Quartic coupling, None where unknown."""
        return self.baseline.lam

    @property
    def source(self) -> str:
        """Where the baseline comes from: ``fitted``, ``refitted``, ``interpolated`` or ``extrapolated``."""
        return self.baseline.source

    @cached_property
    def theory_object(self) -> Phi4 | None:
        """The theory, or None where the action is unknown."""
        if self.model.theory != "phi4" or self.kappa is None or self.lam is None:
            return None
        return Phi4(self.event, self.kappa, self.lam)

    def score(self, x: Tensor, f: float = 1.0, xi: float = 0.0) -> Tensor:
        """∇log P of ``f φ_0 + √Ξ η`` at x (n, *event), of its shape and precision.

        Raises ValueError for another shape, or unless f >= 0 and Ξ >= 0.
        """
        self._check(x, f, xi)
        result = self.gaussian.score(x, f, xi)
        if self._corrects(f, xi):
            level = math.sqrt(xi) / f
            result = result + self._correction(x / f, level).to(x.dtype) / f
            if self._in_table(level):
                assert self.table is not None
                change = self.table.change(x.flatten(1).mean(1) / f, level, self.gaussian) / (level**2 * f)
                result = result + change.to(x.dtype).reshape(-1, *[1] * len(self.event))
        return result

    @cached_property
    def highest(self) -> float:
        """Above this level the baseline is left alone: up to it a conditioned network was trained at its couplings."""
        trained = self.model.record.sigma_max
        return min(trained, noise_range(self.gaussian).high) if self.model.conditioned else trained

    def denoise(self, x: Tensor, sigma: float) -> Tensor:
        """D(x, σ̃) = E[φ_0 | φ_0 + σ̃ η = x], of the shape of x."""
        return x + sigma**2 * self.score(x, 1.0, sigma**2)

    def describe(self) -> str:
        """In Markdown: what this score is."""
        model = self.model
        where = {
            "fitted": "fitted to the training ensemble",
            "refitted": "fitted to a short run here",
            "interpolated": "interpolated between the couplings of the training",
            "extrapolated": f"extrapolated from {' × '.join(map(str, model.event))}, not fitted here",
        }[self.source]
        count = f"{sum(p.numel() for p in model.network.parameters()):,}".replace(",", " ")
        name = f"“{model.name}” " if model.name else ""
        return f"Learned: the network {name}({count} parameters) on top of a Gaussian baseline {where}."

    @property
    def cheap_divergence(self) -> bool:
        """Whether ``divergence`` costs about as much as a few scores: that of the preset ``flow`` does."""
        return self._network.config.blocks == 1 and not self._network.config.magnetised

    def divergence(self, x: Tensor, f: float, xi: float) -> Tensor:
        """∇·score of each configuration, (n,) float64, exact. Raises ValueError as ``score`` does.

        Of the network's part it costs a few evaluations where it is cheap, else a backward pass a site.
        """
        self._check(x, f, xi)
        total = GaussianLaw.of(self.gaussian).divergence(x.detach().double(), f, xi)
        if self._corrects(f, xi):
            level = math.sqrt(xi) / f
            part = self._block_trace(x / f, level) if self.cheap_divergence else self._trace(x / f, level)
            total = total + part.to(total) / f**2
            if self._in_table(level):
                assert self.table is not None
                seen = x.detach().flatten(1).double().mean(1) / f
                total = total + self.table.slope(seen, level, self.gaussian) / (level * f) ** 2
        return total

    def _block_trace(self, x: Tensor, sigma: float) -> Tensor:
        """Σ ∂c/∂x̃ of a network of one block, (n,) float64, in the blocks of ``_correction``."""
        network, propagators = self._on(x.device)
        sigma, size = max(sigma, self.model.record.sigma_min), self._size(x)
        parts = []
        with torch.inference_mode():
            for some in x.detach().float().split(size):
                levels = torch.full((len(some),), sigma, device=x.device)
                parts.append(network_divergence(network, some, levels, propagators).double())
        return torch.cat(parts)

    def _trace(self, x: Tensor, sigma: float) -> Tensor:
        """The same of any network, by automatic differentiation."""
        with torch.enable_grad():
            x = x.detach().requires_grad_(True)
            flat = self._correction(x, sigma).flatten(1)
            total = torch.zeros(len(x), dtype=torch.float64, device=x.device)
            for site in range(flat.shape[1]):
                (row,) = torch.autograd.grad(flat[:, site].sum(), x, retain_graph=True)
                total += row.flatten(1)[:, site].double()
        return total

    def _check(self, x: Tensor, f: float, xi: float) -> None:
        if tuple(x.shape[1:]) != self.event:
            raise ValueError(f"x must have the shape (n, {', '.join(map(str, self.event))}), got {tuple(x.shape)}")
        if not (f >= 0 and xi >= 0 and f + xi > 0):
            raise ValueError(f"f and xi must not be negative, nor both zero, got {f} and {xi}")

    def _corrects(self, f: float, xi: float) -> bool:
        """Whether the network was trained as high as this level."""
        return f > 0 and 0.5 * math.log(max(xi, 1e-300)) - math.log(f) <= math.log(self.highest)

    def _in_table(self, level: float) -> bool:
        return self.table is not None and level >= self.table.levels[0]

    def _size(self, x: Tensor) -> int:
        """Fields that go through the network at once."""
        return max(1, SITES_AT_ONCE // math.prod(self.event)) if x.device.type == "cpu" else len(x)

    def _correction(self, x: Tensor, sigma: float) -> Tensor:
        """c(x̃, σ̃), float32."""
        network, propagators = self._on(x.device)
        sigma = max(sigma, self.model.record.sigma_min)
        if x.requires_grad:
            return network(x.float(), torch.full((len(x),), sigma, device=x.device), propagators)
        size = self._size(x)
        out = torch.empty(x.shape, dtype=torch.float32, device=x.device)
        levels = torch.full((size,), sigma, device=x.device)
        with torch.inference_mode():
            for first in range(0, len(x), size):
                some = x[first : first + size].float()
                count = len(some)
                if count < size:  # products of matrices round differently for another number of rows
                    some = torch.cat([some, torch.zeros((size - count, *self.event), device=x.device)])
                out[first : first + count] = network(some, levels, propagators)[:count]
        return require_finite(out, x, sigma)

    def _on(self, device: torch.device) -> tuple:
        if device not in self._places:
            import copy

            network = self._network if device.type == "cpu" else copy.deepcopy(self._network).to(device)
            self._places[device] = (network, self._propagators.to(device))
        return self._places[device]
