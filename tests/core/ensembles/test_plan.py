"""Automatic decisions: the same whatever the size, sensible, and honest where they cannot be made."""

import json

import pytest

from core.contracts import Cancelled
from core.ensembles.plan import Plan, extended, make_plan
from core.ensembles.request import EnsembleRequest
from core.jobs import Token
from core.samplers import pilots
from core.samplers.algorithms import ALGORITHMS
from core.theories.phi4 import Phi4

SMALL = Phi4(8, 0.22, 0.022)


@pytest.mark.parametrize("sampler", ALGORITHMS)
def test_a_plan_is_complete_and_survives_json(sampler):
    plan = make_plan(EnsembleRequest(SMALL, sampler, 96, seed=5))
    assert plan.chains * plan.draws == 96
    assert set(plan.parameters) == set(ALGORITHMS[sampler].parameters)
    assert all(value is not None for value in plan.parameters.values())
    assert plan.therm >= 48
    assert plan.thin >= 1
    assert plan.warnings == ()
    assert Plan.from_json(json.loads(json.dumps(plan.to_json(), allow_nan=False))) == plan


def test_what_pilots_decide_does_not_depend_on_the_size_of_the_ensemble():
    few, many = (make_plan(EnsembleRequest(SMALL, "hmc", n, seed=1)) for n in (8, 100_000))
    assert few.chains != many.chains
    assert (few.therm, few.thin, few.parameters) == (many.therm, many.thin, many.parameters)


def test_what_is_given_is_kept():
    plan = make_plan(EnsembleRequest(SMALL, "hmc", 90, 30, 7, 3, {"step_size": 0.125, "n_steps": 9}, "cold"))
    assert (plan.chains, plan.draws, plan.therm, plan.thin) == (30, 3, 7, 3)
    assert (plan.parameters["step_size"], plan.parameters["n_steps"]) == (0.125, 9)
    assert plan.start == "cold"
    assert plan.pilot_tau is None  # no pilots were needed


@pytest.mark.parametrize(
    ("configs", "chains"), [(1, {1}), (2, {1, 2}), (7, {1, 7}), (1009, {1, 1009}), (1024, {2**k for k in range(13)})]
)
def test_any_number_of_configurations_is_honoured(configs, chains):
    plan = make_plan(EnsembleRequest(SMALL, "hmc", configs, therm=100, thin=2))
    assert plan.configs == configs
    assert plan.chains in chains


def test_slow_chains_get_longer_thermalisation_and_thinning():
    fast = make_plan(EnsembleRequest(Phi4(8, 0.2, 0.022), "metropolis", 100))
    slow = make_plan(EnsembleRequest(Phi4(8, 0.27, 0.022), "metropolis", 100))
    assert slow.therm > 2 * fast.therm
    assert slow.thin > 2 * fast.thin


def test_walls_of_hot_pilots_are_told_apart_from_slow_chains():
    ordered = make_plan(EnsembleRequest(Phi4(32, 0.4, 0.022), "hmc", 100))
    assert ordered.warnings == ()
    assert "domain walls" in ordered.notes[0]


def test_a_hopeless_step_is_reported_and_does_not_hang():
    plan = make_plan(EnsembleRequest(SMALL, "hmc", 10, parameters={"step_size": 50.0, "n_steps": 2}))
    assert plan.pilot_acceptance == 0
    assert "acceptance is 0 %" in plan.warnings[0]


def test_the_published_protocol():
    plan = make_plan(EnsembleRequest(Phi4(8, 0.4, 0.022), "hmc", 50, protocol="published"))
    assert (plan.chains, plan.draws, plan.start, plan.warm_up) == (50, 1, "hot", False)
    assert plan.therm + plan.thin == 129
    assert plan.parameters["step_size"] * plan.parameters["n_steps"] == pytest.approx(1)
    assert not plan.parameters["flip"]
    assert "not in equilibrium" in plan.warnings[0]


def test_extension():
    plan = make_plan(EnsembleRequest(SMALL, "hmc", 20, 4, 7, 3))
    assert (extended(plan, 40).chains, extended(plan, 40).draws) == (4, 10)
    with pytest.raises(ValueError, match=r"multiple of the 4 chains .* got 41; the next one is 44"):
        extended(plan, 41)
    with pytest.raises(ValueError, match="at least the 20 of the ensemble"):
        extended(plan, 16)


def test_planning_can_be_cancelled():
    token = Token()
    token.cancel()
    with pytest.raises(Cancelled):
        make_plan(EnsembleRequest(SMALL, "hmc", 10), token)


@pytest.mark.parametrize(
    ("sampler", "extent", "parameters", "word"),
    [
        ("metropolis", 5, {}, "even"),
        ("hmc", 8, {"step_size": 0.0}, "step_size"),
        ("hmc", 8, {"step_size": float("nan")}, "step_size"),
        ("hmc", 8, {"n_steps": 0}, "n_steps"),
        ("mala", 8, {"step_size": -1.0}, "step_size"),
        ("hmc", 8, {"integrator": "euler"}, "integrator"),
        ("cluster", 8, {"kind": "fox"}, "kind"),
        ("metropolis", 8, {"overrelaxation": -1}, "overrelaxation"),
    ],
)
def test_bad_parameters_are_named(sampler, extent, parameters, word):
    with pytest.raises(ValueError, match=word):
        make_plan(EnsembleRequest(Phi4(extent, 0.2, 0.022), sampler, 10, parameters=parameters))


def test_bad_parameters_of_the_protocol_are_named():
    with pytest.raises(ValueError, match="step_size"):
        make_plan(EnsembleRequest(SMALL, "hmc", 10, protocol="published", parameters={"step_size": float("nan")}))


@pytest.mark.parametrize(("name", "value"), [("step_size", 0.3), ("n_steps", 0)])
def test_published_trajectories_have_unit_length(name, value):
    with pytest.raises(ValueError, match=f"{name} must"):
        make_plan(EnsembleRequest(SMALL, "hmc", 10, protocol="published", parameters={name: value}))


def test_pilots_on_a_smaller_lattice_tell_the_acceptance_on_the_large_one(monkeypatch):
    # 4 chains of some tens of trajectories each know their acceptance to 0.04; without the volume it would be 0.83.
    parameters = {"step_size": 0.25, "n_steps": 4}
    request = EnsembleRequest(Phi4((64, 64), 0.2, 0.022), "hmc", 64, parameters=parameters)
    full = make_plan(request)
    monkeypatch.setattr(pilots, "LARGEST", 256)
    scaled = make_plan(request)
    assert full.pilot_acceptance is not None
    assert scaled.pilot_acceptance == pytest.approx(full.pilot_acceptance, abs=0.1)
    assert "pilots ran on 16 × 16 sites" in scaled.notes[-1]
    assert not any("pilots ran" in note for note in full.notes)
    hot = make_plan(EnsembleRequest(Phi4((64, 64), 0.2, 0.022), "hmc", 64, parameters=parameters, start="hot"))
    assert not any("pilots ran" in note for note in hot.notes)
