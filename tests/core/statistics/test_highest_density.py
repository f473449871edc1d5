"""The room that the bulk of a density needs, against discs and boxes."""

import numpy as np
import pytest

from core.statistics.highest_density import highest_density_fraction


@pytest.mark.parametrize("probability", [0.5, 0.95])
def test_a_round_gaussian_fills_a_disc(probability):
    """P(r² < -2σ² log(1-p)) = p: the area is π (-2 log(1-p)) σ²; three widths in one window of 16 × 16."""
    side = (np.arange(400) + 0.5) / 400 * 16 - 8
    r2 = side[:, None] ** 2 + side**2
    sigma = np.array([0.3, 0.7, 1.2])
    density = np.exp(-r2 / (2 * sigma[:, None, None] ** 2))
    area = 16**2 * highest_density_fraction(density, probability)
    # The contour's cells are taken in part: a hundredth of a cell-wide rim of the smallest disc is 2e-3 of it.
    np.testing.assert_allclose(area, np.pi * -2 * np.log(1 - probability) * sigma**2, rtol=3e-3)


def test_a_uniform_density_fills_what_it_is_asked_for_whatever_its_norm():
    density = np.zeros((2, 10, 10))
    density[0] = 7.0
    density[1, :5] = 1e-3
    np.testing.assert_allclose(highest_density_fraction(density), [0.95, 0.475])


def test_a_single_cell_counts_in_part():
    np.testing.assert_allclose(highest_density_fraction([[0.0, 4.0, 0.0, 0.0]], 0.5), 0.125)


def test_what_has_no_answer():
    with pytest.raises(ValueError, match="between 0 and 1, got 1"):
        highest_density_fraction(np.ones((1, 4)), 1.0)
    with pytest.raises(ValueError, match="positive somewhere"):
        highest_density_fraction(np.zeros((1, 4)))
