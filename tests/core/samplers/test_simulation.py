"""The simulation that is steered while it runs: reproducible, exact where its algorithm is, and never stuck."""

import re

import numpy as np
import pytest

from core.contracts import Cancelled
from core.jobs import Token
from core.samplers.live_parameters import live_parameters, provisional_parameters
from core.samplers.simulation import WARM_UP, Simulation
from core.theories.phi4 import Phi4

FREE = Phi4(8, 0.2, 0.0)
NEAR = Phi4(16, 0.27, 0.022)
HMC = {"step_size": 0.25, "n_steps": 6, "integrator": "leapfrog", "fourier": False, "flip": False}
LANGEVIN = {"step_size": 0.01, "fourier": False, "flip": False}


def simulation(theory=NEAR, algorithm="hmc", parameters=HMC, **options) -> Simulation:
    return Simulation(theory, algorithm, parameters, **{"chains": 4, **options})


def acted(run: Simulation, blocks: int = 1) -> np.ndarray:
    """Everything that a person may do, in a fixed order, each followed by six updates in ``blocks`` blocks."""

    def go():
        for _ in range(blocks):
            frame = run.advance(6 // blocks)
        return frame

    go()
    run.paint("hot", [(3.0, 4.0), (8.0, 4.0)], 2.0, chain=1)
    run.paint("flip", [(9.0, 4.0)], 2.0, chain=0, begins=False)
    go()
    run.steer(theory=Phi4(16, 0.3, 0.022))
    go()
    run.steer(algorithm="langevin", parameters=LANGEVIN)
    go()
    run.restart("hot")
    go()
    run.steer(algorithm="cluster", parameters={"step_size": 1.0})
    return go().fields.copy()


def test_the_same_actions_give_the_same_chains():
    first = acted(simulation(seed=3))
    assert (acted(simulation(seed=3)) == first).all()
    assert (acted(simulation(seed=3), blocks=3) == first).all()
    assert (acted(simulation(seed=3, chains=2)) == first[:2]).all()
    assert not (acted(simulation(seed=4)) == first).any()


def test_steering_keeps_the_field_and_begins_the_statistics_anew():
    run = simulation()
    before = run.advance(30)
    assert before.since == 30
    run.steer(theory=Phi4(16, 0.4, 0.022), parameters=HMC | {"step_size": 0.1})
    frame = run.advance(0)
    assert (frame.fields == before.fields).all()
    assert (frame.updates, frame.since, frame.reset) == (30, 0, "new couplings")
    assert frame.theory.kappa == 0.4
    assert frame.parameters["step_size"] == 0.1
    assert run.advance(5).updates == 35
    run.forget()
    assert run.advance(1).since == 1


@pytest.mark.parametrize(
    ("algorithm", "parameters", "bias"),
    [
        ("hmc", HMC, 0.0),
        ("mala", {"step_size": 0.15, "fourier": False, "flip": False}, 0.0),
        ("metropolis", {"step_size": 1.5, "overrelaxation": 0, "flip": False}, 0.0),
        ("langevin", LANGEVIN, 0.005),
    ],
)
def test_after_a_change_of_everything_the_law_is_that_of_the_new_theory(algorithm, parameters, bias):
    """⟨φ²⟩ and S/V of the free field at κ = 0.2 after a start at κ = 0.05; the Langevin step adds ε/2 to ⟨φ²⟩."""
    run = simulation(Phi4(8, 0.05, 0.0), chains=64, start="hot", seed=1)
    run.advance(10)
    run.steer(theory=FREE, algorithm=algorithm, parameters=parameters)
    run.advance(1200 if algorithm in ("hmc", "metropolis") else 4000)
    exact = FREE.free_propagator().mean() + bias
    found = run.statistics.average("phi2")
    assert found.settled
    assert abs(found.mean - exact) < 4 * found.error + 0.1 * bias
    assert found.error < 0.01
    if algorithm != "langevin":
        action = run.statistics.average("action")
        assert abs(action.mean - 0.5) < 4 * action.error


@pytest.mark.parametrize("algorithm", ["hmc", "mala"])
@pytest.mark.parametrize("change", ["mixed", "cold", "quench", "heat", "switch"])
def test_proposals_of_the_whole_field_are_accepted_after_a_disturbance(algorithm, change):
    """A field far from equilibrium moves as a body: without its warm-up hardly a proposal would be accepted."""
    theory = Phi4(32, 0.27, 0.022)
    parameters = live_parameters(algorithm, theory, flip=False)
    if change in ("mixed", "cold"):
        run = simulation(theory, algorithm, parameters, start=change)
    elif change == "switch":
        run = simulation(theory, "langevin", LANGEVIN)
        run.advance(1)
        run.steer(algorithm=algorithm, parameters=parameters)
    else:
        there = Phi4(32, 0.21 if change == "quench" else 0.4, 0.022)
        run = simulation(there, algorithm, live_parameters(algorithm, there, flip=False))
        run.advance(60)
        run.steer(theory=theory, parameters=parameters)
    warming = run.advance(1)
    assert warming.warming == WARM_UP - 1
    assert np.isnan(warming.acceptance)
    assert run.advance(WARM_UP - 1).warming == 0
    rates = [run.advance(1).acceptance for _ in range(40)]
    assert np.mean(rates) > 0.35


def test_a_stroke_lands_on_its_chain_and_a_site_is_flipped_once():
    run = simulation()
    before = run.advance(25).fields.copy()
    run.paint("plus", [(2.5, 5.5)], 0.6, chain=2)
    after = run.advance(0)
    changed = np.argwhere(after.fields != before)
    assert changed.tolist() == [[2, 5, 2]]
    assert after.fields[2, 5, 2] == pytest.approx(NEAR.classical_minimum)
    assert after.reset == "a stroke"
    run.paint("flip", [(8.0, 8.0)], 3.0)
    run.paint("flip", [(8.0, 8.0), (9.0, 8.0)], 3.0, begins=False)
    turned = run.advance(0).fields[0] == -before[0]
    assert turned[6:10, 6:10].all()
    run.paint("flip", [(8.0, 8.0)], 3.0, begins=True)
    assert (run.advance(0).fields[0, 6:10, 6:10] == before[0, 6:10, 6:10]).all()


def test_a_painted_patch_heals():
    """Deep in the broken phase a small patch of the other sign is gone within some hundred trajectories."""
    theory = Phi4(16, 0.4, 0.022)
    run = simulation(theory, parameters=live_parameters("hmc", theory, flip=False), start="cold")
    run.advance(40)
    run.paint("minus", [(8.0, 8.0)], 3.0)
    hurt = run.advance(0).fields[0].mean()
    assert hurt < 0.85 * theory.classical_minimum
    healed = run.advance(400).fields[0]
    assert healed.mean() > 0.95 * theory.classical_minimum


def test_a_runaway_is_told_and_the_last_field_kept():
    run = simulation(Phi4(8, 0.27, 0.022), "langevin", LANGEVIN)
    run.advance(5)
    run.steer(parameters=LANGEVIN | {"step_size": 2.0})
    frame = run.advance(500)
    assert "ran away" in frame.problem
    assert frame.problem[0].isupper()
    assert np.isfinite(frame.fields).all()
    assert run.advance(5).updates == frame.updates
    run.steer(parameters=LANGEVIN)
    after = run.advance(20)
    assert after.problem == ""
    assert np.abs(after.fields).max() < 10


def test_bad_commands_are_told_and_change_nothing():
    run = simulation()
    fields = run.advance(3).fields.copy()
    for command, words in (
        (lambda: run.steer(theory=Phi4(8, 0.2, 0.022)), r"\(16, 16\) sites cannot go on with \(8, 8\)"),
        (lambda: run.steer(algorithm="annealing"), "annealing"),
        (lambda: run.steer(parameters=HMC | {"step_size": -1.0}), "Step_size must be a positive"),
        (lambda: run.restart("lukewarm"), "Start must be one of mixed, hot, cold, got 'lukewarm'"),
        (lambda: run.restart("hot", theory=Phi4((8, 16), 0.2, 0.022)), "lattice must be a square"),
        (lambda: run.paint("erase", [(1.0, 1.0)], 1.0), "Brush must be one of"),
        (lambda: run.paint("plus", [(1.0, 1.0)], 1.0, chain=9), "Chain must be from 0 to 3, got 9"),
    ):
        command()
        frame = run.advance(0)
        assert re.search(words, frame.problem), frame.problem
        assert (frame.fields == fields).all()
    run.forget()
    with pytest.raises(ValueError, match="start must be one of"):
        simulation(start="lukewarm")
    with pytest.raises(ValueError, match="square"):
        simulation(Phi4((8, 16), 0.2, 0.022))


def test_every_restart_has_noise_of_its_own_and_may_change_the_lattice():
    run = simulation()
    run.restart("hot")
    first = run.advance(0).fields.copy()
    run.restart("hot")
    assert not (run.advance(0).fields == first).any()
    run.restart("mixed", theory=Phi4(32, 0.4, 0.022), chains=2)
    frame = run.advance(1)
    assert frame.fields.shape == (2, 32, 32)
    assert frame.fields[0].mean() > 0 > frame.fields[1].mean()


def test_it_stops_when_cancelled():
    token = Token()
    token.cancel()
    with pytest.raises(Cancelled):
        simulation().advance(3, token=token)


def test_step_sizes_of_large_lattices_follow_from_a_small_one():
    small, large = (live_parameters("hmc", Phi4(n, 0.2, 0.022), flip=False) for n in (64, 256))
    assert large["step_size"] == pytest.approx(small["step_size"] / 2)
    assert large["n_steps"] == 2 * small["n_steps"]
    small, large = (live_parameters("mala", Phi4(n, 0.2, 0.022)) for n in (64, 512))
    assert large["step_size"] == pytest.approx(small["step_size"] / 4)
    small, large = (live_parameters("metropolis", Phi4(n, 0.2, 0.022)) for n in (64, 128))
    assert large == small
    assert live_parameters("hmc", Phi4(256, 0.2, 0.022), step_size=0.05)["step_size"] == 0.05
    assert provisional_parameters("hmc", NEAR, flip=False)["flip"] is False
