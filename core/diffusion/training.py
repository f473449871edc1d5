"""Training of a score by denoising score matching on samples only.

The loss is that of arXiv:2410.21212 (section 2), with a weight for each noise level,

    L = ½ E_{x_0, η, σ̃} Σ_i w_i(σ̃) (√Ξ s_θ,i(x̃, σ̃) + η_i)²,     x̃ = x_0 + σ̃ η,  Ξ = σ̃²,
    w_i = (v_i + σ̃²) / v_i,

v_i the variances of the data along their principal axes: for σ̃ below the data's spread the papers' loss, above it
the weight that keeps the denoiser's error from fading. In terms of the network of ``core.diffusion.network``,
``L = ½ E Σ_i (r_i - a_i F_i)²`` with ``a_i = σ̃/√(σ̃² + σ_*²) · v_i/(v_i + σ̃²)`` and the residual of the Gaussian
denoiser ``r_i = (σ̃ x_0,i - v_i η_i) / √(v_i (v_i + σ̃²))``, which has unit variance; so L = ½ per component where
the network learns nothing.

The gradient's variance is reduced only by drawing: noise levels are stratified over each batch, and every (x_0, σ̃)
is used with η and with -η. Levels follow a logistic law in log σ̃, around half the data's spread. After training, the
score's constant and linear parts are set to what integration by parts says (``core.diffusion.linear_part``).
"""

from __future__ import annotations

import copy
import hashlib
import itertools
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from core.contracts import Tensor
from core.devices import cores, pick_device
from core.diffusion import checkpoint
from core.diffusion.learned import LearnedScore, TrainingRecord, file_contents
from core.diffusion.linear_part import LinearPart
from core.diffusion.network import KNEE, Correction, Normalisation
from core.diffusion.training_config import TrainingConfig
from core.jobs import Token, torch_threads
from core.noise import Noise

TrainingCallback = Callable[[int, float, float], None]
"""``callback(step, loss, seconds)``: mean loss over the last ``REPORT`` steps, seconds of training so far."""

REPORT = 50
_CENTRE, _WIDTH = -0.8, 1.0  # of the logistic law of log σ̃, σ̃ in units of the data's spread
_HELD_OUT = 20_000
_BANDS = 6


@dataclass(frozen=True)
class Band:
    """Validation in one band of noise levels σ̃: the loss there and what the Gaussian denoiser reaches."""

    low: float
    high: float
    loss: float
    gaussian: float


class Trainer:
    """Trains a score on samples (n, dim), or on samples it draws from a target with ``.sample(n, noise)``.

    Everything random is fixed by ``seed`` and the step number: a run that was stopped, saved and loaded goes on to
    the same bits as one that was not, given the same device and number of torch ``threads``. Up to 20 000 samples
    (a tenth at most) are held out for ``validate``. Raises ValueError for samples that cannot be used.
    """

    def __init__(
        self,
        samples: Any,
        config: TrainingConfig | None = None,
        seed: int = 0,
        device: str = "auto",
        threads: int = 1,
        target: str = "samples",
    ) -> None:
        law = ""
        if not isinstance(samples, Tensor):
            target, law = samples.name, repr(samples)
            config = config or TrainingConfig.of(samples.dim)
            samples = samples.sample(config.samples, Noise(seed, "training/data"))
        if not 1 <= threads <= cores():
            raise ValueError(f"threads must be from 1 to the {cores()} cores there are, got {threads}")
        self.normalisation = n = Normalisation.of(samples)
        self.config = config or TrainingConfig.of(n.dim)
        self.seed, self.threads, self.device = seed, threads, pick_device(device)
        self.target, self.law = target, law
        self.step, self.seconds = 0, 0.0
        self.history: list[list[float]] = []
        self._pending: list[float] = []

        unit = ((samples.detach().cpu().double() - torch.from_numpy(n.mean)) @ torch.from_numpy(n.axes)) / n.scale
        unit = unit.float()
        self.digest = hashlib.sha256(unit.numpy().tobytes()).hexdigest()
        held = min(_HELD_OUT, len(unit) // 10)
        self._held_out, self._data = unit[:held], unit[held:].to(self.device)
        self._variances = torch.tensor(n.variances / n.scale**2, dtype=torch.float32, device=self.device)
        self._noise = Noise(seed, "training")

        self._network = Correction(n.dim, self.config.width, self.config.depth)
        self._network.initialise(self._noise.of("weights"))
        self._network.to(self.device)
        self._average = copy.deepcopy(self._network).requires_grad_(False)
        self._optimiser = torch.optim.Adam(
            self._network.parameters(), betas=(0.9, 0.99), fused=self.device.type in ("cpu", "cuda")
        )

    def run(
        self,
        steps: int | None = None,
        minutes: float | None = None,
        callback: TrainingCallback | None = None,
        token: Token | None = None,
    ) -> int:
        """Train on, by ``steps`` (up to the configured number if not given) and for ``minutes`` at most.

        Stops after the present step when ``token`` is cancelled. Returns the step number reached. Raises
        ArithmeticError if the loss is no longer finite.
        """
        end = self.config.steps if steps is None else self.step + steps
        begun, before = time.perf_counter(), self.seconds
        with torch_threads(self.threads):
            while self.step < end and not (token and token.cancelled):
                if minutes is not None and time.perf_counter() - begun >= 60 * minutes:
                    break
                loss = self._advance()
                self.seconds = before + time.perf_counter() - begun
                if not math.isfinite(loss):
                    raise ArithmeticError(f"training diverged at step {self.step}; try a smaller rate")
                self._pending.append(loss)
                if self.step % REPORT == 0:
                    self.history.append([self.step, sum(self._pending) / len(self._pending)])
                    self._pending = []
                    if callback:
                        callback(self.step, self.history[-1][1], self.seconds)
        return self.step

    def score(self) -> LearnedScore:
        """The score as learned so far (averaged weights, see also ``LinearPart``); training on does not change it."""
        with torch_threads(self.threads):
            linear = LinearPart.of(
                copy.deepcopy(self._average).cpu(),
                self._data.cpu().double(),
                self._variances.cpu().double(),
                math.log(self.config.sigma_min),
                math.log(self.config.sigma_max),
            )
        return LearnedScore(self._average, self.normalisation, linear, self.record)

    @property
    def record(self) -> TrainingRecord:
        """Where the score comes from, as of now."""
        scale = self.normalisation.scale
        return TrainingRecord(
            target=self.target,
            law=self.law,
            samples=len(self._held_out) + len(self._data),
            digest=self.digest,
            seed=self.seed,
            steps=self.step,
            seconds=self.seconds,
            loss=self.history[-1][1] if self.history else None,
            sigma_min=self.config.sigma_min * scale,
            sigma_max=self.config.sigma_max * scale,
            config=asdict(self.config),
            threads=self.threads,
            torch=torch.__version__,
            history=self.history.copy(),
        )

    def validate(self) -> list[Band]:
        """Loss on held-out samples in six bands of σ̃, equal in log σ̃, beside the Gaussian denoiser's (about ½ dim).

        The noise is the same at every call. Raises ValueError with fewer than ten samples, when none are held out.
        """
        if not len(self._held_out):
            raise ValueError("validation needs held-out samples, and there are fewer than ten samples in all")
        c, scale, bands = self.config, self.normalisation.scale, []
        edges = torch.linspace(math.log(c.sigma_min), math.log(c.sigma_max), _BANDS + 1).tolist()
        eta = self._noise.of("validation").normal(0, tuple(self._held_out.shape), torch.float32)
        fraction = (torch.arange(len(eta)) + 0.5) / len(eta)
        with torch_threads(self.threads), torch.inference_mode():
            for low, high in itertools.pairwise(edges):
                level = low + (high - low) * fraction
                r, out = self._residual(
                    self._average, self._held_out.to(self.device), eta.to(self.device), level.to(self.device)
                )
                bands.append(
                    Band(
                        scale * math.exp(low),
                        scale * math.exp(high),
                        0.5 * float((r - out).square().sum(dim=1).mean()),
                        0.5 * float(r.square().sum(dim=1).mean()),
                    )
                )
        return bands

    def _residual(self, network: Correction, x0: Tensor, eta: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
        # What the Gaussian denoiser leaves, and what the network says of it, both in units of its spread.
        v, sigma = self._variances, level.exp()[:, None]
        d2 = v + sigma**2
        root = d2.sqrt()
        residual = (sigma * x0 - v * eta) / (v.sqrt() * root)
        fade = sigma / (sigma**2 + KNEE**2).sqrt() * v / d2
        return residual, fade * network((x0 + sigma * eta) / root, sigma[:, 0])

    def _advance(self) -> float:
        self.step += 1
        x0, eta, level = self._draw()
        residual, out = self._residual(self._network, x0, eta, level)
        loss = 0.5 * (residual - out).square().sum(dim=1).mean()
        for group in self._optimiser.param_groups:
            group["lr"] = self.config.rate_at(self.step)
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self._optimiser.step()
        weight = 1 - (1 - 1 / self.step) ** (1 + self.config.averaging)
        with torch.no_grad():
            for mean, now in zip(self._average.parameters(), self._network.parameters(), strict=True):
                mean.lerp_(now, weight)
        return float(loss.detach())

    def _draw(self) -> tuple[Tensor, Tensor, Tensor]:
        half, c = self.config.batch // 2, self.config
        u = self._noise.of("batch").uniform(self.step, (half, 2))
        x0 = self._data[(u[:, 0] * len(self._data)).long().to(self.device)]
        low, high = (1 / (1 + math.exp((_CENTRE - math.log(s)) / _WIDTH)) for s in (c.sigma_min, c.sigma_max))
        p = low + (high - low) * (torch.arange(half) + u[:, 1]) / half
        level = (_CENTRE + _WIDTH * torch.logit(p)).float().to(self.device)
        eta = self._noise.of("eta").normal(self.step, (half, self.normalisation.dim), torch.float32).to(self.device)
        return torch.cat([x0, x0]), torch.cat([eta, -eta]), torch.cat([level, level])

    def save(self, path: str | Path, force: bool = False) -> None:
        """Write the score with all that is needed to go on training. FileExistsError without ``force``."""
        tensors, record = file_contents(self.score())
        tensors |= checkpoint.training_tensors(self._network, self._optimiser)
        checkpoint.write(path, tensors, record | {"pending": self._pending}, force)

    @classmethod
    def load(cls, path: str | Path, samples: Any, device: str = "auto", threads: int | None = None) -> Trainer:
        """Go on with a saved run, on the same samples or target; ``threads`` as before unless given.

        Raises ValueError if the file holds no training state or the samples are not those of the saved run.
        """
        tensors, header = checkpoint.read(path)
        record = TrainingRecord(**header["training"])
        if not any(name.startswith("training.") for name in tensors):
            raise ValueError(f"{path} holds a score but no training state, so training cannot go on from it")
        threads = min(record.threads, cores()) if threads is None else threads
        trainer = cls(samples, TrainingConfig(**record.config), record.seed, device, threads, record.target)
        if trainer.digest != record.digest:
            raise ValueError(f"the samples differ from the {record.samples} that {path} was trained on")
        trainer.step, trainer.seconds, trainer.history = record.steps, record.seconds, record.history
        trainer._pending = header["pending"]
        checkpoint.restore_training(tensors, trainer._network, trainer._optimiser, record.steps)
        with torch.no_grad():
            for name, weight in trainer._average.named_parameters():
                weight.copy_(tensors[f"network.{name}"])
        return trainer
