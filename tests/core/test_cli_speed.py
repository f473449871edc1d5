"""``stoqlab bench`` and ``stoqlab warm``: the report, the leapfrogs compared, and that nothing is left cold."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from core.cli import bench, bench_hmc, main
from core.noise import Noise
from core.samplers.integrators import integrate_in_torch, leapfrog
from core.theories.phi4 import Phi4


def quick(monkeypatch):
    monkeypatch.setattr(bench_hmc, "NUMPY_UPDATES", 2**10)
    monkeypatch.setattr(bench_hmc, "UPDATES_PER_SITE", 10)


@pytest.mark.parametrize("rows", [4, 7])
def test_all_leapfrogs_are_the_same(rows):
    theory = Phi4((rows, 6), bench_hmc.KAPPA, bench_hmc.LAM)
    x, p = (Noise(1, name).normal(0, (3, rows, 6), torch.float64) for name in ("x", "p"))
    y, q, _ = integrate_in_torch(theory, x, p, leapfrog(bench_hmc.STEP_SIZE, 9))
    in_c = bench_hmc.compiled_leapfrog()
    for kernel in (bench_hmc.numpy_leapfrog, *([in_c] if in_c else [])):
        phi, momenta = x.float().numpy(), p.float().numpy()
        kernel(phi, momenta, 9)
        np.testing.assert_allclose(phi, y.numpy(), atol=1e-5)
        np.testing.assert_allclose(momenta, q.numpy(), atol=1e-5)


def test_the_compiler_leaves_the_arithmetic_of_the_process_alone():
    """A library linked with -ffast-math would turn subnormal results to zero from here on."""
    bench_hmc.compiled_leapfrog()
    assert np.float64(1e-300) * np.float64(1e-15) > 0


def test_bench_reports_rates_and_ratios(monkeypatch, capsys):
    quick(monkeypatch)
    assert main(["bench", "hmc", "--json", "--L", "8", "--chains", "20"]) == 0
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    report = json.loads(out)
    assert (report["L"], report["chains"], report["dtype"]) == (8, 20, "float32")
    assert [row["n_steps"] for row in report["results"]] == list(bench.N_STEPS) == [10, 100]
    for row in report["results"]:
        assert row["ratio_to_numpy"] == pytest.approx(row["stoqlab"] / row["numpy"])
        if row["c"] is not None:
            assert row["ratio_to_c"] == pytest.approx(row["stoqlab"] / row["c"])
    first, last = report["results"]
    assert report["rate_10_to_100"] == pytest.approx(first["stoqlab"] / last["stoqlab"])


def test_bench_without_a_compiler_says_so(monkeypatch, capsys):
    quick(monkeypatch)
    monkeypatch.setenv("PATH", "")
    assert main(["bench", "hmc", "--L", "4", "--chains", "2"]) == 0
    out, err = capsys.readouterr()
    assert err.count("\n") == 1
    assert "no C compiler" in err
    assert "NumPy" in out
    assert "–" in out


def test_bad_sizes_are_named(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["bench", "hmc", "--L", "1"])
    assert stop.value.code == 2
    assert "L must be a whole number of at least 2" in capsys.readouterr().err


WARMED = """
import importlib, pkgutil, sys
from numba.core.registry import CPUDispatcher
import core
from core.cli import main
assert main(["warm", "--json"]) == 0
for module in pkgutil.walk_packages(core.__path__, "core."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
kernels = {
    f"{name}.{key}": value
    for name, module in list(sys.modules.items())
    if name.startswith("core.")
    for key, value in vars(module).items()
    if isinstance(value, CPUDispatcher) and value.__module__ == name
}
inner = {name for kernel in kernels.values() for name in kernel.py_func.__code__.co_names}
cold = [name for name, kernel in kernels.items() if not kernel.signatures and name.rsplit(".", 1)[1] not in inner]
print(len(kernels), cold)
"""


def test_warm_leaves_no_kernel_cold():
    # Kernels that are called by other kernels are compiled into them.
    done = subprocess.run([sys.executable, "-c", WARMED], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report, kernels = done.stdout.splitlines()
    parts = json.loads(report)["parts"]
    assert json.loads(report)["seconds"] == pytest.approx(sum(parts.values()), rel=0.1, abs=0.1)
    assert "Hybrid Monte Carlo" in parts
    number, cold = kernels.split(maxsplit=1)
    assert int(number) > 20
    assert cold == "[]"
