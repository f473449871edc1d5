"""Scripts of chains: of one degree of freedom, and of lattice fields under whatever was done to them."""

import math
import shlex

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.cli import main
from core.ensembles.files import open_ensemble
from core.jobs import Token
from core.reproduce.lattice import FRESH, simulation_recipe
from core.samplers import simulation as live
from core.samplers.live_parameters import provisional_parameters
from core.samplers.simulation import Simulation
from core.theories.phi4 import Phi4
from dashboard.pages.one.chain import make_chain
from dashboard.pages.one.recipes import chain_recipe
from dashboard.pages.one.state import OneState
from tests.core.reproduce.running import named, run_here, run_script


def same(printed: list[float], wanted: list[float]) -> bool:
    return np.allclose(printed, wanted, rtol=1e-12, atol=0, equal_nan=True)


@pytest.mark.parametrize(
    "changes",
    [
        {"therm": 50},
        {"therm": 0, "metropolis": True, "target": "quartic", "seed": 4},
        {"therm": 30, "noise_strength": "growing", "target": "mixture", "chains": 250},
        {"therm": 20, "noise_strength": "falling", "target": "formula"},
        {"therm": 2000},
    ],
    ids=["constant", "MALA", "growing", "falling", "before thermalisation"],
)
def test_the_script_goes_to_the_step_of_the_picture(changes):
    state = OneState(**({"chains": 30, "epsilon": 0.02} | changes))
    chain = make_chain(state)
    assert chain_recipe(chain, state, ("epsilon",)) is None
    for batch in (7, 20, 60, 33):  # the pace may change meanwhile
        chain.batch = batch
        chain.advance(Token())
    recipe = chain_recipe(chain, state, ("epsilon",))
    assert recipe is not None
    assert dict(recipe.settings) == {"epsilon": 0.02}
    printed = named(run_here(recipe.script.replace("Langevin time", "time").replace("<x²> now", "now")))
    assert same(printed["time"], [chain.state.clock])
    assert same(printed["now"], [float((chain.state.x[:, 0] ** 2).mean())])
    statistics = chain.statistics()
    for name in ("x2", "x"):
        if statistics is None:
            assert name not in printed
        else:
            found = getattr(statistics, name)
            assert same(printed[name], [found.mean, found.mean_error, found.tau, found.tau_error])


def wanted(simulation: Simulation) -> dict[str, list[float]]:
    statistics = simulation.statistics
    found = {name: statistics.average(name) for name in ("abs_m", "phi2", "action")}
    numbers = {name: [a.mean, a.error, a.tau] for name, a in found.items()}
    numbers |= {"chi": list(map(float, statistics.susceptibility())), "binder": list(map(float, statistics.binder()))}
    return numbers | {"acceptance": [statistics.acceptance()]}


def agree(printed: dict[str, list[float]], numbers: dict[str, list[float]]) -> None:
    for name, values in numbers.items():
        assert same(printed[name], values), (name, printed[name], values)


def simulation(algorithm: str = "hmc", **changes) -> Simulation:
    theory = Phi4(8, 0.25, 0.022)
    return Simulation(
        theory, algorithm, provisional_parameters(algorithm, theory), **({"chains": 4, "seed": 2} | changes)
    )


COMMANDS = st.one_of(
    st.tuples(st.just("advance"), st.integers(0, 9)),
    st.tuples(st.just("couplings"), st.floats(0.1, 0.4)),
    st.tuples(st.just("algorithm"), st.sampled_from(["hmc", "langevin", "metropolis", "cluster", "mala"])),
    st.tuples(st.just("paint"), st.tuples(st.floats(0, 7.9), st.floats(0, 7.9), st.booleans())),
    st.tuples(st.just("restart"), st.sampled_from(["mixed", "hot", "cold"])),
    st.tuples(st.just("forget"), st.none()),
)


@settings(max_examples=25, deadline=None)
@given(st.lists(COMMANDS, max_size=12))
def test_whatever_was_done_to_a_field_the_script_does_it_again(commands):
    here = simulation()
    for name, value in commands:
        if name == "advance":
            here.advance(value, measure=bool(value % 2))
        elif name == "couplings":
            here.steer(theory=Phi4(8, value, 0.022))
        elif name == "algorithm":
            here.steer(algorithm=value, parameters=provisional_parameters(value, here.theory))
        elif name == "paint":
            here.paint("flip", [value[:2], (3.0, 4.0)], 2.0, chain=1, begins=value[2])
        elif name == "restart":
            here.restart(value)
        else:
            here.forget()
    here.advance(30)
    agree(named(run_here(simulation_recipe(here, {}).script)), wanted(here))


def test_the_script_runs_outside_and_the_command_makes_an_ensemble(tmp_path, monkeypatch):
    here = simulation("cluster", start="cold", seed=9)
    here.advance(13)
    here.steer(theory=Phi4(8, 0.27, 0.022))
    here.advance(50)
    recipe = simulation_recipe(here, {"start": "cold", "kappa": 0.27})
    agree(named(run_script(recipe.script, tmp_path)), wanted(here))
    words = shlex.split(recipe.command)
    words[words.index("--configs") + 1] = "20"
    monkeypatch.chdir(tmp_path)
    assert main(words[1:]) == 0
    with open_ensemble(tmp_path / "ensemble.nc") as reader:
        assert (reader.theory, reader.configs) == (Phi4((8, 8), 0.27, 0.022), 20)


def test_after_too_many_commands_the_script_starts_anew_and_says_so(monkeypatch):
    monkeypatch.setattr(live, "DEEDS", 3)
    here = simulation()
    for kappa in (0.2, 0.21, 0.22, 0.23):
        here.steer(theory=Phi4(8, kappa, 0.022))
        here.advance(3)
    here.advance(20)
    recipe = simulation_recipe(here, {"start": "mixed"})
    assert recipe.script_note == FRESH
    printed = named(run_here(recipe.script))
    assert printed["abs_m"][0] > 0
    assert not math.isclose(printed["abs_m"][0], wanted(here)["abs_m"][0], rel_tol=1e-9)
