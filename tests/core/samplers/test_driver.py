"""The driver: chains depend on their own address alone, frames join to the whole run, a token stops it."""

import numpy as np
import pytest
import torch

from core.contracts import Cancelled
from core.jobs import Token
from core.noise import Noise
from core.samplers import driver, hmc, langevin, mala
from core.theories.phi4 import Phi4
from tests.core.samplers.gaussian_theory import Oscillator

FIRST = {"x": lambda x: x[:, 0]}


def langevin_state(chains):
    return langevin.init(Oscillator(), torch.linspace(-1, 1, 20, dtype=torch.float64)[:chains, None], 0.1)


def mala_state(chains):
    return mala.init(Oscillator(), torch.linspace(-1, 1, 20, dtype=torch.float64)[:chains, None], 0.8)


@pytest.mark.parametrize(("make", "step"), [(langevin_state, langevin.step), (mala_state, mala.step)])
def test_chains_do_not_depend_on_batch_or_chunks(make, step, monkeypatch):
    whole = driver.record(make(20), step, Noise(4), 30, FIRST, bundle=20)
    few = driver.record(make(7), step, Noise(4), 30, FIRST)
    monkeypatch.setattr(driver, "CHUNK", 3)
    chunked = driver.record(make(20), step, Noise(4), 30, FIRST, bundle=5)
    np.testing.assert_array_equal(whole.series["x"][:7], few.series["x"])
    np.testing.assert_array_equal(whole.series["x"], chunked.series["x"])
    np.testing.assert_array_equal(whole.trajectories[:5], chunked.trajectories)
    np.testing.assert_array_equal(whole.trajectories[:, :, 0], whole.series["x"])


def test_hmc_chains_do_not_depend_on_batch_or_chunks(monkeypatch):
    theory = Phi4(4, 0.2, 0.1)
    observables = {"x": lambda x: x[:, 1, 2].double()}

    def run(chains):
        return driver.record(
            hmc.init(theory, torch.zeros(chains, 4, 4), 0.2, 2.0, True), hmc.step, Noise(4), 10, observables
        )

    whole, few = run(20), run(7)
    monkeypatch.setattr(driver, "CHUNK", 3 * 16)
    np.testing.assert_array_equal(whole.series["x"][:7], few.series["x"])
    np.testing.assert_array_equal(whole.series["x"], run(20).series["x"])


def test_frames_join_to_the_whole_run():
    parts = list(driver.frames(mala_state(20), mala.step, Noise(1), 25, 10, FIRST, bundle=3))
    whole = driver.record(mala_state(20), mala.step, Noise(1), 25, FIRST, bundle=3)
    joined = driver.join(parts)
    assert [len(p.clock) for p in parts] == [10, 10, 5]
    np.testing.assert_array_equal(joined.series["x"], whole.series["x"])
    np.testing.assert_array_equal(joined.trajectories, whole.trajectories)
    np.testing.assert_allclose(joined.clock, 0.8 * np.arange(1, 26))
    assert joined.acceptance == pytest.approx(whole.acceptance)
    assert 0.3 < whole.acceptance < 1


def test_acceptance_is_undefined_without_a_decision():
    assert np.isnan(driver.record(langevin_state(3), langevin.step, Noise(1), 5, FIRST).acceptance)


def test_histogram_is_a_density():
    run = driver.record(mala_state(20), mala.step, Noise(1), 200, FIRST, 20)
    edges = np.linspace(-8, 8, 41)
    assert np.sum(run.histogram("x", edges) * np.diff(edges)) == pytest.approx(1)


def test_token_stops_the_run():
    token = Token()
    blocks = driver.frames(langevin_state(5), langevin.step, Noise(1), 100, 10, token=token)
    next(blocks)
    token.cancel()
    with pytest.raises(Cancelled):
        next(blocks)


@pytest.mark.parametrize(("steps", "every", "name"), [(0, None, "steps"), (5, 0, "every")])
def test_bad_counts_are_named(steps, every, name):
    with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
        next(driver.frames(langevin_state(2), langevin.step, Noise(1), steps, every))
