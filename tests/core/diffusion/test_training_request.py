from pathlib import Path

import pytest

from core.diffusion.training_request import LiveSampler, TrainingRequest

SAMPLER = LiveSampler(8, 0.2, 0.2, 0.022)


def test_one_coupling_or_a_range():
    assert SAMPLER.kappas == (0.2,)
    assert LiveSampler(8, 0.2, 0.3, 0.022).kappas == (0.2, 0.3)


def test_names_are_fit_for_files():
    assert TrainingRequest(SAMPLER, steps=1).name == "κ=0.2 λ=0.022 L=8 small"
    assert TrainingRequest(LiveSampler(8, 0.2, 0.3, 0.022), "large", steps=1).name == "κ=0.2-0.3 λ=0.022 L=8 large"
    assert TrainingRequest(Path("/some/where/mine.nc"), steps=1).name == "mine small"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((8, 0.3, 0.2, 0.022), "a range of κ must rise, got 0.3 to 0.2"),
        ((8, 0.2, 0.2, -1.0), "lambda must be a finite number of at least 0, got -1"),
        ((7, 0.2, 0.2, 0.022), "even extents, got 7 × 7"),
    ],
)
def test_impossible_samplers_are_refused(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        LiveSampler(*arguments)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "give either minutes or steps"),
        ({"minutes": 1.0, "steps": 1}, "give either minutes or steps"),
        ({"minutes": 0.0}, "minutes must be above 0"),
        ({"minutes": 1e6}, "at most 10080, a week"),
        ({"steps": 0}, "steps must be at least 1, got 0"),
        ({"steps": 1, "batch": 0}, "batch must be at least 1, got 0"),
        ({"steps": 1, "threads": 0}, "threads must be at least 1, got 0"),
        ({"steps": 1, "rate": 1.5}, "rate must be above 0 and below 1, got 1.5"),
        ({"steps": 1, "preset": "huge"}, "preset must be one of small, large, got 'huge'"),
        ({"steps": 1, "target": "x"}, "target must be one of auto, dsm, tsm, got 'x'"),
        ({"steps": 1, "seed": -1}, "seed must be an integer from 0"),
    ],
)
def test_bad_requests_are_refused(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        TrainingRequest(SAMPLER, **options)
