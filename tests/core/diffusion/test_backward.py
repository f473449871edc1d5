"""The six solvers: exact responses on Gaussian data, orders of convergence, quantiles, shapes, and failures."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from core.contracts import score_at
from core.diffusion.backward import SOLVERS, ancestral, euler, euler_warning, flow, heun, pc
from core.diffusion.forward import transition
from core.diffusion.gaussian import GaussianScore
from core.diffusion.grids import time_grid
from core.noise import Noise
from core.schedule import VE, VP, Cosine, LinearVP, Tabulated
from core.statistics.cumulants import PowerSums, predicted_cumulants
from core.theories.mixture import GaussianMixture, two_peaks
from tests.core.diffusion.impulses import response

MEAN, VARIANCE = 0.7, 0.5
DRAWN = Tabulated((0.0, 0.3, 1.0), (0.6, 2.5, 3.0))
ORDER = {"euler": 1, "heun": 2, "flow": 2, "ancestral": 1, "pc": 1, "multistep": 2}


def law(schedule, t, mean=MEAN, variance=VARIANCE):
    return float(schedule.f(t)) * mean, float(schedule.f(t)) ** 2 * variance + float(schedule.xi(t))


def end_errors(name, schedule, steps):
    """Errors of mean and variance at t_min, from the exact law at the start, without any statistics."""
    times = time_grid(schedule, steps, "uniform", 0.05)
    score = score_at(GaussianScore(MEAN, VARIANCE), schedule)
    got = response(SOLVERS[name], score, schedule, times, *law(schedule, times[0]))
    return np.array(got) - law(schedule, times[-1])


@pytest.mark.parametrize("schedule", [VE(5.0), VP(3.0), LinearVP(2.0, 6.0), DRAWN], ids=lambda s: s.name)
@pytest.mark.parametrize("name", SOLVERS)
def test_variance_of_an_ornstein_uhlenbeck_process_converges_at_the_stated_order(name, schedule):
    coarse, fine = (end_errors(name, schedule, n)[1] for n in (200, 400))
    assert coarse / fine == pytest.approx(2 ** ORDER[name], rel=0.08)
    assert abs(fine) < (0.02 if ORDER[name] == 1 else 1e-4)


@pytest.mark.parametrize("name", SOLVERS)
def test_mean_converges_at_the_stated_order(name):
    coarse, fine = (abs(end_errors(name, VP(3.0), n)[0]) for n in (200, 400))
    if name in ("ancestral", "multistep") or fine < 1e-13:  # exact for the mean of Gaussian data
        assert fine < 1e-12
    else:
        assert coarse / fine == pytest.approx(2 ** ORDER[name], rel=0.1)


@pytest.mark.parametrize("schedule", [VE(10.0), VP(10.0)], ids=lambda s: s.name)
def test_euler_is_its_recursion(schedule):
    # v ← (1 + (k/2 - g²/v_t) dt)² v + g² dt, no noise in the last step
    times = time_grid(schedule, 37, "log", 1e-2)
    v = variance = law(schedule, times[0])[1] * 0.9
    for i, (t, dt) in enumerate(zip(times[:-1], -np.diff(times), strict=True)):
        g2 = schedule.g2(t)
        variance *= (1 + (schedule.k(t) / 2 - g2 / law(schedule, t)[1]) * dt) ** 2
        variance += g2 * dt if i < 36 else 0.0
    score = score_at(GaussianScore(0.0, VARIANCE), schedule)
    assert response(euler, score, schedule, times, 0.0, v)[1] == pytest.approx(variance, rel=1e-12)


@pytest.mark.parametrize("schedule", [VE(10.0), VP(10.0)], ids=lambda s: s.name)
def test_ancestral_is_the_gaussian_posterior(schedule):
    # x_s given x_t and x_0 has mean f(s) x_0 + f(t,s) Ξ(s)/Ξ(t) (x_t - f(t) x_0) and variance Ξ(s) Ξ(t,s)/Ξ(t)
    # (arXiv:2006.11239, equation 7), here with x_0 replaced by the Wiener estimate f(t) C x_t/v(t).
    times = time_grid(schedule, 23, "log", 1e-2)
    v = variance = law(schedule, times[0])[1] * 0.9
    for i, (t, s) in enumerate(itertools.pairwise(times)):
        f_t, f_s = schedule.f(t), schedule.f(s)
        ratio = schedule.f(t, s) * schedule.xi(s) / schedule.xi(t)
        gain = ratio + (f_s - ratio * f_t) * f_t * VARIANCE / law(schedule, t)[1]
        q = schedule.xi(t) - schedule.f(t, s) ** 2 * schedule.xi(s)
        variance = gain**2 * variance + (schedule.xi(s) * q / schedule.xi(t) if i < 22 else 0.0)
    score = score_at(GaussianScore(0.0, VARIANCE), schedule)
    assert response(ancestral, score, schedule, times, 0.0, v)[1] == pytest.approx(variance, rel=1e-9)


def test_flow_of_gaussian_data_is_a_rescaling():
    schedule = LinearVP()
    times = time_grid(schedule, 2000, "karras")
    score = score_at(GaussianScore(MEAN, VARIANCE), schedule)
    (m1, v1), (m0, v0) = law(schedule, times[0]), law(schedule, times[-1])
    x = torch.linspace(-3, 3, 7, dtype=torch.float64)[:, None]
    got = flow(x, score, schedule, times, Noise(0))
    torch.testing.assert_close(got, m0 + (x - m1) * math.sqrt(v0 / v1), rtol=0, atol=2e-5)


def quantile(target, p, f, xi):
    s = np.sqrt(f**2 * np.square(target.stds) + xi)
    m, w = f * np.asarray(target.means), np.asarray(target.weights)
    return brentq(lambda x: w @ ndtr((x - m) / s) - p, -1e3, 1e3, xtol=1e-13)


@pytest.mark.parametrize(
    ("schedule", "grid", "t_min"),
    [
        (VE(10.0), "karras", 1e-3),
        (VE(1.0), "uniform", 1e-3),
        (VP(10.0), "uniform", 1e-3),
        (VP(25.0), "karras", 1e-3),
        (Cosine(), "uniform", 1e-3),
        (VE(10.0), "karras", 1e-8),
        (DRAWN, "uniform", 1e-3),
    ],
    ids=lambda v: repr(v)[:24],
)
def test_flow_with_the_exact_score_maps_quantiles(schedule, grid, t_min):
    target = GaussianMixture((0.65, 0.35), (-0.8, 1.5), (0.3, 0.5))
    p = (0.01, 0.2, 0.5, 0.64, 0.8, 0.99)
    times = time_grid(schedule, 1000, grid, t_min)

    def quantiles(t):
        return np.array([quantile(target, q, float(schedule.f(t)), float(schedule.xi(t))) for q in p])

    start, end = quantiles(times[0]), quantiles(times[-1])
    x = flow(torch.from_numpy(start)[:, None], score_at(target, schedule), schedule, times, Noise(0))
    np.testing.assert_allclose(x[:, 0].numpy(), end, atol=1e-3)


@pytest.mark.parametrize("schedule", [VE(10.0), VP(10.0)], ids=lambda s: s.name)
@pytest.mark.parametrize("name", ["flow", "heun"])
def test_cumulants_of_an_asymmetric_mixture(name, schedule):
    # From the exact law at T, 300 second-order steps; 4.5 σ of 100 000 paths, κ_3 and κ_5 included.
    target = GaussianMixture((0.65, 0.35), (-0.8, 1.5), (0.3, 0.5))
    n, noise = 100_000, Noise(11)
    exact = target.cumulants(8)
    assert abs(exact[3]) > 0.3
    assert abs(exact[5]) > 1.0
    times = time_grid(schedule, 300, "karras")
    x = transition(target.sample(n, noise.of("data")), schedule, times[0], noise.of("forward"))
    x = SOLVERS[name](x, score_at(target, schedule), schedule, times, noise)
    sums = PowerSums(shift=float(x.mean()))
    sums.add(x)
    value, error = sums.cumulants()
    expected = predicted_cumulants(exact, schedule, times[-1])
    pull = (value[0] - expected)[1:] / error[0, 1:]
    assert np.all(np.abs(pull) < 4.5), pull
    assert error[0, 3] < 0.02 * abs(exact[3])


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("event", [(1,), (2,), (4, 4)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_any_event_shape_and_precision_and_paths_apart(name, event, dtype):
    schedule, noise = VE(5.0), Noise(3)
    times = time_grid(schedule, 20)
    score = score_at(_White(), schedule)
    start = noise.of("start").normal(0, (6, *event), dtype)
    seen = []
    all_paths = SOLVERS[name](start.clone(), score, schedule, times, noise, lambda i, t, x: seen.append((i, t)))
    assert all_paths.shape == start.shape
    assert all_paths.dtype == dtype
    assert seen == [(i, float(t)) for i, t in enumerate(times)]
    some = SOLVERS[name](start[2:5].clone(), score, schedule, times, noise.starting_at(2))
    assert torch.equal(some, all_paths[2:5])


class _White:
    """Independent components of unit variance, in any shape."""

    def score(self, x, f=1.0, xi=0.0):
        return -x / (f**2 + xi)


def test_start_is_left_as_it_was():
    schedule = VP(5.0)
    for solver in SOLVERS.values():
        start = torch.ones(3, 1, dtype=torch.float64)
        solver(start, score_at(_White(), schedule), schedule, time_grid(schedule, 5), Noise(0))
        assert torch.equal(start, torch.ones_like(start))


@pytest.mark.parametrize("solver", [euler, ancestral, heun, pc])
def test_last_step_has_no_noise(solver):
    schedule, score = VE(5.0), score_at(_White(), VE(5.0))
    x = torch.zeros(4, 1, dtype=torch.float64)
    assert torch.equal(solver(x, score, schedule, [0.5, 0.4], Noise(0)), x)
    assert not torch.equal(solver(x, score, schedule, [0.5, 0.45, 0.4], Noise(0)), x)


def test_divergence_is_told_with_step_time_and_remedy():
    schedule = VP(25.0)
    times = time_grid(schedule, 100)

    def cubic(x, t):  # the score of a quartic well, which Euler leaves for good once it has overshot
        return -(x**3)

    with pytest.raises(FloatingPointError, match=r"diverged at step \d+ of 100, t = 0\.9\d+; take more steps"):
        euler(torch.ones(3, 1, dtype=torch.float64), cubic, schedule, times, Noise(0))


def test_euler_warning_names_the_unstable_step():
    sentence = euler_warning(VP(25.0), time_grid(VP(25.0), 100), 1.0)
    assert sentence is not None
    assert "at t = 1 it multiplies a path by -2.1" in sentence  # 1 - ½ g² dt, g² dt = 625/100
    assert euler_warning(VP(25.0), time_grid(VP(25.0), 250), 1.0) is None  # overshoots, but shrinks
    assert euler_warning(VE(10.0), time_grid(VE(10.0), 100), 1.0) is None


def test_posterior_steps_too_long_for_the_precision_are_refused():
    schedule = VP(25.0)  # f(1, 0.5) = 5e-21: all digits of the score would be lost
    x = torch.ones(2, 1, dtype=torch.float64)
    with pytest.raises(FloatingPointError, match=r"Step 1 of 2, from t = 1 to 0\.5\d*, is too long"):
        ancestral(x, score_at(_White(), schedule), schedule, time_grid(schedule, 2), Noise(0))


@pytest.mark.parametrize("times", [[0.5], [0.1, 0.5], [1.2, 0.5], [0.5, 0.5], [0.5, -0.1]])
def test_times_must_fall(times):
    with pytest.raises(ValueError, match="times of the backward process must fall within 1 and 0"):
        euler(torch.ones(1, 1), score_at(_White(), VE()), VE(), times, Noise(0))


def test_flow_to_time_zero_reaches_the_data():
    schedule, target = VP(10.0), two_peaks()
    times = np.append(time_grid(schedule, 500, "karras", 1e-4), 0.0)
    start = quantile(target, 0.7, float(schedule.f(times[0])), float(schedule.xi(times[0])))
    x = flow(torch.tensor([[start]], dtype=torch.float64), score_at(target, schedule), schedule, times, Noise(0))
    assert float(x) == pytest.approx(1 + 0.25 * ndtri(0.4), abs=2e-3)  # the 40 % quantile of the upper peak
