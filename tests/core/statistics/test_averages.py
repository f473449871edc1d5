"""Observables from averages agree with those that ``measure`` finds on the same fields."""

import numpy as np
import pytest
import torch

from core.noise import Noise
from core.statistics.averages import OBSERVABLES, WITHOUT_ACTION, averages, observables
from core.statistics.measure import measure
from core.theories.phi4 import Phi4

THEORY = Phi4(6, 0.2, 0.03)
FIELDS = 0.3 + 0.8 * Noise(1).normal(0, (200, 6, 6), torch.float32)


def test_they_are_those_of_measure():
    found = observables(averages(FIELDS, THEORY).mean(0), THEORY.volume)
    known = measure(THEORY, [FIELDS.numpy()[None]], independent=True).observables
    for name, value in zip(OBSERVABLES, found, strict=True):
        assert value == pytest.approx(known[name].value, rel=1e-9), name


def test_without_a_theory_the_rest_is_the_same():
    rows = averages(FIELDS)
    assert rows.shape == (200, 8)
    assert np.all(rows[:, -1] == 0)
    with_action = dict(zip(OBSERVABLES, observables(averages(FIELDS, THEORY).mean(0), 36), strict=True))
    for name, value in zip(WITHOUT_ACTION, observables(rows.mean(0), 36, WITHOUT_ACTION), strict=True):
        assert value == pytest.approx(with_action[name])


def test_leading_axes_are_kept():
    blocks = averages(FIELDS, THEORY).reshape(4, 50, 8).mean(1)
    assert observables(blocks, 36).shape == (4, len(OBSERVABLES))
    np.testing.assert_allclose(observables(blocks, 36)[2], observables(blocks[2], 36))
