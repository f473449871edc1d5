import math

import numpy as np
import pytest
import torch

from core.diffusion.field_data import Law
from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.field_levels import NoiseLevels, trained_range
from core.noise import Noise
from core.theories.phi4 import Phi4

NOISE = Noise(3, "test")
UNEVEN = NoiseLevels(0.1, 10.0, (0.5, 0.25, 0.15, 0.1))


def everywhere(n, low=0.1, high=10.0):
    return torch.tensor([[math.log(low), math.log(high)]], dtype=torch.float64).expand(n, 2)


def test_a_batch_has_one_level_in_each_part_of_a_uniform_density():
    sigma, weights = NoiseLevels.uniform(0.1, 10.0, 3).draw(1, everywhere(50), NOISE)
    position = (np.log(sigma.double().numpy()) - math.log(0.1)) / math.log(100)
    assert sorted((position * 50).astype(int)) == list(range(50))
    assert np.allclose(weights, 1)
    assert not np.array_equal(position, np.sort(position))  # in random order, or the laws would not mix with them


def test_the_share_of_a_band_is_as_asked():
    sigma, _ = UNEVEN.draw(2, everywhere(4000), NOISE)
    found = np.histogram(sigma, UNEVEN.edges)[0] / 4000
    assert np.allclose(found, UNEVEN.shares, atol=2 / 4000)


@pytest.mark.parametrize("levels", [NoiseLevels.uniform(0.1, 10.0, 1), UNEVEN])
def test_the_weighted_mean_is_the_integral_over_the_levels_whatever_their_density(levels):
    """∫ d log σ̃ log²σ̃ over the span; 400 strata make the error far smaller than a random one."""
    sigma, weights = levels.draw(5, everywhere(400), NOISE)
    exact = math.log(10) ** 2 / 3
    assert float((weights * sigma.log() ** 2).mean()) == pytest.approx(exact, rel=0.01)


@pytest.mark.parametrize("levels", [NoiseLevels.uniform(0.1, 10.0, 1), UNEVEN])
def test_levels_stay_in_the_range_of_their_law_and_count_for_its_width(levels):
    ranges = torch.cat([everywhere(2000, 0.1, 10.0), everywhere(2000, 0.3, 2.0), everywhere(2000, 0.1, 0.5)])
    sigma, weights = levels.draw(5, ranges, NOISE)
    assert bool(((sigma.log() > ranges[:, 0] - 1e-6) & (sigma.log() < ranges[:, 1] + 1e-6)).all())
    for part, (low, high) in enumerate([(0.1, 10), (0.3, 2), (0.1, 0.5)]):
        rows = slice(2000 * part, 2000 * part + 2000)
        # the strata run over the whole batch, so a part of it has random errors: 5 standard errors of 2000 draws
        values = (weights[rows] * (1 + sigma[rows].log())).double()
        exact = (math.log(high / low) + (math.log(high) ** 2 - math.log(low) ** 2) / 2) / math.log(100)
        assert abs(float(values.mean()) - exact) < 5 * float(values.std()) / math.sqrt(2000) + 1e-6


def test_draws_depend_on_step_and_noise_alone():
    assert torch.equal(UNEVEN.draw(3, everywhere(20), NOISE)[0], UNEVEN.draw(3, everywhere(20), NOISE)[0])
    assert not torch.equal(UNEVEN.draw(3, everywhere(20), NOISE)[0], UNEVEN.draw(4, everywhere(20), NOISE)[0])


def test_an_adaptive_density_follows_the_spread_of_the_gradient():
    levels = NoiseLevels.uniform(0.1, 10.0, 4)
    for _ in range(30):
        levels = levels.adapted(np.array([1.0, 2.0, 3.0, 4.0]))
    assert np.allclose(levels.shares, 0.7 * np.array([0.1, 0.2, 0.3, 0.4]) + 0.3 / 4)
    assert levels.adapted(np.zeros(4)) == levels
    assert levels.adapted(np.array([np.nan, 1, 1, 1])).shares[0] > 0


def test_the_range_reaches_from_below_the_smallest_mode_to_above_the_largest_of_all_laws():
    laws = []
    for kappa in (0.1, 0.24):
        theory = Phi4(8, kappa, 0.0)
        laws.append(Law((8, 8), kappa, 0.0, FieldGaussianScore(theory.free_propagator()), torch.zeros(2, 8, 8)))
    (low, high), sentence = trained_range(laws)
    # 1/(2 - 8κ) is the largest mode, 1/(2 + 8κ) the smallest
    assert low == pytest.approx(0.02 * math.sqrt(1 / (2 + 8 * 0.24)))
    assert high == pytest.approx(2 * math.sqrt(1 / (2 - 8 * 0.24)))
    assert f"{low:.3g} to {high:.3g}" in sentence


@pytest.mark.parametrize(
    ("low", "high", "shares"), [(0.0, 1.0, (1.0,)), (2.0, 1.0, (1.0,)), (1.0, 2.0, (0.5, 0.4)), (1.0, 2.0, (1.5, -0.5))]
)
def test_bad_levels_get_a_sentence(low, high, shares):
    with pytest.raises(ValueError, match="must"):
        NoiseLevels(low, high, shares)
