"""Dual averaging finds the step size of a wanted acceptance, from far away, through noise, and within its bounds."""

import math

import numpy as np
import pytest

from core.samplers.dual_averaging import tuned


def acceptance(size):
    """Falls from 1 to 0; at size s it is exp(-s)."""
    return math.exp(-size)


@pytest.mark.parametrize("target", [0.3, 0.65, 0.9])
@pytest.mark.parametrize("start", [1e-4, 0.3, 30.0])
def test_the_root_is_found(target, start):
    assert acceptance(tuned(acceptance, start, target)) == pytest.approx(target, abs=0.01)


def test_a_steep_fall_is_no_trouble():
    # As for a large lattice: acceptance erfc(s⁴), from 0.95 to 0.05 within a factor 2.4 of the step size.
    for target in (0.5, 0.7, 0.9):
        found = tuned(lambda size: math.erfc(size**4), 3.0, target)
        assert math.erfc(found**4) == pytest.approx(target, abs=0.02)


def test_noise_averages_out():
    # 500 rounds with a noise of 0.1: an error of about 0.1/√500 in the acceptance, so a threshold of 5σ = 0.022.
    generator = np.random.default_rng(1)
    found = tuned(lambda size: acceptance(size) + 0.1 * generator.standard_normal(), 1.0, 0.7, rounds=500)
    assert acceptance(found) == pytest.approx(0.7, abs=0.022)


def test_first_rounds_by_hand():
    # Algorithm 5 with ε₀ = 2, where the acceptance crosses 0.8 from ε = 1, μ = log ε₀, γ = 0.2, t₀ = 10, κ = 0.75.
    rates = iter([0.9, 0.4, 0.7, 0.9])
    error_1 = (0.8 - 0.7) / 11
    log_1 = math.log(2) - error_1 / 0.2
    error_2 = (1 - 1 / 12) * error_1 + (0.8 - 0.9) / 12
    log_2 = math.log(2) - math.sqrt(2) / 0.2 * error_2
    weight = 2**-0.75
    expected = math.exp(weight * log_2 + (1 - weight) * log_1)
    sizes = []

    def measured(size):
        sizes.append(size)
        return next(rates)

    assert tuned(measured, 1.0, 0.8, rounds=2) == pytest.approx(expected, rel=1e-12)
    assert sizes == pytest.approx([1, 2, 2, math.exp(log_1)])


@pytest.mark.parametrize(("rate", "end"), [(1.0, 5.0), (0.0, 0.25), (math.nan, 0.25)])
def test_out_of_reach_ends_at_the_bound(rate, end):
    sizes = []

    def measured(size):
        sizes.append(size)
        return rate

    assert tuned(measured, 1.0, 0.8, 100, lowest=0.25, highest=5.0) == pytest.approx(end, rel=1e-3)
    assert 0.25 <= min(sizes) <= max(sizes) <= 5.0
    assert len(sizes) <= 120


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1.0, 0.0), "target must be between 0 and 1, got 0.0"),
        ((1.0, math.nan), "target must be between 0 and 1, got nan"),
        ((1.0, 0.8, 0), "rounds must be at least 1, got 0"),
        ((0.0,), "start must be a positive finite number, got 0.0"),
        ((math.inf,), "start must be a positive finite number, got inf"),
    ],
)
def test_bad_numbers_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        tuned(acceptance, *arguments)
