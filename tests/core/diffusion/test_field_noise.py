"""Noise levels of a field, and schedules solved to reach them."""

import numpy as np
import pytest

from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.field_noise import noise_range, prior_warning, schedule_reaching, schedule_warning
from core.schedule import VE, VP
from core.theories.phi4 import Phi4

GAUSSIAN = FieldGaussianScore(Phi4(8, 0.2, 0.0).free_propagator(), 2.0)


def test_levels_enclose_every_mode():
    levels = noise_range(GAUSSIAN)
    assert levels.low == pytest.approx(0.02 * np.sqrt(GAUSSIAN.connected[4, 4]))
    assert levels.high == pytest.approx(2 * np.sqrt(64 * 4 + GAUSSIAN.connected[0, 0]))


@pytest.mark.parametrize("name", ["ve", "vp", "vp-linear", "cosine"])
@pytest.mark.parametrize("level", [3.0, 40.0, 250.0])
def test_schedule_reaches_its_level(name, level):
    schedule = schedule_reaching(name, level)
    assert schedule.name == name
    assert float(schedule.sigma(schedule.t_max)) == pytest.approx(level, rel=1e-9)


def test_unreachable_levels_and_names_are_named():
    with pytest.raises(ValueError, match="schedule must be one of ve, vp, vp-linear, cosine, got 'warp'"):
        schedule_reaching("warp", 2.0)
    with pytest.raises(ValueError, match="level must be a positive finite number, got -1"):
        schedule_reaching("ve", -1.0)
    with pytest.raises(ValueError, match=r"no parameter of the schedule 'vp-linear' makes its noise end at σ̃ = 0\.001"):
        schedule_reaching("vp-linear", 1e-3)


def test_a_schedule_that_ends_early_is_warned_about():
    assert schedule_warning(VE(10.0), GAUSSIAN) is not None
    assert "ends at σ̃ = 4.64, below the spread 16.1" in (schedule_warning(VE(10.0), GAUSSIAN) or "")
    assert schedule_warning(schedule_reaching("vp", noise_range(GAUSSIAN).high), GAUSSIAN) is None


def test_the_noise_prior_is_warned_about_where_it_shows():
    share = GAUSSIAN.full[0, 0] / (GAUSSIAN.full[0, 0] + float(VE(100.0).xi(1.0)))
    assert f"{share:.1%}" in (prior_warning(VE(100.0), GAUSSIAN) or "")
    assert prior_warning(VP(10.0), GAUSSIAN) is None
