"""Data whose averages and autocorrelations are known exactly."""

import numpy as np
from scipy.signal import lfilter

from core.noise import Noise
from core.theories.phi4 import Phi4


def autoregressive(a: float, chains: int, draws: int, seed: int) -> np.ndarray:
    """Stationary x_{t+1} = a x_t + √(1 - a²) η, (chains, draws): variance 1, ρ(t) = a^t, τ_int = ½ (1+a)/(1-a)."""
    eta = Noise(seed).normal(0, (chains, draws)).numpy()
    kick = np.sqrt(1 - a**2) * eta
    kick[:, 0] = eta[:, 0]
    return lfilter([1.0], [1.0, -a], kick, axis=1)


def free_fields(theory: Phi4, configurations: int, seed: int) -> np.ndarray:
    """Independent configurations of the free field, (configurations, *event): noise of the exact propagator."""
    eta = Noise(seed).normal(0, (configurations, *theory.event)).numpy()
    axes = tuple(range(1, eta.ndim))
    return np.fft.ifftn(np.fft.fftn(eta, axes=axes) * np.sqrt(theory.free_propagator()), axes=axes).real
