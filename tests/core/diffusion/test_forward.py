"""The forward process: exact transitions, and the stepped SDE, whose variance is known exactly too."""

import numpy as np
import pytest
import torch

from core.diffusion.forward import forward_sde, transition
from core.noise import Noise
from core.schedule import VE, VP, Cosine, LinearVP, Tabulated
from core.statistics.cumulants import PowerSums, predicted_cumulants
from core.theories.mixture import two_peaks
from tests.core.diffusion.impulses import Impulses

SCHEDULES = [VE(10.0), VE(1.0), VP(10.0), LinearVP(), Tabulated((0.0, 0.3, 1.0), (0.6, 2.5, 3.0), True)]


@pytest.mark.parametrize("schedule", [*SCHEDULES, Cosine()], ids=repr)
def test_transition_has_the_exact_response_and_variance(schedule):
    s, t = 0.2, 0.7
    x = torch.tensor([[0.0], [0.0], [1.0]], dtype=torch.float64)
    y = transition(x, schedule, t, Impulses(1), step=0, s=s)[:, 0]  # type: ignore[arg-type]
    assert float(y[0]) == 0
    assert float(y[1]) ** 2 == pytest.approx(float(schedule.xi(t) - schedule.f(t, s) ** 2 * schedule.xi(s)), rel=1e-10)
    assert float(y[2]) == pytest.approx(float(schedule.f(t) / schedule.f(s)), rel=1e-12)


def test_transition_from_zero_to_zero_changes_nothing():
    x = torch.randn(5, 1, generator=torch.Generator().manual_seed(0))
    assert torch.equal(transition(x, VP(), 0.0, Noise(0)), x)


def euler_variance(schedule, steps, start):
    times = np.linspace(0.0, 0.9, steps + 1)
    x = torch.zeros(steps + 2, 1, dtype=torch.float64)
    x[-1] = 1.0
    y = forward_sde(x, schedule, times, Impulses(steps))[:, 0]  # type: ignore[arg-type]
    return float(y[-1] ** 2 * start + (y[:-1] ** 2).sum())


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
def test_sde_variance_is_its_recursion_and_converges_at_first_order(schedule):
    # v ← (1 - ½ k dt)² v + g² dt
    times, v = np.linspace(0.0, 0.9, 51), 1.0625
    for t, dt in zip(times[:-1], np.diff(times), strict=True):
        v = (1 - schedule.k(t) * dt / 2) ** 2 * v + schedule.g2(t) * dt
    assert euler_variance(schedule, 50, 1.0625) == pytest.approx(float(v), rel=1e-12)
    exact = schedule.f(0.9) ** 2 * 1.0625 + schedule.xi(0.9)
    coarse, fine = (euler_variance(schedule, n, 1.0625) - exact for n in (400, 800))
    if schedule == VE(1.0):  # plain Brownian motion: no error at all
        assert abs(fine) < 1e-12
    else:
        assert coarse / fine == pytest.approx(2.0, rel=0.06)


def test_sde_and_transition_agree_in_law():
    # κ_2 … κ_6 at t = 0.5 in VP, 200 steps; 4.5 σ of 100 000 paths, the bias of Euler's step taken out of κ_2.
    schedule, target, n, t = VP(3.0), two_peaks(), 100_000, 0.5
    times = np.linspace(0.0, t, 201)
    start = target.sample(n, Noise(5).of("data"))
    sums = PowerSums(2)
    sums.add(transition(start, schedule, t, Noise(5)), frame=0)
    sums.add(forward_sde(start, schedule, times, Noise(6)), frame=1)
    value, error = sums.cumulants()
    expected = np.tile(predicted_cumulants(target.cumulants(8), schedule, t), (2, 1))
    decay = np.prod(1 - schedule.k(times[:-1]) * np.diff(times) / 2) / schedule.f(t)
    expected[1] *= decay ** np.arange(9)
    noise = 0.0
    for g2, k, dt in zip(schedule.g2(times[:-1]), schedule.k(times[:-1]), np.diff(times), strict=True):
        noise = (1 - k * dt / 2) ** 2 * noise + g2 * dt
    expected[1, 2] = 1.0625 * float(schedule.f(t) * decay) ** 2 + noise
    assert np.all(np.abs((value - expected)[:, 1:7] / error[:, 1:7]) < 4.5)


def test_callback_sees_the_start_and_every_step():
    seen = []
    times = np.linspace(0.0, 1.0, 6)
    forward_sde(torch.zeros(2, 1), VE(), times, Noise(0), lambda i, t, x: seen.append((i, t)))
    assert seen == list(enumerate(times))


def test_wrong_times_are_named():
    x = torch.zeros(2, 1)
    with pytest.raises(ValueError, match=r"needs 0 <= s <= t <= 1, got s = 0\.5 and t = 0\.4"):
        transition(x, VE(), 0.4, Noise(0), s=0.5)
    with pytest.raises(ValueError, match="must rise within 0 and 1"):
        forward_sde(x, VE(), np.array([0.5, 0.4]), Noise(0))
