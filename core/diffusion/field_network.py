"""The network of a lattice field's score: what the interaction adds to the Gaussian denoiser.

At level σ̃ a field x̃ = φ_0 + σ̃ η has the Gaussian denoiser B = W ⋆ x̃, ``W(p) = G(p)/(G(p) + σ̃²)`` (with the pull
towards ±m where there are two components). Integration by parts gives the exact correction,

    E[φ_0 | x̃] = W ⋆ x̃ + σ̃² W ⋆ E[K(φ_0) + G⁻¹ ⋆ φ_0 | x̃],        K = -∂S/∂φ,

a Dyson–Schwinger equation: the dressed propagator of the noisy theory, σ̃² W, acts on the mean force of the interaction.
The network stands for that force, ``D = B + σ̃² W ⋆ h(x̃, σ̃)``, and has the same form inside: layers that are local
in momentum space, where they are products with functions of the propagator, alternate with layers that are local in
space. So it is translation-equivariant, sees all scales down to the zero mode, and lives on every lattice; its filters
depend on p through G(p) and Σ_μ cos p_μ alone, so it has the lattice's symmetries; the layers in space are odd
functions, gated by even ones, so it is odd under φ → -φ. There is no normalisation over the lattice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.functional import silu
from torch.nn.utils import skip_init

from core.contracts import Tensor
from core.diffusion.field_baseline import Propagators
from core.noise import Noise

OCTAVES = (-1, 0, 1, 2)
"""Filters G/(G + 4ᵏ σ̃²) for these k: the field smoothed at the level's own scale, and above and below it."""
FILTERS = 3 + len(OCTAVES)
INPUTS = 2
"""The Gaussian denoiser's field, and the noise that it sees."""
CEILING = 16.0
"""Where the even features saturate."""
_FEATURES = 8


@dataclass(frozen=True)
class NetworkConfig:
    """Size of a network.

    Each of ``blocks`` blocks turns ``channels`` fields into ``hidden`` ones in momentum space and back in space, with
    ``gate`` even units; ``embedding`` units carry the noise level and the couplings, and if ``magnetised`` the square
    of the denoised field's magnetisation, which in a finite box is a variable of its own. With ``blocks`` = 1, and
    not magnetised, the divergence is cheap. Raises ValueError for sizes below 1.
    """

    channels: int = 8
    hidden: int = 32
    gate: int = 32
    blocks: int = 2
    embedding: int = 32
    conditioned: bool = False
    magnetised: bool = True

    def __post_init__(self) -> None:
        for name in ("channels", "hidden", "gate", "blocks", "embedding"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} of a network must be at least 1, got {getattr(self, name)}")


PRESETS = {
    "small": NetworkConfig(),
    "large": NetworkConfig(channels=24, hidden=96, gate=96, blocks=4, embedding=64),
    "flow": NetworkConfig(channels=8, hidden=48, gate=48, blocks=1, magnetised=False),
}


class FieldNetwork(nn.Module):
    """``forward(x, sigma, propagators)`` gives W ⋆ h(x̃, σ̃), zero before training.

    x (n, *event) float32, ``sigma`` (n,) > 0, ``propagators`` of n rows, or of one for all. The result has the shape
    of x, is odd in it, and commutes with translations and with the symmetries of the lattice.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = c = config
        # Left uninitialised, because torch would draw from its global generator.
        self.embed = nn.ModuleList(
            [
                skip_init(nn.Linear, _FEATURES + 3 * c.conditioned + c.magnetised, c.embedding),
                skip_init(nn.Linear, c.embedding, c.embedding),
            ]
        )
        self.blocks = nn.ModuleList(Block(INPUTS if i == 0 else c.channels, c) for i in range(c.blocks))
        channels = FILTERS * (c.channels + INPUTS)
        self.out = nn.Parameter(torch.empty(channels))
        self.out_level = skip_init(nn.Linear, c.embedding, channels, bias=False)

    def initialise(self, noise: Noise) -> None:
        """Draw the weights from ``noise``, uniform within √(3/number of inputs); the last layer is zero."""
        with torch.no_grad():
            for number, (name, weight) in enumerate(self.named_parameters()):
                if name.startswith("out") or weight.ndim == 1:
                    weight.zero_()
                else:
                    bound = math.sqrt(3 / weight.shape[-1])
                    weight.copy_(bound * (2 * noise.uniform(number, (weight.numel(),)).reshape(weight.shape) - 1))

    def forward(self, x: Tensor, sigma: Tensor, propagators: Propagators) -> Tensor:
        level = Level(x, sigma, propagators)
        embedding = self.embedding(level)
        inputs = modes = level.inputs()
        filters = level.filters()
        u = None
        for block in self.blocks:
            change = block(modes, filters, level, embedding)
            u = change if u is None else u + change
            modes = level.transform(u)
        force = (torch.cat([modes, inputs]) * self.combined(embedding, filters)).sum(0)
        return level.back(over(level.p.strength, force) * level.wiener * force)

    def embedding(self, level: Level) -> Tensor:
        """Noise level and couplings, (n, embedding)."""
        embedding = level.features(self.config.conditioned, self.config.magnetised)
        for layer in self.embed:
            embedding = silu(layer(embedding))
        return embedding

    def combined(self, embedding: Tensor, filters: Tensor) -> Tensor:
        """The filter of each field on its way out, (channels + INPUTS, n, *half)."""
        weights = (self.out + self.out_level(embedding)).T.unflatten(0, (-1, FILTERS))
        return torch.einsum("cfn,fn...->cn...", weights, filters)


class Block(nn.Module):
    """Filters in momentum space, then an odd function of the filtered fields on each site, gated by even features.

    Channels lead, so that every layer is one product of matrices for all fields and sites.
    """

    def __init__(self, inputs: int, config: NetworkConfig) -> None:
        super().__init__()
        self.mix = nn.Parameter(torch.empty(config.hidden, inputs * FILTERS))
        self.scale = skip_init(nn.Linear, config.embedding, config.hidden)
        self.gate = nn.Parameter(torch.empty(config.gate, config.hidden))
        self.gate_level = skip_init(nn.Linear, config.embedding, config.gate)
        self.open = nn.Parameter(torch.empty(config.hidden, config.gate))
        self.open_bias = nn.Parameter(torch.empty(config.hidden))
        self.join = nn.Parameter(torch.empty(config.channels, config.hidden))

    def forward(self, modes: Tensor, filters: Tensor, level: Level, embedding: Tensor) -> Tensor:
        """From modes (inputs, n, *half) to the change of the fields (channels, n, *event)."""
        a = self.filtered(modes, filters, level).flatten(2)
        n = a.shape[1:]
        a = a * (1 + self.scale(embedding)).T[..., None]
        opened = self.opened(self.gated(self.even(a), embedding))
        return (self.join @ (a * opened).flatten(1)).unflatten(1, n).unflatten(2, level.p.event)

    def filtered(self, modes: Tensor, filters: Tensor, level: Level) -> Tensor:
        """The fields (hidden, n, *event) that the filters make of modes (inputs, n, *half)."""
        real = torch.view_as_real(modes)
        every = (real[:, None] * filters[..., None]).flatten(0, 1)
        mixed = (self.mix @ every.flatten(1)).unflatten(1, real.shape[1:])
        return level.back(torch.view_as_complex(mixed))

    @staticmethod
    def even(a: Tensor) -> Tensor:
        """Even features of a."""
        square = a * a
        return square / (1 + square / CEILING)

    def gated(self, even: Tensor, embedding: Tensor) -> Tensor:
        """The gate's units before their nonlinearity, (gate, n, V)."""
        return (self.gate @ even.flatten(1)).unflatten(1, even.shape[1:]) + self.gate_level(embedding).T[..., None]

    def opened(self, gate: Tensor) -> Tensor:
        """How far each hidden field may pass, (hidden, n, V)."""
        flat = torch.addmm(self.open_bias[:, None], self.open, silu(gate).flatten(1))
        return flat.unflatten(1, gate.shape[1:])


class Level:
    """Fields x̃ at their noise levels, in momentum space, with the Gaussian denoiser and the filters that go with it.

    The modes of several fields are (channels, n, *half).
    """

    def __init__(self, x: Tensor, sigma: Tensor, propagators: Propagators) -> None:
        self.p, self.sigma = propagators, sigma
        self.axes = tuple(range(-len(propagators.event), 0))
        self.modes = self.transform(x)
        variance = over(sigma**2, self.modes)
        self.wiener = propagators.connected / (propagators.connected + variance)
        self.variance = variance

    def transform(self, x: Tensor) -> Tensor:
        """The momenta of fields (…, *event)."""
        return torch.fft.rfftn(x, dim=self.axes)

    def back(self, modes: Tensor) -> Tensor:
        """The fields of these momenta."""
        return torch.fft.irfftn(modes, s=self.p.event, dim=self.axes)

    def gaussian_modes(self) -> Tensor:
        """The momenta of B, the Gaussian denoiser's field, pull towards ±m included."""
        zero = (slice(None), *[0] * len(self.axes))
        v0 = self.p.connected[zero] + self.sigma**2
        m, volume = self.p.m, math.prod(self.p.event)
        pull = self.sigma**2 / v0 * m * torch.tanh(m * self.modes[zero].real / v0)
        first = torch.zeros_like(self.p.weight)
        first[(0, *[0] * len(self.axes))] = volume
        return self.wiener * self.modes + over(pull, self.modes) * first

    def inputs(self) -> Tensor:
        """What the network sees, each of order one: B, and x̃ - B."""
        b = self.gaussian_modes()
        return torch.stack([b / over(self.p.spread, b), (self.modes - b) / over(self.noise_spread(), b)])

    def noise_spread(self) -> Tensor:
        """Root mean square of x̃ - B on a site, for Gaussian fields, (n,)."""
        return self.p.mean(self.variance**2 / (self.p.connected + self.variance)).sqrt()

    def filters(self) -> Tensor:
        """The filters (FILTERS, n, *half), functions of the momentum alone."""
        g = self.p.connected
        inverse = 1 / (g * over(self.p.strength, g) ** 2)
        filters = [torch.ones_like(self.wiener), self.p.neighbour, inverse]
        filters += [g / (g + 4.0**k * self.variance) for k in OCTAVES]
        return torch.stack([f.expand_as(self.wiener) for f in filters])

    def features(self, conditioned: bool, magnetised: bool) -> Tensor:
        """The noise level in numbers of order one, (n, 8), with three columns of couplings if ``conditioned``, and
        one of the squared magnetisation if ``magnetised``."""
        p, n = self.p, len(self.sigma)
        level = torch.log(self.sigma / p.spread)
        left = p.mean(self.variance * self.wiener).sqrt() / p.spread
        zero = self.wiener[(slice(None), *[0] * len(self.axes))]
        columns = [level / 3, *(t(k * level) for k in (0.5, 1.0, 2.0) for t in (torch.sin, torch.cos))][:7]
        columns += [left + zero]
        if conditioned:
            kappa, lam = p.couplings.expand(n, 2).unbind(1)
            columns += [10 * (kappa - 0.3), 50 * (lam - 0.022), (p.m / p.spread).expand(n)]
        if magnetised:
            total = self.gaussian_modes()[(slice(None), *[0] * len(self.axes))].real
            columns += [(total / (math.prod(p.event) * p.spread)) ** 2]
        return torch.stack([c.expand(n) for c in columns], dim=1)


def over(values: Tensor, like: Tensor) -> Tensor:
    """(n,) with trailing axes of extent 1, to be broadcast against ``like`` (n, …)."""
    return values.reshape(*values.shape, *[1] * (like.ndim - values.ndim))
