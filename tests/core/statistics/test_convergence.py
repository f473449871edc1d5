"""R̂, effective sample size, halves and starts, on chains that have converged and chains that have not."""

import math

import numpy as np
import pytest

from core.noise import Noise
from core.statistics.convergence import (
    effective_sample_size,
    halves_differ_by,
    r_hat,
    r_hat_expected,
    r_hat_limit,
    starts_differ_by,
)
from core.statistics.errors import mean
from tests.core.statistics.synthetic import autoregressive


def test_chains_of_one_law():
    x = autoregressive(0.7, 8, 4000, 1)
    assert 1 <= r_hat(x) < 1.01
    # ESS = N/(2 τ_int), τ_int = ½ (1+a)/(1-a) = 17/6; arviz-stats' own estimate is good to a few percent
    assert effective_sample_size(x) == pytest.approx(x.size / (17 / 3), rel=0.1)
    assert abs(halves_differ_by(x)) < 4
    assert abs(starts_differ_by(x)) < 4


@pytest.mark.parametrize("chains", [8, 64])
def test_chains_that_disagree(chains):
    x = autoregressive(0.7, chains, 1000, 1)
    apart = x + np.where(np.arange(chains) % 2 == 0, 0.5, -0.5)[:, None]
    assert r_hat(apart) > 1.05
    assert starts_differ_by(apart) > 6
    drifting = x + np.linspace(1, 0, 1000) ** 2
    assert r_hat(drifting) > 1.02
    assert halves_differ_by(drifting) < -6


def test_pulls_have_unit_width():
    # 300 runs of 4 and of 16 chains, which take two ways to the error; the width of 300 pulls is known to 4 %.
    for chains in (4, 16):
        x = autoregressive(0.6, 300 * chains, 400, 5).reshape(300, chains, 400)
        for function in (halves_differ_by, starts_differ_by):
            pulls = np.array([function(run) for run in x])
            assert 0.85 < pulls.std() < 1.2
            assert abs(pulls.mean()) < 0.3


def test_short_chains_raise_r_hat():
    # Nearly independent draws: with 400 chains of 20 draws chance is small, and the expectation is seen.
    x = autoregressive(0.3, 400, 20, 2)
    tau = mean(x).tau_int
    assert tau == pytest.approx(0.5 * 1.3 / 0.7, rel=0.1)
    assert r_hat(x) == pytest.approx(r_hat_expected(tau, 20), abs=0.015)
    assert 1.01 < r_hat(x) < r_hat_limit(x)
    assert r_hat_limit(Noise(1).normal(0, (4, 4000)).numpy()) == 1.01
    assert r_hat_limit(autoregressive(0.95, 400, 20, 2)) == 1.01  # a long time is no excuse
    assert r_hat_limit(x[:, :3]) == 1.01


def test_limit_knows_correlated_distances_from_the_median():
    # The sign is drawn anew at every draw, the size is AR(1): only the folded series is correlated.
    sign = np.sign(Noise(8).normal(0, (200, 10)).numpy())
    x = sign * (1 + 0.3 * autoregressive(0.3, 200, 10, 3))
    assert mean(x).tau_int < 0.65
    assert r_hat_expected(mean(x).tau_int, 10) < r_hat(x) < r_hat_limit(x)


def test_limit_is_rarely_passed_by_chance():
    # 200 runs of 8 chains of 60 independent draws: a 3.5 σ limit lets through few; a limit of 1.01 lets through many.
    runs = Noise(4).normal(0, (200, 8, 60)).numpy()
    found = np.array([r_hat(run) for run in runs])
    assert (found > 1.01).mean() > 0.05
    assert np.mean([r_hat(run) > r_hat_limit(run) for run in runs]) < 0.02


def test_nothing_to_compare():
    one, short = np.arange(100.0)[None], np.arange(9.0).reshape(3, 3)
    assert math.isnan(r_hat(one))
    assert math.isnan(r_hat(short))
    assert math.isnan(effective_sample_size(short))
    assert math.isnan(starts_differ_by(one))
    assert math.isnan(halves_differ_by(np.ones((3, 1))))
    constant = np.ones((4, 100))
    assert r_hat(constant) == 1
    assert math.isnan(effective_sample_size(constant))
    assert halves_differ_by(constant) == 0
    assert r_hat(constant * np.arange(4.0)[:, None]) > 1e6  # each stands still, somewhere else
