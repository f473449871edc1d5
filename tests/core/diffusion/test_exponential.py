"""The integrators that are exact for the Gaussian part: free fields in a few steps, two components, orders."""

import math

import numpy as np
import pytest
import torch

from core.contracts import score_at
from core.diffusion.backward import SOLVERS, heun
from core.diffusion.exponential import FIELD_SOLVERS, exponential
from core.diffusion.field_gaussian import FieldGaussianScore, propagator
from core.diffusion.field_noise import noise_range, schedule_reaching
from core.diffusion.gaussian import GaussianScore
from core.diffusion.grids import time_grid
from core.noise import Noise
from core.schedule import VE, VP, LinearVP
from core.statistics.cumulants import PowerSums
from core.statistics.lattice import magnetisation
from core.theories.phi4 import Phi4
from tests.core.diffusion.impulses import response

SIGMAS = 4.5
FREE = FieldGaussianScore(Phi4(8, 0.22, 0.0).free_propagator())


def generate(gaussian, schedule, times, solver, n, seed=1, dtype=torch.float32):
    noise = Noise(seed)
    x = gaussian.draw_prior(n, float(schedule.f(times[0])), float(schedule.xi(times[0])), noise, dtype)
    return solver(x, score_at(gaussian, schedule), schedule, times, noise.of("backward"))


@pytest.mark.parametrize("name", ["ve", "vp", "cosine"])
@pytest.mark.parametrize("steps", [1, 2, 5])
@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("stochastic", [False, True])
def test_free_field_is_exact_at_any_number_of_steps(name, steps, order, stochastic):
    schedule, n = schedule_reaching(name, 25.0), 2000
    times = time_grid(schedule, steps, "karras", float(schedule.t_of_sigma(noise_range(FREE).low)))
    x = generate(FREE, schedule, times, exponential(FREE, order, stochastic), n)
    exact = float(schedule.f(times[-1])) ** 2 * FREE.connected + float(schedule.xi(times[-1]))
    ratio = propagator(x) / exact
    # Of n configurations a real mode has a relative error of √(2/n), another of 1/√n; there are 4 real ones of 64.
    assert np.abs(ratio - 1).max() < SIGMAS * math.sqrt(2 / n)
    assert abs(ratio.mean() - 1) < SIGMAS * math.sqrt(2 / n / 64)
    sums = PowerSums(blocks=50)
    sums.add(x.double())
    kappa = sums.cumulants(True)
    assert kappa.value[0, 2] == pytest.approx(exact.mean(), abs=SIGMAS * kappa.error[0, 2])
    for k in (4, 6):
        assert abs(kappa.value[0, k]) < SIGMAS * kappa.error[0, k]


@pytest.mark.parametrize("schedule", [VE(20.0), VP(3.0), LinearVP()], ids=lambda s: s.name)
@pytest.mark.parametrize("event", [(6,), (4, 6), (5, 3), (2, 3, 4)])
def test_flow_of_a_free_field_rescales_every_mode_in_one_step(schedule, event):
    gaussian = FieldGaussianScore(Phi4(event, 0.1, 0.0).free_propagator())
    x = 3 * Noise(2).normal(0, (4, *event))
    t, s, axes = 0.9, 0.05, tuple(range(1, 1 + len(event)))
    v_t, v_s = (float(schedule.f(r)) ** 2 * gaussian.connected + float(schedule.xi(r)) for r in (t, s))
    modes = torch.fft.fftn(x, dim=axes) * torch.from_numpy(np.sqrt(v_s / v_t))
    got = exponential(gaussian)(x, score_at(gaussian, schedule), schedule, [t, s], Noise(0))
    torch.testing.assert_close(got, torch.fft.ifftn(modes, dim=axes).real, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("stochastic", [False, True])
@pytest.mark.parametrize("steps", [1, 3])
def test_time_zero_is_reached_with_the_law_of_the_data(stochastic, steps):
    schedule, n = schedule_reaching("ve", 25.0), 4000
    times = np.append(time_grid(schedule, steps, "karras", 0.1)[:steps], 0.0)
    x = generate(FREE, schedule, times, exponential(FREE, stochastic=stochastic), n)
    assert np.abs(propagator(x) / FREE.connected - 1).max() < SIGMAS * math.sqrt(2 / n)


@pytest.mark.parametrize("m", [0.8, 3.0])
@pytest.mark.parametrize("stochastic", [False, True])
def test_two_components_come_back_with_their_sign(m, stochastic):
    # Modes p ≠ 0 are exact; the zero mode chooses its sign in steps, here 30. |M| and M² against the exact law.
    gaussian = FieldGaussianScore(Phi4((6, 6), 0.2, 0.0).free_propagator(), m)
    schedule, n = schedule_reaching("ve", 2 * math.sqrt(gaussian.full.max())), 8000
    times = time_grid(schedule, 30, "karras", float(schedule.t_of_sigma(noise_range(gaussian).low)))
    x = generate(gaussian, schedule, times, exponential(gaussian, stochastic=stochastic), n)
    ratio = propagator(x) / (gaussian.full + float(schedule.xi(times[-1])))
    assert np.abs(np.delete(ratio.ravel(), 0) - 1).max() < SIGMAS * math.sqrt(2 / n)
    big, small = magnetisation(x), magnetisation(gaussian.draw_prior(n, 1.0, float(schedule.xi(times[-1])), Noise(7)))
    assert abs(big.mean()) < SIGMAS * float(big.std()) / math.sqrt(n)
    for power in (1, 2, 4):
        a, b = big.abs() ** power, small.abs() ** power
        assert abs(a.mean() - b.mean()) < SIGMAS * math.hypot(float(a.std()), float(b.std())) / math.sqrt(n)


@pytest.mark.parametrize("m", [3.0, -3.0])
def test_either_component_alone_is_exact_in_one_step(m):
    # The propagator is the connected one: a field around +m or -m only, with its own score, needs no short steps.
    both, schedule = FieldGaussianScore(FREE.connected, 3.0), VP(3.0)
    t, s = 1.0, 0.02
    (f_t, v_t), (f_s, v_s) = (
        (float(schedule.f(r)), float(schedule.f(r)) ** 2 * FREE.connected + float(schedule.xi(r))) for r in (t, s)
    )

    def score(x, t):
        f = float(schedule.f(t))
        return FREE.score(x - f * m, f, float(schedule.xi(t)))

    x = f_t * m + Noise(2).normal(0, (4, 8, 8))
    modes = torch.fft.fft2(x - f_t * m) * torch.from_numpy(np.sqrt(v_s / v_t))
    got = exponential(both)(x, score, schedule, [t, s], Noise(0))
    torch.testing.assert_close(got, f_s * m + torch.fft.ifft2(modes).real, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("schedule", [VE(5.0), VP(3.0), LinearVP(2.0, 6.0)], ids=lambda s: s.name)
@pytest.mark.parametrize("stochastic", [False, True])
@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("assumed", [0.2, 1.3])
def test_another_gaussian_than_assumed_converges_at_the_order(schedule, stochastic, order, assumed):
    # Data of variance 0.5; exact responses, no statistics. With 0.5 assumed, one step is exact.
    def error(variance, steps):
        times = time_grid(schedule, steps, "uniform", 0.05)
        first, last = (float(schedule.f(t)) ** 2 * 0.5 + float(schedule.xi(t)) for t in times[[0, -1]])
        solver, f = exponential(GaussianScore(0.0, variance), order, stochastic), float(schedule.f(times[0]))
        score = score_at(GaussianScore(0.7, 0.5), schedule)
        mean, got = response(solver, score, schedule, times, 0.7 * f, first)
        assert mean == pytest.approx(0.7 * float(schedule.f(times[-1])), abs=1e-12)
        return got - last

    assert abs(error(0.5, 1)) < 1e-12
    coarse, fine = error(assumed, 200), error(assumed, 400)
    assert coarse / fine == pytest.approx(2**order, rel=0.05)
    assert abs(fine) < (0.003 if order == 1 else 3e-5)


@pytest.mark.parametrize("stochastic", [False, True])
def test_correlated_gaussian_in_two_steps(stochastic):
    mean, n = np.array([1.0, -2.0, 0.3]), 40_000
    covariance = np.array([[2.0, 0.9, -0.5], [0.9, 0.7, 0.1], [-0.5, 0.1, 1.0]])
    model, schedule = GaussianScore(mean, covariance), VP(3.0)
    times = [1.0, 0.4, 0.02]
    f, xi = float(schedule.f(1.0)), float(schedule.xi(1.0))
    root = torch.from_numpy(np.linalg.cholesky(f**2 * covariance + xi * np.eye(3)))
    x = Noise(1).normal(0, (n, 3)) @ root.T + torch.from_numpy(f * mean)
    x = exponential(model, stochastic=stochastic)(x, score_at(model, schedule), schedule, times, Noise(2)).numpy()
    f, xi = float(schedule.f(0.02)), float(schedule.xi(0.02))
    exact = f**2 * covariance + xi * np.eye(3)
    assert np.all(np.abs(x.mean(0) - f * mean) < SIGMAS * np.sqrt(np.diag(exact) / n))
    error = np.sqrt((exact**2 + np.outer(np.diag(exact), np.diag(exact))) / n)
    assert np.all(np.abs(np.cov(x.T) - exact) < SIGMAS * error)


def test_of_equal_work_it_is_far_ahead_where_the_score_is_not_quite_gaussian():
    # A propagator a fifth too large in every mode: 10 evaluations against 20 of Heun's, worst mode of the result.
    wrong = FieldGaussianScore(1.2 * FREE.connected)
    schedule = schedule_reaching("ve", 25.0)
    modes = FREE.connected.ravel()

    def worst(solver, steps):
        times, errors = time_grid(schedule, steps, "karras", float(schedule.t_of_sigma(0.02))), []
        for true, assumed in zip(modes, wrong.connected.ravel(), strict=True):
            score, chosen = score_at(GaussianScore(0.0, true), schedule), solver(GaussianScore(0.0, assumed))
            _, got = response(chosen, score, schedule, times, 0.0, true + float(schedule.xi(times[0])))
            errors.append(got / (true + float(schedule.xi(times[-1]))) - 1)
        return float(np.abs(errors).max())

    ours, other = worst(exponential, 10), worst(lambda gaussian: heun, 10)
    assert ours < 0.02
    assert ours < other / 5


@pytest.mark.parametrize("stochastic", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_paths_apart_precision_and_callback(stochastic, dtype):
    schedule = VE(5.0)
    times, seen = time_grid(schedule, 8), []
    solver, score = exponential(FREE, stochastic=stochastic), score_at(FREE, schedule)
    x = Noise(3).normal(0, (6, 8, 8), dtype)
    kept = x.clone()
    every = solver(x, score, schedule, times, Noise(4), lambda i, t, x: seen.append((i, t, tuple(x.shape))))
    assert every.dtype == dtype
    assert torch.equal(x, kept)
    assert seen == [(i, float(t), (6, 8, 8)) for i, t in enumerate(times)]
    some = solver(x[2:5], score, schedule, times, Noise(4).starting_at(2))
    torch.testing.assert_close(some, every[2:5], rtol=1e-5, atol=1e-5)


def test_no_gradients_are_kept():
    weight = torch.nn.Parameter(torch.tensor(-1.0))
    for make in FIELD_SOLVERS.values():
        x = make(FREE)(torch.ones(2, 8, 8), lambda x, t: weight * x, VE(5.0), [0.5, 0.4, 0.3], Noise(0))
        assert not x.requires_grad


def test_field_solvers_are_all_of_one_signature():
    schedule, x = VE(5.0), Noise(3).normal(0, (2, 8, 8))
    assert set(FIELD_SOLVERS) == {*SOLVERS, "exponential", "exponential-sde"}
    ends = {
        name: make(FREE)(x.clone(), score_at(FREE, schedule), schedule, time_grid(schedule, 5), Noise(0))
        for name, make in FIELD_SOLVERS.items()
    }
    assert all(end.shape == x.shape for end in ends.values())
    again = FIELD_SOLVERS["exponential"](FREE)(x, score_at(FREE, schedule), schedule, time_grid(schedule, 5), Noise(9))
    assert torch.equal(ends["exponential"], again)  # the flow uses no noise
    assert not torch.equal(ends["exponential-sde"], ends["exponential"])


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="order must be 1 or 2, or 3 for the flow, got 4"):
        exponential(FREE, order=4)
    with pytest.raises(ValueError, match="order must be 1 or 2, or 3 for the flow, got 3"):
        exponential(FREE, order=3, stochastic=True)
    with pytest.raises(ValueError, match=r"x must have the shape \(n, 8, 8\), got \(2, 4, 4\)"):
        exponential(FREE)(torch.ones(2, 4, 4), score_at(FREE, VE()), VE(), [1.0, 0.1], Noise(0))
    with pytest.raises(ValueError, match="times of the backward process must fall"):
        exponential(FREE)(torch.ones(2, 8, 8), score_at(FREE, VE()), VE(), [0.1, 1.0], Noise(0))
