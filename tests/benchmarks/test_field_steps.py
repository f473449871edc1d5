"""What a few steps of the backward process cost in accuracy with a learned score, printed as a table.

The shipped models drive the probability flow from one and the same noise, in 30 steps on each grid and in many; the
difference of the two, path by path, has little statistical error. It is quoted in units of the error that 10⁴
independent configurations would have.
"""

import numpy as np
import pytest

from core.diffusion.exponential import FIELD_SOLVERS, exponential
from core.diffusion.field_generate import generate_fields
from core.diffusion.field_model import FieldModel, shipped
from core.diffusion.field_noise import noise_range, schedule_reaching
from core.noise import Noise
from core.statistics.lattice import abs_magnetisation, action_density, phi_squared

pytestmark = pytest.mark.benchmark

PATHS, MANY = 128, 150
GRIDS = ("uniform", "karras", "log-sigma")


@pytest.mark.parametrize("kappa", ["0.21", "0.27", "0.40"])
def test_bias_of_thirty_steps(capsys, monkeypatch, kappa):
    path = shipped().get(f"phi4_L32_k{kappa}")
    if path is None:
        pytest.skip(f"there is no model for κ = {kappa}")
    score = FieldModel.load(path).at()
    schedule = schedule_reaching("ve", noise_range(score.gaussian).high)
    observables = {"φ²": phi_squared, "S/V": action_density(score.theory_object), "|M|": abs_magnetisation}

    def values(**options) -> dict[str, np.ndarray]:
        x = generate_fields(score, schedule, PATHS, noise=Noise(1), **options)
        return {name: observable(x).numpy() for name, observable in observables.items()}

    many = values(steps=MANY)
    lines, worst = [], {}
    for order in (2, 3):
        monkeypatch.setitem(FIELD_SOLVERS, "exponential", lambda gaussian, order=order: exponential(gaussian, order))
        for grid in GRIDS:
            few = values(grid=grid, steps=30)
            unit = {name: many[name].std(ddof=1) / 100 for name in many}
            bias = {name: (few[name] - many[name]).mean() / unit[name] for name in many}
            error = {name: (few[name] - many[name]).std(ddof=1) / np.sqrt(PATHS) / unit[name] for name in many}
            worst[order, grid] = max(abs(b) for b in bias.values())
            cells = "".join(f"{bias[name]:>+10.2f} ± {error[name]:<5.2f}" for name in many)
            lines.append(f"{order:<7}{grid:<10}{cells}")
    with capsys.disabled():
        header = f"{'order':<7}{'grid':<10}" + "".join(f"{name:>14}    " for name in many)
        print(f"\nκ = {kappa}: 30 steps less {MANY}, in errors of 10⁴ configurations\n{header}\n" + "\n".join(lines))
    assert worst[3, "log-sigma"] < 3
