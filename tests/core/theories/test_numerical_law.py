"""The quadrature machinery against mixtures, whose score is known: the potential goes in, the score must come out."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from scipy.stats import kstest, norm

from core.noise import Noise
from core.theories import numerical
from core.theories.convolution import tabulate
from core.theories.mixture import GaussianMixture, two_peaks
from core.theories.numerical import NumericalLaw

MIXTURES = {
    "two peaks": two_peaks(),
    "asymmetric": GaussianMixture((0.6, 0.4), (-1.0, 1.5), (0.3, 0.5)),
    "narrow": GaussianMixture((0.5, 0.5), (-1.0, 1.0), (0.03, 0.05)),
    "needle on a hill": GaussianMixture((0.3, 0.7), (10.0, 11.0), (0.01, 0.5)),
    "far away": GaussianMixture((0.8, 0.2), (5000.0, 5003.0), (1.0, 0.4)),
    "tiny": GaussianMixture((0.8, 0.2), (0.0, 3e-5), (1e-5, 4e-6)),
}
RATIOS = [1e-8, 1e-5, 1e-3, 0.01, 0.03, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 30.0, 1e4, 1e100]


def law_of(mixture):
    def through(function):
        return lambda x: function(torch.from_numpy(np.ravel(x).reshape(-1, 1).copy())).numpy().reshape(np.shape(x))

    return NumericalLaw(through(lambda x: -mixture.log_prob(x)), through(mixture.score))


@pytest.fixture(scope="module", params=MIXTURES)
def pair(request):
    return MIXTURES[request.param], law_of(MIXTURES[request.param])


def levels(mixture):
    """(f, Ξ) of a VE process at every ratio of noise to signal, and of a VP one."""
    std = np.sqrt(mixture.covariance[0, 0])
    for ratio in RATIOS:
        yield 1.0, (ratio * std) ** 2
        f = 1 / np.hypot(1, ratio * std)
        yield f, (f * ratio * std) ** 2


def points(mixture, f, xi):
    """Draws from the law, and a grid through gaps and tails with the places where p > e^{-40} max p."""
    std = np.hypot(f * np.sqrt(mixture.covariance[0, 0]), np.sqrt(xi))
    draws = f * mixture.sample(2000, Noise(1)) + np.sqrt(xi) * Noise(2).normal(0, (2000, 1))
    grid = f * mixture.mean[0] + std * torch.linspace(-9, 9, 4001, dtype=torch.float64)[:, None]
    x = torch.cat([draws, grid])
    log_p = mixture.log_prob(x, f, xi)
    return x, log_p, (log_p > log_p.max() - 40), draws


def test_score_and_density_match_the_mixture_at_every_level(pair):
    mixture, law = pair
    for f, xi in levels(mixture):
        x, log_p, relevant, draws = points(mixture, f, xi)
        flat, exact = x[:, 0].numpy(), mixture.score(x, f, xi)[:, 0].numpy()
        rms = np.sqrt(np.mean(mixture.score(draws, f, xi).numpy() ** 2))
        error = np.abs(law.score(flat, f, xi) - exact)[relevant]
        # Rounding of x itself against the mean sets a floor for laws far from the origin.
        rounding = 1e-15 * abs(f * mixture.mean[0]) * (np.abs(exact[relevant]) + rms) / np.sqrt(xi)
        assert np.max(error / (rms + np.abs(exact[relevant])) - rounding) < 1e-6, (f, xi)
        assert np.max(np.abs(law.log_prob(flat, f, xi) - log_p.numpy())[relevant]) < 1e-6, (f, xi)


def test_stated_error_is_small_and_honest(pair):
    mixture, law = pair
    for f, xi in levels(mixture):
        stated = law.score_error(f, xi)
        assert stated < 1e-6, (f, xi)
        if mixture is MIXTURES["far away"]:
            continue  # there rounding of x in the test's own points exceeds the error
        x, _, relevant, draws = points(mixture, f, xi)
        exact = mixture.score(x, f, xi)[:, 0].numpy()
        rms = np.sqrt(np.mean(mixture.score(draws, f, xi).numpy() ** 2))
        actual = (np.abs(law.score(x[:, 0].numpy(), f, xi) - exact) / (rms + np.abs(exact)))[relevant].max()
        assert actual < 2 * stated + 1e-10, (f, xi, actual, stated)


def test_moments_mean_and_normalisation(pair):
    mixture, law = pair
    assert law.panels.log_z == pytest.approx(0.0, abs=1e-10)
    assert law.mean == pytest.approx(mixture.mean[0], rel=1e-10, abs=1e-14)
    exact = mixture._moments_about(law.mean, 8)
    scale = law.std ** np.arange(9)
    np.testing.assert_allclose(law.moments_about(law.mean, 8) / scale, exact / scale, atol=1e-8)


def test_a_needle_beside_a_far_well_is_found():
    """The first scan's points lie 50 apart out there."""
    mixture = GaussianMixture((0.5, 0.5), (5000.0, 5004.0), (1.0, 0.001))
    law = law_of(mixture)
    assert law.panels.log_z == pytest.approx(0.0, abs=1e-8)
    assert law.mean == pytest.approx(5002.0, abs=1e-7)
    assert law.std**2 == pytest.approx(mixture.covariance[0, 0], rel=1e-7)


def test_quantiles_invert_the_distribution(pair):
    mixture, law = pair
    u = np.concatenate([np.geomspace(1e-9, 0.5, 400), 1 - np.geomspace(1e-9, 0.5, 400), np.linspace(0.001, 0.999, 999)])
    x = law.panels.quantile(np.sort(u))
    parts = zip(mixture.weights, mixture.means, mixture.stds, strict=True)
    assert np.max(np.abs(sum(w * norm.cdf(x, m, s) for w, m, s in parts) - np.sort(u))) < 1e-10
    assert np.all(np.diff(x) >= 0)


def test_window_leaves_out_one_in_a_million(pair):
    mixture, law = pair
    for f, xi in [(1.0, 0.0), *levels(mixture)]:
        parts = list(zip(mixture.weights, mixture.means, mixture.stds, strict=True))
        low, high = law.window(f, xi)
        below = sum(w * norm.cdf(low, f * m, np.hypot(f * s, np.sqrt(xi))) for w, m, s in parts)
        above = sum(w * norm.sf(high, f * m, np.hypot(f * s, np.sqrt(xi))) for w, m, s in parts)
        assert (below, above) == (pytest.approx(5e-7, rel=0.05), pytest.approx(5e-7, rel=0.05)), (f, xi)


def test_generating_functional(pair):
    mixture, law = pair
    J = np.linspace(-6, 6, 13) / law.std
    expected = mixture.log_generating(J)
    np.testing.assert_allclose(law.log_laplace(J), expected, atol=1e-9 * (1 + np.abs(expected).max()))


def test_beyond_the_table_the_score_goes_on_as_a_gaussian_would():
    law = law_of(two_peaks())
    for ratio in (0.01, 1.0, 100.0):
        table = law.table(ratio)
        z = np.array([table.edges[-1] * k for k in (1.0, 1.0001, 2.0, 1e6)])
        s = table.evaluate_score(z)
        assert np.all(np.isfinite(s))
        assert np.all(np.diff(s) < 0)
        assert s[1] == pytest.approx(s[0], rel=1e-2)
        np.testing.assert_allclose(table.evaluate_score(-z), -s, rtol=1e-6)
        step = 1e-4
        slope = (table.evaluate_log_density(z + step) - table.evaluate_log_density(z - step)) / (2 * step)
        np.testing.assert_allclose(slope[:3], s[:3], rtol=1e-4)
    assert np.isnan(table.evaluate_score(np.array([np.nan]))[0])


def test_score_is_the_derivative_of_the_tabulated_density():
    law = law_of(MIXTURES["asymmetric"])
    z, h = np.linspace(-4, 4, 801), 1e-5
    for ratio in (1e-3, 0.1, 1.0):
        table = law.table(ratio)
        slope = (table.evaluate_log_density(z + h) - table.evaluate_log_density(z - h)) / (2 * h)
        np.testing.assert_allclose(slope, table.evaluate_score(z), atol=2e-5 * np.abs(slope).max())


def test_a_coarser_quadrature_is_seen_by_the_stated_error():
    """Panels far too wide for the noise change the score, so the comparison of two widths has something to see."""
    law = law_of(two_peaks()).standardised
    good, bad = tabulate(law, 0.02), tabulate(law, 0.02, panel_width=200.0)
    z = np.linspace(-1.4, 1.4, 400)
    assert np.abs(good.evaluate_score(z) - bad.evaluate_score(z)).max() > 1e-4


def test_the_cache_is_bounded_and_safe_to_share(monkeypatch):
    monkeypatch.setattr(numerical, "_TABLES", 5)
    mixture, law = two_peaks(), law_of(two_peaks())
    x = mixture.sample(200, Noise(3))
    noise_levels = [0.01 * 1.5**k for k in range(12)] * 4

    def error(xi):
        return np.abs(law.score(x[:, 0].numpy(), 1.0, xi) - mixture.score(x, 1.0, xi)[:, 0].numpy()).max()

    with ThreadPoolExecutor(4) as pool:
        assert max(pool.map(error, noise_levels)) < 1e-5
    assert len(law._tables) == 5
    assert law.table(0.5) is law.table(0.5)


def test_kinks_are_met_by_panel_edges():
    """|x| has a kink and linear tails: Laplace's law, with its exact distribution and W[J] = -log(1 - J²)."""
    law = NumericalLaw(np.abs, lambda x: -np.sign(x))
    assert law.std**2 == pytest.approx(2, rel=1e-12)
    J = np.array([-1.2, -0.9, 0.0, 0.5, 0.9, 1.5])
    with np.errstate(invalid="ignore"):
        expected = np.where(np.abs(J) < 1, -np.log(1 - J**2), np.inf)
    np.testing.assert_allclose(law.log_laplace(J), expected, atol=1e-9)
    assert law.score_error(1.0, 0.05) < 1e-6
    u = Noise(5).uniform(0, (20_000,)).numpy()
    assert kstest(law.panels.quantile(u), "laplace").pvalue > 1e-4


@pytest.mark.benchmark
def test_speed(benchmark):
    law, x = law_of(two_peaks()), Noise(1).normal(0, (8192,)).numpy()
    law.score(x, 1.0, 0.5)
    benchmark(law.score, x, 1.0, 0.5)
