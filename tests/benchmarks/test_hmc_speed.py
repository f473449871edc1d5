"""The table of ``stoqlab bench hmc`` and the goals it is measured by, and what a first call costs.

Load from elsewhere hits the three kernels alike, but not equally: the ratios are for a machine at rest.
"""

import subprocess
import sys
import time

import pytest
import torch

from core.cli.bench_hmc import measure
from core.devices import cores
from core.noise import Noise
from core.samplers import hmc
from core.samplers.integrators import INTEGRATORS, make_moves
from core.theories.phi4 import Phi4

pytestmark = pytest.mark.benchmark


def test_goals(capsys):
    short, long = measure(32, 2048, (10, 100))
    with capsys.disabled():
        for row in (short, long):
            print(f"\n{row}: {row.numpy_ratio:.0f} times NumPy, {row.c_ratio} of C")
    assert long.numpy_ratio > 75 * cores()
    assert long.c_ratio is None or long.c_ratio > 0.5
    assert short.stoqlab > long.stoqlab / 4


@pytest.mark.benchmark(group="64 chains of 32², 20 steps, one core")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("integrator", INTEGRATORS)
def test_trajectory(benchmark, integrator, dtype):
    theory, x = Phi4(32, 0.27, 0.022), torch.zeros(64, 32, 32, dtype=dtype)
    moves = make_moves(integrator, 0.1, 20)
    benchmark(theory.trajectory, x, Noise(1), 0, *moves)
    updates = x.numel() * len(moves.drifts)
    benchmark.extra_info["force evaluations per second"] = updates / benchmark.stats["median"]


FIRST = """
import time, torch
from core.noise import Noise
from core.samplers import hmc
from core.theories.phi4 import Phi4
state = hmc.init(Phi4(32, 0.27, 0.022), torch.zeros(64, 32, 32), 0.1)
start = time.perf_counter()
hmc.step(state, Noise(1))
print(time.perf_counter() - start)
"""


def test_first_call_from_the_cache(capsys):
    start = time.perf_counter()
    hmc.step(hmc.init(Phi4(32, 0.27, 0.022), torch.zeros(64, 32, 32), 0.1), Noise(1))
    here = time.perf_counter() - start
    seconds = min(float(subprocess.check_output([sys.executable, "-c", FIRST])) for _ in range(3))
    with capsys.disabled():
        print(f"\nfirst step of a new process: {seconds:.2f} s ({here:.2f} s here)")
    assert seconds < 1
