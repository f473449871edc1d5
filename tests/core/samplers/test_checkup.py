"""The health of a running simulation: what is seen, and what it is taken to mean."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from core.noise import Noise
from core.samplers.checkup import examine, reversibility_of, signs, walls
from core.samplers.simulation import WARM_UP, Simulation
from core.statistics.format import with_error
from core.theories.phi4 import Phi4

BROKEN = Phi4(16, 0.4, 0.022)
HMC = {"step_size": 0.125, "n_steps": 8, "integrator": "leapfrog", "fourier": False, "flip": False}
SLOW = Phi4(8, 0.21, 0.022)


def run(theory=BROKEN, start="mixed", steps=80, algorithm="hmc", parameters=HMC, chains=16):
    simulation = Simulation(theory, algorithm, parameters, chains, start, seed=3)
    simulation.advance(steps)
    return simulation


def card(simulation):
    seen = signs(simulation)
    assert seen is not None
    return {check.name: check for check in examine(seen, reversibility_of(seen, Noise(0)))}


def test_before_the_first_step_there_is_nothing_to_see():
    assert signs(run(steps=0)) is None


def test_a_run_in_equilibrium_is_healthy():
    found = card(run(SLOW, steps=2500))
    assert {name: check.level for name, check in found.items() if check.level != "green"} == {}


def test_walls_of_a_hot_start_are_red_and_those_of_an_ordered_one_are_not_there():
    hot = card(run(start="hot"))
    assert hot["walls"].level == "red"
    assert hot["thermalised"].level in ("amber", "red")
    ordered = card(run())
    assert ordered["walls"].level == "green"
    assert ordered["thermalised"].level == "green"


def test_walls_are_where_a_stripe_is():
    x = np.full((3, 16, 16), BROKEN.classical_minimum, dtype=np.float32)
    x[1, :, 4:12] *= -1
    x[2] *= -1
    assert walls(BROKEN, x).tolist() == [False, True, False]


def test_boltzmann_factors_are_those_of_the_decisions():
    """⟨e^{-ΔH}⟩ = 1 in equilibrium, to 4.5 σ; the warm-up, which decides nothing, is left out."""
    simulation = run(SLOW, steps=WARM_UP)
    seen = signs(simulation)
    assert seen is not None
    assert seen.log_ratios.shape == (16, 0)
    assert math.isnan(seen.acceptance)
    simulation.advance(600)
    seen = signs(simulation)
    assert seen is not None
    kept = WARM_UP + 600 - (WARM_UP + 600) // 4
    assert seen.log_ratios.shape == seen.m.shape == seen.phi2.shape == (16, kept)
    assert seen.steps == kept
    factor = np.exp(seen.log_ratios)
    error = factor.std() / math.sqrt(factor.size)
    assert abs(factor.mean() - 1) < 4.5 * error
    assert error < 0.01
    # min(1, A) is the probability of acceptance.
    expected = np.minimum(factor, 1)
    assert abs(seen.acceptance - expected.mean()) < 4.5 * 0.5 / math.sqrt(factor.size)
    assert 0.3 < seen.acceptance < 0.999


def test_signs_are_a_copy_of_the_latest_steps():
    simulation = run(SLOW, steps=100)
    seen = signs(simulation)
    assert seen is not None
    last = seen.m[:, -1].copy()
    assert last == pytest.approx(simulation.state.x.double().mean((1, 2)).numpy())
    simulation.advance(100)
    assert np.array_equal(seen.m[:, -1], last)


def test_a_trajectory_there_and_back_returns_unless_the_step_is_unstable():
    seen = signs(run())
    assert seen is not None
    before = seen.state.x.clone()
    found = reversibility_of(seen, Noise(0))
    assert found is not None
    assert 0 < found < 1e-4  # rounding of float32
    assert torch.equal(seen.state.x, before)
    exact = replace(seen, state=replace(seen.state, x=seen.state.x.double()))
    assert reversibility_of(exact, Noise(0)) < 1e-10  # type: ignore[operator]
    wild = replace(seen, state=replace(seen.state, step_size=1.5))
    assert not reversibility_of(wild, Noise(0)) < 0.05  # type: ignore[operator]
    assert {c.name: c for c in examine(wild, math.nan)}["reversibility"].level == "red"


def test_algorithms_without_trajectories_or_decisions_have_grey_lines():
    metropolis = card(
        run(SLOW, algorithm="metropolis", parameters={"step_size": 1.0, "overrelaxation": 0, "flip": False})
    )
    assert metropolis["reversibility"].level == metropolis["⟨exp(−ΔH)⟩ = 1"].level == "grey"
    assert metropolis["acceptance"].level == "green"
    langevin = card(
        run(SLOW, algorithm="langevin", parameters={"step_size": 0.01, "fourier": False, "flip": False}, steps=60)
    )
    assert langevin["acceptance"].level == "grey"
    assert "steps of every chain" in langevin["precision"].sentence


def test_the_precision_counts_the_whole_run_and_not_only_the_steps_that_are_kept(monkeypatch):
    monkeypatch.setattr("core.statistics.running.WINDOW", 64)
    simulation = run(SLOW, steps=400)
    seen = signs(simulation)
    assert seen is not None
    assert seen.m.shape == (16, 64)
    assert seen.steps == 300
    assert seen.blocks is not None
    assert seen.blocks["|M|"].mean() == pytest.approx(seen.size.value)
    assert seen.size.error < np.abs(seen.m).mean(1).std() / 4  # of 300 steps and not of 64
    assert f"|M| = {with_error(seen.size.value, seen.size.error)}, " in examine(seen)[-1].sentence


def test_a_long_run_is_compared_over_all_of_it(monkeypatch):
    """The chains differ in the kept steps by chance, |M| being slow near the transition, and no more in all of the run:
    R̂ of steps that span ~25 τ_int is above 1.01, that of ~500 τ_int is not."""
    monkeypatch.setattr("core.statistics.running.WINDOW", 128)
    near = run(Phi4(8, 0.26, 0.022), steps=6000)
    seen = signs(near)
    assert seen is not None
    assert seen.blocks is not None
    assert seen.blocks["φ²"].shape[0] == 16
    assert examine(seen)[0].level == "green"
    assert examine(replace(seen, blocks=None))[0].level == "amber"
