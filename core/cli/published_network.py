"""The published score network and its training, rebuilt from its description as a peer for ours.

Network and recipe of arXiv:2309.17082 (its U-Net, used again in 2311.03578 and 2410.21212): eight 3×3 convolutions of
stride 1 with zero padding, 1-32-64-128-256 channels and back with skips, GroupNorm, Swish, random Fourier features of
the time, 1.1 M parameters, the output divided by √Ξ(t). Fields are mapped to [-1, 1] by the smallest and largest value
of the training set, ``y = (φ - c)/s``; the process is VE with σ = 25, times uniform in [10⁻⁵, 1], the loss
``E |√Ξ s_θ(y_t, t) + η|²`` summed over sites; Adam at 10⁻³, batches of 64, 250 epochs of 8192 configurations, no
average of weights.

With the denoiser ``D = y + Ξ s_θ`` that loss is ``E |D - y_0|²/Ξ``, which no change of units alters: in units of the
field ``D_φ = c + s D``, at the level ``σ̃ = s √Ξ``.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn.functional import silu
from torch.nn.utils import skip_init

from core.contracts import Tensor
from core.noise import Noise
from core.schedule import VE

CHANNELS = (32, 64, 128, 256)
FEATURES = 256
FREQUENCY = 30.0
"""Standard deviation of the random frequencies, in turns per unit of t."""
BATCH = 64
RATE = 1e-3
SIGMA, FIRST_TIME = 25.0, 1e-5
AVERAGING = 8.0


class PublishedNetwork(nn.Module):
    """``forward(y, t)``: √Ξ(t) times the score, (n, L, L) from normalised fields (n, L, L) and times (n,)."""

    def __init__(self) -> None:
        super().__init__()
        widths = (1, *CHANNELS)
        # A skip doubles the channels that go into every convolution on the way back but the first.
        back = [(CHANNELS[3], CHANNELS[2]), (2 * CHANNELS[2], CHANNELS[1]), (2 * CHANNELS[1], CHANNELS[0])]
        self.frequencies = nn.Buffer(torch.empty(FEATURES // 2))
        # Left uninitialised, because torch would draw from its global generator.
        self.embedding = skip_init(nn.Linear, FEATURES, FEATURES)
        self.down = nn.ModuleList(
            skip_init(nn.Conv2d, a, b, 3, padding=1, bias=False) for a, b in zip(widths, CHANNELS, strict=False)
        )
        self.up = nn.ModuleList(skip_init(nn.ConvTranspose2d, a, b, 3, padding=1, bias=False) for a, b in back)
        self.out = skip_init(nn.ConvTranspose2d, 2 * CHANNELS[0], 1, 3, padding=1)
        widths = (*CHANNELS, *(b for _, b in back))
        self.times = nn.ModuleList(skip_init(nn.Linear, FEATURES, width) for width in widths)
        self.norms = nn.ModuleList(nn.GroupNorm(4 if i == 0 else 32, width) for i, width in enumerate(widths))

    def initialise(self, noise: Noise) -> None:
        """Draw the weights as torch does by default: uniform within 1/√(inputs); frequencies from N(0, 30²)."""
        with torch.no_grad():
            self.frequencies.copy_(FREQUENCY * noise.of("frequencies").normal(0, (len(self.frequencies),)))
            number = 0
            for layer in self.modules():
                if not isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
                    continue
                bound = layer.weight[0].numel() ** -0.5  # for a transposed convolution too, as torch counts its inputs
                for parameter in layer.parameters():
                    u = noise.uniform(number, (parameter.numel(),)).reshape(parameter.shape)
                    parameter.copy_(bound * (2 * u - 1))
                    number += 1

    def forward(self, y: Tensor, t: Tensor) -> Tensor:
        turns = 2 * math.pi * t[:, None] * self.frequencies
        time = silu(self.embedding(torch.cat([torch.sin(turns), torch.cos(turns)], dim=1)))
        h, skips = y[:, None], []
        for i, convolution in enumerate([*self.down, *self.up]):
            if i > len(self.down):
                h = torch.cat([h, skips.pop()], dim=1)
            h = silu(self.norms[i](convolution(h) + self.times[i](time)[:, :, None, None]))
            if i < len(self.down) - 1:
                skips.append(h)
        return self.out(torch.cat([h, skips.pop()], dim=1))[:, 0]


@dataclass(frozen=True)
class Geometric:
    """VE levels with √Ξ rising from ``low`` to ``high`` by equal factors in equal times, so log-uniform ones."""

    low: float
    high: float

    def sigma(self, t: np.ndarray) -> np.ndarray:
        """√Ξ at the times t in [0, 1]."""
        return self.low * (self.high / self.low) ** t

    def t_of_sigma(self, sigma: np.ndarray) -> np.ndarray:
        """The time of each level."""
        return np.log(sigma / self.low) / math.log(self.high / self.low)


@dataclass(frozen=True)
class Units:
    """How fields and noise levels are told to a network of this kind, and its answer read.

    Fields are ``centre + scale · y``; the times of ``schedule`` run from ``first`` to 1.
    """

    centre: float
    scale: float
    schedule: VE | Geometric
    first: float

    def denoised(self, network: Callable[[Tensor, Tensor], Tensor], x: Tensor, sigma: Tensor) -> Tensor:
        """D(x, σ̃) of fields x (n, L, L) at levels σ̃ (n,), all in units of the field.

        ``network(y, t)`` is √Ξ times the score of y. Levels outside those of the schedule are told as the nearest.
        """
        level = sigma.double().cpu().numpy()
        t = torch.from_numpy(np.clip(self.schedule.t_of_sigma(level / self.scale), self.first, 1.0))
        h = network((x - self.centre) / self.scale, t.to(x))
        return x + sigma.to(x)[:, None, None] * h


class PublishedTraining:
    """Trains the published network on fields (n, L, L), float32.

    ``levels`` None is the published recipe. With (low, high), noise levels σ̃ in units of the field, it is the variant
    that this comparison grants it: levels log-uniform in that range, and the average of the weights over the run that
    our training takes too (step s with the weight s^8). All that is random comes from ``noise``.
    """

    def __init__(
        self,
        fields: Tensor,
        noise: Noise,
        levels: tuple[float, float] | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        least, most = float(fields.min()), float(fields.max())
        if len(fields) < BATCH or not most > least:
            raise ValueError(
                f"the published training needs at least {BATCH} fields that are not all the same, got {len(fields)} "
                f"with values from {least:g} to {most:g}"
            )
        centre, scale = (least + most) / 2, (most - least) / 2
        if levels is None:
            self.units = Units(centre, scale, VE(SIGMA), FIRST_TIME)
        else:
            self.units = Units(centre, scale, Geometric(levels[0] / scale, levels[1] / scale), 0.0)
        self.device, self.step, self._noise = torch.device(device), 0, noise
        self._epoch, self._order = -1, torch.empty(0)
        self._fields = ((fields - centre) / scale).to(self.device)
        self._network = PublishedNetwork()
        self._network.initialise(noise.of("weights"))
        self._network.to(self.device)
        self._average = None if levels is None else copy.deepcopy(self._network).requires_grad_(False)
        self._optimiser = torch.optim.Adam(self._network.parameters(), lr=RATE)

    @property
    def parameters(self) -> int:
        """Number of trained weights."""
        return sum(p.numel() for p in self._network.parameters())

    def rows(self, step: int) -> Tensor:
        """Which fields a step learns from, (BATCH,): each field once an epoch, but for what fills no batch."""
        epoch, place = divmod(step, len(self._fields) // BATCH)
        if epoch != self._epoch:
            self._epoch = epoch
            self._order = self._noise.of("order").uniform(epoch, (len(self._fields), 1)).flatten().argsort()
        return self._order[BATCH * place : BATCH * (place + 1)]

    def advance(self) -> float:
        """One step of Adam; returns the loss per configuration as published. ArithmeticError if it is not finite."""
        y0 = self._fields[self.rows(self.step).to(self.device)]
        u = self._noise.of("times").uniform(self.step, (BATCH, 1)).flatten()
        t = self.units.first + (1 - self.units.first) * u
        level = torch.from_numpy(np.asarray(self.units.schedule.sigma(t.numpy())))
        eta = self._noise.of("eta").normal(self.step, tuple(y0.shape), torch.float32, self.device)
        y = y0 + level.to(y0)[:, None, None] * eta
        loss = (self._network(y, t.to(y0)) + eta).square().sum(dim=(1, 2)).mean()
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self._optimiser.step()
        self.step += 1
        if self._average is not None:
            weight = 1 - (1 - 1 / self.step) ** (1 + AVERAGING)
            with torch.no_grad():
                for mean, now in zip(self._average.parameters(), self._network.parameters(), strict=True):
                    mean.lerp_(now, weight)
        if not math.isfinite(value := float(loss.detach())):
            raise ArithmeticError(f"training of the published network diverged at step {self.step}")
        return value

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        """D(x, σ̃) as learned so far, of fields x (n, L, L) at levels σ̃ (n,) in units of the field."""
        network = self._network if self._average is None else self._average
        with torch.inference_mode():
            parts = zip(x.to(self.device).split(BATCH), sigma.split(BATCH), strict=True)
            return torch.cat([self.units.denoised(network, some, levels) for some, levels in parts]).to(x.device)
