"""Configurations out of noise: exact for a Gaussian field, each a function of the noise and its number alone."""

import numpy as np
import pytest
import torch

from core.contracts import Cancelled
from core.diffusion import field_generate
from core.diffusion.field_gaussian import FieldGaussianScore, propagator
from core.diffusion.field_generate import backward_times, baseline_of, generate_fields
from core.diffusion.field_noise import noise_range
from core.jobs import Token
from core.noise import Noise
from core.schedule import VE, VP, Cosine
from core.statistics.lattice import magnetisation
from core.theories.phi4 import Phi4

SIGMAS = 4.5
FREE = FieldGaussianScore(Phi4(8, 0.22, 0.0).free_propagator())
SPLIT = FieldGaussianScore(FREE.connected, 2.0)
SCHEDULES = [VE(100.0), VP(4.0), Cosine()]


class Shifted:
    """A score with a baseline: that of the Gaussian field shifted by a constant."""

    def __init__(self, gaussian: FieldGaussianScore, shift: float) -> None:
        self.gaussian, self.shift, self.calls = gaussian, shift, 0

    def score(self, x, f=1.0, xi=0.0):
        self.calls += 1
        return self.gaussian.score(x - f * self.shift, f, xi)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("solver", ["exponential", "exponential-sde"])
@pytest.mark.parametrize("steps", [2, 30])
def test_a_free_field_is_exact_at_any_number_of_steps(schedule, solver, steps):
    # Real modes have a relative error of √(2/n), the others of 1/√n; no noise of the lowest level is left.
    n = 4000
    x = generate_fields(FREE, schedule, n, solver=solver, steps=steps, grid="log", noise=Noise(1), lowest=0.5)
    assert x.shape == (n, 8, 8)
    assert x.dtype == torch.float32
    ratio = propagator(x) / FREE.full
    assert np.abs(ratio - 1).max() < SIGMAS * np.sqrt(2 / n)
    assert abs(ratio.mean() - 1) < SIGMAS * np.sqrt(2 / n / 64)


def test_other_solvers_end_at_the_lowest_level():
    n, schedule = 4000, VE(100.0)
    x = generate_fields(FREE, schedule, n, solver="flow", grid="karras", steps=100, noise=Noise(1), lowest=0.5)
    ratio = propagator(x) / (FREE.full + 0.25)
    assert np.abs(ratio - 1).max() < SIGMAS * np.sqrt(2 / n) + 0.003
    assert propagator(x).mean() / FREE.full.mean() > 1.2


def test_two_components_come_back():
    x = generate_fields(SPLIT, VE(100.0), 4000, noise=Noise(2))
    m = magnetisation(x).numpy()
    spread = np.sqrt(SPLIT.connected[0, 0] / 64)
    assert abs(np.mean(m > 0) - 0.5) < SIGMAS * 0.5 / np.sqrt(4000)
    # Steps are not infinitely short where the sign is decided: 0.2 % of the spread.
    assert abs(np.abs(m).mean() - 2.0) < SIGMAS * spread / np.sqrt(4000) + 0.002
    assert np.abs(m).std() / spread == pytest.approx(1.0, abs=SIGMAS / np.sqrt(2 * 4000) + 0.01)


@pytest.mark.parametrize("solver", ["exponential", "exponential-sde", "heun", "pc"])
def test_a_configuration_depends_on_the_noise_and_its_number_alone(solver, monkeypatch):
    def made(n: int) -> torch.Tensor:
        return generate_fields(SPLIT, VP(4.0), n, solver=solver, grid="karras", steps=20, noise=Noise(3))

    many = made(70)
    torch.testing.assert_close(many[:9], made(9), rtol=1e-4, atol=1e-4)
    monkeypatch.setattr(field_generate, "CHUNK", 7 * 64)
    torch.testing.assert_close(many, made(70), rtol=1e-4, atol=1e-4)
    assert (many[0] - many[1]).abs().max() > 0.1


def test_a_score_brings_its_baseline():
    score = Shifted(FREE, 0.3)
    x = generate_fields(score, VE(100.0), 300, steps=12, noise=Noise(4))
    assert score.calls == 12 * -(-300 // field_generate.chunk_size(300, 64))
    plain = generate_fields(FREE, VE(100.0), 300, steps=12, noise=Noise(4))
    # The prior does not know of the shift, which the flow brings in but for the share that the start lacks.
    assert (x - plain).mean().item() == pytest.approx(0.3, abs=0.3 * np.sqrt(FREE.full[0, 0]) / 33)
    assert baseline_of(score) is FREE
    assert baseline_of(SPLIT) is SPLIT


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_times_fall_to_the_lowest_level_and_then_to_zero(schedule):
    times = backward_times(FREE, schedule, steps=30)
    assert len(times) == 31
    assert times[-1] == 0
    assert np.all(np.diff(times) < 0)
    assert float(schedule.sigma(times[-2])) == pytest.approx(noise_range(FREE).low)
    assert float(schedule.sigma(backward_times(FREE, schedule, lowest=0.3)[-2])) == pytest.approx(0.3)
    others = backward_times(FREE, schedule, solver="flow", steps=30, lowest=0.3)
    assert len(others) == 31
    assert float(schedule.sigma(others[-1])) == pytest.approx(0.3)


def test_progress_is_told_and_a_token_stops():
    seen = []
    generate_fields(FREE, VE(10.0), 50, steps=2, noise=Noise(0), progress=lambda done, n: seen.append((done, n)))
    assert seen[-1] == (50, 50)
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
    token = Token()

    def stop(done: int, n: int) -> None:
        token.cancel()

    with pytest.raises(Cancelled):
        generate_fields(FREE, VE(10.0), 5000, steps=2, noise=Noise(0), token=token, progress=stop)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 0}, "n must be at least 1, got 0"),
        ({"solver": "rk45"}, "solver must be one of .* got 'rk45'"),
        ({"grid": "cubic"}, "grid must be one of .* got 'cubic'"),
        ({"steps": 1}, "steps must be at least 2, got 1"),
        ({"prior": "flat"}, "prior must be one of matched, noise, got 'flat'"),
        ({"lowest": 0.0}, "lowest must be a positive noise level, got 0.0"),
        ({"device": "tpu"}, "device must be one of .* got 'tpu'"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        generate_fields(**({"score": FREE, "schedule": VE(10.0), "n": 2, "noise": Noise(0)} | options))


def test_a_score_without_a_baseline_is_refused():
    with pytest.raises(ValueError, match="must be a FieldGaussianScore or bring one as its `gaussian`, got object"):
        baseline_of(object())  # type: ignore[arg-type]
