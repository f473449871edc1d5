"""Errors of correlated data: against AR(1), pyerrors, and their coverage."""

import math

import numpy as np
import pyerrors
import pytest

from core.noise import Noise
from core.statistics.errors import block_length, bootstrap, cut, derived, jackknifed, mean
from tests.core.statistics.synthetic import autoregressive


def binder(means):
    return 1 - means["x4"] / (3 * means["x2"] ** 2)


def test_mean_of_independent_draws():
    x = Noise(1).normal(0, (4, 500)).numpy()
    found = mean(x, independent=True)
    assert found.value == pytest.approx(x.mean(), abs=1e-15)
    assert found.error == pytest.approx(x.std(ddof=1) / math.sqrt(2000))
    assert (found.tau_int, found.tau_int_error) == (0.5, 0.0)


def test_few_draws():
    one = mean(np.array([2.0]))
    assert one.value == 2.0
    assert math.isnan(one.error)
    assert math.isnan(one.tau_int)
    chains = mean(np.array([[1.0], [2.0], [6.0]]))  # one draw a chain: independent
    assert chains[:3] == pytest.approx((3.0, np.std([1, 2, 6], ddof=1) / math.sqrt(3), 0.5))
    short = mean(np.array([[1.0, 3.0], [5.0, 5.0]]))  # two draws a chain: the chains are the data
    assert short[:2] == pytest.approx((3.5, 1.5))
    assert math.isnan(short.tau_int)
    assert math.isnan(mean(np.array([1.0, 2.0, 3.0])).error)


@pytest.mark.parametrize("series", [np.zeros((2, 2, 2)), np.array([]), np.array([1.0, math.nan])])
def test_bad_series_are_named(series):
    with pytest.raises(ValueError, match="series must"):
        mean(series)


def test_derived_quantity_agrees_with_pyerrors():
    x = autoregressive(0.8, 1, 8000, 3)[0]
    x2, x4 = pyerrors.Obs([x**2], ["chain"]), pyerrors.Obs([x**4], ["chain"])
    reference = 1 - x4 / (3 * x2**2)
    reference.gamma_method(S=1.5)
    found = derived(binder, {"x2": x**2, "x4": x**4})
    assert found.value == pytest.approx(reference.value, abs=1e-12)
    assert found.error == pytest.approx(reference.dvalue, rel=0.01)
    assert found.tau_int == pytest.approx(reference.e_tauint["chain"], rel=0.01)
    assert found.tau_int_error == pytest.approx(reference.e_dtauint["chain"], rel=0.03)


def test_several_chains_agree_with_replica_of_pyerrors():
    # pyerrors takes deviations from the mean of each replicum, which matters to order τ/N of a chain, here 1/700.
    x = autoregressive(0.7, 4, 4000, 5)
    names = [f"chain|{i}" for i in range(len(x))]
    size, square = pyerrors.Obs(list(np.abs(x)), names), pyerrors.Obs(list(x**2), names)
    reference = square - size**2
    reference.gamma_method(S=1.5)
    found = derived(lambda means: means["square"] - means["size"] ** 2, {"size": np.abs(x), "square": x**2})
    assert found.value == pytest.approx(reference.value, abs=1e-12)
    assert found.error == pytest.approx(reference.dvalue, rel=0.02)
    assert found.tau_int == pytest.approx(reference.e_tauint["chain"], rel=0.03)


def test_derived_knows_correlations_between_its_means():
    # x - x has no error, though x has; and a linear function has that of the series itself.
    x = autoregressive(0.6, 3, 500, 4)
    assert derived(lambda a: a["x"] - a["same"], {"x": x, "same": x}).error < 1e-10 * mean(x).error
    assert derived(lambda a: 2 * a["x"], {"x": x}).error == pytest.approx(2 * mean(x).error, rel=1e-6)
    with pytest.raises(ValueError, match="one shape"):
        derived(lambda a: a["x"], {"x": x, "y": x[:1]})


def test_bootstrap_and_jackknife_of_blocks_agree_with_the_gamma_method():
    # The blocks are 10 τ long: errors 5 % low at most, and known to 5 % (about 400 blocks, 500 resamples).
    x = autoregressive(0.8, 5, 4000, 6)
    series = {"x2": x**2, "x4": x**4}
    reference = derived(binder, series)
    blocks = cut(np.stack(list(series.values()), axis=-1), block_length(mean(x**2).tau_int, mean(x**4).tau_int))

    def function(means):
        return binder({"x2": means[..., 0], "x4": means[..., 1]})[..., None]

    for found in (bootstrap(function, blocks), jackknifed(function, blocks)):
        assert found.value[0] == pytest.approx(reference.value, abs=1e-12)
        assert found.error[0] == pytest.approx(reference.error, rel=0.15)


def test_blocks():
    values = np.arange(24.0).reshape(2, 12, 1)
    blocks = cut(values, 1.0)
    assert blocks.sums.shape == (24, 1)
    blocks = cut(values, 6.0)  # but never fewer than twelve blocks
    np.testing.assert_array_equal(blocks.counts, np.full(12, 2))
    np.testing.assert_array_equal(blocks.sums[:, 0], values.reshape(12, 2).sum(axis=1))
    whole = cut(values, math.inf)
    np.testing.assert_array_equal(whole.sums[:, 0], values.sum(axis=(1, 2)))
    many = cut(np.ones((5000, 3, 1)), math.inf)  # more chains than blocks: groups of chains
    assert len(many.counts) == 1024
    assert many.counts.sum() == many.sums.sum() == 15000
    binned = cut(np.array([[[4.0], [4.0], [2.0]]]), 1.0, counts=np.array([2.0, 2.0, 1.0]))
    np.testing.assert_array_equal(binned.counts, [2, 2, 1])


def test_one_block_has_no_error():
    blocks = cut(np.ones((1, 3, 1)), math.inf)
    assert np.isnan(bootstrap(lambda m: m, blocks).error).all()
    assert np.isnan(jackknifed(lambda m: m, blocks).error).all()


def test_same_data_same_errors():
    blocks = cut(autoregressive(0.5, 2, 200, 8)[..., None], 2.0)
    assert bootstrap(lambda m: m, blocks).error == bootstrap(lambda m: m, blocks).error
    assert bootstrap(lambda m: m, blocks).error != bootstrap(lambda m: m, blocks, Noise(1)).error
