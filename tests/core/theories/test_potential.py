"""The quartic well, single and double, against published numbers and direct integration."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import kstest

from core.contracts import ScoreModel, Theory
from core.noise import Noise
from core.theories.formula import Formula
from core.theories.potential import Quartic

WELLS = [Quartic(-1.0, 0.4), Quartic(1.0, 4.0), Quartic(0.0, 1.0), Quartic(2.0, 0.0), Quartic(-6.0, 1.0)]


def weight(target, x):
    return np.exp(-target.action_at(np.asarray(x)) + float(target.action_at(minimum(target))))


def minimum(target):
    return np.asarray(np.sqrt(max(-6 * target.mu2 / target.g, 0.0)) if target.g else 0.0)


def direct(target, function):
    """⟨function⟩ and the half-range it needs, by adaptive quadrature."""
    reach, well = 12.0, float(minimum(target))
    points = sorted({-well, 0.0, well})

    def integral(g):
        return quad(
            lambda x: g(x) * weight(target, x), -reach, reach, points=points, limit=500, epsabs=0, epsrel=1e-12
        )[0]

    return integral(function) / integral(lambda x: 1.0)


def test_published_numbers_of_the_double_well():
    target = Quartic(-1.0, 0.4)
    assert target.moments(2)[2] == pytest.approx(13.673034, abs=5e-7)
    weights, x = np.exp(target.law.panels.log_weights), target.law.panels.x
    assert np.sum(weights * np.abs(x)) == pytest.approx(3.591332, abs=5e-7)


@pytest.mark.parametrize("target", WELLS, ids=repr)
def test_moments_and_cumulants_by_direct_quadrature(target):
    m = [direct(target, lambda x, n=n: x**n) for n in (2, 4, 6, 8)]
    np.testing.assert_allclose(target.moments(8)[[2, 4, 6, 8]], m, rtol=1e-9)
    assert np.all(target.moments(9)[1::2] == 0)
    kappa = target.cumulants(6)
    expected = [m[0], m[1] - 3 * m[0] ** 2, m[2] - 15 * m[1] * m[0] + 30 * m[0] ** 3]
    np.testing.assert_allclose(kappa[[2, 4, 6]], expected, rtol=1e-8, atol=1e-9)
    assert target.covariance[0, 0] == pytest.approx(m[0], rel=1e-9)
    assert np.all(target.mean == 0)


@pytest.mark.parametrize("target", WELLS, ids=repr)
def test_action_force_and_normalised_density(target):
    x = torch.linspace(-3, 3, 301, dtype=torch.float64)[:, None]
    leaf = x.clone().requires_grad_()
    action = 0.5 * target.mu2 * leaf**2 + target.g * leaf**4 / 24
    (gradient,) = torch.autograd.grad(action.sum(), leaf)
    torch.testing.assert_close(target.action(x), action.detach()[:, 0])
    torch.testing.assert_close(target.force(x), -gradient)
    torch.testing.assert_close(target.score(x), -gradient)
    offset = target.action(x) + target.log_prob(x)
    torch.testing.assert_close(offset, offset[:1].expand_as(offset))
    for f, xi in [(1.0, 0.0), (0.5, 0.75), (1.0, 3.0)]:
        low, high = target.window(f, xi)[0]
        grid = torch.linspace(2 * low, 2 * high, 20001, dtype=torch.float64)[:, None]
        total = np.trapezoid(target.log_prob(grid, f, xi).exp().numpy(), grid[:, 0].numpy())
        assert total == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("target", WELLS, ids=repr)
@pytest.mark.parametrize(("f", "xi"), [(1.0, 0.01), (0.7, 0.51), (0.1, 0.99), (1.0, 20.0)])
def test_score_by_direct_integration(target, f, xi):
    """Tweedie's formula with both integrals done by adaptive quadrature, at points through wells and barrier."""
    low, high = target.window(f, xi)[0]
    for x in np.linspace(low, high, 7):

        def integrand(y, power, x=x):
            return (f * y - x) ** power * np.exp(-((x - f * y) ** 2) / (2 * xi)) * weight(target, y)

        points = sorted({0.0, float(minimum(target)), -float(minimum(target)), float(np.clip(x / f, -9, 9))})
        top, bottom = (
            quad(integrand, -10, 10, args=(k,), points=points, limit=800, epsabs=0, epsrel=1e-9)[0] for k in (1, 0)
        )
        score = target.score(torch.tensor([[x]], dtype=torch.float64), f, xi).item()
        assert score == pytest.approx(top / bottom / xi, rel=2e-6, abs=2e-6 / np.sqrt(f**2 * target.law.std**2 + xi))
    assert target.score_error(f, xi) < 1e-6


@pytest.mark.parametrize("target", WELLS, ids=repr)
@pytest.mark.parametrize(("f", "xi"), [(1e-240, 1.0), (1.0, 1e40), (1e-3, 1e-12), (1.0, 1e-280)])
def test_ends_of_a_schedule(target, f, xi):
    width = np.hypot(f * target.law.std, np.sqrt(xi))
    x = f * target.sample(500, Noise(1)) + np.sqrt(xi) * Noise(2).normal(0, (500, 1))
    score = target.score(x, f, xi)
    assert torch.isfinite(score).all()
    assert torch.isfinite(target.log_prob(x, f, xi)).all()
    assert np.all(np.isfinite(target.window(f, xi)))
    if f * target.law.std < 1e-6 * np.sqrt(xi):
        torch.testing.assert_close(score, -x / width**2, rtol=1e-9, atol=1e-12 / width)
    if xi < 1e-100:
        torch.testing.assert_close(score, target.force(x), rtol=1e-5, atol=1e-5)


def test_generating_functional_exists_everywhere_and_matches_integration():
    target, f, xi = Quartic(-1.0, 0.4), 0.6, 0.3
    J = np.array([-20.0, -2.0, 0.0, 1e-4, 1.0, 20.0, 500.0])
    W = target.log_generating(J, f, xi)

    def integral(J_):
        top = max(J_ * f * y - float(target.action_at(np.asarray(y))) for y in np.linspace(-30, 30, 6001))
        g = quad(
            lambda y: np.exp(J_ * f * y - target.action_at(np.asarray(y)) - top), -30, 30,
            points=[-10, -5, 0, 5, 10, 15], limit=800, epsabs=0, epsrel=1e-12,
        )  # fmt: skip
        return np.log(g[0]) + top

    expected = [J_**2 * xi / 2 + integral(J_) - integral(0.0) for J_ in J]
    np.testing.assert_allclose(W, expected, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(target.log_generating(J, 1e-240, 1.0), J**2 / 2, rtol=1e-12)


def test_draws_follow_the_law_and_belong_to_their_path():
    """Kolmogorov–Smirnov at 40000 draws against a distribution integrated on a fine grid."""
    target = Quartic(-1.0, 0.4)
    x = target.sample(40_000, Noise(3))
    grid = np.linspace(-12, 12, 200_001)
    cumulative = np.concatenate([[0], np.cumsum((weight(target, grid)[1:] + weight(target, grid)[:-1]) / 2)])
    assert kstest(x[:, 0].numpy(), lambda t: np.interp(t, grid, cumulative / cumulative[-1])).pvalue > 1e-4
    torch.testing.assert_close(target.sample(5, Noise(3).starting_at(100)), x[100:105], rtol=0, atol=0)


def test_equal_targets_share_their_tables():
    assert Quartic(-1.0, 0.4).law is Quartic(-1.0, 0.4).law
    assert Quartic(-1.0, 0.4).law is not Quartic(-1.0, 0.5).law


def test_it_is_a_theory_and_a_score_model():
    assert isinstance(WELLS[0], Theory)
    assert isinstance(WELLS[0], ScoreModel)
    assert WELLS[0].event == (1,)


@pytest.mark.parametrize(
    ("mu2", "g", "word"),
    [
        (-1, 0, "g must be positive"),
        (0, 0, "g must be positive"),
        (1, -1, "g must be positive"),
        (float("nan"), 1, "mu2 must be a finite"),
        (1, float("inf"), "g must be a finite"),
        ("1", 1, "mu2 must be a finite"),
    ],
)
def test_bad_couplings_are_named(mu2, g, word):
    with pytest.raises(ValueError, match=word):
        Quartic(mu2, g)


@pytest.mark.parametrize("text", ["x^2/2 + 2*cos(3*x)", "x^4/4 - x^2", "exp(x) - x", "abs(x)^3 + x"])
@pytest.mark.parametrize("ratio", [0.1, 1.0, 10.0])
def test_a_rough_law_is_the_law_to_a_thousandth(text, ratio):
    target = Formula(text)
    rough, xi = target.rough(), (ratio * math.sqrt(target.covariance[0, 0])) ** 2
    low, high = target.window(1.0, xi)[0]
    x = torch.linspace(low, high, 300, dtype=torch.float64)[:, None]
    exact = target.score(x, 1.0, xi)
    scale = exact.abs() + exact.square().mean().sqrt()
    assert bool(((rough.score(x, 1.0, xi) - exact).abs() < 3e-3 * scale).all())
    assert len(rough.law.table(ratio).edges) <= len(target.law.table(ratio).edges)
    torch.testing.assert_close(rough.log_prob(x, 1.0, xi), target.log_prob(x, 1.0, xi), atol=3e-3, rtol=0)
    assert rough == target
    assert target.score_error(1.0, xi) < 1e-5  # the law itself stays as good as it was


@pytest.mark.parametrize("text", ["x^2/2 + 2*cos(3*x)", "x^4/4 - x^2", "exp(x) - x"])
def test_a_rough_law_knows_its_generating_functional(text):
    target = Formula(text)
    J = np.linspace(-2, 2, 9) / math.sqrt(target.covariance[0, 0])
    exact, rough = target.log_generating(J), target.rough().log_generating(J)
    assert np.all(np.isposinf(rough) | (np.abs(rough - exact) < 1e-6))
    assert np.all(np.isposinf(rough[np.isposinf(exact)]))
    assert np.isfinite(rough[3:-3]).all()
