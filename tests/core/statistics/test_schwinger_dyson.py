"""The Schwinger–Dyson equation as an identity of the action, and as a check of the couplings."""

import numpy as np
import torch

from core.noise import Noise
from core.statistics.configurations import measure_configurations
from core.statistics.schwinger_dyson import left_hand_side, schwinger_dyson
from core.theories.phi4 import Phi4
from tests.core.statistics.synthetic import free_fields


def series(theory, x):
    found = measure_configurations(theory, x)
    return left_hand_side(theory, found.phi2, found.phi4, found.link)


def test_it_is_field_times_force():
    theory = Phi4((4, 6), 0.23, 0.4)
    x = Noise(1).normal(0, (5, 4, 6))
    np.testing.assert_allclose(series(theory, x.numpy()), -(x * theory.force(x)).mean((1, 2)), atol=1e-13)
    assert theory.force(x).dtype == torch.float64


def test_passes_with_the_right_couplings_only():
    theory = Phi4(6, 0.22, 0.0)
    x = free_fields(theory, 3000, 4)
    right = schwinger_dyson(series(theory, x), independent=True)
    assert abs(right.deviation) < 4
    assert right.measured.error < 0.01
    wrong = schwinger_dyson(series(Phi4(6, 0.2, 0.0), x), independent=True)
    assert wrong.deviation > 8
    assert np.isnan(schwinger_dyson(series(theory, x[:1])).deviation)
