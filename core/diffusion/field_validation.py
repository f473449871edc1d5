"""Validation of a field network on held-out configurations, by bands of the noise level, beside the baseline."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from core.diffusion.field_baseline import Propagators
from core.diffusion.field_data import Law
from core.diffusion.field_loss import Batch, denoising_loss
from core.diffusion.field_network import FieldNetwork
from core.noise import Noise
from core.theories.phi4 import force

Tensor = torch.Tensor

CPU = torch.device("cpu")
CHUNK = 2**17
"""Sites that are evaluated at a time: 128 configurations of 32²."""


@dataclass(frozen=True)
class Validation:
    """Losses after ``step`` steps and ``seconds`` of training, in nats per configuration and unit of log σ̃.

    ``edges`` (bands + 1) of σ̃; ``loss`` and ``baseline`` (bands) are those of the network and of the Gaussian
    denoiser for the same target and noise; ``error`` that of their difference. Where several couplings are learned,
    the losses are means over them, and a law whose range of σ̃ does not reach a band counts there with 0.
    """

    step: int
    seconds: float
    edges: list[float]
    loss: list[float]
    baseline: list[float]
    error: list[float]

    @property
    def excess(self) -> list[float]:
        """Loss less the baseline's in each band, negative where the network is better."""
        return [a - b for a, b in zip(self.loss, self.baseline, strict=True)]

    @property
    def total(self) -> float:
        """∫ d log σ̃ of the excess, in nats; twice this is what the network gains in relative entropy of the paths."""
        return sum(width * e for width, e in zip(self._widths, self.excess, strict=True))

    @property
    def total_error(self) -> float:
        """Standard error of ``total``."""
        return math.hypot(*(width * e for width, e in zip(self._widths, self.error, strict=True)))

    def by_band(self) -> list[dict[str, float]]:
        """One dictionary a band: ``low``, ``high``, ``loss``, ``baseline``, ``error``."""
        names = ("low", "high", "loss", "baseline", "error")
        rows = zip(self.edges, self.edges[1:], self.loss, self.baseline, self.error, strict=False)
        return [dict(zip(names, row, strict=True)) for row in rows]

    @property
    def _widths(self) -> list[float]:
        return [math.log(b / a) for a, b in itertools.pairwise(self.edges)]

    def to_json(self) -> dict[str, Any]:
        """As dictionaries, lists and numbers; ``Validation(**…)`` is the inverse."""
        return asdict(self)


class Validator:
    """Held-out configurations with fixed noise: about ``configs``, at least two of each law, in each band of σ̃.

    ``edges`` of σ̃ bound the bands; ``ranges`` (laws, 2) are the laws' own ranges of log σ̃. ``propagators`` hold, for
    each lattice, its laws in their order. ``known`` says whether the action is used for the target, which makes the
    errors smaller.
    """

    def __init__(
        self, laws: Sequence[Law], propagators: dict[tuple[int, ...], Propagators], ranges: Tensor,
        edges: np.ndarray, known: bool, configs: int, noise: Noise,
    ) -> None:  # fmt: skip
        self.edges, self._parts = edges, []
        for band, (low, high) in enumerate(itertools.pairwise(np.log(edges))):
            inside = torch.stack([ranges[:, 0].clamp(min=low), ranges[:, 1].clamp(max=high)], dim=1)
            widths = (inside[:, 1] - inside[:, 0]).clamp(min=0)
            for event in propagators:
                rows = [k for k, law in enumerate(laws) if law.event == event]
                drawn = [
                    (row, *_draw(laws[k], inside[k], max(2, configs // len(laws)), band, noise.of(f"law {k}")))
                    for row, k in enumerate(rows) if widths[k] > 0
                ]  # fmt: skip
                if not drawn:
                    continue
                law = torch.cat([torch.full((len(x0),), row) for row, x0, *_ in drawn])
                x0, sigma, eta = (torch.cat(some) for some in list(zip(*drawn, strict=True))[1:])
                picked = propagators[event].pick(law)
                counts = law.bincount(minlength=len(rows))[law]
                weight = widths[torch.tensor(rows)][law] / (high - low) / counts / len(laws)
                batch = Batch(x0, sigma, eta, picked, forces(x0, picked) if known else None)
                with torch.inference_mode():
                    gaussian = torch.cat([denoising_loss(None, part).double() for part in parts(batch, CPU)])
                self._parts.append((band, law, weight.double(), batch, gaussian))

    def __call__(self, network: FieldNetwork, step: int, seconds: float) -> Validation:
        """Validate ``network``, on the device it is on."""
        device = next(network.parameters()).device
        sums = np.zeros((3, len(self.edges) - 1))
        with torch.inference_mode():
            for band, law, weight, batch, gaussian in self._parts:
                loss = torch.cat([denoising_loss(network, part).double().cpu() for part in parts(batch, device)])
                gain = loss - gaussian
                counts = law.bincount()
                centred = gain - (torch.bincount(law, gain) / counts)[law]
                squares = (weight * centred).square() * (counts / (counts - 1))[law]
                sums[:, band] += [float(v) for v in ((weight * loss).sum(), (weight * gaussian).sum(), squares.sum())]
        return Validation(
            step, seconds, self.edges.tolist(), sums[0].tolist(), sums[1].tolist(), np.sqrt(sums[2]).tolist()
        )


def forces(x0: Tensor, propagators: Propagators) -> Tensor:
    """K = -∂S/∂φ at fields (n, *event), at the couplings of their ``propagators`` (n rows, or one for all)."""
    kappa, lam = propagators.couplings.reshape(-1, 2, *[1] * (x0.ndim - 1)).unbind(1)
    return force(x0, kappa, lam)


def _draw(law: Law, level: Tensor, n: int, band: int, noise: Noise) -> tuple[Tensor, Tensor, Tensor]:
    """About ``n`` held-out fields of a law with levels σ̃ between the two of ``level`` (in log σ̃), and noise."""
    n = max(2, min(n, len(law.held_out)))
    rows = noise.of("row").uniform(band, (len(law.held_out), 1))[:, 0].argsort()[torch.arange(n) % len(law.held_out)]
    fraction = (torch.arange(n) + noise.of("level").uniform(band, (n, 1))[:, 0]) / n
    eta = noise.of("eta").normal(band, (n, *law.event), torch.float32)
    return law.held_out[rows], (level[0] + (level[1] - level[0]) * fraction).exp().float(), eta


def parts(batch: Batch, device: torch.device) -> Iterator[Batch]:
    """The batch in pieces that fit the caches, on the device."""
    size = max(1, CHUNK // batch.x0[0].numel())
    for first in range(0, len(batch.x0), size):
        rows = slice(first, first + size)
        count = len(batch.x0[rows])
        propagators = batch.propagators
        if len(propagators.m) > 1:
            propagators = propagators.pick(torch.arange(first, first + count))
        yield Batch(
            batch.x0[rows].to(device), batch.sigma[rows].to(device), batch.eta[rows].to(device),
            propagators.to(device), None if batch.force is None else batch.force[rows].to(device),
        )  # fmt: skip
