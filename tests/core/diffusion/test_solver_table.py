"""The table of error against score evaluations: exact rows, orders, counts, and agreement with a simulation."""

import math

import numpy as np
import pytest
import torch

from core.contracts import score_at
from core.diffusion.exponential import FIELD_SOLVERS
from core.diffusion.field_gaussian import FieldGaussianScore, propagator
from core.diffusion.field_noise import noise_range, schedule_reaching
from core.diffusion.gaussian import GaussianScore
from core.diffusion.grids import GRIDS, time_grid
from core.diffusion.solver_table import as_text, solver_table
from core.noise import Noise
from core.theories.phi4 import Phi4
from tests.core.diffusion.impulses import response

FREE = FieldGaussianScore(Phi4(8, 0.22, 0.0).free_propagator())
SCHEDULE = schedule_reaching("ve", 25.0)


def rows(**options):
    return {(r.solver, r.grid, r.steps): r for r in solver_table(FREE, SCHEDULE, **options)}


@pytest.mark.parametrize("name", ["ve", "vp", "cosine"])
def test_exponential_solvers_have_no_error(name):
    table = solver_table(
        FREE, schedule_reaching(name, 25.0), solvers=("exponential", "exponential-sde"), steps=(1, 2, 5, 30)
    )
    assert len(table) == 2 * len(GRIDS) * 4
    for row in table:
        assert abs(row.propagator) < 1e-11
        assert abs(row.phi2) < 1e-11
        assert abs(row.action) < 1e-11


def test_errors_fall_with_the_order_of_the_solver():
    wrong = FieldGaussianScore(1.2 * FREE.connected)
    table = rows(grids=("karras",), steps=(200, 400), assumed=wrong)
    for name in FIELD_SOLVERS:
        order = 1 if name in ("euler", "ancestral", "pc") else 2
        coarse, fine = (table[name, "karras", n] for n in (200, 400))
        for error in ("propagator", "phi2", "action"):
            ratio = getattr(coarse, error) / getattr(fine, error)
            if name == "exponential":  # of third order but for its first steps: in between, and ahead of the others
                assert 3.6 < ratio < 8.8, error
            else:
                assert ratio == pytest.approx(2**order, rel=0.1), (name, error)
    assert abs(table["exponential", "karras", 200].action) < abs(table["multistep", "karras", 200].action) / 20


def test_evaluations_are_counted():
    table = rows(grids=("karras",), steps=(20,))
    counts = {name: table[name, "karras", 20].evaluations for name in FIELD_SOLVERS}
    assert counts == {
        "euler": 20, "heun": 40, "flow": 40, "ancestral": 20, "pc": 39, "multistep": 20, "exponential": 20,
        "exponential-sde": 20,
    }  # fmt: skip


@pytest.mark.parametrize("name", ["euler", "pc", "multistep"])
def test_a_row_is_what_a_simulation_gives(name):
    n, steps = 4000, 12
    row = rows(solvers=(name,), grids=("karras",), steps=(steps,))[name, "karras", steps]
    low = noise_range(FREE).low
    times = time_grid(SCHEDULE, steps, "karras", float(SCHEDULE.t_of_sigma(low)))
    x = FREE.draw_prior(n, 1.0, float(SCHEDULE.xi(times[0])), Noise(5), torch.float64)
    x = FIELD_SOLVERS[name](FREE)(x, score_at(FREE, SCHEDULE), SCHEDULE, times, Noise(6))
    exact = FREE.connected + low**2
    ratio, error = propagator(x) / exact, 4.5 * math.sqrt(2 / n)
    assert ratio.mean() - 1 == pytest.approx(row.action, abs=error * math.sqrt(1 / 64) * ratio.max())
    assert np.abs(ratio - 1).max() == pytest.approx(row.propagator, abs=error * ratio.max())
    assert propagator(x).mean() / exact.mean() - 1 == pytest.approx(row.phi2, abs=error * ratio.max())
    assert row.propagator > 0.03


def test_averages_run_over_every_momentum():
    steps, low = 9, noise_range(FREE).low
    row = rows(solvers=("multistep",), grids=("karras",), steps=(steps,))["multistep", "karras", steps]
    times = time_grid(SCHEDULE, steps, "karras", float(SCHEDULE.t_of_sigma(low)))
    got = []
    for g in FREE.connected.ravel():
        score = score_at(GaussianScore(0.0, g), SCHEDULE)
        got.append(
            response(FIELD_SOLVERS["multistep"](FREE), score, SCHEDULE, times, 0.0, g + SCHEDULE.xi(times[0]))[1]
        )
    ratio = np.array(got) / (FREE.connected.ravel() + low**2)
    assert row.action == pytest.approx(ratio.mean() - 1, rel=1e-6)
    assert row.propagator == pytest.approx(np.abs(ratio - 1).max(), rel=1e-6)
    assert row.phi2 == pytest.approx(np.sum(got) / np.sum(FREE.connected + low**2) - 1, rel=1e-6)


def test_refused_steps_are_nan_and_the_text_has_a_line_for_every_row():
    table = solver_table(FREE, schedule_reaching("vp", 1e14), solvers=("ancestral",), grids=("uniform",), steps=(1, 60))
    assert math.isnan(table[0].propagator)
    assert math.isfinite(table[1].propagator)
    lines = as_text(table).splitlines()
    assert len(lines) == 3
    assert lines[0].split()[:4] == ["solver", "grid", "steps", "scores"]
    assert lines[2].split()[:4] == ["ancestral", "uniform", "60", "60"]


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"the table is for a free field, with m = 0, got m = 0\.5"):
        solver_table(FieldGaussianScore(FREE.connected, 0.5), SCHEDULE)
    with pytest.raises(ValueError, match=r"must have the field's shape \(8, 8\), got \(4, 4\)"):
        solver_table(FREE, SCHEDULE, assumed=FieldGaussianScore(Phi4(4, 0.22, 0.0).free_propagator()))
    with pytest.raises(ValueError, match=r"solver must be one of .* got 'rk45'"):
        solver_table(FREE, SCHEDULE, solvers=("rk45",))
    with pytest.raises(ValueError, match=r"grid must be one of .* got 'fine'"):
        solver_table(FREE, SCHEDULE, grids=("fine",))
