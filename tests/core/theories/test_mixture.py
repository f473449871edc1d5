"""Gaussian mixtures against closed forms, direct quadrature and the heat equation."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import kstest, norm

from core.noise import Noise
from core.theories.mixture import GaussianMixture, three_peaks, two_peaks

ASYMMETRIC = GaussianMixture((0.5, 0.3, 0.2), (-1.0, 0.4, 2.5), (0.3, 0.8, 0.2))
PLANE = GaussianMixture((0.2, 0.5, 0.3), ((-1, 0.3), (0.5, 2), (1.5, -1)), (0.4, 0.2, 0.7))
LEVELS = [(1.0, 0.0), (1.0, 1e-6), (1.0, 0.3), (0.6, 0.64), (1e-3, 1.0), (1.0, 50.0)]


def column(values):
    return torch.as_tensor(np.asarray(values, dtype=float).reshape(-1, 1))


def direct(function, target=ASYMMETRIC):
    """∫ function(x) P_0(x) dx by adaptive quadrature over the written-out density."""

    def integrand(x):
        return function(x) * sum(
            w * norm.pdf(x, m, s) for w, m, s in zip(target.weights, target.means, target.stds, strict=True)
        )

    return quad(integrand, -15, 15, points=[-1, 0, 0.4, 2, 2.5, 3], epsabs=1e-13, epsrel=1e-13, limit=400)[0]


def test_two_peaks_have_the_published_cumulants():
    kappa = two_peaks().cumulants(8)
    np.testing.assert_allclose(kappa[[2, 4, 6, 8]], [1.0625, -2, 16, -272], rtol=1e-13)
    assert np.all(kappa[[0, 1, 3, 5, 7]] == 0)


@pytest.mark.parametrize(("f", "xi"), LEVELS)
def test_two_peak_score_is_the_tanh_form(f, xi):
    target = two_peaks(1.0, 0.25)
    v, m = f**2 / 16 + xi, f
    x = column(np.linspace(-4, 4, 999) * np.sqrt(v + f**2))
    expected = (-x + m * torch.tanh(m * x / v)) / v
    torch.testing.assert_close(target.score(x, f, xi), expected, rtol=1e-12, atol=1e-12 / np.sqrt(v))


def test_asymmetric_moments_and_cumulants_by_direct_quadrature():
    moments = ASYMMETRIC.moments(9)
    np.testing.assert_allclose(moments, [direct(lambda x, n=n: x**n) for n in range(10)], rtol=1e-10)
    mean = direct(lambda x: x)
    c = [direct(lambda x, n=n: (x - mean) ** n) for n in range(7)]
    kappa = ASYMMETRIC.cumulants(6)
    # The textbook formulas in central moments, odd ones included.
    expected = [0, mean, c[2], c[3], c[4] - 3 * c[2] ** 2, c[5] - 10 * c[3] * c[2]]
    expected.append(c[6] - 15 * c[4] * c[2] - 10 * c[3] ** 2 + 30 * c[2] ** 3)
    np.testing.assert_allclose(kappa, expected, rtol=1e-9)
    assert abs(kappa[3]) > 0.5
    assert abs(kappa[5]) > 0.5


def test_cumulants_do_not_feel_a_shift():
    near = GaussianMixture((0.7, 0.3), (-0.3, 0.7), (0.2, 0.1)).cumulants()
    far = GaussianMixture((0.7, 0.3), (1e4 - 0.3, 1e4 + 0.7), (0.2, 0.1)).cumulants()
    np.testing.assert_allclose(far[2:], near[2:], rtol=1e-8)


@pytest.mark.parametrize(
    "target", [two_peaks(), ASYMMETRIC, PLANE, three_peaks()], ids=["two", "asym", "plane", "three"]
)
@pytest.mark.parametrize(("f", "xi"), LEVELS)
def test_score_is_the_gradient_of_log_prob(target, f, xi):
    x = f * target.sample(200, Noise(1)) + np.sqrt(xi) * Noise(2).normal(0, (200, target.dim))
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(target.log_prob(x, f, xi).sum(), x)
    torch.testing.assert_close(
        target.score(x.detach(), f, xi), gradient, rtol=1e-9, atol=1e-9 * gradient.abs().max().item()
    )


@pytest.mark.parametrize(("f", "xi"), LEVELS)
def test_density_is_normalised_and_mean_and_covariance_agree(f, xi):
    low, high = ASYMMETRIC.window(f, xi)[0]
    x = np.linspace(1.5 * low - 0.5 * high, 1.5 * high - 0.5 * low, 40001)
    p = np.exp(ASYMMETRIC.log_prob(column(x), f, xi).numpy())
    mean = np.trapezoid(x * p, x)
    assert np.trapezoid(p, x) == pytest.approx(1, abs=1e-9)
    assert mean == pytest.approx(f * ASYMMETRIC.mean[0], abs=1e-8 * (high - low))
    assert np.trapezoid((x - mean) ** 2 * p, x) == pytest.approx(f**2 * ASYMMETRIC.covariance[0, 0] + xi, rel=1e-8)


def test_heat_equation():
    """∂P/∂Ξ = ½ ∇²P, in the plane, from finite differences of fourth order."""
    x, f, xi, h, d = torch.tensor([[0.3, 0.4], [-1.0, 0.1], [1.0, 1.0]], dtype=torch.float64), 0.8, 0.5, 1e-2, 1e-3

    def p(shift, level=xi):
        return PLANE.log_prob(x + torch.tensor(shift, dtype=torch.float64), f, level).exp()

    laplacian = 0
    for axis in ([h, 0.0], [0.0, h]):
        step = np.asarray(axis)
        laplacian += (16 * (p(step) + p(-step)) - p(2 * step) - p(-2 * step) - 30 * p(0 * step)) / (12 * h * h)
    rate = (p([0.0, 0.0], xi + d) - p([0.0, 0.0], xi - d)) / (2 * d)
    torch.testing.assert_close(rate, laplacian / 2, rtol=1e-5, atol=1e-7)


@given(f=st.floats(0.05, 1), xi=st.floats(0.0, 5), f2=st.floats(0.05, 1), xi2=st.floats(0.0, 5), x=st.floats(-6, 6))
@settings(max_examples=60, deadline=None)
def test_semigroup(f, xi, f2, xi2, x):
    """Two stretches of the process are one: (f2, Ξ2) after (f, Ξ) is (f2 f, f2² Ξ + Ξ2)."""
    between = GaussianMixture(
        ASYMMETRIC.weights,
        tuple(f * m for m in ASYMMETRIC.means),
        tuple(np.sqrt(f**2 * s**2 + xi) for s in ASYMMETRIC.stds),
    )
    at = column([x])
    once, twice = ASYMMETRIC.score(at, f2 * f, f2**2 * xi + xi2), between.score(at, f2, xi2)
    torch.testing.assert_close(once, twice, rtol=1e-9, atol=1e-9 * (1 + once.abs().max().item()))


def test_generating_functional():
    J = np.array([-3.0, -0.5, 0.0, 0.7, 4.0])
    f, xi = 0.7, 0.4
    expected = [J_ * J_ * xi / 2 + np.log(direct(lambda x, J_=J_: np.exp(J_ * f * x))) for J_ in J]
    np.testing.assert_allclose(ASYMMETRIC.log_generating(J, f, xi), expected, atol=1e-10)
    assert np.all(np.isfinite(two_peaks().log_generating(np.array([-1e4, 1e4]))))


@pytest.mark.parametrize(
    "target", [two_peaks(), ASYMMETRIC, PLANE, three_peaks()], ids=["two", "asym", "plane", "three"]
)
@pytest.mark.parametrize(("f", "xi"), [(1e-240, 1.0), (1e-240, 1e-3), (1.0, 1e40), (1e-5, 1e40)])
def test_no_overflow_at_the_ends_of_a_schedule(target, f, xi):
    """Structure has drowned: the law is N(f mean, f² G + Ξ), and the score that of a Gaussian."""
    x = np.sqrt(xi) * Noise(3).normal(0, (500, target.dim))
    torch.testing.assert_close(target.score(x, f, xi), -x / xi, rtol=1e-9, atol=1e-12 / np.sqrt(xi))
    assert torch.isfinite(target.log_prob(x, f, xi)).all()
    assert np.all(np.isfinite(target.window(f, xi)))


def test_far_away_the_nearest_peak_is_all_there_is():
    x = column([-1e6, 1e6])
    torch.testing.assert_close(two_peaks().score(x), (torch.sign(x) - x) * 16, rtol=1e-12, atol=0)
    assert torch.isfinite(ASYMMETRIC.score(x)).all()


def test_draws_follow_the_law_and_belong_to_their_path():
    """Kolmogorov–Smirnov at 40000 draws: p > 1e-4 unless the law is off by about a percent."""
    x = ASYMMETRIC.sample(40_000, Noise(7))

    def distribution(t):
        return sum(
            w * norm.cdf(t, m, s) for w, m, s in zip(ASYMMETRIC.weights, ASYMMETRIC.means, ASYMMETRIC.stds, strict=True)
        )

    assert kstest(x[:, 0].numpy(), distribution).pvalue > 1e-4
    torch.testing.assert_close(ASYMMETRIC.sample(10, Noise(7).starting_at(500)), x[500:510], rtol=0, atol=0)


def test_draws_in_the_plane():
    """Mean and covariance of 40000 draws within 5 standard errors."""
    x = PLANE.sample(40_000, Noise(8)).numpy()
    covariance = PLANE.covariance
    assert np.all(np.abs(x.mean(0) - PLANE.mean) < 5 * np.sqrt(np.diag(covariance) / len(x)))
    products = np.einsum("ni,nj->nij", x - PLANE.mean, x - PLANE.mean)
    assert np.all(np.abs(products.mean(0) - covariance) < 5 * products.std(0) / np.sqrt(len(x)))


@pytest.mark.parametrize(("f", "xi"), LEVELS)
def test_window_leaves_out_one_in_a_million(f, xi):
    low, high = ASYMMETRIC.window(f, xi)[0]
    parts = list(zip(ASYMMETRIC.weights, ASYMMETRIC.means, ASYMMETRIC.stds, strict=True))
    below = sum(w * norm.cdf(low, f * m, np.sqrt(f**2 * s**2 + xi)) for w, m, s in parts)
    above = sum(w * norm.sf(high, f * m, np.sqrt(f**2 * s**2 + xi)) for w, m, s in parts)
    assert (below, above) == (pytest.approx(5e-7, rel=1e-6), pytest.approx(5e-7, rel=1e-6))


@pytest.mark.parametrize(
    ("weights", "means", "stds", "word"),
    [
        ((1, -1), (0, 1), (1, 1), "weights must be positive"),
        ((1, 0), (0, 1), (1, 1), "weights must be positive"),
        ((1, 1), (0, 1), (1, 0), "stds must be positive"),
        ((1, 1), (0, 1, 2), (1, 1), "one entry for each"),
        ((), (), (), "1 to 64 components"),
        ((1, 1), (0, float("nan")), (1, 1), "means must be finite"),
        ((float("inf"), 1), (0, 1), (1, 1), "weights must be finite"),
        ((1,), ((0, 1, 2),), (1,), "pairs"),
        ((1,), ("a",), (1,), "means must be numbers"),
        ((1, 1), ((0, 1), 2), (1, 1), "means must be numbers"),
    ],
)
def test_bad_parameters_are_named(weights, means, stds, word):
    with pytest.raises(ValueError, match=word):
        GaussianMixture(weights, means, stds)


def test_weights_are_normalised_and_levels_checked():
    target = GaussianMixture((2, 6), (0, 1), (1, 1))
    assert target.weights == (0.25, 0.75)
    x = column([0.0])
    with pytest.raises(ValueError, match="f must be positive"):
        target.score(x, 0.0, 1.0)
    with pytest.raises(ValueError, match="xi must be"):
        target.log_prob(x, 1.0, float("nan"))
    with pytest.raises(ValueError, match="one dimension"):
        PLANE.cumulants()
