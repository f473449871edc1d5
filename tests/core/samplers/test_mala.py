"""MALA: proposal and acceptance are the textbook's, with and without Fourier acceleration.

Its stationary law is tested with the other algorithms, in test_algorithms.
"""

import math

import numpy as np
import pytest
import torch

from core.noise import Noise
from core.samplers import mala
from core.samplers.fourier import FourierKernel
from core.statistics.errors import mean
from core.theories.mixture import GaussianMixture
from core.theories.phi4 import Phi4
from tests.core.samplers import exact_laws as laws
from tests.core.samplers.gaussian_theory import Oscillator

THEORY = Phi4((4, 6), 0.25, 0.1)


def log_q(y, x, theory, epsilon, kernel):
    """log q(y|x) with 𝒦⁻¹ written out as a matrix."""
    basis = torch.eye(theory.volume, dtype=torch.float64).reshape(-1, *theory.event)
    matrix = basis.flatten(1) if kernel is None else kernel.apply(basis).flatten(1)
    gap = (y - x).flatten(1) - epsilon * theory.force(x).flatten(1) @ matrix
    return -((gap @ torch.linalg.inv(matrix)) * gap).sum(1) / (4 * epsilon)


@pytest.mark.parametrize("kernel", [None, FourierKernel(THEORY)])
def test_proposal_and_acceptance_are_those_of_the_textbook(kernel):
    noise, epsilon = Noise(1), 0.2
    x = laws.start(THEORY, 40, dtype=torch.float64)
    state, info = mala.step(mala.init(THEORY, x, epsilon, kernel), noise)
    eta, force = noise.normal(0, tuple(x.shape)), THEORY.force(x)
    if kernel is not None:
        eta, force = kernel.sqrt(eta), kernel.apply(force)
    y = x + epsilon * force + math.sqrt(2 * epsilon) * eta
    log_ratio = THEORY.action(x) - THEORY.action(y)
    log_ratio += log_q(x, y, THEORY, epsilon, kernel) - log_q(y, x, THEORY, epsilon, kernel)
    torch.testing.assert_close(info.log_ratio, log_ratio, rtol=1e-9, atol=1e-9)
    assert info.accepted is not None
    assert 3 < int(info.accepted.sum()) < 37
    torch.testing.assert_close(state.x[info.accepted], y[info.accepted])
    torch.testing.assert_close(state.x[~info.accepted], x[~info.accepted], rtol=0, atol=0)
    assert log_ratio.abs().max() > 0.1
    assert (state.count, state.clock) == (1, epsilon)


@pytest.mark.parametrize("accelerated", [False, True])
def test_detailed_balance_on_the_2x2_lattice(accelerated):
    """⟨f(x_t) g(x_{t+1})⟩ = ⟨g(x_t) f(x_{t+1})⟩ in equilibrium, which a stationary law alone does not imply."""
    theory = Phi4(2, 0.3, 0.2)
    kernel = FourierKernel(theory) if accelerated else None
    state = mala.init(theory, laws.start(theory, 2000), 0.2, kernel)
    f, g = laws.OBSERVABLES["phi2"], laws.OBSERVABLES["link"]
    products = []
    for _ in range(250):
        x = state.x
        state, _ = mala.step(state, Noise(7))
        products.append((f(x) * g(state.x)).numpy() - (g(x) * f(state.x)).numpy())
    found = mean(np.stack(products[50:], axis=1))
    assert abs(found.value) < laws.SIGMAS * found.error
    assert found.error < 0.002 * laws.moments_2x2(0.3, 0.2)["phi2"] * laws.moments_2x2(0.3, 0.2)["link"]


def test_a_huge_step_is_refused_and_does_no_harm():
    x = laws.start(THEORY, 10)
    state = mala.init(THEORY, x, 1e12)
    for _ in range(3):
        state, info = mala.step(state, Noise(1))
        assert info.accepted is not None
        assert not info.accepted.any()
    torch.testing.assert_close(state.x, x, rtol=0, atol=0)


@pytest.mark.parametrize("theory", [Oscillator(), GaussianMixture((0.5, 0.5), (-1.0, 1.0), (0.25, 0.25))])
def test_clock_counts_proposals(theory):
    state = mala.init(theory, torch.zeros(5, 1, dtype=torch.float64), 0.1)
    for _ in range(3):
        state, _ = mala.step(state, Noise(1))
    assert state.clock == pytest.approx(0.3)
