"""A learned score: one trained network, the score of its data under every schedule."""

from __future__ import annotations

import copy
import math
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numba as nb
import numpy as np
import torch

import core
from core.contracts import Tensor
from core.diffusion import checkpoint
from core.diffusion.network import Correction, Normalisation

MODELS = Path(core.__file__).parent.parent / "assets" / "models"
"""Where the shipped checkpoints lie."""

_NODES = 2048  # of the interpolation in one dimension
_LEVELS = 2048  # noise levels whose nodes are kept: a run of 1000 steps meets each level again in every chunk


@dataclass(frozen=True)
class TrainingRecord:
    """Where a learned score comes from.

    ``target`` names the law, ``law`` is its full text with parameters (empty where only samples were given),
    ``samples`` their number and ``digest`` their checksum; ``history`` holds (step, mean loss since the last entry),
    ``loss`` its last entry. ``sigma_min`` and ``sigma_max`` bound the trained noise levels σ̃, in units of the data.
    """

    target: str
    law: str
    samples: int
    digest: str
    seed: int
    steps: int
    seconds: float
    loss: float | None
    sigma_min: float
    sigma_max: float
    config: dict[str, Any]
    threads: int
    torch: str
    history: list[list[float]] = field(default_factory=list)


class LearnedScore:
    """Score model around a trained ``Correction``; knows its data only through their mean, covariance and training.

    Above ``record.sigma_max`` it is the score of the Gaussian with the data's mean and covariance; below
    ``record.sigma_min`` the score of the data smeared by ``sigma_min``. In one dimension the network is evaluated on
    2048 nodes for each noise level and interpolated by cubics in between (error below 1e-4 of the correction for
    structures wider than a hundredth of the data's spread); beyond ``reach`` standard deviations the correction
    stays what it is there. The result for one path never depends on the other paths.
    """

    def __init__(self, network: Correction, normalisation: Normalisation, record: TrainingRecord) -> None:
        self.network = copy.deepcopy(network).to("cpu", torch.float32).requires_grad_(False).eval()
        self.normalisation, self.record = normalisation, record
        self.reach = max(8.0, normalisation.reach + 2.0)
        self._nodes = torch.linspace(-self.reach, self.reach, _NODES, dtype=torch.float32)[:, None]
        self._table = lru_cache(_LEVELS)(self._evaluate)

    @property
    def dim(self) -> int:
        return self.normalisation.dim

    @property
    def mean(self) -> np.ndarray:
        """Mean of the training samples, shape (dim,)."""
        return self.normalisation.mean

    @property
    def covariance(self) -> np.ndarray:
        """Covariance of the training samples, shape (dim, dim)."""
        return self.normalisation.covariance

    def score(self, x: Tensor, f: float = 1.0, xi: float = 0.0) -> Tensor:
        """∇log P of ``f x_0 + √Ξ η`` at x (n, dim): ``(f D(x/f, σ̃) - x)/Ξ``, in a form that never overflows.

        Raises ValueError if x has not the dimension of the training samples.
        """
        if x.ndim != 2 or x.shape[1] != self.dim:
            raise ValueError(f"x must have the shape (n, {self.dim}) as in training, got {tuple(x.shape)}")
        log_sigma = 0.5 * math.log(xi) - math.log(f) if xi > 0 and f > 0 else (-math.inf if f > 0 else math.inf)
        if log_sigma < math.log(self.record.sigma_min):
            return self.score(x / f, 1.0, self.record.sigma_min**2 * (1 + 1e-12)) / f
        n = self.normalisation
        q = xi + f**2 * n.variances
        if log_sigma > math.log(self.record.sigma_max):
            correction = np.zeros(self.dim)
        else:
            correction = f * np.sqrt(n.variances / (xi * q)) * f**2 * n.variances / q
        level = log_sigma - math.log(n.scale)
        if self.dim == 1 and x.device.type == "cpu":
            out = np.empty(len(x))
            _cubic(
                x.detach().double().numpy()[:, 0],
                f * n.mean[0],
                float(q[0]),
                float(correction[0]),
                self._table(level) if correction[0] else np.zeros(_NODES, np.float32),
                self.reach,
                out,
            )
            return torch.from_numpy(out)[:, None].to(x.dtype)
        axes = torch.from_numpy(n.axes)
        y = (x.detach().cpu().double() - f * torch.from_numpy(n.mean)) @ axes
        root = torch.from_numpy(np.sqrt(q))
        result = -y / root**2
        if correction.any():
            with torch.inference_mode():
                out = self.network((y / root).float(), torch.tensor(level))
            result = result + torch.from_numpy(correction) * out.double()
        return (result @ axes.T).to(x.device, x.dtype)

    def _evaluate(self, level: float) -> np.ndarray:
        with torch.inference_mode():
            return self.network(self._nodes, torch.tensor(level))[:, 0].numpy()

    def save(self, path: str | Path, force: bool = False) -> None:
        """Write to one safetensors file. Raises FileExistsError if it exists and ``force`` is not set."""
        checkpoint.write(path, score_tensors(self.network), score_record(self), force)

    @classmethod
    def load(cls, path: str | Path) -> LearnedScore:
        """Read what ``save`` or ``Trainer.save`` wrote.

        Raises FileNotFoundError, or ValueError for a damaged or foreign file.
        """
        tensors, header = checkpoint.read(path)
        try:
            given = header["normalisation"]
            normalisation = Normalisation(np.array(given["mean"]), np.array(given["covariance"]), given["reach"])
            record = TrainingRecord(**header["training"])
            network = Correction(normalisation.dim, record.config["width"], record.config["depth"])
            network.load_state_dict(
                {name.removeprefix("network."): t for name, t in tensors.items() if name.startswith("network.")}
            )
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise ValueError(f"{path} is not a complete learned score: {error}") from error
        return cls(network, normalisation, record)


def score_tensors(network: Correction) -> dict[str, Tensor]:
    """The tensors of a file that holds this network."""
    return {f"network.{name}": t for name, t in network.state_dict().items()}


def score_record(model: LearnedScore) -> dict[str, Any]:
    """The record of a file that holds this score."""
    n = model.normalisation
    return {
        "normalisation": {"mean": n.mean.tolist(), "covariance": n.covariance.tolist(), "reach": n.reach},
        "training": asdict(model.record),
    }


def pretrained(target: Any) -> LearnedScore | None:
    """The shipped score trained on exactly this target, parameters included, or None."""
    path = MODELS / f"{target.name}.safetensors"
    if not path.is_file():
        return None
    model = _load_shipped(path)
    return model if model.record.law == repr(target) else None


@lru_cache
def _load_shipped(path: Path) -> LearnedScore:
    return LearnedScore.load(path)


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _cubic(x, mean, q, correction, nodes, reach, out):  # pragma: no cover (compiled)
    # out = -(x - mean)/q + correction F((x - mean)/√q), F by Lagrange's cubic through the four nearest nodes
    per = (nodes.size - 1) / (2 * reach)
    root = np.sqrt(q)
    for j in range(x.size):
        y = x[j] - mean
        z = min(max(y / root, -reach), reach)
        p = (z + reach) * per
        i = min(max(int(p), 1), nodes.size - 3)
        d = p - i
        a, b, c = d + 1, d - 1, d - 2
        value = (
            -d * b * c / 6 * nodes[i - 1]
            + a * b * c / 2 * nodes[i]
            - a * d * c / 2 * nodes[i + 1]
            + a * d * b / 6 * nodes[i + 2]
        )
        out[j] = -y / q + correction * value
