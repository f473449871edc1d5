"""One implicit step: mass, sign, stationary state, and its order in time against the matrix exponential."""

import numpy as np
import pytest
from scipy.linalg import expm

from core.fokker_planck.chang_cooper import advance, face_rates


def rates(z):
    z = np.asarray(z, dtype=float)
    up, down = np.empty_like(z), np.empty_like(z)
    face_rates(z, up, down)
    return up, down


def generator(up, down):
    """The matrix A of ∂_s P = A P (in units of 1/h²) for one line."""
    n = len(up) + 1
    a = np.zeros((n, n))
    for j in range(n - 1):
        a[j + 1, j] += up[j, 0]
        a[j, j] -= up[j, 0]
        a[j, j + 1] += down[j, 0]
        a[j + 1, j + 1] -= down[j, 0]
    return a


def test_rates_are_bernoulli_functions_at_every_size_of_drift():
    z = np.array([[-800.0, -30.0, -1.0, -1e-3, -1e-5, -1e-12, 0.0, 1e-12, 1e-5, 1e-3, 1.0, 30.0, 800.0]])
    up, down = rates(z)
    np.testing.assert_allclose(up - down, z, rtol=1e-13, atol=1e-15)  # B(-z) - B(z) = z
    moderate = np.abs(z) < 100
    np.testing.assert_allclose(up[moderate] / down[moderate], np.exp(z[moderate]), rtol=1e-13)
    assert np.all(up >= 0)
    assert np.all(down >= 0)
    assert up[0, 6] == down[0, 6] == 1.0


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("step", [1e-3, 1.0, 1e4])
def test_keeps_mass_and_sign_whatever_the_drift_and_the_start(order, step):
    rng = np.random.default_rng(3)
    up, down = rates(rng.normal(scale=30.0, size=(199, 7)))
    p = np.zeros((200, 7))
    p[100] = 1.0  # a single cell: the hardest start for a method of second order
    for _ in range(50):
        p = advance(p, up, down, step, order)
        assert np.all(p >= 0)
    np.testing.assert_allclose(p.sum(axis=0), 1.0, rtol=0, atol=1e-12)


def test_second_order_step_is_limited_where_it_would_undershoot():
    up, down = rates(np.zeros((40, 1)))
    p = np.zeros((41, 1))
    p[20] = 1.0
    a, one, gamma = generator(up, down), np.eye(41), 1 - 1 / np.sqrt(2)
    w = np.linalg.inv(one - 20 * gamma * a)
    unlimited = (1 + np.sqrt(2)) * w @ w @ p - np.sqrt(2) * w @ p
    assert unlimited.min() < -1e-3
    limited = advance(p, up, down, 20.0, 2)
    assert limited.min() >= 0
    assert limited.sum() == pytest.approx(1.0, abs=1e-14)
    exact = expm(20.0 * a) @ p

    def error(q):
        return np.abs(q - exact).sum()

    assert error(limited) < 0.85 * min(error(unlimited), error(advance(p, up, down, 20.0, 1)))


def test_tails_are_relatively_accurate():
    # Drift towards the middle: the tails are 1e-170 and still obey the equation, line by line.
    xi = np.linspace(-30, 30, 241)
    up, down = rates(-np.diff(xi**2 / 2)[:, None])
    p = np.exp(-(xi[:, None] ** 2) / 2 * 0.9)
    out = advance(p, up, down, 5.0, 1)
    residual = out - 5.0 * generator(up, down) @ out - p
    scale = out + 5.0 * np.abs(generator(up, down)) @ out
    assert p.min() < 1e-170
    assert np.max(np.abs(residual) / scale) < 1e-14


@pytest.mark.parametrize("order", [1, 2])
def test_exponential_of_the_action_is_stationary_to_rounding(order):
    rng = np.random.default_rng(0)
    action = np.cumsum(rng.normal(scale=0.7, size=(300, 3)), axis=0)
    up, down = rates(-np.diff(action, axis=0))
    p = np.exp(-action)
    out = p
    for _ in range(20):
        out = advance(out, up, down, 3.0, order)
    np.testing.assert_allclose(out, p, rtol=1e-12)


@pytest.mark.parametrize("order", [1, 2])
def test_order_in_time_against_the_matrix_exponential(order):
    xi = np.linspace(-5, 5, 81)
    up, down = rates(-np.diff(xi**2 / 2)[:, None])
    p = np.exp(-((xi[:, None] - 1) ** 2) / 0.5)
    total = 0.5 / (xi[1] - xi[0]) ** 2
    exact = expm(total * generator(up, down)) @ p
    errors = []
    for steps in (32, 64, 128, 256):
        q = p
        for _ in range(steps):
            q = advance(q, up, down, total / steps, order)
        errors.append(np.abs(q - exact).sum() / p.sum())
    slopes = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.all(np.abs(slopes - order) < 0.1), (errors, slopes)
