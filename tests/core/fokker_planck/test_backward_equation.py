"""The backward equation: the way back to the data, and what a wrong start does."""

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from core.contracts import Cancelled
from core.diffusion.gaussian import GaussianScore
from core.fokker_planck import NormalDensity, UniformDensity, solve_backward
from core.jobs import Token
from core.schedule import VE, VP, Cosine, LinearVP
from core.theories.mixture import GaussianMixture

TWO_PEAKS = GaussianMixture((0.5, 0.5), (-1.0, 1.0), (0.25, 0.25))
ASYMMETRIC = GaussianMixture((0.3, 0.7), (2.0, 4.0), (0.3, 0.5))
SCHEDULES = {"VE": VE(10.0), "VE, sigma 1": VE(1.0), "VP": VP(10.0), "linear VP": LinearVP(), "cosine": Cosine()}


def law(target, schedule, t):
    """The exact density of the forward process at time t, as a start."""

    def density(x):
        return np.exp(target.log_prob(torch.from_numpy(x), float(schedule.f(t)), float(schedule.xi(t))).numpy())

    return density


def distance(target, schedule, solution, frame):
    points = solution.x[frame][:, None]
    return (
        np.abs(solution.density[frame] - law(target, schedule, solution.times[frame])(points)).sum()
        * (solution.volume[frame])
    )


@pytest.mark.parametrize("target", [TWO_PEAKS, ASYMMETRIC], ids=["two peaks", "asymmetric"])
@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES.keys())
def test_exact_score_and_exact_start_lead_back_to_the_data(schedule, target):
    times = np.linspace(schedule.t_max, 1e-4, 40)
    solution = solve_backward(target, schedule, times, start=law(target, schedule, times[0]))
    assert max(distance(target, schedule, solution, i) for i in range(40)) < 1.5e-3
    assert np.all(solution.density >= 0)
    np.testing.assert_allclose(solution.mass, 1.0, rtol=0, atol=1e-12)


def test_matched_start_of_a_long_process_is_as_good_as_exact():
    solution = solve_backward(TWO_PEAKS, VP(10.0), np.linspace(1, 1e-4, 40))
    assert distance(TWO_PEAKS, VP(10.0), solution, -1) < 1.5e-3


@pytest.mark.parametrize("schedule", [VE(2.0), VP(2.0)], ids=["VE", "VP"])
def test_matched_start_has_the_mean_and_variance_of_the_forward_process(schedule):
    solution = solve_backward(ASYMMETRIC, schedule, [1.0, 0.5], cells=800)
    f, xi = float(schedule.f(1.0)), float(schedule.xi(1.0))
    variance = f**2 * ASYMMETRIC.covariance[0, 0] + xi
    assert solution.mean[0, 0] == pytest.approx(f * ASYMMETRIC.mean[0], abs=1e-6)
    assert solution.covariance[0, 0, 0] == pytest.approx(variance, rel=1e-4)
    noise = solve_backward(ASYMMETRIC, schedule, [1.0, 0.5], start="noise", cells=800)
    assert noise.mean[0, 0] == pytest.approx(f * ASYMMETRIC.mean[0], abs=1e-6)  # as the particles' prior has it
    assert noise.covariance[0, 0, 0] == pytest.approx(xi, rel=1e-4)


def test_second_order_in_the_spacing():
    schedule = VE(10.0)
    errors = [
        distance(
            TWO_PEAKS,
            schedule,
            solve_backward(
                TWO_PEAKS, schedule, [0.5, 1e-3], start=law(TWO_PEAKS, schedule, 0.5), cells=cells, substeps=24
            ),
            -1,
        )
        for cells in (150, 300, 600)
    ]
    slopes = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.all(np.abs(slopes - 2) < 0.15), (errors, slopes)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("start", ["matched", UniformDensity((3.0,), (6.0,))], ids=["matched", "box"])
def test_stated_order_in_time(order, start):
    # Against a fine step on the same cells, so that only the time step counts.
    def end(substeps, order):
        return solve_backward(
            TWO_PEAKS, VE(10.0), [1.0, 1e-3], start=start, cells=150, substeps=substeps, order=order
        ).density[-1]

    reference = end(96, 2)
    errors = [np.abs(end(n, order) - reference).sum() for n in (2, 4, 8)]
    slopes = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.all(np.abs(slopes - order) < 0.1), (errors, slopes)


@pytest.mark.parametrize("schedule", [VE(3.0), VP(3.0)], ids=["VE", "VP"])
@pytest.mark.parametrize("start_variance", [0.2, 9.0])
def test_free_gaussian_from_a_wrong_prior(schedule, start_variance):
    # With the score of a Gaussian, s = -(x - f m)/(f² v + Ξ), mean and variance obey closed equations in τ = T - t:
    #   dM/dτ = ½ k M - g² (M - f m)/(f² v + Ξ),   dV/dτ = k V - 2 g² V/(f² v + Ξ) + g².
    m, v, first_mean = 0.7, 0.3, 1.5
    times = np.linspace(1.0, 1e-3, 12)

    def equations(tau, y):
        t = 1.0 - tau
        f, xi, g2, k = (float(q(t)) for q in (schedule.f, schedule.xi, schedule.g2, schedule.k))
        q = f**2 * v + xi
        return [k * y[0] / 2 - g2 * (y[0] - f * m) / q, k * y[1] - 2 * g2 * y[1] / q + g2]

    closed = solve_ivp(equations, (0, 1), [first_mean, start_variance], t_eval=1.0 - times, rtol=1e-10, atol=1e-12).y
    solution = solve_backward(
        GaussianScore(m, v), schedule, times, start=NormalDensity([first_mean], start_variance), cells=800, substeps=8
    )
    spread = schedule.f(times) ** 2 * v + schedule.xi(times)
    np.testing.assert_allclose((solution.mean[:, 0] - closed[0]) / np.sqrt(spread), 0.0, atol=3e-4)
    np.testing.assert_allclose(solution.covariance[:, 0, 0], closed[1], rtol=1e-3)
    assert abs(closed[1][-1] / spread[-1] - 1) > 5e-3  # the wrong prior is still felt at the end


def test_noise_prior_narrows_the_end_as_much_as_the_closed_form_says():
    v, schedule = 1.0625, VE(10.0)
    times = np.array([1.0, 0.5, 1e-3])
    solution = solve_backward(GaussianScore(0.0, v), schedule, times, start="noise", cells=800, substeps=8)
    spread, xi = v + schedule.xi(times), schedule.xi(times[0])
    deficit = (xi / spread[0] - 1) * spread / spread[0]  # (V/ℓ² - 1) falls with the square of f/ℓ
    np.testing.assert_allclose(solution.covariance[:, 0, 0] / spread - 1, deficit, atol=1e-4)
    assert deficit[0] < -0.04


def test_two_different_starts_end_in_two_different_weights():
    # The process forgets where it started only as far as the noise has drowned the data.
    left = solve_backward(TWO_PEAKS, VE(2.0), [1.0, 1e-3], start=NormalDensity([-2.0], 0.1))
    right = solve_backward(TWO_PEAKS, VE(2.0), [1.0, 1e-3], start=NormalDensity([2.0], 0.1))
    assert left.mean[-1, 0] < -0.5
    assert right.mean[-1, 0] == pytest.approx(-left.mean[-1, 0], abs=1e-9)


def test_wide_start_widens_the_grid():
    solution = solve_backward(TWO_PEAKS, VE(10.0), [1.0, 0.5, 1e-3], start=UniformDensity((-60.0,), (60.0,)), cells=600)
    assert solution.x[0, 0] <= -59.5
    assert solution.density[0].max() == pytest.approx(1 / 120, rel=1e-3)
    np.testing.assert_allclose(solution.mass, 1.0, rtol=0, atol=1e-12)


def test_correlated_gaussian_in_two_dimensions():
    mean, covariance = np.array([0.5, -1.0]), np.array([[1.0, 0.6], [0.6, 0.8]])
    schedule, times = VE(5.0), np.array([1.0, 0.5, 0.1, 1e-3])
    solution = solve_backward(GaussianScore(mean, covariance), schedule, times, cells=96, substeps=4)
    for i, t in enumerate(times):
        exact = covariance + float(schedule.xi(t)) * np.eye(2)
        np.testing.assert_allclose(solution.mean[i], mean, atol=2e-3)
        np.testing.assert_allclose(solution.covariance[i] / exact[0, 0], exact / exact[0, 0], atol=6e-3)
    assert np.all(solution.density >= 0)
    np.testing.assert_allclose(solution.mass, 1.0, rtol=0, atol=1e-12)


@pytest.mark.parametrize("order", [1, 2])
def test_stated_order_in_time_in_two_dimensions(order):
    model, start = GaussianScore((0.0, 0.3), ((1.0, 0.6), (0.6, 0.8))), NormalDensity([8.0, -3.0], 4.0)

    def end(substeps, order):
        return solve_backward(
            model, VE(10.0), [1.0, 1e-3], start=start, cells=40, substeps=substeps, order=order
        ).density[-1]

    reference = end(64, 2)
    errors = [np.abs(end(n, order) - reference).sum() for n in (2, 4, 8)]
    slopes = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.all(np.abs(slopes - order) < 0.15), (errors, slopes)


def test_a_score_model_that_knows_nothing_of_the_data_needs_mean_and_covariance():
    class Bare:
        def score(self, x, f=1.0, xi=0.0):
            return TWO_PEAKS.score(x, f, xi)

    with pytest.raises(ValueError, match="mean of the data must be given"):
        solve_backward(Bare(), VE(10.0), [1.0, 0.1])
    known = solve_backward(
        Bare(), VE(10.0), [1.0, 0.1], mean=TWO_PEAKS.mean, covariance=TWO_PEAKS.covariance, window=TWO_PEAKS.window()
    )
    whole = solve_backward(TWO_PEAKS, VE(10.0), [1.0, 0.1])
    np.testing.assert_allclose(known.at(-1, whole.x[-1]), whole.density[-1], atol=1e-3)


def test_stops_when_nobody_wants_it_any_more():
    token = Token()
    token.cancel()
    with pytest.raises(Cancelled):
        solve_backward(TWO_PEAKS, VE(10.0), [1.0, 0.1], token=token)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"times": [0.1, 1.0]}, "must fall and end above 0"),
        ({"times": [1.0, 0.0]}, "must fall and end above 0"),
        ({"times": [1.0, 0.1], "start": "uniform"}, "start must be 'matched', 'noise' or a density"),
        ({"times": [1.0, 0.1], "start": NormalDensity([0.0, 0.0], 1.0)}, "start must be a density in 1 dimensions"),
        ({"times": [1.0, 0.1], "covariance": [[0.0]]}, "positive, finite diagonal"),
    ],
)
def test_refuses_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        solve_backward(TWO_PEAKS, VE(10.0), **arguments)


def test_says_where_a_score_is_not_finite():
    class Broken:
        mean, covariance = np.zeros(1), np.ones((1, 1))

        def score(self, x, f=1.0, xi=0.0):
            return torch.where(x > 3, torch.nan, -x)

    with pytest.raises(ValueError, match=r"score .* is not finite at x = "):
        solve_backward(Broken(), VE(10.0), [1.0, 0.1])
