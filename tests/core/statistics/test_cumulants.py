"""Cumulants and their streamed estimates against exact values and exact algebra."""

from itertools import pairwise
from math import comb

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from core.noise import Noise
from core.statistics.cumulants import PowerSums, cumulants_from_moments, moments_from_cumulants

# Two peaks at ±1 of width ¼: κ = 1 + 1/16, -2, 16, -272 from the tangent numbers of log cosh.
TWO_PEAKS = np.array([0, 0, 1.0625, 0, -2, 0, 16, 0, -272.0])

kappas = st.lists(st.floats(-2, 2), min_size=8, max_size=8).map(lambda k: np.array([0.0, *k]))


def test_exact_cumulants_of_known_laws():
    normal = [1, 0, 1, 0, 3, 0, 15, 0, 105]
    np.testing.assert_allclose(cumulants_from_moments(normal), [0, 0, 1, 0, 0, 0, 0, 0, 0], atol=1e-12)
    exponential = [1, 1, 2, 6, 24, 120, 720, 5040, 40320]  # κ_n = (n-1)!
    np.testing.assert_allclose(cumulants_from_moments(exponential), [0, 1, 1, 2, 6, 24, 120, 720, 5040], rtol=1e-12)
    poisson = [float(stats.poisson(0.7).moment(n)) for n in range(9)]  # κ_n = λ
    np.testing.assert_allclose(cumulants_from_moments(poisson), [0, *[0.7] * 8], rtol=1e-8)
    signs = [1, 0, 1, 0, 1, 0, 1, 0, 1]
    expected = TWO_PEAKS - np.array([0, 0, 0.0625, 0, 0, 0, 0, 0, 0])
    np.testing.assert_allclose(cumulants_from_moments(signs), expected, atol=1e-12)


def test_asymmetric_law_needs_its_odd_moments():
    """A peak of weight p at 1, else 0: κ_3 = p(1-p)(1-2p), κ_4 = p(1-p)(1-6p(1-p))."""
    p = 0.3
    kappa = cumulants_from_moments([1, *[p] * 8])
    q = p * (1 - p)
    np.testing.assert_allclose(kappa[:5], [0, p, q, q * (1 - 2 * p), q * (1 - 6 * q)], rtol=1e-14)


@settings(deadline=None)
@given(kappas)
def test_round_trip(kappa):
    m = moments_from_cumulants(kappa)
    assert m[0] == 1
    np.testing.assert_allclose(cumulants_from_moments(m), kappa, atol=1e-9 * np.abs(m).max())


@settings(deadline=None)
@given(kappas, st.floats(-2, 2), st.floats(-2, 2))
def test_shift_and_scale(kappa, shift, scale):
    """κ_n(s x + c) = sⁿ κ_n + c δ_{n1}, the moments moved by the binomial theorem."""
    m = moments_from_cumulants(kappa)
    moved = [sum(comb(n, j) * scale**j * m[j] * shift ** (n - j) for j in range(n + 1)) for n in range(9)]
    expected = kappa * scale ** np.arange(9)
    expected[1] += shift
    np.testing.assert_allclose(cumulants_from_moments(moved), expected, atol=1e-9 * np.abs(moved).max())


@settings(deadline=None)
@given(kappas, kappas)
def test_independent_sums_add(a, b):
    m, w = moments_from_cumulants(a), moments_from_cumulants(b)
    total = [sum(comb(n, j) * m[j] * w[n - j] for j in range(n + 1)) for n in range(9)]
    np.testing.assert_allclose(cumulants_from_moments(total), a + b, atol=1e-9 * np.abs(total).max())


def test_leading_axes():
    m = np.stack([moments_from_cumulants(TWO_PEAKS), moments_from_cumulants(2 * TWO_PEAKS)]).reshape(2, 1, 9)
    np.testing.assert_allclose(cumulants_from_moments(m)[1, 0], 2 * TWO_PEAKS, atol=1e-9)


def _two_peaks(n: int, seed: int = 0) -> np.ndarray:
    noise = Noise(seed, "test")
    signs = np.where(noise.uniform(0, (n,)).numpy() < 0.5, -1.0, 1.0)
    return signs + 0.25 * noise.normal(1, (n,)).numpy()


def test_sums_are_those_of_numpy():
    x = _two_peaks(1000)
    sums = PowerSums(blocks=10, run=7)
    sums.add(x)
    block = np.arange(1000) // 7 % 10
    for b in range(10):
        np.testing.assert_allclose(
            sums.sums[0, :, b], [np.sum(x[block == b] ** n) for n in range(9)], rtol=1e-13, atol=1e-12
        )
    np.testing.assert_allclose(sums.moments().value[0], [np.mean(x**n) for n in range(9)], rtol=1e-12, atol=1e-14)
    assert sums.paths[0] == 1000


@settings(max_examples=40, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 500), max_size=6),
    order=st.randoms(use_true_random=False),
    run=st.integers(1, 20),
    single=st.booleans(),
)
def test_chunks_and_merging_do_not_matter(cuts, order, run, single):
    x = _two_peaks(500).astype(np.float32 if single else np.float64)
    whole = PowerSums(run=run, shift=0.1)
    whole.add(x)
    edges = sorted({0, 500, *cuts})
    pieces = list(pairwise(edges))
    order.shuffle(pieces)
    merged = PowerSums(run=run, shift=0.1)
    for low, high in pieces:
        part = PowerSums(run=run, shift=0.1)
        part.add(x[low:high], first=low)
        merged = merged + part
    np.testing.assert_allclose(merged.sums, whole.sums, rtol=1e-13, atol=1e-12)
    np.testing.assert_allclose(merged.cumulants().error, whole.cumulants().error, rtol=1e-9, atol=1e-12)


def test_frames_tensors_and_columns_are_the_same_data():
    x = _two_peaks(600).reshape(3, 200)
    frames = PowerSums(3)
    frames.add_frames(torch.from_numpy(x)[..., None], first=40)
    for j in range(3):
        one = PowerSums()
        one.add(x[j], first=40)
        np.testing.assert_array_equal(frames.sums[j], one.sums[0])
    np.testing.assert_allclose(frames.cumulants().value[1], one_frame_cumulants(x[1]), rtol=1e-12)


def one_frame_cumulants(x):
    sums = PowerSums()
    sums.add(x)
    return sums.cumulants().value[0]


@pytest.mark.parametrize(
    ("mean", "spread"), [(0.0, 1.0), (0.0, 1e3), (0.0, 1e-6), (50.0, 1.0), (1e4, 1.0), (-3e4, 1e3)]
)
def test_shift_near_the_mean_keeps_all_digits(mean, spread):
    """κ_8 of spread·x + mean against the same sample in units where nothing cancels, to 1e-9 relative.

    The shift is off by a twentieth of the spread. Data so far from 0 have lost digits themselves, hence the
    comparison with what float64 kept of them.
    """
    x = _two_peaks(20_000) * spread + mean
    unit = (x.astype(np.longdouble) - np.longdouble(mean)) / np.longdouble(spread)
    exact = cumulants_from_moments([float(np.mean(unit**n)) for n in range(9)])
    sums = PowerSums(shift=mean + spread / 20)
    sums.add(x)
    kappa, error = sums.cumulants()
    scaled = kappa[0] / spread ** np.arange(9)
    np.testing.assert_allclose(scaled[2:], exact[2:], rtol=1e-9, atol=1e-9)
    assert kappa[0, 1] == pytest.approx(mean + spread * exact[1], rel=1e-13)
    assert np.all(np.isfinite(error))


def test_moments_are_about_zero_whatever_the_shift():
    x = _two_peaks(1000) + 0.4
    plain, shifted = PowerSums(), PowerSums(shift=0.5)
    plain.add(x)
    shifted.add(x)
    for a, b in zip(plain.moments(), shifted.moments(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)
    for a, b in zip(plain.cumulants(), shifted.cumulants(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-10)
    for a, b in zip(plain.cumulants(symmetric=True), shifted.cumulants(symmetric=True), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-10)


def test_symmetrised_estimate_of_a_one_sided_chain():
    """All of a chain in the + peak: plain κ_2 is the peak's width, the symmetrised one that of both peaks."""
    x = 1 + 0.25 * Noise(1).normal(0, (200_000,)).numpy()
    sums = PowerSums()
    sums.add(x)
    plain, even = sums.cumulants(), sums.cumulants(symmetric=True)
    assert plain.value[0, 2] == pytest.approx(0.0625, rel=0.02)
    assert np.all(np.abs(even.value[0] - TWO_PEAKS)[2:] <= 5 * even.error[0, 2:])
    assert np.all(even.value[0, 1::2] == 0)
    np.testing.assert_array_equal(sums.moments(symmetric=True).value[0, 1::2], 0)


@pytest.mark.parametrize(("blocks", "run", "n"), [(64, 8, 4096), (64, 8, 3000), (16, 1, 1000)])
def test_jackknife_errors_are_the_true_spread(blocks, run, n):
    """Over 300 seeds the mean error² equals the variance of the estimate; their ratio is F-like, with a relative
    spread of √(2/300) from the variance and √(2/(300·blocks)) from the errors, both widened by the kurtosis of high
    cumulants: within 30 %. The pull χ²/300 is 1 within 5 √(2/300) plus the same 5 % for finite blocks.
    """
    seeds = 300
    values, errors = np.empty((seeds, 9)), np.empty((seeds, 9))
    for seed in range(seeds):
        sums = PowerSums(blocks=blocks, run=run)
        sums.add(_two_peaks(n, seed))
        value, error = sums.cumulants()
        values[seed], errors[seed] = value[0], error[0]
    ratio = (errors[:, 1:] ** 2).mean(axis=0) / values[:, 1:].var(axis=0)
    assert np.all(np.abs(ratio - 1) < 0.3), ratio
    pull = (((values - TWO_PEAKS) / np.where(errors > 0, errors, 1)) ** 2)[:, 1:5].mean(axis=0)
    assert np.all(np.abs(pull - 1) < 5 * np.sqrt(2 / seeds) + 2 / blocks), pull


def test_correlated_sites_do_not_count_as_independent():
    """Configurations of 16 equal sites: the error is that of n configurations, not of 16 n numbers."""
    x = Noise(3).normal(0, (6400,)).numpy()
    field = np.repeat(x, 16).reshape(6400, 4, 4)
    single, sites = PowerSums(), PowerSums()
    single.add(x)
    sites.add(field.astype(np.float32).astype(float))
    sites_value, sites_error = sites.cumulants()
    value, error = single.cumulants()
    np.testing.assert_allclose(sites_value, value, atol=1e-5)
    np.testing.assert_allclose(sites_error, error, atol=1e-5)
    assert sites.paths[0] == 6400


def test_site_average_is_the_plain_average():
    field = Noise(4).normal(0, (50, 8, 8), torch.float32)
    sums = PowerSums(run=1)
    sums.add(field, first=7)
    pooled = field.numpy().astype(float).ravel()
    np.testing.assert_allclose(sums.moments().value[0], [np.mean(pooled**n) for n in range(9)], rtol=1e-10)


def test_blocks_of_a_chain_are_contiguous_where_asked():
    """An AR(1) chain with ρ = 0.95 has τ_int = ½(1+ρ)/(1-ρ) = 19.5: the error of its mean is √(2 τ/N) σ.

    64 blocks know an error to 9 %: within 5σ, 45 %. Blocks of scattered single steps miss it by a factor of 6.
    """
    rho, n = 0.95, 64_000
    eta = Noise(5).normal(0, (n,)).numpy()
    x = np.empty(n)
    x[0] = eta[0]
    for i in range(1, n):
        x[i] = rho * x[i - 1] + np.sqrt(1 - rho**2) * eta[i]
    expected = np.sqrt(39 / n)
    contiguous, scattered = PowerSums(run=1000), PowerSums(run=1)
    contiguous.add(x)
    scattered.add(x)
    assert contiguous.moments().error[0, 1] == pytest.approx(expected, rel=0.45)
    assert scattered.moments().error[0, 1] < expected / 2


def test_derived_quantities():
    """Binder's 1 - m_4/(3 m_2²) of two peaks by error propagation in the jackknife: within 5σ."""
    sums = PowerSums()
    sums.add(_two_peaks(100_000))
    value, error = sums.jackknife(lambda m: 1 - m[..., 4:5] / (3 * m[..., 2:3] ** 2)).estimate
    m = moments_from_cumulants(TWO_PEAKS)
    assert value.shape == (1, 1)
    assert abs(value[0, 0] - (1 - m[4] / (3 * m[2] ** 2))) < 5 * error[0, 0]
    assert 0 < error[0, 0] < 1e-3


def test_few_paths():
    empty, one, two = PowerSums(), PowerSums(run=1), PowerSums(run=1)
    one.add([0.5])
    two.add([0.5, -0.5])
    assert np.all(np.isnan(empty.cumulants().value[0, 1:]))
    assert one.cumulants().value[0, 1] == 0.5
    assert np.all(np.isnan(one.cumulants().error))
    assert two.cumulants().value[0, 2] == 0.25
    assert two.moments().error[0, 1] == pytest.approx(0.5)


def test_lower_order():
    x, low, full = _two_peaks(100), PowerSums(order=4), PowerSums()
    low.add(x)
    full.add(x)
    np.testing.assert_array_equal(low.sums, full.sums[:, :5])
    assert low.cumulants().value.shape == (1, 5)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: PowerSums(order=9), "order must be from 1 to 8, got 9"),
        (lambda: PowerSums(0), "frames >= 1"),
        (lambda: PowerSums(blocks=1), "blocks >= 2"),
        (lambda: PowerSums(run=0), "run >= 1"),
        (lambda: PowerSums(2).add_frames(np.zeros((3, 5))), "must have 2 frames along its first axis"),
        (lambda: PowerSums() + PowerSums(run=3), "only power sums of the same"),
        (lambda: PowerSums() + PowerSums(shift=1.0), "only power sums of the same"),
        (lambda: PowerSums() + PowerSums(2), "only power sums of the same"),
    ],
)
def test_bad_input_is_named(build, message):
    with pytest.raises(ValueError, match=message):
        build()
