"""Autocorrelation of Markov chains: integrated time with an automatic window, and the error of a mean.

The Γ method of U. Wolff, hep-lat/0306017: the autocovariance of the deviations from the overall mean is averaged
over chains and summed up to a window that balances statistical against truncation error (section 3.3 there). The
convention is ``τ_int = ½ + Σ_{t≥1} ρ(t)``, so an uncorrelated series has τ_int = ½ and N draws are worth
N/(2 τ_int) independent ones.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft


class Autocorrelation(NamedTuple):
    """What ``integrated_time`` found. Times are in steps of the series."""

    tau: float
    """τ_int = ½ + Σ ρ(t) up to the window; ½ for uncorrelated draws."""
    tau_error: float
    """One standard deviation of ``tau``, hep-lat/0306017 equation (42)."""
    window: int
    """The summation window W. A window at half the length of a chain means that the chains are too short."""
    mean: float
    """Mean of all draws of all chains."""
    mean_error: float
    """Its standard deviation, √(2 τ_int Γ(0) / N)."""
    rho: np.ndarray
    """ρ(0) = 1, ρ(1), … up to half the length of a chain."""


def integrated_time(series: np.ndarray, stiffness: float = 1.5) -> Autocorrelation:
    """τ_int of a stationary ``series`` of shape (draws,) or (chains, draws), with its window and error.

    ``stiffness`` is S of hep-lat/0306017, the assumed ratio of exponential to integrated time. The mean is taken
    over all chains, so chains stuck in different places show up as a long time, as they should. Raises ValueError
    for fewer than four draws or numbers that are not finite.
    """
    a = np.atleast_2d(np.asarray(series, dtype=float))
    if a.ndim != 2 or a.shape[1] < 4:
        raise ValueError(f"series must have the shape (chains, draws) with at least four draws, got {np.shape(series)}")
    if not np.all(np.isfinite(a)):
        raise ValueError("series must be finite, got nan or inf in it")
    total = a.size
    mean = float(a.mean())
    gamma = _autocovariance(a - mean)
    if gamma[0] <= 1e-30 * mean**2 or gamma[0] == 0:  # a constant: nothing fluctuates, nothing correlates
        return Autocorrelation(0.5, 0.0, 0, mean, 0.0, np.eye(1, len(gamma))[0])

    rho = gamma / gamma[0]
    tau_of_window = 0.5 + np.cumsum(rho[1:])  # W = 1, 2, …
    window = _window(tau_of_window, total, stiffness)
    # The mean was estimated from the same data, which lowers every Γ(t) by 2 τ Γ(0)/N: equation (32) puts it back.
    gamma = gamma + 2 * tau_of_window[window - 1] * gamma[0] / total
    rho = gamma / gamma[0]
    tau = max(float(0.5 + rho[1 : window + 1].sum()), 1.0 / total)
    tau_error = tau * np.sqrt(4 * max(window + 0.5 - tau, 0.0) / total)
    return Autocorrelation(tau, float(tau_error), window, mean, float(np.sqrt(2 * tau * gamma[0] / total)), rho)


def _autocovariance(deviations: np.ndarray) -> np.ndarray:
    """Γ(t) for t up to half the chain, averaged over chains, by zero-padded FFT."""
    chains, draws = deviations.shape
    size = int(next_fast_len(2 * draws, real=True) or 2 * draws)
    power = np.zeros(size // 2 + 1)
    for some in np.array_split(deviations, max(1, chains * size // 2**22)):  # bounded memory
        spectrum = rfft(some, size, axis=1)
        power += np.sum(spectrum.real**2 + spectrum.imag**2, axis=0)  # type: ignore[union-attr]
    lags = draws // 2 + 1
    return np.asarray(irfft(power, size))[:lags] / (chains * (draws - np.arange(lags)))


def _window(tau: np.ndarray, total: int, stiffness: float) -> int:
    """First W at which the truncation error falls below the statistical one: g(W) < 0, equation (52)."""
    w = np.arange(1, len(tau) + 1)
    safe = np.maximum(tau, 0.5 + 1e-12)
    decay = stiffness / np.log((2 * safe + 1) / (2 * safe - 1))  # equation (51); → 0 where there is no correlation
    g = np.exp(-w / decay) - decay / np.sqrt(w * total)
    hit = np.flatnonzero(g < 0)
    return int(w[hit[0]]) if len(hit) else int(w[-1])
