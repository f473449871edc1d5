"""The steps of the training of a lattice field's network: what is drawn, the loss, the optimiser."""

from __future__ import annotations

import copy
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from core.contracts import Tensor
from core.devices import cores, pick_device
from core.diffusion.field_baseline import Baseline, Propagators
from core.diffusion.field_config import FieldTrainingConfig
from core.diffusion.field_data import FieldSource
from core.diffusion.field_levels import NoiseLevels, trained_range
from core.diffusion.field_loss import Batch, denoising_loss
from core.diffusion.field_network import PRESETS, FieldNetwork, NetworkConfig
from core.diffusion.field_noise import noise_range
from core.diffusion.field_validation import Validator, forces
from core.noise import Noise

BANDS = 8
"""Bands of σ̃ in the history."""
ADAPTED_BANDS = 12
"""Bands of an adaptive density of levels."""
VALIDATED = 96
"""Configurations in each band of a validation on the way."""
ADAPT_EVERY = 500
"""Steps between two measurements for an adaptive density; the first comes after a fifth of them."""
TYPICAL = 0.98
"""Memory of the typical norm of the gradient, by the step."""


class FieldSteps:
    """Network, averaged network, optimiser and noise levels of a run, and one step of it after the other.

    See ``core.diffusion.field_training`` for the arguments.
    """

    def __init__(
        self,
        source: FieldSource,
        config: FieldTrainingConfig,
        network: str | NetworkConfig = "small",
        seed: int = 0,
        device: str = "auto",
        threads: int | None = None,
    ) -> None:
        threads = cores() if threads is None else threads
        if not 1 <= threads <= cores():
            raise ValueError(f"threads must be from 1 to the {cores()} cores there are, got {threads}")
        if isinstance(network, str) and network not in PRESETS:
            raise ValueError(f"preset must be one of {', '.join(PRESETS)}, got {network!r}")
        if config.target == "tsm" and not source.known:
            raise ValueError("target tsm needs the action: give the couplings of the data, or use target dsm")
        self.source, self.config, self.seed, self.threads = source, config, seed, threads
        self.device = pick_device(device)
        if (config.mixed or config.compiled) and self.device.type != "cuda":
            raise ValueError(f"mixed precision and compilation are for CUDA, but training runs on {self.device.type}")
        self.target = "dsm" if config.target == "dsm" or not source.known else "tsm"
        self.step, self.steps, self.seconds = 0, config.steps, 0.0
        self._noise = Noise(seed, "field training")
        self._typical: Tensor | None = None
        self._set_levels()
        self._set_network(PRESETS[network] if isinstance(network, str) else network)

    def _set_levels(self) -> None:
        laws, config = self.source.laws, self.config
        self.baselines = [Baseline(law.gaussian, law.kappa, law.lam) for law in laws]
        self._propagators = {
            event: Propagators.of([b for b in self.baselines if b.event == event]) for event in self.source.events
        }
        rows: dict[tuple[int, ...], int] = {}
        self._rows = torch.tensor([rows.setdefault(law.event, -1) for law in laws])
        for k, law in enumerate(laws):
            rows[law.event] += 1
            self._rows[k] = rows[law.event]
        found, self.levels_sentence = trained_range(laws)
        low, high = config.sigma_min or found.low, config.sigma_max or found.high
        if config.sigma_min or config.sigma_max:
            self.levels_sentence = f"σ̃ from {low:.3g} to {high:.3g}, as asked for."
        bands = ADAPTED_BANDS if config.levels == "adaptive" else 1
        self.levels = NoiseLevels.uniform(low, high, bands)
        own = [noise_range(law.gaussian) for law in laws]
        ends = [(max(low, r.low if config.sigma_min is None else low), min(high, r.high)) for r in own]
        if config.sigma_max is not None:
            ends = [(a, high) for a, _ in ends]
        self._ranges = torch.tensor(ends, dtype=torch.float64).log()
        self._validator = self._make_validator(VALIDATED)

    def _make_validator(self, configs: int) -> Validator:
        edges = np.geomspace(self.levels.low, self.levels.high, BANDS + 1)
        return Validator(
            self.source.laws, self._propagators, self._ranges, edges, self.source.known, configs,
            self._noise.of("validation"),
        )  # fmt: skip

    def _set_network(self, size: NetworkConfig) -> None:
        couplings = {(law.kappa, law.lam) for law in self.source.laws}
        self.network_config = replace(size, conditioned=len(couplings) > 1)
        self._network = FieldNetwork(self.network_config)
        self._network.initialise(self._noise.of("weights"))
        self._network.to(self.device)
        self._average = copy.deepcopy(self._network).requires_grad_(False)
        fused = self.device.type in ("cpu", "cuda")
        self._optimiser = torch.optim.Adam(self._network.parameters(), betas=(0.9, 0.99), fused=fused)
        self._forward: Any = torch.compile(self._network) if self.config.compiled else self._network
        self._device_propagators = {event: p.to(self.device) for event, p in self._propagators.items()}

    @property
    def parameters(self) -> int:
        """Number of the network's weights."""
        return sum(p.numel() for p in self._network.parameters())

    def _advance(self) -> Tensor:
        """One step; the loss in nats, not yet waited for."""
        self.step += 1
        if self.config.levels == "adaptive" and self.step % ADAPT_EVERY == ADAPT_EVERY // 5:
            self._adapt()
        batch, weights = self._draw(self.step, self._noise.of("batch"))
        loss = self._loss(batch, weights, self.levels.span)
        for group in self._optimiser.param_groups:
            group["lr"] = self.config.rate_at(self.step, self.steps)
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self._clip()
        self._optimiser.step()
        weight = 1 - (1 - 1 / self.step) ** (1 + self.config.averaging)
        with torch.no_grad():
            for mean, now in zip(self._average.parameters(), self._network.parameters(), strict=True):
                mean.lerp_(now, weight)
        return loss.detach()

    def _draw(self, step: int, noise: Noise, levels: NoiseLevels | None = None) -> tuple[Batch, Tensor]:
        x0, which = self.source.batch(step, self.config.batch, noise)
        sigma, weights = (levels or self.levels).draw(step, self._ranges[which], noise)
        eta = noise.of("eta").normal(step, tuple(x0.shape), torch.float32, self.device)
        x0, event = x0.to(self.device), self.source.laws[int(which[0])].event
        propagators = self._device_propagators[event].pick(self._rows[which].to(self.device))
        force = forces(x0, propagators) if self.target == "tsm" else None
        return Batch(x0, sigma.to(self.device), eta, propagators, force), weights.to(self.device)

    def _loss(self, batch: Batch, weights: Tensor, span: float) -> Tensor:
        """∫ d log σ̃ of the loss in nats, from one batch."""
        low_precision = torch.autocast("cuda", torch.bfloat16) if self.config.mixed else nullcontext()
        with low_precision:
            return span * (weights * denoising_loss(self._forward, batch)).mean()

    def _clip(self) -> None:
        """Cut the gradient at a multiple of its typical norm, on the device."""
        gradients = [p.grad for p in self._network.parameters() if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        typical = norm if self._typical is None else self._typical
        limit = self.config.clip * typical
        scale = (limit / norm).clamp(max=1.0)
        for gradient in gradients:
            gradient.mul_(scale)
        self._typical = torch.lerp(torch.minimum(norm, limit), typical, TYPICAL)

    def _adapt(self) -> None:
        """Measure the spread of the gradient band by band, in the metric of the optimiser, and follow it."""
        edges, spreads = self.levels.edges, np.zeros(len(self.levels.shares))
        for band in range(len(spreads)):
            levels = NoiseLevels(edges[band], edges[band + 1], (1.0,))
            batch, weights = self._draw(self.step, self._noise.of(f"band {band}"), levels)
            self._optimiser.zero_grad(set_to_none=True)
            self._loss(batch, weights, levels.span).backward()
            for p in self._network.parameters():
                metric = self._optimiser.state[p]["exp_avg_sq"].sqrt() + 1e-12
                spreads[band] += float((p.grad.square() / metric).sum()) if p.grad is not None else 0.0
        self.levels = self.levels.adapted(np.sqrt(spreads))
