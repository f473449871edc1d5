"""Curves in the plane against closed forms and the heat equation."""

import numpy as np
import pytest
import torch
from scipy.special import ive
from scipy.stats import kstest, norm

from core.noise import Noise
from core.theories.curves import KINDS, Curve

LEVELS = [(1.0, 0.0), (1.0, 1e-4), (1.0, 0.09), (0.6, 0.64), (1e-3, 1.0), (1.0, 100.0), (1e-240, 1.0), (1.0, 1e40)]


def noisy(target, n, f, xi):
    return f * target.sample(n, Noise(1)) + np.sqrt(xi) * Noise(2).normal(0, (n, 2))


@pytest.mark.parametrize(("f", "xi"), LEVELS)
@pytest.mark.parametrize("thickness", [0.01, 0.05, 0.5])
def test_circle_is_a_bessel_function(f, xi, thickness):
    """P = exp(-(r² + f²)/2v) I_0(r f/v)/(2πv), score (f I_1/I_0 - r)/v along the radius."""
    target, v = Curve("circle", thickness), f**2 * thickness**2 + xi
    x = noisy(target, 1000, f, xi)
    r = x.norm(dim=1).numpy()
    z = r * f / v
    radial = (f * ive(1, z) / ive(0, z) - r) / v
    expected = torch.from_numpy(radial[:, None]) * x / x.norm(dim=1, keepdim=True)
    torch.testing.assert_close(target.score(x, f, xi), expected, rtol=1e-8, atol=1e-8 / np.sqrt(v))
    log_p = np.log(ive(0, z)) - (r - f) ** 2 / (2 * v) - np.log(2 * np.pi) - np.log(v)
    np.testing.assert_allclose(target.log_prob(x, f, xi).numpy(), log_p, atol=1e-8)


@pytest.mark.parametrize(("f", "xi"), LEVELS)
def test_line_is_an_error_function(f, xi):
    """Along the line a uniform law convolved with a Gaussian, across it a Gaussian."""
    target = Curve("line", 0.05)
    width = np.hypot(f * 0.05, np.sqrt(xi))
    along = torch.tensor([2.0, 1.0], dtype=torch.float64) / np.sqrt(5)
    x = noisy(target, 1000, f, xi)
    a, b = (x @ along).numpy(), (x @ along.flip(0).mul(torch.tensor([-1.0, 1.0]))).numpy()
    if f > 1e-100:
        inside = norm.cdf((a + 1.5 * f) / width) - norm.cdf((a - 1.5 * f) / width)
        accurate = inside > 1e-3  # elsewhere the closed form itself cancels
        log_p = np.log(np.where(accurate, inside, 1.0) / (3 * f)) + norm.logpdf(b, 0, width)
        np.testing.assert_allclose(target.log_prob(x, f, xi).numpy()[accurate], log_p[accurate], rtol=0, atol=1e-9)
        assert accurate.sum() > (900 if f > 1e-2 and width < 1e3 else -1)
    score = target.score(x, f, xi)
    assert torch.isfinite(score).all()
    across = (score @ along.flip(0).mul(torch.tensor([-1.0, 1.0]))).numpy()
    np.testing.assert_allclose(across, -b / width**2, rtol=1e-9, atol=1e-9 / width)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("f", "xi"), LEVELS)
def test_stated_error_is_at_rounding_level(kind, f, xi):
    assert Curve(kind, 0.02).score_error(f, xi) < 1e-8


def test_too_few_nodes_are_seen_by_the_stated_error(monkeypatch):
    from core.theories import curves

    honest = Curve("spiral", 0.05).score_error(1.0, 0.0)
    nodes = curves._curve_nodes
    monkeypatch.setattr(curves, "_curve_nodes", lambda kind, quarters: nodes(kind, quarters - 10))
    assert Curve("spiral", 0.05).score_error(1.0, 0.0) > 1e-3 > 1e3 * honest


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("f", "xi"), [(1.0, 0.0), (0.8, 0.1), (0.1, 0.99)])
def test_score_is_the_gradient_of_log_prob(kind, f, xi):
    target, h = Curve(kind, 0.1), 1e-4 * np.sqrt(f**2 * 0.01 + xi)
    x = noisy(target, 300, f, xi)
    steps = h * torch.eye(2, dtype=torch.float64)
    columns = [(target.log_prob(x + d, f, xi) - target.log_prob(x - d, f, xi)) / (2 * h) for d in steps]
    width = np.sqrt(f**2 * 0.01 + xi)
    torch.testing.assert_close(target.score(x, f, xi), torch.stack(columns, 1), rtol=1e-6, atol=1e-6 / width)


@pytest.mark.parametrize("kind", KINDS)
def test_heat_equation(kind):
    """∂P/∂Ξ = ½ ∇²P by finite differences."""
    target, f, xi, h, d = Curve(kind, 0.1), 0.9, 0.05, 4e-3, 2e-5
    x = noisy(target, 50, f, xi)

    def p(shift, level=xi):
        return target.log_prob(x + torch.tensor(shift), f, level).exp()

    laplacian = -4 * p([0.0, 0.0]) + p([h, 0.0]) + p([-h, 0.0]) + p([0.0, h]) + p([0.0, -h])
    rate = (p([0.0, 0.0], xi + d) - p([0.0, 0.0], xi - d)) / (2 * d)
    torch.testing.assert_close(rate, laplacian / (2 * h * h), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_draws_have_the_stated_mean_covariance_and_window(kind):
    """Moments of 40000 draws within 5 standard errors; with noise, too, and at most a few outside the window."""
    target, f, xi = Curve(kind, 0.08), 0.7, 0.04
    x = noisy(target, 40_000, f, xi).numpy()
    covariance = f**2 * target.covariance + xi * np.eye(2)
    assert np.all(np.abs(x.mean(0) - f * target.mean) < 5 * np.sqrt(np.diag(covariance) / len(x)))
    d = np.einsum("ni,nj->nij", x - f * target.mean, x - f * target.mean)
    assert np.all(np.abs(d.mean(0) - covariance) < 5 * d.std(0) / np.sqrt(len(x)) + 1e-12)
    window = target.window(f, xi)
    assert window.shape == (2, 2)
    assert np.sum((x < window[:, 0]) | (x > window[:, 1])) <= 2  # 0.08 expected
    torch.testing.assert_close(
        target.sample(5, Noise(1).starting_at(70)), target.sample(75, Noise(1))[70:], rtol=0, atol=0
    )


def test_spiral_is_uniform_in_arc_length():
    """The points at equal steps of s lie at equal distances along a fine polygon, and a KS test of the angle."""
    from core.theories.curves import _SHAPES

    shape = _SHAPES["spiral"]
    s = np.linspace(0, shape.length, 20_001)
    chords = np.linalg.norm(np.diff(shape.point(s), axis=0), axis=1)
    np.testing.assert_allclose(chords, shape.length / 20_000, rtol=1e-5)
    assert np.linalg.norm(shape.point(np.array([shape.length]))) == pytest.approx(1.5)
    x = Curve("circle", 0.05).sample(20_000, Noise(4))
    assert kstest(torch.atan2(x[:, 1], x[:, 0]).numpy(), "uniform", (-np.pi, 2 * np.pi)).pvalue > 1e-4


@pytest.mark.parametrize(
    ("kind", "thickness", "word"),
    [
        ("square", 0.1, "kind of curve"),
        ("circle", 0.0, "thickness"),
        ("circle", -1, "thickness"),
        ("line", float("nan"), "thickness"),
        ("line", "thin", "thickness"),
        ("spiral", 2.0, "thickness"),
    ],
)
def test_bad_parameters_are_named(kind, thickness, word):
    with pytest.raises(ValueError, match=word):
        Curve(kind, thickness)
