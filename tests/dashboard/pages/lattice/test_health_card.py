"""The card below the live picture: fed while somebody watches, not too often, and red where it should be."""

import time

import pytest

from core.samplers.simulation import Simulation
from core.statistics.health import Check
from core.theories.phi4 import Phi4
from dashboard.pages.lattice import health_card
from dashboard.pages.lattice.health_card import HealthCard, HealthWatch
from dashboard.pages.lattice.view import LatticeView
from dashboard.stage import Stage

HMC = {"step_size": 0.125, "n_steps": 8, "integrator": "leapfrog", "fourier": False, "flip": False}


def simulation(start="mixed", algorithm="hmc", parameters=HMC):
    made = Simulation(Phi4(16, 0.4, 0.022), algorithm, parameters, 16, start)
    made.advance(80)
    return made


def levels(card):
    return {name: level for name, level, _ in card.checks}


def test_a_look_fills_the_card_and_the_next_one_waits(shells, wait, monkeypatch):
    watch = HealthWatch(shells())
    assert watch.card.checks == []
    watch.look(Simulation(Phi4(16, 0.4, 0.022), "hmc", HMC))  # no step yet: nothing to say
    assert watch.card.checks == []
    monkeypatch.setattr(health_card, "EVERY", 0.0)
    watch.look(simulation())
    wait(lambda: len(watch.card.checks) == 7)
    assert levels(watch.card)["reversibility"] == "green"
    assert all(isinstance(text, str) for check in watch.card.checks for text in check)
    monkeypatch.setattr(health_card, "EVERY", 60.0)
    before = watch.card.checks
    watch.look(simulation("hot"))
    time.sleep(0.3)
    assert watch.card.checks is before


def test_walls_turn_it_red(shells, wait):
    watch = HealthWatch(shells())
    watch.look(simulation("hot"))
    wait(lambda: watch.card.checks)
    assert levels(watch.card)["walls"] == "red"


def test_reversibility_is_measured_anew_where_the_run_has_changed_and_now_and_then(shells, wait, monkeypatch):
    monkeypatch.setattr(health_card, "EVERY", 0.0)
    calls = []
    true = health_card.reversibility_of

    def counted(seen, noise):
        calls.append(seen.algorithm)
        return true(seen, noise)

    monkeypatch.setattr(health_card, "reversibility_of", counted)
    watch, run = HealthWatch(shells()), simulation()

    def look(at):
        watch.card.checks = []
        watch.look(at)
        wait(lambda: watch.card.checks and not watch._busy)

    look(run)
    look(run)
    assert len(calls) == 1
    run.steer(parameters=HMC | {"step_size": 0.1, "n_steps": 10})
    run.advance(30)
    look(run)
    assert len(calls) == 2
    monkeypatch.setattr(health_card, "REVERSE_EVERY", 0.0)
    look(run)
    assert len(calls) == 3


def test_a_failure_is_told_and_the_next_look_works(shells, wait, monkeypatch):
    monkeypatch.setattr(health_card, "EVERY", 0.0)
    watch, run = HealthWatch(shells()), simulation()
    with monkeypatch.context() as broken:
        broken.setattr(health_card, "examine", lambda *_: 1 / 0)
        watch.look(run)
        wait(lambda: watch.card.checks)
    assert watch.card.checks[0][1] == "grey"
    assert "division by zero" in watch.card.checks[0][2]
    watch.look(run)
    wait(lambda: len(watch.card.checks) == 7)


@pytest.mark.parametrize(("query", "wall"), [("start=hot", "red"), ("start=mixed", "green")])
def test_the_live_tab_tells_the_health_of_its_run(shells, wait, monkeypatch, query, wall):
    monkeypatch.setattr(Stage, "watched", True)
    monkeypatch.setattr(health_card, "EVERY", 0.1)
    tab = LatticeView(shells(f"?page=lattice&L=16&kappa=0.4&speed=100&{query}")).tab("live")
    assert any(tab.health.card in part.select(HealthCard) for part in tab.main)
    wait(lambda: levels(tab.health.card).get("walls") == wall)
    tab.close()


def test_the_card_takes_checks_as_plain_texts():
    card = HealthCard()
    card.show_checks([Check("walls", "red", "A wall.")])
    assert card.checks == [("walls", "red", "A wall.")]
    assert {"green", "amber", "red", "grey"} <= set(card._esm.replace(":", "").split())  # all are drawn
