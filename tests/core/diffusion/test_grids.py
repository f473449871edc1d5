"""Time grids: ends, monotony, and the quantity in which each is equidistant."""

import numpy as np
import pytest

from core.diffusion.grids import GRIDS, SIGMA_CAP, time_grid
from core.schedule import VE, VP, Cosine, LinearVP, Tabulated

SCHEDULES = [VE(10.0), VE(1.0), VP(10.0), VP(25.0), LinearVP(), Cosine(), Tabulated((0.0, 0.4, 1.0), (0.5, 3.0, 1.0))]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
@pytest.mark.parametrize("kind", GRIDS)
@pytest.mark.parametrize("steps", [1, 2, 100])
def test_grid_falls_from_the_start_to_t_min(schedule, kind, steps):
    times = time_grid(schedule, steps, kind, 1e-4)
    assert len(times) == steps + 1
    assert np.all(np.diff(times) < 0)
    assert times[-1] == 1e-4
    assert times[0] == pytest.approx(schedule.t_max) or (
        kind in ("karras", "variance", "log-sigma") and schedule.sigma(times[0]) < 1.01 * SIGMA_CAP
    )


@pytest.mark.parametrize("schedule", [VE(10.0), LinearVP()], ids=repr)
@pytest.mark.parametrize(
    ("kind", "coordinate"),
    [
        ("uniform", lambda s, t: t),
        ("log", lambda s, t: np.log(t)),
        ("variance", lambda s, t: s.xi(t)),
        ("karras", lambda s, t: s.sigma(t) ** (1 / 7)),
        ("log-sigma", lambda s, t: np.log(s.sigma(t) + 1)),
    ],
)
def test_grid_is_equidistant_in_its_own_coordinate(schedule, kind, coordinate):
    gaps = np.diff(coordinate(schedule, time_grid(schedule, 50, kind)))
    np.testing.assert_allclose(gaps, gaps[0], rtol=1e-9)


@pytest.mark.parametrize("scale", [0.01, 4.0])
def test_the_scale_divides_equal_ratios_from_equal_differences(scale):
    level = VE(10.0).sigma(time_grid(VE(10.0), 50, "log-sigma", 1e-4, scale))
    gap = np.log((level[-1] + scale) / (level[0] + scale)) / 50
    np.testing.assert_allclose(np.diff(np.log(level + scale)), gap, rtol=1e-9)


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="steps must be at least 1, got 0"):
        time_grid(VE(), 0)
    with pytest.raises(ValueError, match="t_min must lie between 0 and 1, got 0"):
        time_grid(VE(), 10, t_min=0)
    with pytest.raises(ValueError, match="grid must be one of uniform, log, variance, karras, log-sigma, got 'cubic'"):
        time_grid(VE(), 10, "cubic")
    with pytest.raises(ValueError, match="scale must be a positive noise level, got 0"):
        time_grid(VE(), 10, "log-sigma", scale=0)
