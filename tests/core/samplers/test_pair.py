"""Two simulations on one clock: the same noise for both, equal updates or equal time, and a bounded past."""

import numpy as np
import pytest

from core.contracts import Cancelled
from core.jobs import Token
from core.samplers import pair as module
from core.samplers.pair import OBSERVABLES, Chains, Pair
from core.samplers.simulation import Simulation
from core.theories.phi4 import Phi4

THEORY = Phi4(8, 0.25, 0.02)
HMC = {"step_size": 0.1, "n_steps": 8, "integrator": "leapfrog", "fourier": False, "flip": False}
LANGEVIN = {"step_size": 0.01, "fourier": False, "flip": False}
A = Chains(THEORY, "hmc", HMC, 8, "mixed")


def test_equal_settings_give_equal_chains_and_another_seed_changes_both():
    first, second = Pair(A, A, seed=3), Pair(A, A, seed=4)
    for one in (first, second):
        one.advance(30)
        assert np.array_equal(one.frames[0].fields, one.frames[1].fields)
        assert [m.field.tobytes() for m, _ in one.past] == [m.field.tobytes() for _, m in one.past]
    for i in (0, 1):
        assert not np.array_equal(first.frames[i].fields, second.frames[i].fields)


def test_each_is_the_simulation_of_its_settings_alone():
    b = A._replace(theory=Phi4(8, 0.2, 0.02))
    both = Pair(A, b, seed=3)
    both.advance(7)
    both.advance(13)
    for one, frame in ((A, both.frames[0]), (b, both.frames[1])):
        alone = Simulation(one.theory, one.algorithm, one.parameters, one.chains, one.start, 3).advance(20)
        assert np.array_equal(alone.fields, frame.fields)
    assert [frame.updates for frame in both.frames] == [20, 20]


def test_both_begin_from_the_same_fields_whatever_the_algorithm():
    both = Pair(A, Chains(THEORY, "langevin", LANGEVIN, 8, "mixed"), seed=1)
    assert np.array_equal(*(frame.fields for frame in both.frames))


def test_at_equal_cost_the_cheaper_one_makes_more_updates():
    both = Pair(A, Chains(THEORY, "langevin", LANGEVIN, 8, "mixed"), seed=1)
    for _ in range(60):
        both.advance(2, "cost")
    a, b = both.seconds
    assert b >= a
    assert both.frames[1].updates > both.frames[0].updates == 120


def test_the_past_is_bounded_and_goes_from_the_start_to_the_end(monkeypatch):
    monkeypatch.setattr(module, "KEPT", 16)
    both = Pair(A, A)
    for _ in range(100):
        both.advance(1)
    updates = [a.updates for a, _ in both.past]
    assert len(updates) <= 16
    assert updates[0] == 0
    assert updates[-1] > 85
    assert len(set(np.diff(updates))) == 1
    assert all(a.updates == b.updates for a, b in both.past)


def test_observables_are_those_of_the_statistics_with_errors_of_pairs():
    both = Pair(A, A._replace(theory=Phi4(8, 0.252, 0.02)), seed=2)
    assert both.observables() is None
    both.advance(800)
    found = both.observables()
    averages = both.averages("abs_m")
    assert found.a.value[OBSERVABLES.index("abs_m")] == pytest.approx(averages[0].mean)
    assert found.b.value[OBSERVABLES.index("action")] == pytest.approx(both.averages("action")[1].mean)
    chi = both.sides[0].observe(lambda s: s.susceptibility()).value
    assert found.a.value[OBSERVABLES.index("chi")] == pytest.approx(float(chi))
    binder = both.sides[1].observe(lambda s: s.binder()).value
    assert found.b.value[OBSERVABLES.index("binder")] == pytest.approx(float(binder))
    assert np.isfinite(found.difference.error).all()


def test_one_that_runs_away_is_said_and_the_other_is_left_alone():
    wild = Chains(THEORY, "langevin", LANGEVIN | {"step_size": 3.0}, 8, "mixed")
    both = Pair(A, wild)
    both.advance(50)
    assert both.problem.startswith("B: ")
    assert both.frames[0].updates == 50
    both.advance(5, "cost")  # ends


def test_nonsense_is_refused_and_a_cancelled_run_stops():
    both = Pair(A, A)
    with pytest.raises(ValueError, match="pace must be one of updates, cost"):
        both.advance(1, "nothing")
    token = Token()
    token.cancel()
    with pytest.raises(Cancelled):
        both.advance(1, token=token)


def test_a_clock_that_stands_still_at_first_does_no_harm(monkeypatch):
    both = Pair(A, A)
    clock = iter([0.0, 1.0, 1.0, 1.0, 1.0, 2.0])  # before and after an update of A, and two of B
    monkeypatch.setattr(module.time, "thread_time", lambda: next(clock))
    both.advance(1, "cost")
    assert [frame.updates for frame in both.frames] == [1, 2]
    assert both.seconds == [1.0, 1.0]
