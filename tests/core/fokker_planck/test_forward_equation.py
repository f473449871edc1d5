"""The forward equation against the exact density of a mixture at every time."""

import numpy as np
import pytest
import torch

from core.contracts import Cancelled
from core.fokker_planck import solve_forward
from core.jobs import Token
from core.schedule import VE, VP, Cosine, LinearVP, Tabulated
from core.theories.mixture import GaussianMixture

TWO_PEAKS = GaussianMixture((0.5, 0.5), (-1.0, 1.0), (0.25, 0.25))
ASYMMETRIC = GaussianMixture((0.3, 0.7), (2.0, 4.0), (0.3, 0.5))
SCHEDULES = {
    "VE": VE(10.0),
    "VE, sigma 1": VE(1.0),
    "VP": VP(10.0),
    "VP, sigma 100": VP(100.0),
    "linear VP": LinearVP(),
    "cosine": Cosine(),
    "drawn": Tabulated((0.0, 0.4, 1.0), (2.0, 0.5, 5.0), True),
}


def exact(target, schedule, solution, frame):
    t = solution.times[frame]
    axes = [axis[frame] for axis in solution.axes]
    x = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    log_prob = target.log_prob(torch.from_numpy(x.reshape(-1, len(axes))), float(schedule.f(t)), float(schedule.xi(t)))
    return np.exp(log_prob.numpy()).reshape(solution.density[frame].shape)


def distance(target, schedule, solution):
    """∫ |P - P_exact| at each frame."""
    return np.array(
        [
            np.abs(solution.density[i] - exact(target, schedule, solution, i)).sum() * solution.volume[i]
            for i in range(len(solution.times))
        ]
    )


@pytest.mark.parametrize("target", [TWO_PEAKS, ASYMMETRIC], ids=["two peaks", "asymmetric"])
@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES.keys())
def test_follows_the_exact_density(schedule, target):
    solution = solve_forward(target, schedule, np.linspace(0, schedule.t_max, 30), cells=400)
    assert distance(target, schedule, solution).max() < 1e-3
    assert np.all(solution.density >= 0)
    np.testing.assert_allclose(solution.mass, 1.0, rtol=0, atol=1e-12)


def test_preview_is_good_enough_to_look_at():
    solution = solve_forward(TWO_PEAKS, VE(10.0), np.linspace(0, 1, 30), cells=150, substeps=1)
    assert distance(TWO_PEAKS, VE(10.0), solution).max() < 5e-3


def test_variance_obeys_its_closed_form():
    schedule = VP(4.0)
    solution = solve_forward(ASYMMETRIC, schedule, np.linspace(0, 1, 11), cells=800, substeps=8)
    f, xi = schedule.f(solution.times), schedule.xi(solution.times)
    np.testing.assert_allclose(solution.mean[:, 0], f * ASYMMETRIC.mean[0], rtol=0, atol=2e-5)
    np.testing.assert_allclose(solution.covariance[:, 0, 0], f**2 * ASYMMETRIC.covariance[0, 0] + xi, rtol=5e-5)


def test_first_frame_need_not_be_the_data():
    late = solve_forward(TWO_PEAKS, VE(10.0), [0.3, 0.6, 1.0])
    assert late.times.tolist() == [0.3, 0.6, 1.0]
    assert distance(TWO_PEAKS, VE(10.0), late).max() < 1e-3


def test_second_order_in_the_spacing():
    errors = [
        distance(TWO_PEAKS, VE(10.0), solve_forward(TWO_PEAKS, VE(10.0), [0.0, 0.05], cells=cells, substeps=32))[-1]
        for cells in (100, 200, 400)
    ]
    slopes = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.all(np.abs(slopes - 2) < 0.15), (errors, slopes)


@pytest.mark.parametrize("order", [1, 2])
def test_stated_order_in_time(order):
    # Against a fine step on the same cells, so that only the time step counts.
    reference = solve_forward(TWO_PEAKS, VE(10.0), [0.0, 0.5], cells=200, substeps=128).density[-1]
    errors = [
        np.abs(
            solve_forward(TWO_PEAKS, VE(10.0), [0.0, 0.5], cells=200, substeps=n, order=order).density[-1] - reference
        ).sum()
        for n in (2, 4, 8, 16)
    ]
    slopes = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.all(np.abs(slopes - order) < 0.1), (errors, slopes)


@pytest.mark.parametrize("schedule", [VE(10.0), VP(10.0)], ids=["VE", "VP"])
def test_two_dimensions(schedule):
    three = GaussianMixture((0.5, 0.3, 0.2), ((0.0, 1.2), (-1.0, -0.6), (1.0, -0.6)), (0.3, 0.3, 0.3))
    solution = solve_forward(three, schedule, [0.0, 0.05, 0.3, 1.0], cells=128)
    errors = distance(three, schedule, solution)
    assert errors.max() < 3e-3, errors
    assert np.all(solution.density >= 0)
    np.testing.assert_allclose(solution.mass, 1.0, rtol=0, atol=1e-12)


def test_stops_when_nobody_wants_it_any_more():
    token = Token()
    token.cancel()
    with pytest.raises(Cancelled):
        solve_forward(TWO_PEAKS, VE(10.0), [0.0, 1.0], token=token)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"times": [1.0, 0.0]}, "times of the forward process must rise"),
        ({"times": [0.0, 1.5]}, "times must lie between 0 and 1"),
        ({"times": [0.0]}, "at least two"),
        ({"times": [0.0, 0.5, 0.5]}, "strictly"),
        ({"times": [0.0, 1.0], "cells": 2}, "cells must be at least 3, got 2"),
        ({"times": [0.0, 1.0], "substeps": 0}, "substeps must be at least 1, got 0"),
        ({"times": [0.0, 1.0], "order": 3}, "order must be 1 or 2, got 3"),
    ],
)
def test_refuses_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        solve_forward(TWO_PEAKS, VE(10.0), **arguments)
