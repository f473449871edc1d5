import math
import threading

import numpy as np
import pytest
import torch

from core.contracts import score_at
from core.diffusion.backward import flow
from core.diffusion.gaussian import GaussianScore
from core.diffusion.grids import time_grid
from core.diffusion.learned import LearnedScore
from core.diffusion.linear_part import LinearPart
from core.diffusion.training import Trainer, TrainingConfig
from core.jobs import Token
from core.noise import Noise
from core.schedule import VE, VP, Tabulated
from core.statistics.cumulants import cumulants_from_moments
from core.theories.mixture import GaussianMixture
from core.theories.registry import PRESETS

SHORT = TrainingConfig(steps=1500, batch=1024, samples=200_000)
TINY = TrainingConfig(steps=40, batch=64, width=8, samples=2000)
DRAWN = Tabulated((0.0, 0.2, 0.5, 0.8, 1.0), (0.5, 3.0, 1.5, 6.0, 9.0), keep_variance=True)


@pytest.fixture(scope="module")
def two_peak():
    trainer = Trainer(PRESETS["two-peak"], SHORT, seed=1)
    trainer.run()
    return trainer


@pytest.fixture(scope="module")
def asymmetric():
    trainer = Trainer(PRESETS["mixture"], SHORT, seed=1)
    trainer.run()
    return trainer


def end_of_flow(model, schedule, paths=4000):
    """Cumulants at the end of the probability flow, started from the quantiles of the matched prior: no sampling
    error, and exactly those of the model's law up to the steps (300 on a karras grid) and the prior."""
    times = time_grid(schedule, 300, "karras", 1e-4)
    f, xi = float(schedule.f(times[0])), float(schedule.xi(times[0]))
    quantile = (torch.arange(paths, dtype=torch.float64)[:, None] + 0.5) / paths
    x = f * model.mean[0] + math.sqrt(f**2 * model.covariance[0, 0] + xi) * torch.special.ndtri(quantile)
    x = flow(x, score_at(model, schedule), schedule, times, Noise(0))
    return cumulants_from_moments(np.array([float((x**n).mean()) for n in range(9)]))


def relative_error(model, target, xi, f=1.0, paths=20_000):
    x = f * target.sample(paths, Noise(8)) + math.sqrt(xi) * Noise(9).normal(0, (paths, target.dim))
    exact = target.score(x, f, xi)
    return math.sqrt(float((model.score(x, f, xi) - exact).square().mean() / exact.square().mean()))


def test_a_stopped_and_reloaded_run_goes_on_to_the_same_bits(tmp_path):
    target, whole = PRESETS["three-peak"], Trainer(PRESETS["three-peak"], TINY, seed=5)
    whole.run()
    part = Trainer(target, TINY, seed=5)
    token = Token()
    part.run(13, token=token)
    part.save(tmp_path / "part.safetensors")
    part = Trainer.load(tmp_path / "part.safetensors", target)
    assert part.step == 13
    assert part.run() == 40
    whole.save(tmp_path / "a.safetensors")
    part.save(tmp_path / "b.safetensors")
    a, b = _contents(tmp_path / "a.safetensors"), _contents(tmp_path / "b.safetensors")
    assert a.keys() == b.keys()
    assert any(name.startswith("training.exp_avg_sq") for name in a)
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_a_history_survives_a_stop_in_the_middle_of_a_report(tmp_path):
    config = TrainingConfig(steps=120, batch=64, width=8, samples=2000)
    whole = Trainer(PRESETS["two-peak"], config)
    whole.run()
    part = Trainer(PRESETS["two-peak"], config)
    part.run(73)
    part.save(tmp_path / "part.safetensors")
    part = Trainer.load(tmp_path / "part.safetensors", PRESETS["two-peak"])
    part.run()
    assert part.history == whole.history
    assert [step for step, _ in part.history] == [50, 100]


def test_the_seed_decides_and_the_number_of_steps_at_a_time_does_not():
    def weights(seed, pieces):
        trainer = Trainer(PRESETS["two-peak"].sample(2000, Noise(1)), TINY, seed=seed)
        for steps in pieces:
            trainer.run(steps)
        return trainer.score().network.out.weight

    assert torch.equal(weights(1, [20]), weights(1, [7, 13]))
    assert not torch.equal(weights(1, [20]), weights(2, [20]))


def test_a_cancelled_token_stops_the_run_after_a_step_and_steps_and_minutes_bound_it():
    trainer, token, seen = Trainer(PRESETS["two-peak"], SHORT, seed=1), Token(), []

    def callback(step, loss, seconds):
        seen.append((step, loss, seconds))
        if step == 100:
            token.cancel()

    assert trainer.run(callback=callback, token=token) == 100
    assert [step for step, _, _ in seen] == [50, 100]
    assert 0 < seen[0][2] < seen[1][2]
    assert trainer.run(7) == 107
    assert trainer.run(minutes=0.0) == 107


def test_training_leaves_the_torch_threads_and_generators_alone():
    counts, state = [], torch.get_rng_state()

    def work():
        torch.set_num_threads(2)
        trainer = Trainer(PRESETS["two-peak"], TINY)
        trainer.run()
        trainer.score()
        trainer.validate()
        counts.append(torch.get_num_threads())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert counts == [2]
    assert torch.equal(torch.get_rng_state(), state)


def test_the_loss_falls_and_beats_the_gaussian_score(two_peak):
    losses = [loss for _, loss in two_peak.history]
    # 50 batches of 1024 pairs: the mean of a χ²/2 of unit mean ½ is known to 0.003.
    assert losses[0] < 0.5
    assert losses[-1] < losses[0] - 0.03
    bands = two_peak.validate()
    assert [b.low for b in bands[1:]] == pytest.approx([b.high for b in bands[:-1]])
    assert bands[0].low == pytest.approx(0.01 * math.sqrt(1.0625), rel=0.01)
    for band in bands:
        # 20 000 held-out samples: ½⟨r²⟩ = ½ to 0.0035 √2
        assert band.gaussian == pytest.approx(0.5, abs=0.018)
        assert band.loss < band.gaussian + 0.001
    assert bands[2].loss < 0.7 * bands[2].gaussian  # where the two peaks are resolved


@pytest.mark.parametrize("across", [0.6, -0.6])
def test_samples_of_a_gaussian_give_the_score_of_a_gaussian(across):
    mean, covariance = np.array([3.0, -1.0]), np.array([[2.0, across], [across, 0.5]])
    root = torch.from_numpy(np.linalg.cholesky(covariance))
    samples = Noise(1).normal(0, (100_000, 2)) @ root.T + torch.from_numpy(mean)
    trainer = Trainer(samples, TrainingConfig(steps=500, batch=1024), seed=2)
    trainer.run()
    model, exact = trainer.score(), GaussianScore(mean, covariance)
    x = Noise(3).normal(0, (5000, 2)) @ root.T
    for f, xi in ((1.0, 0.01), (1.0, 0.5), (0.6, 0.64), (1.0, 9.0), (0.0, 1.0)):
        at = f * (x + torch.from_numpy(mean)) + math.sqrt(xi) * Noise(4).normal(0, (5000, 2))
        error = (model.score(at, f, xi) - exact.score(at, f, xi)).square().mean()
        assert math.sqrt(float(error / exact.score(at, f, xi).square().mean())) < 0.04


def test_one_network_serves_every_schedule(two_peak):
    model = two_peak.score()
    exact = PRESETS["two-peak"].cumulants()
    found = [end_of_flow(model, schedule) for schedule in (VE(10.0), VP(10.0), VP(25.0), DRAWN)]
    for kappa in found:
        assert kappa[2] == pytest.approx(exact[2], rel=0.02)
        assert kappa[4] == pytest.approx(exact[4], rel=0.04)
    # All schedules integrate the same equation in σ̃; what differs is where the Gaussian prior starts.
    for kappa in found[1:]:
        assert kappa[2] == pytest.approx(found[0][2], rel=0.004)
        assert kappa[4] == pytest.approx(found[0][4], rel=0.008)


def test_the_score_at_one_noise_level_does_not_depend_on_the_schedule(two_peak):
    model, x = two_peak.score(), 2 * Noise(1).normal(0, (1000, 1))
    at_ve = model.score(x, 1.0, 0.36)
    for f in (2.0, 0.5, 1e-3, 1e-20):
        assert torch.allclose(f * model.score(f * x, f, 0.36 * f**2), at_ve, rtol=1e-9, atol=1e-9)


def test_an_asymmetric_target_gets_its_odd_cumulants(asymmetric):
    model, target = asymmetric.score(), PRESETS["mixture"]
    exact, kappa = target.cumulants(), end_of_flow(model, VE(10.0))
    assert exact[3] > 1
    assert kappa[1] == pytest.approx(exact[1], abs=0.02)
    assert kappa[2] == pytest.approx(exact[2], rel=0.02)
    assert kappa[3] == pytest.approx(exact[3], rel=0.05)
    assert kappa[5] == pytest.approx(exact[5], rel=0.08)
    for xi, allowed in ((0.04, 0.2), (0.25, 0.08), (1.0, 0.05)):
        assert relative_error(model, target, xi) < allowed


def test_two_dimensions():
    target = PRESETS["three-peak"]
    trainer = Trainer(target, TrainingConfig.of(2, steps=800, batch=1024, samples=100_000), seed=1)
    trainer.run()
    model, gaussian = trainer.score(), GaussianScore(target.mean, target.covariance)
    for xi, allowed in ((0.04, 0.15), (0.25, 0.15), (1.0, 0.08)):
        assert relative_error(model, target, xi) < allowed
    assert relative_error(gaussian, target, 0.04) > 0.5


@pytest.mark.parametrize("name", ["mixture", "three-peak"])
def test_even_a_random_network_keeps_mean_and_covariance(name):
    # ⟨s⟩ = 0 and ⟨x_i s_j⟩ = -δ_ij, which make them follow f·mean and f² C + Ξ
    target = PRESETS[name]
    samples = target.sample(50_000, Noise(1))
    model = Trainer(samples, TINY).score()
    network, n = model.network, model.normalisation
    network.out.weight.copy_(Noise(2).normal(0, tuple(network.out.weight.shape), torch.float32))
    data = (samples - torch.from_numpy(n.mean)) @ torch.from_numpy(n.axes) / n.scale
    variances = torch.from_numpy(n.variances / n.scale**2)
    linear = LinearPart.of(network, data, variances, math.log(0.01), math.log(30))
    model = LearnedScore(network, n, linear, model.record)
    for f, xi in ((1.0, 0.3), (0.5, 0.75)):
        x = f * target.sample(200_000, Noise(11)) + math.sqrt(xi) * Noise(12).normal(0, (200_000, target.dim))
        score = model.score(x, f, xi)
        product = (x - f * torch.from_numpy(target.mean))[:, :, None] * score[:, None, :]
        # 5 standard errors here, and those of the 50 000 training samples and of the 8192 points of the fit
        error = 5 * (1 / math.sqrt(200_000) + 1 / math.sqrt(50_000) + 0.1 / math.sqrt(8192))
        assert torch.all(score.mean(dim=0).abs() < error * score.std(dim=0))
        assert torch.all((product.mean(dim=0) + torch.eye(target.dim)).abs() < error * product.std(dim=0))


def test_the_learning_rate_rises_and_falls():
    config = TrainingConfig(steps=1000, warmup=100, rate=0.01)
    assert config.rate_at(1) == pytest.approx(1e-4, rel=1e-3)
    assert config.rate_at(100) == pytest.approx(0.01, rel=0.03)
    assert config.rate_at(500) == pytest.approx(0.005)
    assert config.rate_at(1000) == config.rate_at(5000) == pytest.approx(1e-5)
    trainer = Trainer(PRESETS["mixture"].sample(1000, Noise(1)), config)
    trainer.run(1)
    # The first step of Adam is the learning rate along the sign of the gradient.
    assert trainer.score().network.out.bias.abs().item() == pytest.approx(1e-4, rel=1e-3)


def test_beyond_the_trained_levels(two_peak):
    model = two_peak.score()
    gaussian, x = GaussianScore(model.mean, model.covariance), 3 * Noise(1).normal(0, (100, 1))
    top, bottom = model.record.sigma_max, model.record.sigma_min
    for f, xi in ((1.0, (1.01 * top) ** 2), (1e-200, 1.0), (0.0, 1.0)):
        assert torch.allclose(model.score(x, f, xi), gaussian.score(x, f, xi), rtol=1e-12, atol=0)
    # At the upper end the correction has died away, so that nothing jumps; below the lower end the score stays.
    at_top = 30 * x
    a, b = (model.score(at_top, 1.0, (s * top) ** 2) for s in (0.9999, 1.0001))
    assert torch.allclose(a, b, rtol=0.003, atol=1e-5)
    for xi in (0.0, (0.5 * bottom) ** 2):
        assert torch.allclose(
            model.score(x, 1.0, xi), model.score(x, 1.0, (1.0001 * bottom) ** 2), rtol=1e-3, atol=1e-3
        )
    far = model.score(torch.tensor([[-1e6], [1e6]], dtype=torch.float64), 1.0, 0.1)
    assert far[0] > 0 > far[1]


@pytest.mark.parametrize("name", ["two-peak", "three-peak"])
def test_the_score_at_a_point_does_not_depend_on_the_other_points(name):
    trainer = Trainer(PRESETS[name], TINY)
    trainer.run(20)
    model, x = trainer.score(), Noise(1).normal(0, (1000, PRESETS[name].dim))
    all_at_once = model.score(x, 0.7, 0.5)
    for first, count in ((0, 1), (3, 7), (100, 65), (0, 999)):
        assert torch.equal(model.score(x[first : first + count], 0.7, 0.5), all_at_once[first : first + count])


def test_the_interpolation_in_one_dimension_is_the_network(two_peak):
    model = two_peak.score()
    x = 2 * Noise(1).normal(0, (500, 1))
    for xi in (0.001, 0.1, 2.0):
        q = xi + model.covariance[0, 0]
        z = (x - model.mean[0]) / math.sqrt(q)
        scale = model.normalisation.scale
        part = model.linear.at(math.sqrt(xi) / scale)[:, 0]
        network = model.network.double()
        with torch.inference_mode():
            out = network(z, torch.tensor(math.sqrt(xi) / scale, dtype=torch.float64)) - part[0] - part[1] * z
        model.network.float()
        gain = scale / math.sqrt(q * (xi + (0.1 * scale) ** 2)) * scale**2 / q
        assert torch.allclose(model.score(x, 1.0, xi), -z / math.sqrt(q) + gain * out, atol=1e-4 * gain)


def test_precision_and_shape_are_kept(two_peak):
    model = two_peak.score()
    assert model.score(torch.zeros(3, 1, dtype=torch.float32), 1.0, 0.5).dtype == torch.float32
    assert model.score(torch.zeros(0, 1, dtype=torch.float64), 1.0, 0.5).shape == (0, 1)


@pytest.mark.parametrize("shape", [(3,), (3, 2), (3, 1, 1)])
def test_points_of_another_dimension_are_refused(two_peak, shape):
    with pytest.raises(ValueError, match=r"shape \(n, 1\) as in training"):
        two_peak.score().score(torch.zeros(shape), 1.0, 0.5)


def test_impossible_noise_levels_are_refused(two_peak):
    for f, xi in ((-1.0, 0.5), (1.0, -0.5), (0.0, 0.0), (math.nan, 1.0)):
        with pytest.raises(ValueError, match="f and xi"):
            two_peak.score().score(torch.zeros(3, 1), f, xi)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, "steps must be at least 1"),
        ({"batch": 7}, "batch must be even"),
        ({"rate": 0.0}, "rate must be positive"),
        ({"warmup": -1}, "warmup"),
        ({"sigma_min": 3.0, "sigma_max": 1.0}, "sigma_min < sigma_max"),
    ],
)
def test_impossible_configurations_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        TrainingConfig(**changes)


def test_impossible_thread_numbers_and_too_few_samples_are_refused():
    with pytest.raises(ValueError, match="threads must be from 1"):
        Trainer(PRESETS["two-peak"], TINY, threads=0)
    with pytest.raises(ValueError, match="fewer than ten samples"):
        Trainer(torch.tensor([[1.0], [2.0]]), TINY).validate()


def test_divergence_is_reported():
    trainer = Trainer(PRESETS["two-peak"], TrainingConfig(steps=50, batch=64, rate=1e30, warmup=0, samples=1000))
    with pytest.raises(ArithmeticError, match="smaller rate"):
        trainer.run()


def test_a_narrow_peak_far_away_lies_within_the_interpolated_range():
    target = GaussianMixture(weights=(0.995, 0.005), means=(0.0, 20.0), stds=(0.5, 0.5))
    trainer = Trainer(target.sample(20_000, Noise(1)), TINY)
    assert trainer.score().reach > 20 / math.sqrt(float(target.covariance[0, 0]))


def _contents(path) -> dict[str, torch.Tensor]:
    from core.diffusion.checkpoint import read

    return read(path)[0]
