"""Reweighting and independence Metropolis on laws whose weights are known in closed form."""

import math

import numpy as np
import pytest
import torch

from core.diffusion.weights import Weighted, independence_metropolis, join
from core.noise import Noise

SIGMAS = 4.5


def shifted(n, noise, shift=0.6, width=1.3):
    """Proposals from N(shift, width²) for S = ½ x², with Z = √(2π)."""
    x = shift + width * noise.normal(0, (n, 1))
    log_q = -(((x - shift) / width) ** 2) / 2 - math.log(width * math.sqrt(2 * math.pi))
    return Weighted(x, (-x.square() / 2 - log_q)[:, 0].numpy())


def test_errors_of_mean_function_and_partition_function_cover():
    """1600 repetitions of 2000 proposals: pulls have mean 0 (4.5/√1600) and variance 1 (4.5·√(2/1600))."""
    pulls = []
    for seed in range(1600):
        w = shifted(2000, Noise(seed))
        x = w.fields[:, 0].numpy()
        z, square = w.log_partition, w.mean(x**2)
        variance = w.derived(lambda m: m["x2"] - m["x"] ** 2, {"x": x, "x2": x**2})
        pulls.append(
            [(z.value - math.log(2 * math.pi) / 2) / z.error]
            + [(value - 1) / error for value, error, *_ in (square, variance)]
        )
    pulls = np.array(pulls)
    assert np.all(np.abs(pulls.mean(0)) < SIGMAS / 40)
    assert np.all(np.abs(pulls.var(0) - 1) < SIGMAS * math.sqrt(2 / 1600))


def test_an_added_constant_has_no_error():
    w = shifted(500, Noise(1))
    x = w.fields[:, 0].numpy()
    assert w.mean(x + 50).value == pytest.approx(w.mean(x).value + 50)
    assert w.mean(x + 50).error == pytest.approx(w.mean(x).error)


def test_ess_is_that_of_the_gaussian_integral():
    """1/⟨w²⟩ for N(0, 1) under N(μ, s²), s² > ½: ESS = √(2s² - 1)/s² · exp(-μ²/(2s² - 1))."""
    mu, s = 0.6, 1.3
    expected = math.sqrt(2 * s**2 - 1) / s**2 * math.exp(-(mu**2) / (2 * s**2 - 1))
    w = shifted(400_000, Noise(1), mu, s)
    error = w.ess**2 * float(np.std(w.weights**2)) / math.sqrt(len(w))
    assert abs(w.ess - expected) < SIGMAS * error < 0.02


def test_equal_weights_are_worth_themselves():
    w = Weighted(torch.zeros(10, 1), np.full(10, -1e4))
    assert w.ess == pytest.approx(1)
    assert w.acceptance == pytest.approx(1)
    assert w.spread == 0
    assert w.log_partition.value == pytest.approx(-1e4)
    assert w.log_partition.error == pytest.approx(0)


def test_acceptance_is_the_average_over_pairs():
    w = shifted(300, Noise(2))
    i, j = np.triu_indices(300, 1)
    assert w.acceptance == pytest.approx(np.minimum(w.weights[i], w.weights[j]).mean())


def test_a_chain_accepts_as_foretold():
    """500 chains of 200 draws after a start in equilibrium; error from the spread between chains, 4.5σ."""
    w = shifted(100_000, Noise(3))
    chain = independence_metropolis(w, 500, Noise(4), start=in_equilibrium(500))
    error = chain.accepted.mean(1).std() / math.sqrt(500)
    assert abs(chain.acceptance - w.acceptance) < SIGMAS * error
    assert error < 0.005


def in_equilibrium(n, shift=0.6, width=1.3):
    x = Noise(99).normal(0, (n, 1))
    log_q = -(((x - shift) / width) ** 2) / 2 - math.log(width * math.sqrt(2 * math.pi))
    return Weighted(x, (-x.square() / 2 - log_q)[:, 0].numpy())


def test_chains_in_equilibrium_stay_there():
    """⟨x⟩ = 0, ⟨x²⟩ = 1, ⟨x⁴⟩ = 3 of 40,000 chains at each of the first three draws, 4.5σ; the proposals are off."""
    n = 40_000
    chain = independence_metropolis(shifted(3 * n, Noise(5)), n, Noise(6), in_equilibrium(n))
    x = chain.fields[..., 0].numpy()
    for d in range(3):
        for power, exact, variance in ((1, 0, 1), (2, 1, 2), (4, 3, 96)):
            assert abs((x[:, d] ** power).mean() - exact) < SIGMAS * math.sqrt(variance / n)
    assert shifted(n, Noise(5)).fields.mean() > 0.5


def test_a_chain_forgets_a_bad_start():
    """Without a start the chain begins with a draw of q; 99 draws later 4000 chains have ⟨x²⟩ = 1, ⟨x⟩ = 0, 4.5σ."""
    n, draws = 4000, 100
    chain = independence_metropolis(shifted(n * draws, Noise(7)), n, Noise(8))
    x = chain.fields[..., 0].numpy()
    assert np.array_equal(chain.index[:, 0], np.arange(0, n * draws, draws))
    assert abs(x[:, 0].mean() - 0.6) < 0.1
    assert abs(x[:, -1].mean()) < SIGMAS / math.sqrt(n)
    assert abs((x[:, -1] ** 2).mean() - 1) < SIGMAS * math.sqrt(2 / n)


def test_bookkeeping_of_a_chain():
    proposals = Weighted(torch.arange(6.0)[:, None], np.array([0.0, -math.inf, 50.0, 0.0, -math.inf, 50.0]))
    chain = independence_metropolis(proposals, 2, Noise(1))
    assert chain.index.tolist() == [[0, 0, 2], [3, 3, 5]]  # weight 0 is refused, a huge one is taken
    assert chain.accepted.tolist() == [[True, False, True]] * 2
    assert chain.acceptance == pytest.approx(2 / 3)
    assert chain.series(np.arange(6) * 10.0).tolist() == [[0, 0, 20], [30, 30, 50]]
    start = Weighted(torch.tensor([[7.0], [8.0]]), np.array([100.0, -math.inf]))
    chain = independence_metropolis(proposals, 2, Noise(1), start)
    assert chain.fields[..., 0].tolist() == [[7, 7, 7], [3, 3, 5]]


def test_a_chain_does_not_depend_on_the_others():
    w = shifted(300, Noise(9))
    both = independence_metropolis(w, 3, Noise(1))
    alone = independence_metropolis(Weighted(w.fields[:100], w.log_weights[:100]), 1, Noise(1))
    assert np.array_equal(both.index[0], alone.index[0])


def test_few_effective_configurations_are_said():
    assert shifted(1000, Noise(1)).warnings == ()
    (sentence,) = shifted(1000, Noise(1), shift=6.0, width=0.8).warnings
    assert "The 1000 proposals are worth" in sentence


def test_joined_sets_keep_their_order():
    a, b = shifted(3, Noise(1)), shifted(2, Noise(2))
    assert np.array_equal(join([a, b]).log_weights, np.concatenate([a.log_weights, b.log_weights]))


@pytest.mark.parametrize(
    ("log_weights", "message"),
    [
        ([0.0], r"log_weights must have the shape \(2,\), got \(1,\)"),
        ([0.0, math.nan], "log_weights must be numbers below infinity"),
        ([0.0, math.inf], "log_weights must be numbers below infinity"),
        ([-math.inf, -math.inf], "log_weights must have a finite one"),
    ],
)
def test_bad_weights_are_refused(log_weights, message):
    with pytest.raises(ValueError, match=message):
        Weighted(torch.zeros(2, 1), np.array(log_weights))


def test_bad_requests_are_refused():
    w = shifted(10, Noise(1))
    with pytest.raises(ValueError, match="chains must divide the number of proposals, 10, got 3"):
        independence_metropolis(w, 3, Noise(1))
    with pytest.raises(ValueError, match="start must have one configuration for each of the 2 chains, got 10"):
        independence_metropolis(w, 2, Noise(1), w)
    with pytest.raises(ValueError, match=r"O must have one value a configuration, shape \(10,\), got \(3,\)"):
        w.mean(np.zeros(3))
