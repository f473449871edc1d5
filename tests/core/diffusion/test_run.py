"""Whole runs: published figures, exact Euler chains, independence of chunks, and what is recorded."""

import numpy as np
import pytest
import torch

from core.contracts import Cancelled, score_at
from core.diffusion.gaussian import GaussianScore
from core.diffusion.grids import time_grid
from core.diffusion.prior import PRIORS
from core.diffusion.run import Record, run_backward, run_forward
from core.jobs import Token
from core.schedule import VE, VP, Cosine, LinearVP, Tabulated
from core.statistics.control import noise_removed
from core.statistics.cumulants import PowerSums, predicted_cumulants
from core.theories.mixture import GaussianMixture, three_peaks, two_peaks
from tests.core.diffusion.euler_chain import euler_cumulants

DRAWN = Tabulated((0.0, 0.3, 1.0), (0.6, 2.5, 3.0), True)


@pytest.mark.parametrize(
    ("schedule", "figures", "errors"),
    [
        (VE(10.0), (1.0610, -1.996, 15.950, -270.9), (1e-4, 1e-3, 7e-3, 0.2)),
        (VP(10.0), (1.0617, -1.999, 15.982, -271.6), (1e-4, 1e-3, 8e-3, 0.2)),
    ],
    ids=["ve", "vp"],
)
def test_papers_start_with_the_exact_score(schedule, figures, errors):
    # Two peaks from N(0, Ξ), 1000 Euler steps whose scores are taken at t = 1, 0.999 … 0.001: simulated figures and
    # their errors, to 4 of them (0.5 of the last digit for their rounding), from the exact law of the chain.
    times = np.linspace(1.0, 0.0, 1001)
    got = euler_cumulants(score_at(two_peaks(), schedule), schedule, times, float(schedule.xi(1.0)))
    rounding = np.array([5e-5, 5e-4, 5e-4, 0.05])
    assert np.all(np.abs(got[2::2] - figures) < 4 * np.array(errors) + rounding)


@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("schedule", [VE(10.0), VP(10.0)], ids=lambda s: s.name)
def test_euler_run_has_the_cumulants_of_its_chain(schedule, prior):
    # 50 steps, whose bias is many σ, so that agreement with the data's cumulants would not do; 4.5 σ of 200 000 paths.
    target = two_peaks()
    times = time_grid(schedule, 50)
    variance = float(schedule.xi(1.0) + (schedule.f(1.0) ** 2 * 1.0625 if prior == "matched" else 0.0))
    expected = euler_cumulants(score_at(target, schedule), schedule, times, variance)
    run = run_backward(target, schedule, steps=50, paths=200_000, prior=prior, seed=3)
    value, error = run.cumulants()
    assert np.all(np.abs(value - expected)[1:] < 4.5 * error[1:]), (value - expected)[1:] / error[1:]
    assert np.max(np.abs(expected - target.cumulants(8))[1:] / error[1:]) > 9


@pytest.mark.parametrize("solver", ["euler", "heun", "flow", "ancestral", "pc"])
@pytest.mark.parametrize("schedule", [VE(10.0), LinearVP(), Cosine(), DRAWN], ids=lambda s: s.name)
def test_every_solver_makes_two_peaks_of_the_right_cumulants(solver, schedule):
    # Against the law at t_min; 5 σ of 20 000 paths plus 1 % for the first-order bias of 300 steps.
    target = two_peaks()
    run = run_backward(target, schedule, solver=solver, grid="karras", steps=300, paths=20_000, seed=1)
    value, error = run.cumulants()
    expected = predicted_cumulants(target.cumulants(4), schedule, run.times[-1])
    assert np.all(np.abs(value[:5] - expected)[1:] < 5 * error[1:5] + 0.01 * np.abs(expected[1:])), value[:5] - expected


@pytest.mark.parametrize("solver", ["euler", "pc"])
@pytest.mark.parametrize(
    "target",
    [two_peaks(), three_peaks(), GaussianMixture((0.5, 0.3, 0.2), (-1.0, 0.2, 2.0), (0.2, 0.3, 0.4))],
    ids=["two-peak", "three-peak", "mixture"],
)
def test_paths_are_the_same_in_any_chunks(solver, target):
    options = {"solver": solver, "steps": 30, "seed": 9, "record": Record(frames=5, bundle=40)}
    whole = run_backward(target, VE(10.0), paths=1000, chunk=1000, **options)
    parts = run_backward(target, VE(10.0), paths=1000, chunk=37, **options)
    preview = run_backward(target, VE(10.0), paths=100, **options)
    torch.testing.assert_close(parts.samples, whole.samples, rtol=0, atol=1e-13)
    torch.testing.assert_close(preview.samples, whole.samples[:100], rtol=0, atol=1e-13)
    assert whole.frames is not None
    assert parts.frames is not None
    np.testing.assert_allclose(parts.frames.paths, whole.frames.paths, atol=1e-13)
    if whole.frames.sums is not None and parts.frames.sums is not None:
        np.testing.assert_allclose(parts.frames.sums.sums, whole.frames.sums.sums, rtol=1e-11, atol=1e-9)
        np.testing.assert_array_equal(parts.frames.counts, whole.frames.counts)


def test_forward_paths_are_the_same_in_any_chunks():
    whole = run_forward(two_peaks(), VP(), paths=500, chunk=500, seed=4)
    parts = run_forward(two_peaks(), VP(), paths=500, chunk=64, seed=4)
    assert torch.equal(parts.samples, whole.samples)
    assert torch.equal(parts.start, whole.start)


def test_seeds_differ_and_repeat():
    first, again, other = (run_backward(two_peaks(), VE(), steps=10, paths=5, seed=s).samples for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_backward_frames_show_the_run():
    record = Record(frames=11, bundle=7, bins=50)
    run = run_backward(two_peaks(), VE(10.0), steps=100, paths=3000, record=record)
    frames = run.frames
    assert frames is not None
    assert frames.sums is not None
    assert frames.counts is not None
    np.testing.assert_allclose(frames.times, np.linspace(1.0, 1e-3, 11), atol=1e-12)
    assert frames.paths.shape == (11, 7, 1)
    np.testing.assert_array_equal(frames.paths[-1], run.samples[:7].numpy())
    assert np.all(frames.counts.sum(axis=1) >= 2990)
    np.testing.assert_allclose(frames.sums.cumulants().value[-1], run.cumulants().value, rtol=1e-6, atol=1e-8)
    widths = np.diff(frames.edges, axis=1)
    np.testing.assert_allclose((frames.density() * widths).sum(axis=1), 1.0, atol=0.004)


def test_frames_at_given_times_and_on_given_edges():
    record = Record(times=(1.0, 0.5, 0.49999, 0.001), edges=np.linspace(-1.0, 1.0, 5))
    run = run_backward(two_peaks(), VE(10.0), steps=10, paths=1000, record=record)
    assert run.frames is not None
    np.testing.assert_allclose(run.frames.times, [1.0, 0.5005, 0.001])  # nearest of the grid, none twice
    x = run.samples[:, 0].numpy()
    np.testing.assert_array_equal(run.frames.counts[-1], np.histogram(x, np.linspace(-1, 1, 5))[0])  # type: ignore[index]


@pytest.mark.parametrize("schedule", [VE(10.0), VP(2.0)], ids=lambda s: s.name)
def test_forward_frames_and_what_remains_without_the_noise_in_them(schedule):
    # κ_n(t) by prediction, measured on x_t and with the noise of the same paths removed; 4.5 σ.
    target = two_peaks()
    run = run_forward(target, schedule, paths=50_000, seed=2, record=Record(frames=21))
    frames = run.frames
    assert frames.sums is not None
    assert frames.difference_sums is not None
    exact = np.array([predicted_cumulants(target.cumulants(8), schedule, t) for t in frames.times])
    removed = noise_removed(frames.difference_sums, schedule.xi(frames.times))
    for value, error in (frames.sums.cumulants(), removed):
        assert np.all(np.abs(value - exact)[:, 1:] < 4.5 * error[:, 1:])
    # What is left is f x_0, path by path: its errors are those of the data, fⁿ times.
    x0 = PowerSums(shift=float(target.mean[0]))
    x0.add(run.start)
    value, error = x0.cumulants()
    f = np.asarray(schedule.f(frames.times))[:, None] ** np.arange(9)
    np.testing.assert_allclose(removed.error, error * f, rtol=1e-6)
    unshifted = removed.value - exact + target.cumulants(8) * f
    np.testing.assert_allclose(unshifted[:, 2:], (value * f)[:, 2:], rtol=1e-6)
    # along one path the noise grows by independent parts: x_t - f(t,s) x_s is not correlated with x_s
    x, decay = frames.paths[:, :, 0], float(schedule.f(frames.times[20], frames.times[10]))
    assert abs(np.corrcoef(x[10], x[20] - decay * x[10])[0, 1]) < 4.5 / np.sqrt(200)
    np.testing.assert_array_equal(frames.paths[0], run.start[:200].numpy())


def test_two_dimensions_keep_paths_alone():
    run = run_forward(three_peaks(), VP(), paths=300, record=Record(frames=4, bundle=500))
    assert run.frames.paths.shape == (4, 300, 2)
    assert run.frames.sums is None
    with pytest.raises(ValueError, match="no histograms were recorded"):
        run.frames.density()


def test_gaussian_score_makes_a_gaussian_of_the_same_variance():
    target = two_peaks()
    model = GaussianScore(target.mean, target.covariance)
    run = run_backward(target, VP(10.0), model, solver="flow", grid="karras", steps=200, paths=50_000)
    value, error = run.cumulants()
    assert abs(value[2] - 1.0625) < 4.5 * error[2] + 1e-3
    assert abs(value[4]) < 4.5 * error[4]


def test_cancelled_runs_stop():
    token, steps_seen = Token(), []

    class Watched:
        """The exact score, which counts its calls and loses interest at the tenth."""

        def score(self, x, f=1.0, xi=0.0):
            steps_seen.append(f)
            if len(steps_seen) == 10:
                token.cancel()
            return two_peaks().score(x, f, xi)

    with pytest.raises(Cancelled):
        run_backward(two_peaks(), VE(), Watched(), steps=100_000, paths=100, token=token)
    assert len(steps_seen) == 10


def test_warnings_of_prior_and_step_are_handed_on():
    run = run_backward(two_peaks(), VE(10.0), steps=50, paths=10, prior="noise")
    assert len(run.warnings) == 1
    assert "4.7% too small" in run.warnings[0]
    run = run_backward(two_peaks(), VP(25.0), steps=100, paths=10)
    assert "unstable" in run.warnings[0]
    assert torch.isfinite(run.samples).all()
    assert run_backward(two_peaks(), VP(25.0), steps=100, paths=10, solver="ancestral").warnings == ()


@pytest.mark.parametrize("solver", ["euler", "heun", "flow", "ancestral", "pc"])
def test_vp_with_sigma_25(solver):
    # The noise drowns the data by 10⁴² here; from σ̃ = 1000 on, 500 steps; 5 σ of 20 000 paths plus 2 %.
    run = run_backward(two_peaks(), VP(25.0), solver=solver, grid="karras", steps=500, paths=20_000)
    value, error = run.cumulants()
    assert abs(value[2] - 1.0625) < 5 * error[2] + 0.02
    assert abs(value[4] + 2.0) < 5 * error[4] + 0.04


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"paths": 0}, "paths must be from 1 to 100000000, got 0"),
        ({"paths": 10**9}, "paths must be from 1 to 100000000"),
        ({"steps": 0}, "steps must be from 1 to 1000000, got 0"),
        ({"solver": "rk45"}, "solver must be one of euler, heun, flow, ancestral, pc, multistep, got 'rk45'"),
        ({"grid": "cubic"}, "grid must be one of"),
        ({"prior": "flat"}, "prior must be one of"),
        ({"device": "abacus"}, "device must be one of"),
        ({"seed": -1}, "seed must be an integer"),
        ({"t_min": 2.0}, "t_min must lie between 0 and 1"),
        ({"schedule": VE(1e20)}, "reduce sigma"),
    ],
)
def test_wrong_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        run_backward(two_peaks(), **({"schedule": VE(), "paths": 5, "steps": 5} | options))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"frames": 1}, "frames must be from 2 to 1000, got 1"),
        ({"bundle": 0}, "bundle and bins must be at least 1"),
        ({"edges": (0.0, 1.0, 3.0)}, "edges of histograms must rise in equal steps"),
    ],
)
def test_wrong_records_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        Record(**options)
