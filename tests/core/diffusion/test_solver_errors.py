"""Errors of the solvers' steps: nothing for the exponential ones on a free field, the known ones for the others."""

import json

import numpy as np
import pytest

from core.cli import bench_solvers, main
from core.diffusion import solver_errors as solver_errors_module
from core.diffusion.exponential import FIELD_SOLVERS
from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.solver_errors import solver_errors
from core.theories.phi4 import Phi4
from tests.core.diffusion.test_field_model import model

FREE = Phi4(8, 0.2, 0.0)
SCORE = FieldGaussianScore(FREE.free_propagator())


def rows(**options):
    given = {"evaluations": (12,), "n": 48, "reference": 100}
    return list(solver_errors(SCORE, FREE, **{**given, **options}))


def test_every_solver_is_there_with_the_evaluations_that_it_spends():
    found = rows(n=2, reference=20)
    assert [row.solver for row in found] == list(FIELD_SOLVERS)
    assert all(10 <= row.evaluations <= 12 for row in found)
    assert {row.solver: row.steps for row in found}["heun"] < 12  # two a step
    assert rows(evaluations=(1,), n=2) == []


@pytest.mark.parametrize("solver", ["exponential", "exponential-sde"])
def test_a_free_field_is_exact_for_the_exponential_solvers(solver):
    """At any number of steps, path by path: the stochastic one feels the path of its reference."""
    (row,) = rows(solvers=(solver,), evaluations=(10,))
    unit = row.sigma["phi2"]
    if solver == "exponential":
        assert abs(row.difference["phi2"].value) < 1e-4 * unit
    else:  # its law is exact, its paths differ
        assert abs(row.difference["phi2"].value) < 4.5 * row.difference["phi2"].error


@pytest.mark.parametrize("solver", ["flow", "heun", "euler"])
def test_the_error_falls_with_the_evaluations(solver):
    found = [
        abs(row.difference["phi2"].value) for row in rows(solvers=(solver,), evaluations=(16, 60), grids=("karras",))
    ]
    assert found[1] < 0.5 * found[0]


def test_the_flow_of_a_free_field_is_off_by_what_its_law_says():
    """Second order: a quarter of the error at twice the steps, with a common start so that 48 paths are enough."""
    one, two = rows(solvers=("flow",), evaluations=(60, 120))
    assert (two.steps + 1) / (one.steps + 1) == pytest.approx(2, abs=0.1)
    ratio = one.difference["action"].value / two.difference["action"].value
    assert ratio == pytest.approx(4, rel=0.35)
    assert one.difference["action"].error < abs(one.difference["action"].value) / 3


def test_the_command_prints_one_object(tmp_path, capsys):
    small = model()
    small.network.out.mul_(0.02)
    small.network.out_level.weight.mul_(0.02)  # type: ignore[operator]
    small.save(tmp_path / "net.safetensors")
    words = ["--solvers", "flow", "--evaluations", "12", "--configs", "4", "--reference", "20", "--json"]
    assert main(["bench", "solvers", str(tmp_path / "net.safetensors"), *words]) == 0
    (found,) = json.loads(capsys.readouterr().out)["models"]
    (row,) = found["rows"]
    assert set(row["difference"]) == {"phi2", "action", "abs_m"}
    assert np.isfinite(row["difference"]["phi2"]["value"])


def test_refusals():
    with pytest.raises(ValueError, match="n must be at least 2 paths, got 1"):
        rows(n=1)
    with pytest.raises(ValueError, match=r"solver must be one of .*, got 'best'"):
        rows(solvers=("best",))


def test_it_tells_which_row_is_made():
    told = []
    found = rows(
        solvers=("flow", "euler"), evaluations=(1, 10, 20), n=2, reference=20, progress=lambda *now: told.append(now)
    )
    assert [what for what, _, _ in told] == [
        "flow on log-sigma, 10 evaluations", "flow on log-sigma, 20 evaluations",
        "euler on log-sigma, 10 evaluations", "euler on log-sigma, 20 evaluations",
    ]  # fmt: skip
    assert [(done, total) for _, done, total in told] == [(0, 4), (1, 4), (2, 4), (3, 4)]
    assert len(found) == 4


def test_the_command_has_the_defaults_of_the_engine():
    """They are spelled out there, for its help is to come without loading torch."""
    found = (bench_solvers.EVALUATIONS, bench_solvers.CONFIGS, bench_solvers.REFERENCE)
    assert found == (solver_errors_module.EVALUATIONS, solver_errors_module.CONFIGS, solver_errors_module.REFERENCE)
