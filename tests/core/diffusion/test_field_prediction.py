"""Predictions of the forward process, against the closed forms of Gaussian fields and against draws from them."""

import numpy as np
import pytest

from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.field_prediction import (
    along_axes,
    axis_crossings,
    axis_momenta,
    frame_edges,
    predict_correlator,
    predict_cumulants,
    predict_four_point,
    predict_score_norm,
    predict_structure,
)
from core.noise import Noise
from core.schedule import VE, VP, Cosine
from core.statistics.jackknife import Estimate
from core.theories.phi4 import Phi4

SIGMAS = 4.5
FREE = FieldGaussianScore(Phi4(8, 0.22, 0.0).free_propagator())
SPLIT = FieldGaussianScore(FREE.connected, 0.6)
SCHEDULES = [VE(30.0), VP(3.0), Cosine()]
TIMES = np.array([0.0, 0.1, 0.4, 0.7, 0.95])


def correlator(gaussian: FieldGaussianScore) -> np.ndarray:
    """G(r) along the first axis."""
    return np.fft.ifft2(gaussian.full).real[: gaussian.event[0] // 2 + 1, 0]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_two_point_functions_follow_the_noisy_propagator(schedule):
    start = [Estimate(values, 0.01 * values) for values in (along_axes(SPLIT.full), correlator(SPLIT))]
    structure = predict_structure(start[0], schedule, TIMES)
    there = predict_correlator(start[1], schedule, TIMES)
    for i, t in enumerate(TIMES):
        f, xi = float(schedule.f(t)), float(schedule.xi(t))
        noisy = FieldGaussianScore(f**2 * SPLIT.full + xi)
        np.testing.assert_allclose(structure.value[i], along_axes(noisy.full), rtol=1e-12)
        np.testing.assert_allclose(there.value[i], correlator(noisy), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(structure.error[i], f**2 * start[0].error)
        np.testing.assert_allclose(there.error[i], f**2 * start[1].error)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_connected_functions_beyond_the_second_only_shrink(schedule):
    kappa = Estimate(np.array([0.0, 0, 1.3, 0, -0.4, 0, 2.0, 0, -9.0]), np.full(9, 0.1))
    f, xi = schedule.f(TIMES), schedule.xi(TIMES)
    value, error = predict_cumulants(kappa, schedule, TIMES)
    np.testing.assert_allclose(value[:, 2], 1.3 * f**2 + xi)
    np.testing.assert_allclose(value[:, 8], -9.0 * f**8)
    np.testing.assert_allclose(error[:, 6], 0.1 * f**6)
    four = predict_four_point(Estimate(np.array([-0.4, 0.02]), np.array([0.1, 0.2])), schedule, TIMES)
    np.testing.assert_allclose(four.value, np.outer(f**4, [-0.4, 0.02]))
    np.testing.assert_allclose(four.error, np.outer(f**4, [0.1, 0.2]))


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("gaussian", [FREE, SPLIT])
def test_score_norm_is_that_of_draws_from_the_law(schedule, gaussian):
    predicted, n = predict_score_norm(gaussian, schedule, TIMES), 4000
    for i, t in enumerate(TIMES):
        f, xi = float(schedule.f(t)), float(schedule.xi(t))
        x = gaussian.draw_prior(n, f, xi, Noise(i))
        modes = np.abs(np.fft.fft2(gaussian.score(x, f, xi).double().numpy())) ** 2 / 64
        lines = (modes[:, :5, 0] + modes[:, 0, :5]) / 2
        error = lines.std(axis=0, ddof=1) / np.sqrt(n)
        assert np.all(np.abs(lines.mean(axis=0) - predicted[i] ** 2) < SIGMAS * error)


def test_two_components_soften_the_zero_mode_while_it_is_decided():
    schedule = VE(30.0)
    far = FieldGaussianScore(FREE.connected, 3.0)
    ratio = predict_score_norm(far, schedule, TIMES)[:, 0] / predict_score_norm(FREE, schedule, TIMES)[:, 0]
    assert ratio[0] == pytest.approx(1.0, abs=1e-3)  # far apart: each component by itself
    assert ratio[-1] < 0.95
    # At strong noise the law is one Gaussian field of the full propagator.
    late = predict_score_norm(SPLIT, VE(1e4), np.array([1.0]))[0, 0] ** -2
    assert late == pytest.approx(SPLIT.full[0, 0] + float(VE(1e4).xi(1.0)), rel=1e-6)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_modes_cross_where_they_equal_the_noise(schedule):
    crossing = axis_crossings(SPLIT, schedule)
    assert set(crossing) == {"zero mode", "k = 1", "k = 2", "k = 3", "k = 4", "site"}
    assert list(crossing.values()) == sorted(crossing.values(), reverse=True)
    levels = dict(zip(["zero mode", "k = 1", "k = 2", "k = 3", "k = 4"], along_axes(SPLIT.full), strict=True))
    for name, level in (levels | {"site": SPLIT.full.mean()}).items():
        t = crossing[name]
        assert float(schedule.f(t)) ** 2 * level == pytest.approx(float(schedule.xi(t)), rel=1e-9)
    assert "zero mode" not in axis_crossings(FieldGaussianScore(FREE.connected, 300.0), schedule)


def test_functions_along_the_axes_take_the_longest():
    g = np.arange(24.0).reshape(4, 6)
    np.testing.assert_array_equal(along_axes(g), g[0, :4])
    square = np.arange(16.0).reshape(4, 4)
    np.testing.assert_array_equal(along_axes(square), (square[0, :3] + square[:3, 0]) / 2)
    np.testing.assert_allclose(axis_momenta(6), [0, 1, np.sqrt(3), 2])


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_bins_hold_the_fields(schedule):
    edges = frame_edges(SPLIT, schedule, TIMES)
    for i, t in enumerate(TIMES):
        x = SPLIT.draw_prior(500, float(schedule.f(t)), float(schedule.xi(t)), Noise(i)).double().numpy()
        for values, e in ((x.ravel(), edges.site[i]), (x.mean(axis=(1, 2)), edges.m[i])):
            assert np.mean(np.abs(values) > e[-1]) < 1e-4
            assert np.abs(values).max() > 0.5 * e[-1]  # and are not lost in them
            np.testing.assert_allclose(e, -e[::-1], atol=1e-12)
