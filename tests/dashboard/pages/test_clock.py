"""The clock that the pictures of forward and backward processes share, and the axes on it."""

import numpy as np
import pytest

from core.schedule import VE, VP
from dashboard.pages.clock import captions, clock_positions, cumulant_axis, signal_marks


def test_positions_run_from_data_to_noise_and_back():
    positions = clock_positions(np.array([0.0, 1.0, 2.0]), np.array([2.0, 0.5, 0.002]), 2.0)
    assert positions == pytest.approx([0, 0.5, 1, 1.0001, 1.75, 1.999])
    assert (np.diff(positions) > 0).all()


def test_captions_name_direction_time_and_noise():
    said = captions(VE(10.0), np.array([0.0, 1.0, 1.0]), 2)
    # σ̃² = (σ²ᵗ - 1) / (2 log σ) = 99/(2 log 10) = 21.5
    assert said[0].split() == ["forward", "t", "=", "0.000", "σ̃", "=", "0"]
    assert said[1].split() == ["forward", "t", "=", "1.000", "σ̃", "=", "4.64"]
    assert said[2].startswith("backward")


@pytest.mark.parametrize("schedule", [VE(10.0), VP(10.0)], ids=lambda s: s.name)
def test_signal_marks_lie_where_noise_has_the_signals_variance(schedule):
    drowns, emerges = signal_marks(schedule, 0.49)
    assert (drowns.label, emerges.label) == ("drowns", "emerges")
    t = drowns.position * schedule.t_max
    assert float(schedule.xi(t)) == pytest.approx(0.49 * float(schedule.f(t)) ** 2)
    assert emerges.position == pytest.approx(2 - drowns.position)
    assert signal_marks(VE(10.0), 22.0) == []


@pytest.mark.parametrize(
    ("n", "predicted", "value", "kind"),
    [
        (4, [-2.0, -2.0], [-2.1, 9.0], "linear"),
        (4, [-2.0, -2.0], [-2.1, 11.0], "symlog"),
        (2, [1.0, 5.0], [1.0, 5.0], "linear"),
        (2, [1.0, 11.0], [1.0, 1000.0], "log"),
        (3, [0.0, 0.0], [0.0, np.nan], "linear"),
        (3, [0.0, 0.0], [0.0, 0.1], "symlog"),
    ],
)
def test_the_prediction_stays_visible_on_the_axis(n, predicted, value, kind):
    axis = cumulant_axis(n, np.array(predicted), np.array(value), np.zeros(2))
    assert (axis["log_y"], axis["symlog_y"]) == (kind == "log", kind == "symlog")
    assert (axis["ylim"] is None) == (kind != "symlog")
    assert 0 < axis["linthresh"] <= max(abs(predicted[0]), 1e-3)
