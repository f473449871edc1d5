"""What the cumulants of the forward process should be, and how well N paths can measure them."""

from __future__ import annotations

from math import factorial
from typing import Any

import numpy as np

from core.schedule import Schedule


def predicted_cumulants(kappa0: Any, schedule: Schedule, t: Any) -> np.ndarray:
    """Cumulants of x(t) = f x_0 + √Ξ η: κ_n(t) = fⁿ κ_n(0) + Ξ δ_{n2} (arXiv:2410.21212, section 3).

    ``kappa0`` is (order+1,) with κ_n at index n; the result has shape (*t.shape, order+1).
    """
    kappa0 = np.asarray(kappa0, dtype=float)
    f = np.asarray(schedule.f(t), dtype=float)
    kappa = kappa0 * f[..., None] ** np.arange(len(kappa0))
    kappa[..., 2] += schedule.xi(t)
    return kappa


def cumulant_noise(n: Any, variance: Any, paths: Any) -> np.ndarray:
    """Statistical error √(n! κ_2ⁿ / N) of κ_n measured with N independent paths of a nearly Gaussian law.

    Arguments broadcast. Exact to leading order in 1/N for a Gaussian; ``cumulant_errors`` is so for any law.
    """
    n = np.asarray(n)
    factorials = np.array([float(factorial(i)) for i in range(int(n.max(initial=0)) + 1)])[n]
    return np.sqrt(factorials / np.asarray(paths, dtype=float)) * np.asarray(variance, dtype=float) ** (n / 2)


def cumulant_errors(kappa: Any, paths: float, order: int = 8) -> np.ndarray:
    """Statistical error of each measured κ_n, n = 0…order, for a law of known cumulants, (..., order+1).

    To leading order in 1/N, Var κ̂_n = (n!)²/N × the coefficient of Jⁿ Lⁿ in exp[W(J+L) - W(J) - W(L)]: the
    variance of the influence function n! [Jⁿ] e^{Jx - W(J)}. It needs the cumulants up to 2·order; ``kappa`` is
    (..., 2·order+1 or more). Raises ValueError where there are fewer.
    """
    kappa = np.asarray(kappa, dtype=float)
    if kappa.shape[-1] < 2 * order + 1:
        raise ValueError(f"the errors to order {order} need cumulants to order {2 * order}, got {kappa.shape[-1] - 1}")
    # s[a, b] is the coefficient of J^a L^b in the exponent, e[a, b] that in its exponential; J ∂e = e J ∂s.
    size = order + 1
    s = np.zeros((*kappa.shape[:-1], size, size))
    for a in range(1, size):
        for b in range(1, size):
            s[..., a, b] = kappa[..., a + b] / (factorial(a) * factorial(b))
    e = np.zeros_like(s)
    e[..., 0, 0] = 1.0
    for a in range(1, size):
        for b in range(1, size):
            for i in range(1, a + 1):
                for j in range(1, b + 1):
                    e[..., a, b] += i / a * s[..., i, j] * e[..., a - i, b - j]
    scale = np.array([float(factorial(n)) for n in range(size)])
    variance = np.diagonal(e, axis1=-2, axis2=-1) * scale**2 / paths
    return np.sqrt(np.where(np.arange(size) == 0, 0.0, variance))


def is_only_noise(kappa: Any, paths: Any, threshold: float = 2.0) -> np.ndarray:
    """Where a measurement with N paths shows only noise: |κ_n| below ``threshold`` statistical errors.

    ``kappa`` is (..., order+1), as ``predicted_cumulants`` gives it; the result is boolean of that shape.
    """
    kappa = np.asarray(kappa, dtype=float)
    noise = cumulant_noise(np.arange(kappa.shape[-1]), kappa[..., 2:3], np.asarray(paths, dtype=float)[..., None])
    return np.abs(kappa) < threshold * noise
