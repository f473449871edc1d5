"""Where peaks merge, against mixtures of two Gaussians, for which it is known exactly."""

import numpy as np
import pytest

from core.schedule import VE, VP
from core.theories.mixture import GaussianMixture, two_peaks
from core.theories.modes import count_maxima, unimodal_level, unimodal_time
from core.theories.potential import Quartic


@pytest.mark.parametrize(("a", "s"), [(1.0, 0.25), (3.0, 0.5)])
def test_equal_peaks_merge_where_their_width_is_their_distance_from_the_middle(a, s):
    """P''(0) = 0 for equal peaks at ±a of variance s² + σ̃² = a²."""
    target = GaussianMixture((0.5, 0.5), (-a, a), (s, s))
    level = unimodal_level(target)
    resolution = np.ptp(target.window()[0]) / 2**14
    assert level == pytest.approx(np.sqrt(a**2 - s**2), abs=5 * resolution)
    assert count_maxima(target) == 2
    assert count_maxima(target, 0.98 * level**2) == 2
    assert count_maxima(target, 1.02 * level**2) == 1


@pytest.mark.parametrize("target", [Quartic(1.0, 0.4), GaussianMixture((0.5, 0.5), (-1.0, 1.0), (1.1, 1.1))])
def test_one_maximum_needs_no_noise(target):
    assert unimodal_level(target) == 0.0
    assert unimodal_time(target, VE(10.0)) is None


@pytest.mark.parametrize("schedule", [VE(10.0), VP(10.0)], ids=lambda s: s.name)
def test_the_time_is_where_the_schedule_reaches_the_level(schedule):
    t = unimodal_time(two_peaks(), schedule)
    assert t is not None
    assert float(schedule.sigma(t)) == pytest.approx(np.sqrt(15 / 16), rel=1e-3)


def test_noise_too_weak_for_the_peaks_to_merge():
    assert unimodal_time(GaussianMixture((0.5, 0.5), (-50.0, 50.0), (1.0, 1.0)), VE(10.0)) is None
