"""Schedules as plain numbers and back."""

import json

import numpy as np
import pytest

from core.schedule import VE, VP, Cosine, LinearVP, Tabulated
from core.schedule_record import describe_schedule, schedule_of

DRAWN = Tabulated((0.0, 0.3, 1.0), (0.5, 4.0, 9.0), keep_variance=True)


@pytest.mark.parametrize("schedule", [VE(25.0), VP(4.0), LinearVP(0.2, 15.0), Cosine(0.01, 60.0), DRAWN])
def test_a_schedule_comes_back_from_json(schedule):
    again = schedule_of(json.loads(json.dumps(describe_schedule(schedule))))
    assert again == schedule
    t = np.linspace(0.05, 0.9, 7)
    np.testing.assert_array_equal(again.log_sigma(t), schedule.log_sigma(t))
    assert again.preserving == schedule.preserving


@pytest.mark.parametrize(
    ("description", "sentence"),
    [
        ({}, "schedule must be one of ve, vp, vp-linear, cosine, drawn, got None"),
        ({"name": "ve", "beta": 1.0}, "'beta' is no parameter of the schedule ve, which takes sigma_max"),
        ({"name": "ve", "sigma_max": "ten"}, "the parameters of the schedule ve must be numbers"),
        ({"name": "ve", "sigma_max": -1.0}, "sigma must be a positive finite number, got -1.0"),
        ({"name": "drawn", "times": [0, 1], "values": [1, 0]}, "values g of a drawn schedule must be positive"),
    ],
)
def test_what_is_no_schedule(description, sentence):
    with pytest.raises(ValueError, match=sentence):
        schedule_of(description)
