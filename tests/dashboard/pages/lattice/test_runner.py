"""The pace of the runner, and that it rests."""

import threading
import time

import pytest

from core.samplers.simulation import Simulation
from core.theories.phi4 import Phi4
from dashboard.pages.lattice.runner import Runner

METROPOLIS = {"step_size": 1.0, "overrelaxation": 0, "flip": False}


@pytest.fixture
def runs():
    """``runs(watched, show)`` is a runner of a small lattice; all are stopped after the test."""
    made = []

    def make(watched=lambda: True, show=lambda frame: None, fail=lambda error: None):
        simulation = Simulation(Phi4(8, 0.2, 0.022), "metropolis", METROPOLIS, chains=2)
        simulation.advance(1)  # compiled
        made.append(Runner(simulation, show, fail, watched))
        return made[-1]

    yield make
    for runner in made:
        runner.stop()


def updates_in(runner, seconds):
    before = runner.simulation.state.count
    time.sleep(seconds)
    return runner.simulation.state.count - before


def test_the_pace_is_the_one_asked_for(runs):
    """Never faster, and not without end slower; the lower bound leaves room for a busy machine."""
    runner = runs()
    for speed in (10, 100):
        runner.speed = speed
        runner.start()
        time.sleep(0.2)
        assert 0.3 * speed < updates_in(runner, 1.0) < 1.25 * speed


def test_nothing_moves_unwatched(runs, wait):
    seen = threading.Event()
    runner = runs(watched=seen.is_set)
    runner.start()
    time.sleep(0.2)
    assert updates_in(runner, 0.3) == 0
    seen.set()
    wait(lambda: runner.simulation.state.count > 3)


def test_commands_reach_a_paused_run(runs, wait):
    frames = []
    runner = runs(show=frames.append)
    runner.pause(True)
    runner.start()
    time.sleep(0.1)
    runner.simulation.paint("plus", [(4.0, 4.0)], 2.0)
    runner.nudge()
    wait(lambda: frames and frames[-1].reset == "a stroke")
    assert updates_in(runner, 0.2) == 0


def test_an_unexpected_error_is_reported(runs, wait):
    errors = []

    def show(frame):
        raise RuntimeError("no paper")

    runner = runs(show=show, fail=errors.append)
    runner.start()
    wait(lambda: errors)
    assert str(errors[0]) == "no paper"
