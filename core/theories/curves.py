"""Data on a curve in the plane, with a thickness: the manifold picture.

``x_0 = γ(s) + h η`` with s uniform in arc length. The law at (f, Ξ) is a Gaussian of variance ``v = f² h² + Ξ`` around
the points ``f γ(s)``, averaged over the curve; density and score are quadratures along it,

    P(x) = ⟨N(x; f γ(s), v)⟩_s,    ∇ log P(x) = ⟨f γ(s) - x⟩_{s|x} / v,

with as many nodes as the width ``√v / f`` asks for: equidistant ones on the circle, Gauss–Legendre ones on open curves,
both spectrally accurate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

import numba as nb
import numpy as np
import torch
from scipy.special import roots_legendre

from core.noise import Noise
from core.theories.base import Target, Tensor, check_level
from core.theories.mixture import projected_window

KINDS = ("circle", "spiral", "line")
THINNEST, THICKEST = 0.01, 1.0

_PITCH = 1.5 / (4.5 * np.pi)  # the spiral r = pitch·θ ends at radius 1.5
_START, _END = np.pi / 2, 4.5 * np.pi


class _Shape(NamedTuple):
    """A curve of the given length: points at arc length s, its tightest radius of curvature, whether it closes."""

    point: Callable[[np.ndarray], np.ndarray]
    length: float
    radius: float
    closed: bool
    latex: str


def _spiral_length(theta: np.ndarray | float) -> np.ndarray:
    return np.asarray(_PITCH / 2 * (theta * np.sqrt(1 + np.square(theta)) + np.arcsinh(theta)))


def _spiral_point(s: np.ndarray) -> np.ndarray:
    target = s + _spiral_length(_START)
    theta = np.sqrt(2 * target / _PITCH)
    for _ in range(8):  # Newton; the length is convex in θ, so it converges from above
        theta = theta - (_spiral_length(theta) - target) / (_PITCH * np.sqrt(1 + theta**2))
    return _PITCH * theta[:, None] * np.column_stack([np.cos(theta), np.sin(theta)])


_SHAPES = {
    "circle": _Shape(
        lambda s: np.column_stack([np.cos(s), np.sin(s)]), 2 * np.pi, 1.0, True, r"(\cos s,\ \sin s),\ 0 \le s < 2\pi"
    ),
    "spiral": _Shape(
        _spiral_point,
        float(_spiral_length(_END) - _spiral_length(_START)),
        float(_PITCH * (1 + _START**2) ** 1.5 / (2 + _START**2)),
        False,
        r"\tfrac{\theta}{3\pi}(\cos\theta,\ \sin\theta),\ \tfrac{\pi}{2} \le \theta \le \tfrac{9\pi}{2}",
    ),
    "line": _Shape(
        lambda s: np.column_stack([s - 1.5, 0.5 * (s - 1.5)]) / np.array([np.sqrt(1.25), np.sqrt(1.25)]),
        3.0,
        np.inf,
        False,
        r"s\,(2, 1)/\sqrt5,\ |s| \le 1.5",
    ),
}


@dataclass(frozen=True)
class Curve(Target):
    """Points on a circle of radius 1, a spiral of two turns or a line of length 3, blurred by ``thickness``.

    ``kind`` is one of KINDS; ``thickness`` is the standard deviation h of the blur in both directions, from THINNEST to
    THICKEST. Raises ValueError otherwise.
    """

    kind: str = "circle"
    thickness: float = 0.05
    name: str = field(init=False, default="", repr=False)
    dim: int = field(init=False, default=2, repr=False)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind of curve must be one of {', '.join(KINDS)}, got {self.kind!r}")
        h = self.thickness
        if isinstance(h, bool) or not isinstance(h, int | float | np.number) or not THINNEST <= h <= THICKEST:
            raise ValueError(f"thickness must be a number from {THINNEST} to {THICKEST}, got {h!r}")
        object.__setattr__(self, "name", self.kind)

    def _width(self, f: float, xi: float) -> float:
        check_level(f, xi)
        return float(np.hypot(f * self.thickness, np.sqrt(xi)))

    def _nodes(self, f: float, width: float, finer: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
        """Points of the curve (nodes, 2) and their log-weights, dense enough for a Gaussian of this width at f."""
        shape, w = _SHAPES[self.kind], width / f
        # Outside a bend of radius R, at distance d, the posterior of s is narrower than w by √(1 + d/R).
        spacing = 0.9 * w / np.sqrt(1 + 8 * w / shape.radius)
        count = max(24.0, (1.0 if shape.closed else np.pi / 2) * shape.length / spacing) * finer
        return _curve_nodes(self.kind, int(np.ceil(4 * np.log2(count))))

    def sample(self, n: int, noise: Noise) -> Tensor:
        noise, shape = noise.of("target"), _SHAPES[self.kind]
        points = shape.point(shape.length * noise.uniform(0, (n,)).numpy())
        return noise.normal(0, (n, 2)).mul_(self.thickness).add_(torch.from_numpy(points))

    def _posterior(self, x: Tensor, f: float, xi: float, finer: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
        width = self._width(f, xi)
        points, log_w = self._nodes(f, width, finer)
        flat = np.ascontiguousarray(x.detach().cpu().numpy(), dtype=float)
        log_p, score = np.empty(len(flat)), np.empty_like(flat)
        _sum_along(flat, f * points[:, 0], f * points[:, 1], log_w, width, log_p, score)
        return log_p, score

    def log_prob(self, x: Tensor, f: float = 1.0, xi: float = 0.0) -> Tensor:
        return torch.from_numpy(self._posterior(x, f, xi)[0]).to(device=x.device, dtype=x.dtype)

    def score(self, x: Tensor, f: float = 1.0, xi: float = 0.0) -> Tensor:
        return torch.from_numpy(self._posterior(x, f, xi)[1]).to(device=x.device, dtype=x.dtype)

    def score_error(self, f: float = 1.0, xi: float = 0.0) -> float:
        """Estimated error of the score at (f, Ξ) times the width √v: the largest change when the nodes are doubled.

        Looked for at 2000 points up to 6 √v from the curve.
        """
        width, noise = self._width(f, xi), Noise(0, "score-error")
        angle = 2 * np.pi * noise.uniform(0, (2000,)).numpy()
        distance = 6 * width * noise.uniform(1, (2000,)).numpy()
        shape = _SHAPES[self.kind]
        points = f * shape.point(shape.length * noise.uniform(2, (2000,)).numpy())
        x = torch.from_numpy(points + distance[:, None] * np.column_stack([np.cos(angle), np.sin(angle)]))
        return width * float(np.abs(self._posterior(x, f, xi)[1] - self._posterior(x, f, xi, 2.0)[1]).max())

    @property
    def mean(self) -> np.ndarray:
        points, log_w = self._nodes(1.0, THINNEST)
        return np.round(np.exp(log_w) @ points, 14) + 0.0

    @property
    def covariance(self) -> np.ndarray:
        points, log_w = self._nodes(1.0, THINNEST)
        d = points - self.mean
        return (np.exp(log_w)[:, None] * d).T @ d + self.thickness**2 * np.eye(2)

    def window(self, f: float = 1.0, xi: float = 0.0) -> np.ndarray:
        width = self._width(f, xi)
        points, log_w = self._nodes(f, width)
        return projected_window(np.exp(log_w), f * points, np.full(len(points), width))

    def latex(self) -> str:
        return rf"x = \gamma + {self.thickness:.4g}\,\eta,\quad \gamma = {_SHAPES[self.kind].latex}"


@lru_cache(maxsize=256)
def _curve_nodes(kind: str, quarter_octaves: int) -> tuple[np.ndarray, np.ndarray]:
    """About 2^(quarter_octaves/4) nodes along a curve and the logarithms of their weights, which sum to 1."""
    shape, count = _SHAPES[kind], int(np.ceil(2 ** (quarter_octaves / 4)))
    if shape.closed:
        return shape.point(shape.length * (np.arange(count) + 0.5) / count), np.full(count, -np.log(count))
    t, weights = roots_legendre(count)
    return shape.point(shape.length * (t + 1) / 2), np.log(weights / 2)


@nb.njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "arcp", "nsz"})
def _sum_along(x, centre_x, centre_y, log_w, width, log_p, score):  # pragma: no cover (compiled)
    # Two passes over the nodes: the largest exponent, then the sums relative to it over those that matter.
    buffer, inverse = np.empty(log_w.size), 1.0 / width
    for i in range(x.shape[0]):
        top = -np.inf
        for k in range(log_w.size):
            u, v = (centre_x[k] - x[i, 0]) * inverse, (centre_y[k] - x[i, 1]) * inverse
            buffer[k] = log_w[k] - 0.5 * (u * u + v * v)
        for k in range(log_w.size):
            top = max(top, buffer[k])
        total, pull_x, pull_y = 0.0, 0.0, 0.0
        for k in range(log_w.size):
            e = buffer[k] - top
            if e > -34.0:
                q = np.exp(e)
                total += q
                pull_x += q * (centre_x[k] - x[i, 0])
                pull_y += q * (centre_y[k] - x[i, 1])
        log_p[i] = top + np.log(total) - 2.0 * np.log(width) - np.log(2 * np.pi)
        score[i, 0] = pull_x / total * inverse * inverse
        score[i, 1] = pull_y / total * inverse * inverse
