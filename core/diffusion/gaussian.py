"""The Gaussian score: what the mean and the variance of the data alone know about them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from core.contracts import Tensor


@dataclass(frozen=True, eq=False)
class GaussianScore:
    """``∇log P = -(f² C + Ξ)⁻¹ (x - f·mean)`` for data of this ``mean`` (dim,) and ``covariance`` (dim, dim).

    Exact for Gaussian data; for others the baseline that a learned score has to beat (arXiv:2410.21212, section 2).
    Numbers stand for one dimension. Raises ValueError unless the covariance is symmetric and positive.
    """

    mean: Any
    covariance: Any

    def __post_init__(self) -> None:
        mean = np.atleast_1d(np.asarray(self.mean, dtype=float))
        covariance = np.atleast_2d(np.asarray(self.covariance, dtype=float))
        if mean.ndim != 1 or covariance.shape != (len(mean), len(mean)):
            raise ValueError(
                f"covariance must be a {len(mean)} × {len(mean)} matrix as there are {len(mean)} means, "
                f"got shape {covariance.shape}"
            )
        if not (np.all(np.isfinite(mean)) and np.all(np.isfinite(covariance))):
            raise ValueError(f"mean and covariance must be finite, got {self.mean} and {self.covariance}")
        if not np.allclose(covariance, covariance.T) or np.linalg.eigvalsh(covariance)[0] <= 0:
            raise ValueError(f"covariance must be symmetric and positive, got {self.covariance}")
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "covariance", covariance)

    @cached_property
    def _axes(self) -> tuple[np.ndarray, np.ndarray]:
        return np.linalg.eigh(self.covariance)

    def score(self, x: Tensor, f: float = 1.0, xi: float = 0.0) -> Tensor:
        """The score at x, of shape (n, dim), of the law of ``f x_0 + √Ξ η``."""
        variance, axes = self._axes
        precision = (axes / (f**2 * variance + xi)) @ axes.T
        y = [x[:, j : j + 1] - float(f * m) for j, m in enumerate(self.mean)]
        # Column by column: a matrix product may round differently when there are more paths.
        out = x.new_empty(x.shape)
        for i in range(len(y)):
            out[:, i : i + 1] = sum(y[j] * -float(precision[i, j]) for j in range(len(y)))
        return out
