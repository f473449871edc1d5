"""Where chains begin."""

import numpy as np
import pytest
import torch

from core.noise import Noise
from core.samplers.starts import STARTS, cold_start, hot_start, mixed_start
from core.statistics.lattice import magnetisation
from core.theories.phi4 import Phi4

THEORY = Phi4((8, 16), 0.4, 0.022)
SHAKEN = 4.5 * 0.3 / np.sqrt(THEORY.volume)  # 4.5 standard deviations of the mean of the shaken sites


def test_mixed_start_is_half_up_half_down():
    m = magnetisation(mixed_start(THEORY, 10, Noise(1))).numpy()
    np.testing.assert_allclose(m, THEORY.classical_minimum * np.array([1, -1] * 5), atol=SHAKEN)


def test_cold_start_is_all_up():
    x = cold_start(THEORY, 10, Noise(1), torch.float64)
    np.testing.assert_allclose(magnetisation(x), np.full(10, THEORY.classical_minimum), atol=SHAKEN)
    assert float(x.std(dim=(1, 2)).mean()) == pytest.approx(0.3, abs=4.5 * 0.3 / np.sqrt(2 * x.numel()))


def test_hot_start_has_normal_sites():
    x = hot_start(THEORY, 400, Noise(1), torch.float64).flatten()
    for power, moment, variance in ((1, 0, 1), (2, 1, 2), (4, 3, 96)):
        assert abs(float((x**power).mean()) - moment) < 4.5 * np.sqrt(variance / len(x))


@pytest.mark.parametrize("name", STARTS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_chains_do_not_depend_on_their_number(name, dtype):
    x = STARTS[name](THEORY, 10, Noise(2), dtype)
    assert x.dtype == dtype
    assert x.shape == (10, 8, 16)
    for first in (3, 4):
        part = STARTS[name](THEORY, 3, Noise(2).starting_at(first), dtype)
        torch.testing.assert_close(part, x[first : first + 3], rtol=0, atol=0)
    assert len({float(v) for v in x.flatten(1).sum(1)}) == 10


@pytest.mark.parametrize("name", STARTS)
def test_no_chains(name):
    with pytest.raises(ValueError, match="chains must be at least 1, got 0"):
        STARTS[name](THEORY, 0, Noise(1), torch.float32)
