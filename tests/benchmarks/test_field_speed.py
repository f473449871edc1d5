"""How fast fields are: site updates of HMC, an ensemble from its start, and a forward and backward process of it."""

import pytest
import torch

from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.field_noise import noise_range, schedule_reaching
from core.diffusion.field_run import run_field
from core.noise import Noise
from core.samplers.ensemble import thermalise
from core.samplers.integrators import leapfrog
from core.theories.phi4 import Phi4

pytestmark = pytest.mark.benchmark

THEORY = Phi4(32, 0.27, 0.022)


@pytest.fixture(scope="module")
def ensemble():
    *_, last = thermalise(THEORY, 256, Noise(1), trajectories=100)
    return last.fields


@pytest.mark.benchmark(group="leapfrog, 64 chains of 32² × 20 steps, one core")
def test_leapfrog(benchmark):
    x, p = torch.randn(64, 32, 32), torch.randn(64, 32, 32)
    benchmark(THEORY.integrate, x, p, *leapfrog(0.1, 20))
    benchmark.extra_info["site updates per second"] = 64 * 1024 * 20 / benchmark.stats["median"]


@pytest.mark.benchmark(group="ensemble of 256 × 32² from the ordered start, 100 trajectories")
def test_thermalisation(benchmark):
    def run():
        *_, last = thermalise(THEORY, 256, Noise(1), trajectories=100)
        return last

    last = benchmark.pedantic(run, rounds=3, warmup_rounds=1)
    updates = 256 * 1024 * 100 * last.steps
    benchmark.extra_info["site updates per second"] = updates / benchmark.stats["median"]


@pytest.mark.benchmark(group="field process, 32²")
@pytest.mark.parametrize(("paths", "steps"), [(16, 25), (256, 100)])
@pytest.mark.parametrize("solver", ["heun", "ancestral"])
def test_forward_and_backward(benchmark, ensemble, paths, steps, solver):
    gaussian = FieldGaussianScore.fit(ensemble)
    schedule = schedule_reaching("ve", noise_range(gaussian).high)
    options = {"gaussian": gaussian, "paths": paths, "steps": steps, "solver": solver}
    benchmark.pedantic(run_field, (ensemble, schedule), options, rounds=5, warmup_rounds=1)
