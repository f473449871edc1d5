"""Multistep exponential integrators: their published forms, their orders on two peaks, and long steps."""

import itertools
import math

import numpy as np
import pytest
import torch

from core.contracts import score_at
from core.diffusion.backward import ancestral, multistep
from core.diffusion.exponential import exponential
from core.diffusion.forward import transition
from core.diffusion.gaussian import GaussianScore
from core.diffusion.grids import time_grid
from core.diffusion.multistep import Sites, integrate
from core.noise import Noise
from core.schedule import VE, VP, Cosine
from core.theories.mixture import GaussianMixture, two_peaks
from tests.core.diffusion.coarse_noise import CoarseNoise
from tests.core.diffusion.impulses import response
from tests.core.diffusion.test_backward import quantile

MIXTURE = GaussianMixture((0.65, 0.35), (-0.8, 1.5), (0.3, 0.5))
PEAK = two_peaks().stds[0] ** 2


def start(n=7):
    return torch.linspace(-3, 3, n, dtype=torch.float64)[:, None]


@pytest.mark.parametrize("schedule", [VE(8.0), VP(4.0), Cosine()], ids=lambda s: s.name)
def test_multistep_is_the_published_algorithm(schedule):
    # arXiv:2211.01095, algorithm 2, in λ = log(α/σ) with α = f and σ = √Ξ
    times, target = time_grid(schedule, 12, "karras", 1e-3), MIXTURE
    alpha, sigma = schedule.f(times), np.sqrt(schedule.xi(times))
    lam = np.log(alpha / sigma)
    h = np.diff(lam)
    assert np.all(h[1:] / h[:-1] < 1.5)  # where the published extrapolation is followed all the way
    x, before = start(), None
    for i in range(12):
        x0 = (x + sigma[i] ** 2 * target.score(x, alpha[i], sigma[i] ** 2)) / alpha[i]
        r = h[i - 1] / h[i]
        d = x0 if before is None else (1 + 1 / (2 * r)) * x0 - before / (2 * r)
        x = sigma[i + 1] / sigma[i] * x - alpha[i + 1] * math.expm1(-h[i]) * d
        before = x0
    got = multistep(start(), score_at(target, schedule), schedule, times, Noise(0))
    torch.testing.assert_close(got, x, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("schedule", [VE(8.0), VP(4.0)], ids=lambda s: s.name)
def test_first_order_of_the_sde_is_ancestral_sampling(schedule):
    times, score = time_grid(schedule, 12, "karras"), score_at(MIXTURE, schedule)
    ours, theirs = [], []
    integrate(start(), score, schedule, times, Noise(1), lambda i, t, x: ours.append(x), Sites(), 1, stochastic=True)
    ancestral(start(), score, schedule, times, Noise(1), lambda i, t, x: theirs.append(x.clone()))
    torch.testing.assert_close(torch.stack(ours[:-1]), torch.stack(theirs[:-1]), rtol=1e-11, atol=1e-11)
    spread = math.sqrt(schedule.xi(times[-1]) * schedule.xi(times[-2], times[-1]) / schedule.xi(times[-2]))
    kick = spread * Noise(1).normal(11, (7, 1))  # ours has noise in the last step too
    torch.testing.assert_close(ours[-1], theirs[-1] + kick, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("schedule", [VE(10.0), VP(6.0)], ids=lambda s: s.name)
@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("propagator", [None, PEAK, 1.0625])
def test_flow_of_two_peaks_converges_at_its_order(schedule, order, propagator):
    # The flow maps quantile to quantile, which gives the exact end of every path. Propagators: none, one peak's, both.
    target, p = two_peaks(), np.array([0.02, 0.2, 0.45, 0.6, 0.9])
    errors = []
    for steps in (100, 200):
        times = time_grid(schedule, steps, "karras", 1e-3)
        first, last = (
            np.array([quantile(target, q, float(schedule.f(t)), float(schedule.xi(t))) for q in p])
            for t in times[[0, -1]]
        )
        x, score = torch.from_numpy(first)[:, None], score_at(target, schedule)
        if propagator is None:
            x = integrate(x, score, schedule, times, Noise(0), None, Sites(), order)
        else:
            x = exponential(GaussianScore(0.0, propagator), order)(x, score, schedule, times, Noise(0))
        errors.append(np.linalg.norm(x[:, 0].numpy() - last))
    assert errors[0] / errors[1] == pytest.approx(2**order, rel=0.15)
    assert errors[1] < (0.1 if order == 1 else 0.005)


@pytest.mark.parametrize(("order", "low", "high"), [(1, 1.8, 2.6), (2, 3.4, 5.6)])
def test_law_of_the_sde_on_two_peaks_converges_at_its_order(order, low, high):
    # ⟨x⁴⟩ of n steps less that of 2n on the same Brownian path falls by 2^order when n doubles. The bounds leave 4.5 σ,
    # measured here, beside what the next order adds at these n.
    schedule, target, n = VP(6.0), two_peaks(), 150_000
    solver, score = exponential(GaussianScore(0.0, PEAK), order, stochastic=True), score_at(target, schedule)
    x = transition(target.sample(n, Noise(1)), schedule, 1.0, Noise(2))
    differences = []
    for steps in (20, 40):
        fine, noise = time_grid(schedule, 2 * steps, "karras", 1e-3), Noise(3).of(str(steps))
        short = solver(x, score, schedule, fine, noise)
        long = solver(x, score, schedule, fine[::2], CoarseNoise(noise, schedule, fine, PEAK))
        d = (long**4 - short**4)[:, 0]
        differences.append((float(d.mean()), float(d.std()) / math.sqrt(n)))
    (coarse, coarse_error), (finer, finer_error) = differences
    error = abs(coarse / finer) * math.hypot(coarse_error / coarse, finer_error / finer)
    assert 4.5 * error < 0.4 * 2**order
    assert low < coarse / finer < high


def test_a_last_step_many_times_longer_than_the_one_before_is_followed_with_care():
    # 30 uniform steps down to σ̃ = 0.01: the last one alone divides σ̃ by 18. Followed all the way, its straight line
    # gave this variance an error of a third.
    schedule = VE(10.0)
    times = time_grid(schedule, 30, "uniform", float(schedule.t_of_sigma(0.01)))
    h = np.diff(-schedule.log_sigma(times))
    assert h[-1] > 5 * h[-2]
    exact = [0.5 + float(schedule.xi(t)) for t in times[[0, -1]]]
    _, variance = response(multistep, score_at(GaussianScore(0.0, 0.5), schedule), schedule, times, 0.0, exact[0])
    assert variance == pytest.approx(exact[1], rel=0.03)


@pytest.mark.parametrize("stochastic", [False, True])
def test_time_zero_can_be_the_end(stochastic):
    # Where G = 0 the last step puts x on its denoised value; nothing of the noise is left.
    schedule, target = VP(10.0), two_peaks()
    times = np.append(time_grid(schedule, 200, "karras", 1e-4), 0.0)
    last = []
    x = torch.tensor([[-1.0], [0.3], [2.0]], dtype=torch.float64) * 0.5
    x = integrate(
        x, score_at(target, schedule), schedule, times, Noise(4), lambda i, t, x: last.append(x), Sites(), 1, stochastic
    )
    f, xi = float(schedule.f(times[-2])), float(schedule.xi(times[-2]))
    torch.testing.assert_close(x, (last[-2] + xi * target.score(last[-2], f, xi)) / f)
    assert torch.isfinite(multistep(x, score_at(target, schedule), schedule, times, Noise(0))).all()


def test_memory_without_digits_is_not_used():
    # Each of these steps divides by f = 0.0055, both together by 3e-5: too little for float32, enough for float64.
    schedule, x = VP(10.0), torch.ones(3, 1)
    times = schedule.t_of_u(np.array([21.4, 11.0, 0.6]))
    a = [float(schedule.f(t, s)) for t, s in itertools.pairwise(times)]
    assert a[0] * a[1] < 1e3 * torch.finfo(torch.float32).eps < min(a)
    score = score_at(GaussianScore(0.7, 0.5), schedule)
    both = [integrate(x, score, schedule, times, Noise(0), None, Sites(), order) for order in (1, 2)]
    assert torch.equal(*both)
    assert not torch.equal(*(integrate(x.double(), score, schedule, times, Noise(0), None, Sites(), o) for o in (1, 2)))


def test_steps_that_lose_all_digits_are_refused():
    schedule = VP(25.0)
    with pytest.raises(FloatingPointError, match=r"Step 1 of 2, .* is too long"):
        multistep(start(), score_at(MIXTURE, schedule), schedule, time_grid(schedule, 2), Noise(0))


def graded(low: float, high: float, steps: int, first: float) -> np.ndarray:
    """From ``low`` to ``high`` in steps that grow by 1.3, from about ``first`` on, to a part in ``steps``."""
    lengths = first * 1.3 ** np.arange(200)
    whole = (high - low) / steps
    growing = lengths[lengths < whole]
    lengths = np.concatenate([growing, np.full(steps - int(growing.sum() / whole), whole)])
    return low + np.concatenate([[0.0], np.cumsum(lengths)]) * (high - low) / lengths.sum()


@pytest.mark.parametrize("schedule", [VE(8.0), VP(4.0)], ids=lambda s: s.name)
@pytest.mark.parametrize("ratio", [1.0, 1.25])
def test_third_order_is_exact_where_the_mean_moves_on_a_parabola(schedule, ratio):
    # In L = -½ log(G + σ̃²), of which H is a difference, y = x/f obeys y' = μ - y; for μ = α + β L + γ L² a solution
    # is y = μ - μ' + μ''. The first steps, of lower order, are so short that they leave nothing.
    variance, (alpha, beta, gamma) = 0.4, (0.3, -1.1, 0.7)

    class Known:
        def __init__(self):
            self.variance = np.array([variance])

        def split(self, x):
            return x

        def join(self, modes):
            return modes

    def mean(level):
        return alpha + beta * level + gamma * level**2

    def score(x, t):
        f, xi = float(schedule.f(t)), float(schedule.xi(t))
        return (f * mean(-0.5 * math.log(variance + xi / f**2)) - x) / (f**2 * variance + xi)

    levels = graded(-0.5 * math.log(variance + 9.0), -0.5 * math.log(variance + 0.01), 12, 1e-6)
    span = levels[-1] - levels[0]
    levels = levels[0] + span * ((levels - levels[0]) / span) ** ratio
    times = schedule.t_of_log_sigma(0.5 * np.log(np.exp(-2 * levels) - variance))
    exact = [mean(at) - beta - 2 * gamma * at + 2 * gamma for at in levels]
    x = torch.full((1, 1), exact[0] * float(schedule.f(times[0])), dtype=torch.float64)
    ends = {
        order: integrate(x, score, schedule, times, Noise(0), None, Known(), order).item()
        / float(schedule.f(times[-1]))
        for order in (2, 3)
    }
    assert ends[3] == pytest.approx(exact[-1], abs=1e-8)
    assert abs(ends[2] - exact[-1]) > 1e-4


def test_third_order_converges_as_the_cube_of_the_step():
    schedule, score = VE(8.0), score_at(MIXTURE, VE(8.0))
    solver = exponential(GaussianScore(0.0, 0.2), order=3)

    def end(steps):
        levels = graded(-math.log(3.0), -math.log(0.05), steps, 1e-4)
        return solver(start(), score, schedule, schedule.t_of_log_sigma(-levels), Noise(0))

    reference = end(1600)
    coarse, fine = ((end(steps) - reference).abs().mean().item() for steps in (100, 200))
    assert coarse / fine == pytest.approx(8.0, rel=0.15)
