"""The script of the tab *Play* makes the configurations of its table, whatever score and data there are."""

import numpy as np
import pytest

from core.diffusion.field_model import shipped
from core.ensembles.library import Library
from core.ensembles.make import make_ensemble
from core.ensembles.request import EnsembleRequest
from core.jobs import Token
from core.reproduce.recipe import Recipe
from core.theories.phi4 import Phi4
from dashboard.pages.diffusion.outcome import Outcome
from dashboard.pages.diffusion.play import WATCHED
from dashboard.pages.diffusion.recipes import field_recipe
from dashboard.pages.diffusion.rows import Row
from dashboard.pages.diffusion.state import DiffusionState
from dashboard.pages.diffusion.work import source, work
from tests.core.reproduce.running import named, run_here, run_script, table

SMALL = {"L": 16, "configurations": 64, "sweeps": 40, "paths": 24, "steps": 12, "kappa": 0.25, "model": ""}
CONDITIONED = "phi4_L32_conditioned"


def run(**changes) -> tuple[Recipe, Outcome, list[Row]]:
    """The recipe, the run and the first table of a setting."""
    state = DiffusionState(**(SMALL | changes))
    outcome = None
    for event in work(state, source(state), Token()):
        if isinstance(event, Outcome):
            outcome = event
        elif isinstance(event, list):
            assert outcome is not None
            return field_recipe(outcome, state, WATCHED), outcome, event
    raise AssertionError("the work ends with a table")


def check(printed: str, outcome: Outcome, rows: list[Row]) -> None:
    numbers = named(printed)
    (here,) = (row for row in rows if row.main)
    there = rows[0]
    assert len(here.observables) > 10
    for name in here.observables:
        wanted = [*there.observables[name], *here.observables[name]]
        assert np.allclose(numbers[name], [np.nan if x is None else x for x in wanted], rtol=1e-12, equal_nan=True), (
            name
        )
    leg = outcome.run.backward
    way = np.column_stack([leg.times, leg.cumulants.value[:, 2], leg.cumulants.error[:, 2]])
    assert np.allclose(table(printed), way, rtol=1e-12)


@pytest.fixture
def chained():
    """The name of an ensemble of three chains in the library."""
    library = Library()
    name = library.free_name("recipe")
    make_ensemble(EnsembleRequest(Phi4((16, 16), 0.2, 0.022), "cluster", 60, chains=3, seed=1), library.path(name))
    yield name
    library.remove(name)


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 4},
        {"lam": 0.0, "kappa": 0.2, "score": "exact", "schedule": "vp", "prior": "noise"},
        {"schedule": "drawn", "drawn": "0:1 0.5:4 1:30", "solver": "heun", "grid": "karras"},
        {"model": CONDITIONED, "L": 32, "kappa": 0.25, "configurations": 32, "paths": 16},
        {"model": CONDITIONED, "score": "gaussian", "schedule": "cosine"},
    ],
    ids=["Gaussian fit", "exact", "drawn", "learned", "baseline, refitted"],
)
def test_the_script_prints_the_numbers_of_the_table(changes):
    recipe, outcome, rows = run(**changes)
    check(run_here(recipe.script), outcome, rows)


def test_data_of_the_library_are_chains_and_the_script_knows(chained):
    recipe, outcome, rows = run(ensemble=chained, paths=16)
    assert "swapaxes" in recipe.script
    check(run_here(recipe.script), outcome, rows)


def test_the_script_runs_outside_this_process(tmp_path):
    recipe, outcome, rows = run(seed=8, paths=16)
    check(run_script(recipe.script, tmp_path), outcome, rows)


def test_the_command_samples_the_same_model(tmp_path):
    from core.cli import main

    recipe, outcome, _ = run(model=CONDITIONED, L=32, kappa=0.25, configurations=32, paths=16)
    words = recipe.command.split()
    assert words[:2] == ["stoqlab", "sample"]
    assert words[2] == str(shipped()[CONDITIONED])
    words[words.index("--out") + 1] = str(tmp_path / "G.nc")
    assert main(words[1:]) == 0
    assert (tmp_path / "G.nc").is_file()
    assert float(words[words.index("--sigma") + 1]) == outcome.schedule.sigma_max  # type: ignore[attr-defined]


def test_a_preview_has_no_script():
    state = DiffusionState(**(SMALL | {"steps": 40}))
    outcome = next(event for event in work(state, source(state), Token()) if isinstance(event, Outcome))
    assert not outcome.last
    with pytest.raises(ValueError, match="preview"):
        field_recipe(outcome, state, WATCHED)
