"""Generating functionals Z[J] = ⟨e^{Jx}⟩ and W[J] = log Z[J], measured and predicted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from core.schedule import Schedule
from core.statistics.jackknife import Estimate, jackknife

_AT_ONCE = 2**17
"""Exponentials held in memory, where a block has no more of them itself."""


@dataclass(frozen=True)
class Generating:
    """W[J] and Z[J] of a sample, each with errors, of the shape of ``J``.

    ``effective`` is the number (Σ w)²/Σ w² of samples that carry the average of w = e^{Jx}: where it is small, a few
    extreme samples dominate, W follows J·max(x) instead of the law, and the error itself cannot be trusted.
    """

    J: np.ndarray
    W: Estimate
    Z: Estimate
    effective: np.ndarray

    def trusted(self, samples: float = 100.0) -> np.ndarray:
        """Where at least that many samples carry the average."""
        return self.effective >= samples


def measured_generating(x: Any, J: Any, blocks: int = 64) -> Generating:
    """W[J] and Z[J] of samples x (n,) or (n, 1), errors by jackknife over contiguous blocks.

    Exponents are taken relative to their maximum at each J, so W never overflows (Z may, to inf). Raises ValueError
    for fewer than two samples.
    """
    x = (x.detach().cpu().numpy() if isinstance(x, torch.Tensor) else np.asarray(x)).astype(float).reshape(-1)
    J = np.asarray(J, dtype=float)
    if len(x) < 2:
        raise ValueError(f"W[J] needs at least two samples, got {len(x)}")
    blocks = min(blocks, len(x))
    ends = np.arange(blocks + 1) * len(x) // blocks
    top = np.maximum(J * x.min(), J * x.max())
    sums = np.empty((blocks, *J.shape, 2))
    sums[..., 1] = np.diff(ends).reshape(-1, *[1] * J.ndim)
    squares = np.zeros(J.shape)
    together = max(1, _AT_ONCE * blocks // (len(x) * max(J.size, 1)))  # few samples: all blocks at once
    for b in range(0, blocks, together):
        here = ends[b : b + together + 1]
        w = np.exp(J[..., None] * x[here[0] : here[-1]] - top[..., None])
        sums[b : b + together, ..., 0] = np.moveaxis(np.add.reduceat(w, here[:-1] - here[0], axis=-1), -1, 0)
        squares += np.einsum("...i,...i", w, w)

    W = jackknife(lambda s: np.log(s[..., 0] / s[..., 1]) + top, sums, sums[..., 1]).estimate
    with np.errstate(over="ignore", invalid="ignore"):
        Z = Estimate(np.exp(W.value), np.exp(W.value) * W.error)
    return Generating(J, W, Z, sums[..., 0].sum(axis=0) ** 2 / squares)


def predicted_generating(W0: Callable[[np.ndarray], np.ndarray], schedule: Schedule, J: Any, t: Any) -> np.ndarray:
    """W[J] of x(t) = f x_0 + √Ξ η: ½ J² Ξ + W_0[f J] (arXiv:2410.21212), of shape (*t.shape, *J.shape).

    ``W0`` maps an array of J to W at t = 0, as ``Target.log_generating`` does.
    """
    J, t = np.asarray(J, dtype=float), np.asarray(t, dtype=float)
    f, xi = (np.asarray(a, dtype=float).reshape(t.shape + (1,) * J.ndim) for a in (schedule.f(t), schedule.xi(t)))
    return J**2 * xi / 2 + W0(f * J)
