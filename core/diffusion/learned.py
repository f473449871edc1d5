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
from core.diffusion.finite import require_finite
from core.diffusion.linear_part import LinearPart
from core.diffusion.network import KNEE, Correction, Normalisation

MODELS = Path(core.__file__).parent.parent / "assets" / "models"
"""Where the shipped checkpoints lie."""

_NODES = 2048  # of the interpolation in one dimension
_BLOCK = 64
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
    stays what it is there. In two dimensions every point goes through the network. The score at one point never
    depends on the other points.
    """

    def __init__(
        self, network: Correction, normalisation: Normalisation, linear: LinearPart, record: TrainingRecord
    ) -> None:
        self.network = copy.deepcopy(network).to("cpu", torch.float32).requires_grad_(False).eval()
        self.normalisation, self.linear, self.record = normalisation, linear, record
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

        Raises ValueError if x has not the dimension of the training samples, or unless f >= 0 and Ξ >= 0, and
        FloatingPointError where the network gives numbers that are not finite.
        """
        if x.ndim != 2 or x.shape[1] != self.dim:
            raise ValueError(f"x must have the shape (n, {self.dim}) as in training, got {tuple(x.shape)}")
        if not (f >= 0 and xi >= 0 and f + xi > 0):
            raise ValueError(f"f and xi must not be negative, nor both zero, got {f} and {xi}")
        if xi < (f * self.record.sigma_min) ** 2:
            return require_finite(self._score(x / f, 1.0, self.record.sigma_min**2) / f, x, self.record.sigma_min)
        return require_finite(self._score(x, f, xi), x, math.sqrt(xi) / f if f > 0 else math.inf)

    def _score(self, x: Tensor, f: float, xi: float) -> Tensor:
        # -y/q + (f c/Ξ) F(y/√q, σ̃) with y = x - f mean and q = f² v + Ξ, along the principal axes
        n = self.normalisation
        q = f**2 * n.variances + xi
        if f == 0 or 0.5 * math.log(xi) - math.log(f) > math.log(self.record.sigma_max):
            sigma, gain = math.inf, np.zeros(self.dim)
        else:
            sigma = math.sqrt(xi) / f / n.scale
            gain = f * np.sqrt(n.variances / q / (xi + (f * KNEE * n.scale) ** 2)) * f**2 * n.variances / q
        if self.dim == 1:
            out = np.empty(len(x))
            nodes = self._table(sigma) if gain[0] else np.zeros(_NODES, np.float32)
            points = x.detach().cpu().double().contiguous().numpy()[:, 0]
            _cubic(points, float(f * n.mean[0]), float(q[0]), float(gain[0]), nodes, self.reach, out)
            return torch.from_numpy(out)[:, None].to(x.device, x.dtype)
        # Padded with zeros to whole blocks, because the last few rows of a matrix may round differently.
        points = torch.zeros(-(-len(x) // _BLOCK) * _BLOCK, self.dim, dtype=torch.float64)
        points[: len(x)] = x.detach() - f * torch.from_numpy(n.mean)
        axes, root = torch.from_numpy(n.axes), torch.from_numpy(np.sqrt(q))
        z = points @ axes / root
        result = -z / root
        if gain.any():
            with torch.inference_mode():
                correction = self.network(z.float(), torch.tensor(sigma)).double()
            part = torch.from_numpy(self.linear.at(sigma))
            result = result + torch.from_numpy(gain) * (correction - part[0] - z @ part[1:])
        return (result @ axes.T)[: len(x)].to(x.device, x.dtype)

    def _evaluate(self, sigma: float) -> np.ndarray:
        with torch.inference_mode():
            out = self.network(self._nodes, torch.tensor(sigma))[:, 0].double().numpy()
        part = self.linear.at(sigma)[:, 0]
        return (out - part[0] - part[1] * self._nodes[:, 0].double().numpy()).astype(np.float32)

    def save(self, path: str | Path, force: bool = False) -> None:
        """Write to one safetensors file. Raises FileExistsError if it exists and ``force`` is not set."""
        checkpoint.write(path, *file_contents(self), force=force)

    @classmethod
    def load(cls, path: str | Path) -> LearnedScore:
        """Read what ``save`` or ``Trainer.save`` wrote.

        Raises FileNotFoundError, or ValueError for a damaged or foreign file.
        """
        tensors, header = checkpoint.read(path)
        try:
            given = header["normalisation"]
            normalisation = Normalisation(
                *(np.array(given[name], dtype=float) for name in ("mean", "variances", "axes")), reach=given["reach"]
            )
            record = TrainingRecord(**header["training"])
            network = Correction(normalisation.dim, record.config["width"], record.config["depth"])
            network.load_state_dict(
                {name.removeprefix("network."): t for name, t in tensors.items() if name.startswith("network.")}
            )
            linear = LinearPart(tensors["linear.levels"].numpy(), tensors["linear.coefficients"].numpy())
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise ValueError(f"{path} is not a complete learned score: {error}") from error
        return cls(network, normalisation, linear, record)


def file_contents(model: LearnedScore) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and record of a file that holds this score."""
    tensors = {f"network.{name}": t for name, t in model.network.state_dict().items()}
    for name in ("levels", "coefficients"):
        tensors[f"linear.{name}"] = torch.from_numpy(getattr(model.linear, name))
    n = model.normalisation
    given = {"mean": n.mean.tolist(), "variances": n.variances.tolist(), "axes": n.axes.tolist(), "reach": n.reach}
    return tensors, {"normalisation": given, "training": asdict(model.record)}


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
