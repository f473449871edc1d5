"""Where the backward process starts.

The forward process really ends in a law with mean ``f·mean`` and covariance ``f² C + Ξ``. The Gaussian with these two
is the ``matched`` prior. The papers start from N(0, Ξ) instead (arXiv:2410.21212, section 2), which drops the data's
own variance: that is the ``noise`` prior, with the mean kept so that it means the same for data that are not centred.
"""

from __future__ import annotations

import numpy as np
import torch

from core.contracts import Tensor
from core.noise import Noise
from core.schedule import Schedule

PRIORS = ("matched", "noise")

_NOTICEABLE = 1e-3  # relative error of κ_2 from which the noise prior warns
_VISIBLE_DATA = 0.1  # share of the data in the variance from which a Gaussian prior warns


def draw_prior(kind: str, mean, covariance, schedule: Schedule, t: float, n: int, noise: Noise) -> Tensor:
    """n draws from the Gaussian prior at time ``t``, float64 of shape (n, dim), from the stream ``prior`` of ``noise``.

    ``mean`` (dim,) and ``covariance`` (dim, dim) are those of the data. Raises ValueError for a kind that is not one
    of PRIORS.
    """
    _check(kind)
    mean = np.atleast_1d(np.asarray(mean, dtype=float))
    f, xi = float(schedule.f(t)), float(schedule.xi(t))
    variance, axes = np.linalg.eigh(np.atleast_2d(np.asarray(covariance, dtype=float)))
    spread = np.sqrt(f**2 * np.maximum(variance, 0.0) + xi) if kind == "matched" else np.full(len(mean), np.sqrt(xi))
    x = noise.of("prior").normal(0, (n, len(mean)))
    # Rotate by hand: a matrix product may round differently when there are more paths.
    columns = [sum(x[:, j] * float(spread[j] * axes[i, j]) for j in range(len(mean))) for i in range(len(mean))]
    return torch.stack(columns, dim=1) + torch.from_numpy(f * mean)  # type: ignore[arg-type]


def prior_warning(kind: str, covariance, schedule: Schedule, t: float) -> str | None:
    """A sentence that says how wrong the prior is at its start, or None where that does not show.

    The noise prior lacks the share ``f² C/(f² C + Ξ)`` of κ_2 (its largest over all directions is quoted); any
    Gaussian prior lacks the data's shape, which matters when that share is not small. Raises ValueError for a kind
    that is not one of PRIORS.
    """
    _check(kind)
    kappa2 = float(np.linalg.eigvalsh(np.atleast_2d(np.asarray(covariance, dtype=float))).max())
    data, xi = float(schedule.f(t)) ** 2 * kappa2, float(schedule.xi(t))
    share = data / (data + xi)
    if share > _VISIBLE_DATA:
        return (
            f"At the start, t = {t:g}, the data still make up {share:.0%} of the variance, "
            f"and the {'Gaussian' if kind == 'matched' else 'noise'} prior misses "
            f"{'their shape' if kind == 'matched' else 'them'}: a larger sigma gives a better start."
        )
    if kind == "noise" and share > _NOTICEABLE:
        return (
            f"The prior N(0, Ξ) starts with κ₂ {share:.1%} too small, as it leaves out the data's own variance; "
            "the matched prior has it right."
        )
    return None


def _check(kind: str) -> None:
    if kind not in PRIORS:
        raise ValueError(f"prior must be one of {', '.join(PRIORS)}, got {kind!r}")
