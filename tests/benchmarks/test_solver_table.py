"""What a score evaluation buys: error of every solver on every grid for a free field, printed as tables.

The score is exact, and the errors are computed without statistics (``core.diffusion.solver_table``). With the exact
propagator the exponential solvers have no error at all; the last table gives them one that is a fifth too large.
"""

import math

import pytest

from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.field_noise import HEADROOM, schedule_reaching
from core.diffusion.solver_table import as_text, solver_table
from core.theories.phi4 import Phi4

pytestmark = pytest.mark.benchmark
STEPS = (5, 10, 30, 100, 300)


@pytest.mark.parametrize("name", ["ve", "vp"])
def test_error_against_score_evaluations(capsys, name):
    field = FieldGaussianScore(Phi4(32, 0.24, 0.0).free_propagator())
    schedule = schedule_reaching(name, HEADROOM * math.sqrt(float(field.full.max())))
    table = solver_table(field, schedule, steps=STEPS)
    near = FieldGaussianScore(1.2 * field.connected)
    misjudged = solver_table(field, schedule, solvers=("exponential", "exponential-sde"), steps=STEPS, assumed=near)
    with capsys.disabled():
        print(f"\nFree field, 32², κ = 0.24, {name}, exact score\n{as_text(table)}")
        print(f"\nThe same, propagator in the exponential solvers 20 % too large\n{as_text(misjudged)}")
    of = {(r.solver, r.grid, r.steps): r for r in table}
    assert all(r.propagator < 1e-10 for r in table if r.solver.startswith("exponential"))
    assert abs(of["multistep", "karras", 30].action) < 0.01
    assert all(abs(r.action) < 0.001 for r in misjudged if r.grid == "karras" and r.evaluations >= 100)
