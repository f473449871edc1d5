"""Forward and backward process of lattice fields, end to end: free field mode by mode, cumulants in both phases."""

import numpy as np
import pytest
import torch

from core.contracts import Cancelled
from core.diffusion.field_gaussian import FieldGaussianScore, propagator
from core.diffusion.field_noise import schedule_reaching
from core.diffusion.field_prediction import along_axes
from core.diffusion.field_run import MAX_FRAMES, field_stages, run_field
from core.jobs import Token
from core.noise import Noise
from core.samplers.ensemble import thermalise
from core.schedule import VE, VP
from core.statistics.lattice import magnetisation
from core.theories.phi4 import Phi4

SIGMAS = 4.5
FREE = FieldGaussianScore(Phi4(8, 0.22, 0.0).free_propagator())
FREE_FIELDS = FREE.draw_prior(2000, 1.0, 0.0, Noise(1))


@pytest.fixture(scope="module")
def broken():
    *_, last = thermalise(Phi4(16, 0.4, 0.022), 512, Noise(5), trajectories=60)
    return last.fields


@pytest.mark.parametrize("name", ["ve", "vp", "cosine"])
@pytest.mark.parametrize("solver", ["heun", "ancestral", "flow"])
def test_free_field_comes_back_mode_by_mode(name, solver):
    schedule = schedule_reaching(name, 25.0)
    run = run_field(
        FREE_FIELDS, schedule, gaussian=FREE, solver=solver, grid="karras", steps=400 if solver == "ancestral" else 120,
        paths=2000, frames=5,
    )  # fmt: skip
    exact = FREE.full + run.levels.low**2
    ratio = propagator(run.generated) / exact
    # Real modes have a relative error of √(2/n), the others of 1/√n; first-order steps may cost another 1.5 %.
    bias = 0.015 if solver == "ancestral" else 0.003
    assert np.abs(ratio - 1).max() < SIGMAS * np.sqrt(2 / 2000) + bias
    assert abs(ratio.mean() - 1) < SIGMAS * np.sqrt(2 / 2000 / 64) + bias


def test_noise_prior_loses_the_zero_mode_and_says_so():
    # With the probability flow every mode is scaled by √(Ξ/(G_p + Ξ)): its variance misses that share for good.
    schedule = VE(25.0)
    options = {"gaussian": FREE, "solver": "flow", "grid": "karras", "paths": 2000, "frames": 3}
    run = run_field(FREE_FIELDS, schedule, prior="noise", **options)
    xi = float(schedule.xi(1.0))
    expected = FREE.full * xi / (FREE.full + xi)
    ratio = propagator(run.generated)[0, 0] / expected[0, 0]
    assert abs(ratio - 1) < SIGMAS * np.sqrt(2 / 2000)
    assert expected[0, 0] / FREE.full[0, 0] < 0.97
    assert any("zero mode" in w for w in run.warnings)
    assert run_field(FREE_FIELDS, schedule, **options).warnings == ()


def test_broken_phase_comes_back(broken):
    run = run_field(broken, schedule_reaching("ve", 120.0), paths=512, steps=100, frames=10, seed=2)
    assert run.gaussian.m == pytest.approx(3.748, abs=0.01)
    start, end = run.forward.cumulants, run.backward.cumulants
    for n, tolerance in ((2, 0.01), (4, 0.02), (6, 0.03), (8, 0.04)):
        assert start.value[0, n] != 0
        assert end.value[-1, n] == pytest.approx(start.value[0, n], rel=tolerance)
    m = magnetisation(run.generated).numpy()
    assert abs(np.mean(m > 0) - 0.5) < SIGMAS * 0.5 / np.sqrt(512)
    assert run.backward.abs_m.value[-1] == pytest.approx(run.forward.abs_m.value[0], rel=0.01)
    # Parseval: the measured ⟨φ²⟩ carries the last level's noise, nothing else.
    assert run.backward.phi2.error[-1] < 0.01 * run.backward.phi2.value[-1]


@pytest.mark.parametrize("schedule", [VE(30.0), VP(4.0)])
def test_forward_cumulants_follow_the_prediction(schedule):
    run = run_field(FREE_FIELDS, schedule, gaussian=FREE, paths=2000, steps=40, frames=20)
    measured, predicted = run.forward.cumulants, run.prediction
    for n in (2, 4, 6):
        combined = np.hypot(measured.error[:, n], predicted.error[:, n])
        assert np.all(np.abs(measured.value[:, n] - predicted.value[:, n]) < SIGMAS * combined + 1e-9)
    assert np.all(measured.value[:, [1, 3, 5, 7]] == 0)
    f = schedule.f(run.forward.times)
    np.testing.assert_allclose(predicted.error[:, 4], predicted.error[0, 4] * f**4)


@pytest.mark.parametrize("solver", ["exponential", "exponential-sde"])
@pytest.mark.parametrize("name", ["ve", "vp"])
def test_every_frame_of_both_legs_is_predicted(solver, name):
    """Free field with its own score: forward and backward leg have the same exact law at every time."""
    schedule = schedule_reaching(name, 25.0)
    run = run_field(FREE_FIELDS, schedule, gaussian=FREE, solver=solver, steps=12, paths=2000)
    f, xi = schedule.f(run.forward.times)[:, None], schedule.xi(run.forward.times)[:, None]
    exact = f**2 * along_axes(FREE.full) + xi
    there = f**2 * np.fft.ifft2(FREE.full).real[:5, 0]
    there[:, 0] += xi[:, 0]
    for leg, order in ((run.forward, 1), (run.backward, -1)):
        assert leg.structure.value.shape == (13, 5)
        assert np.all(np.abs(leg.structure.value - exact[::order]) < SIGMAS * leg.structure.error)
        assert np.all(np.abs(leg.correlator.value - there[::order]) < SIGMAS * leg.correlator.error)
        np.testing.assert_allclose(leg.sigma, np.sqrt(xi / f**2)[::order, 0])
    for prediction, values in ((run.prediction_structure, exact), (run.prediction_correlator, there)):
        assert np.all(np.abs(prediction.value - values) < SIGMAS * prediction.error)
    norm = run.backward.score_norm
    last = float(schedule.f(run.times[-2])) ** 2 * along_axes(FREE.full) + float(schedule.xi(run.times[-2]))
    np.testing.assert_allclose(run.score_prediction**-2, np.vstack([exact[::-1][:-1], last]), rtol=1e-9)
    assert np.all(np.abs(norm.value - run.score_prediction) < SIGMAS * norm.error)
    assert np.isnan(run.forward.score_norm.value).all()
    assert run.momenta.shape == (5,)
    assert next(iter(run.crossing)) == "zero mode"


def test_histograms_share_their_bins_at_equal_times():
    run = run_field(FREE_FIELDS, VE(20.0), gaussian=FREE, solver="flow", grid="karras", paths=2000, frames=12)
    forward, backward = run.forward, run.backward
    np.testing.assert_array_equal(forward.times[1:], backward.times[::-1])  # the flow stops before t = 0
    for name in ("site", "m"):
        edges = getattr(forward, f"{name}_edges")
        np.testing.assert_array_equal(edges[1:], getattr(backward, f"{name}_edges")[::-1])
        for leg in (forward, backward):
            density, width = getattr(leg, f"{name}_histogram"), np.diff(getattr(leg, f"{name}_edges"), axis=1)
            np.testing.assert_allclose((density.value * width).sum(axis=1), 1.0, atol=2e-3)
            middle = (getattr(leg, f"{name}_edges")[:, 1:] + getattr(leg, f"{name}_edges")[:, :-1]) / 2
            variance = (density.value * width * middle**2).sum(axis=1)
            exact = leg.cumulants.value[:, 2] if name == "site" else leg.structure.value[:, 0] / 64
            np.testing.assert_allclose(variance, exact, rtol=0.02)


class Counted:
    """A score with a baseline, whose calls are counted and which may be off by a factor."""

    def __init__(self, gaussian, factor=1.0):
        self.gaussian, self.factor, self.calls = gaussian, factor, 0

    def score(self, x, f=1.0, xi=0.0):
        self.calls += len(x)
        return self.factor * self.gaussian.score(x, f, xi)


@pytest.mark.parametrize(("solver", "evaluations"), [("exponential", 10), ("flow", 20), ("ancestral", 10), ("pc", 19)])
def test_any_score_drives_the_backward_process(solver, evaluations):
    score = Counted(FREE)
    run = run_field(FREE_FIELDS, VE(25.0), score=score, solver=solver, grid="karras", steps=10, paths=30)
    assert run.gaussian is FREE
    assert run.evaluations == evaluations
    assert score.calls == 30 * evaluations
    plain = run_field(FREE_FIELDS, VE(25.0), gaussian=FREE, solver=solver, grid="karras", steps=10, paths=30)
    torch.testing.assert_close(run.generated, plain.generated, rtol=1e-5, atol=1e-5)
    wrong = run_field(FREE_FIELDS, VE(25.0), score=Counted(FREE, 0.5), solver=solver, grid="karras", steps=10, paths=30)
    np.testing.assert_allclose(wrong.backward.score_norm.value[0], run.backward.score_norm.value[0] / 2, rtol=1e-4)
    # It is the score where the path goes through, not where a solver tried its step.
    for step in (0, 3, -1):
        x = torch.from_numpy(shown_at(plain, step))
        t = plain.backward.times[step if step >= 0 else -2]
        s = FREE.score(x, float(VE(25.0).f(t)), float(VE(25.0).xi(t))).double().numpy()
        modes = np.abs(np.fft.fft2(s)) ** 2 / 64
        direct = np.sqrt(((modes[:, :5, 0] + modes[:, 0, :5]) / 2).mean(axis=0))
        few = run_field(FREE_FIELDS, VE(25.0), gaussian=FREE, solver=solver, grid="karras", steps=10, paths=4)
        np.testing.assert_allclose(few.backward.score_norm.value[step], direct, rtol=1e-3)


def shown_at(run, step):
    """The four configurations that are shown, at a frame, and for the last frame those of the frame before."""
    return run.backward.fields[step if step >= 0 else -2]


def test_a_score_of_another_lattice_is_refused():
    with pytest.raises(ValueError, match=r"the score is for a lattice of \(8, 8\), the ensemble has \(4, 4\)"):
        run_field(torch.zeros(5, 4, 4), VE(20.0), score=Counted(FREE))


def test_both_legs_are_recorded_at_the_same_times():
    run = run_field(FREE_FIELDS, VE(20.0), gaussian=FREE, solver="flow", grid="uniform", paths=20, steps=200, shown=3)
    assert len(run.forward.times) <= MAX_FRAMES
    assert run.forward.times[0] == 0
    np.testing.assert_array_equal(run.forward.times[1:], run.backward.times[::-1])
    assert run.forward.times[-1] == 1
    assert float(VE(20.0).sigma(run.backward.times[-1])) == pytest.approx(run.levels.low)
    assert run.forward.fields.shape == (len(run.forward.times), 3, 8, 8)
    assert run.forward.fields.dtype == run.backward.fields.dtype == np.float32
    np.testing.assert_array_equal(run.forward.fields[0], FREE_FIELDS[:3].numpy())
    np.testing.assert_array_equal(run.backward.fields[-1], run.generated[:3].numpy())
    assert np.abs(np.diff(run.forward.times)).max() < 2 / (MAX_FRAMES - 2)


def test_a_few_configurations_are_the_first_of_many(monkeypatch):
    many = run_field(FREE_FIELDS, VE(20.0), gaussian=FREE, paths=40, steps=20)
    few = run_field(FREE_FIELDS, VE(20.0), gaussian=FREE, paths=5, steps=20)
    torch.testing.assert_close(many.generated[:5], few.generated, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(many.forward.fields, few.forward.fields, rtol=1e-5, atol=1e-5)
    monkeypatch.setattr("core.diffusion.field_generate.CHUNK", 7 * 64)
    chunked = run_field(FREE_FIELDS, VE(20.0), gaussian=FREE, paths=40, steps=20)
    torch.testing.assert_close(many.generated, chunked.generated, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(many.backward.cumulants.value, chunked.backward.cumulants.value, rtol=1e-4, atol=1e-4)


def test_the_forward_process_is_one_brownian_path():
    # Increments over separate intervals are independent, and their variances add up to Ξ.
    run = run_field(FREE_FIELDS, VE(5.0), gaussian=FREE, paths=1000, steps=10, frames=5, shown=1000)
    increments = np.diff(run.forward.fields.astype(float), axis=0).reshape(len(run.forward.times) - 1, -1)
    variances = np.diff(VE(5.0).xi(run.forward.times))
    count = increments.shape[1]
    covariance = increments @ increments.T / count / np.sqrt(np.outer(variances, variances))
    np.testing.assert_allclose(covariance, np.eye(len(variances)), atol=SIGMAS * np.sqrt(2 / count))


def test_stages_show_a_quick_picture_first():
    runs = list(field_stages(FREE_FIELDS, VE(20.0), Token(), paths=64, steps=50))
    assert [len(r.generated) for r in runs] == [16, 64]
    assert runs[0].gaussian is runs[1].gaussian
    assert len(list(field_stages(FREE_FIELDS, VE(20.0), Token(), paths=16, steps=20))) == 1


def test_token_stops_the_run():
    token = Token()
    token.cancel()
    with pytest.raises(Cancelled):
        run_field(FREE_FIELDS, VE(20.0), gaussian=FREE, token=token)


def test_short_schedules_and_euler_steps_are_warned_about(broken):
    run = run_field(broken, VE(10.0), paths=4, steps=10, solver="ancestral")
    assert any("never dissolves" in w for w in run.warnings)
    run = run_field(FREE_FIELDS, VP(5.0), gaussian=FREE, paths=4, steps=6, solver="euler", grid="uniform")
    assert any("Euler's step is unstable" in w for w in run.warnings)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"solver": "rk45"}, "solver must be one of .* got 'rk45'"),
        ({"paths": 1}, "paths must be at least 2, got 1"),
        ({"frames": 2}, "frames must be from 3 to 90, got 2"),
        ({"frames": 91}, "frames must be from 3 to 90, got 91"),
        ({"shown": 0}, "shown must be at least 1, got 0"),
        ({"prior": "flat"}, "prior must be one of matched, noise, got 'flat'"),
        ({"steps": 1}, "steps must be at least 2, got 1"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        run_field(FREE_FIELDS[:20], VE(20.0), **options)


def test_one_configuration_is_no_ensemble():
    with pytest.raises(ValueError, match="at least two configurations, got 1"):
        run_field(FREE_FIELDS[:1], VE(20.0))
