"""What a brush covers and does."""

import numpy as np
import pytest
import torch

from core.noise import Noise
from core.samplers.strokes import disc, painted
from core.theories.phi4 import Phi4


def test_a_disc_is_round_and_wraps_around_the_lattice():
    covered = disc((16, 16), [(0.5, 0.5)], 2.0)
    rows, columns = np.nonzero(covered)
    distance = np.hypot((rows + 8) % 16 - 8, (columns + 8) % 16 - 8)
    assert covered.sum() == 13  # sites at distance 0, 1, √2, 2 from the centre: 1 + 4 + 4 + 4
    assert distance.max() == 2


def test_x_runs_along_a_row_and_y_across_the_rows():
    covered = disc((8, 12), [(10.5, 2.5)], 0.5)
    assert np.argwhere(covered).tolist() == [[2, 10]]


def test_a_path_leaves_no_gaps_and_a_tiny_brush_paints_a_site():
    assert disc((16, 16), [(0.5, 4.5), (15.5, 4.5)], 0.5)[4].all()
    assert disc((16, 16), [(3.99, 7.01)], 0.01).sum() == 1


@pytest.mark.parametrize(
    ("kappa", "value"), [(0.21, 1.0), (0.4, Phi4(8, 0.4, 0.022).classical_minimum)], ids=["symmetric", "broken"]
)
def test_what_the_brushes_do(kappa, value):
    theory = Phi4(8, kappa, 0.022)
    field = torch.randn(8, 8, generator=torch.Generator().manual_seed(1))
    covered = disc((8, 8), [(4.0, 4.0)], 2.5)
    inside = torch.from_numpy(covered)
    for brush, wanted in (("plus", value), ("minus", -value)):
        new = painted(theory, field, brush, covered, Noise(0), 1)
        assert new[inside].numpy() == pytest.approx(wanted)
        assert torch.equal(new[~inside], field[~inside])
    assert torch.equal(painted(theory, field, "flip", covered, Noise(0), 1)[inside], -field[inside])
    hot = torch.cat([painted(theory, field, "hot", np.ones((8, 8), bool), Noise(0), n) for n in range(60)])
    # 3840 normal numbers: the mean square is known to √(2/3840) = 2.3 %, four of which are allowed.
    assert float(hot.square().mean()) == pytest.approx((2 * value) ** 2, rel=4 * 0.023)
    with pytest.raises(ValueError, match="brush must be one of plus, minus, hot, flip, got 'erase'"):
        painted(theory, field, "erase", covered, Noise(0), 1)
