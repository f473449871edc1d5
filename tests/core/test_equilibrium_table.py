"""φ⁴ in equilibrium on 32² at λ = 0.022: every algorithm against values got with cluster and local updates.

The reference errors are one standard deviation; a deviation above four of the combined errors fails.
"""

import math

import numpy as np
import pytest

from core.ensembles.plan import make_plan
from core.ensembles.request import EnsembleRequest
from core.ensembles.run import generate
from core.samplers.step_size import StepSizeScan, extrapolate
from core.statistics.measure import Measurement, measure
from core.theories.phi4 import Phi4

pytestmark = pytest.mark.slow

NAMES = ("abs_m", "chi", "binder", "phi2", "kappa4_ratio", "kappa6_ratio", "kappa8_ratio")
TABLE = {
    0.21: (
        (0.0402, 2e-4), (0.944, 9e-3), (-0.006, 6e-3), (0.62203, 1.4e-4), (-0.1641, 6e-4), (0.225, 3e-3), (-0.78, 0.02),
    ),
    0.27: ((0.625, 4e-3), (70.8, 0.6), (0.524, 3e-3), (1.394, 3e-3), (-0.695, 3e-3), (2.96, 0.02), (-28.2, 0.2)),
    0.40: (
        (3.74829, 1.3e-4), (0.418, 3e-3), (0.666628, 1e-6), (14.2466, 1e-3), (-1.94623, 1e-5), (15.3571, 2e-4),
        (-257.522, 4e-3),
    ),
}  # fmt: skip


def ensemble(kappa: float, sampler: str, configs: int, seed: int = 11, **parameters) -> Measurement:
    """The default recipe: everything automatic but the number of configurations and what is said."""
    theory = Phi4(32, kappa, 0.022)
    plan = make_plan(EnsembleRequest(theory, sampler, configs, parameters=parameters, seed=seed))
    # Groups of chains come one after the other; `measure` takes consecutive draws of the same chains.
    groups: dict[int, list[np.ndarray]] = {}
    for block in generate(plan):
        groups.setdefault(block.first_chain, []).append(block.fields)
    fields = np.concatenate([np.concatenate(parts, axis=1) for parts in groups.values()])
    return measure(theory, [fields])


@pytest.mark.parametrize(
    ("kappa", "sampler", "parameters"),
    [
        *[(kappa, sampler, {}) for kappa in TABLE for sampler in ("hmc", "cluster")],
        (0.21, "metropolis", {"overrelaxation": 1}),
        (0.27, "metropolis", {"overrelaxation": 1}),
        (0.40, "metropolis", {"overrelaxation": 1}),
        (0.21, "mala", {}),
        (0.40, "mala", {}),
    ],
)
def test_the_default_recipe_reaches_equilibrium(kappa, sampler, parameters):
    found = ensemble(kappa, sampler, 25_600, **parameters)
    print(f"\n{sampler} κ = {kappa}: {found.warnings}")
    for name, (value, error) in zip(NAMES, TABLE[kappa], strict=True):
        mine = found.observables[name]
        deviation = (mine.value - value) / math.hypot(error, mine.error)
        print(f"  {name:13} {mine.value:.6g} ± {mine.error:.2g}  table {value} ± {error:.2g}  {deviation:+.1f}σ")
    for name, (value, error) in zip(NAMES, TABLE[kappa], strict=True):
        mine = found.observables[name]
        assert abs(mine.value - value) < 4 * math.hypot(error, mine.error), name
    assert not any("wall" in warning for warning in found.warnings)


def test_the_bias_of_langevin_vanishes_with_the_step():
    kappa, epsilons = 0.21, (0.08, 0.04, 0.02, 0.01)
    rows = []
    for i, epsilon in enumerate(epsilons):
        phi2 = ensemble(kappa, "langevin", 12_800, seed=20 + i, step_size=epsilon).observables["phi2"]
        rows.append((epsilon, phi2.value, phi2.error, phi2.tau_int))
    scan = StepSizeScan(*np.array(rows).T)
    value, error = TABLE[kappa][NAMES.index("phi2")]
    assert scan.value[0] - value > 20 * scan.error[0]  # there is a bias to take away
    assert np.all(np.diff(scan.value) < 0)
    limit = extrapolate(scan, degree=2)
    print(f"\nLangevin κ = {kappa}: {scan.value} ± {scan.error} → {limit.value:.5f} ± {limit.error:.5f}, table {value}")
    assert abs(limit.value - value) < 4 * math.hypot(limit.error, error)
    assert limit.p_value > 1e-4
