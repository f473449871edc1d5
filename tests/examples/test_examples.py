"""The example scripts run as a person runs them, and what they print is right."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import core

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
SIGMAS = 5.0


def printed(name, *arguments):
    command = [sys.executable, str(EXAMPLES / name), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_two_peaks_come_back_with_the_exact_cumulants():
    lines = printed("two_peaks.py").splitlines()
    exact = [float(word) for word in lines[1].split()[1:]]
    assert exact == pytest.approx([1.0625, -2.0, 16.0, -272.0], rel=1e-10)
    rows = {line[:22].strip(): re.findall(r"(-?\d+\.\d+) ± (\d+\.\d+)", line) for line in lines[2:]}
    assert len(rows) == 6
    for name, found in rows.items():
        if "euler" in name:
            continue  # its error at 200 steps is what the example shows
        for (value, error), true in zip(found, exact, strict=True):
            assert abs(float(value) - true) < SIGMAS * float(error), name


def test_hmc_and_cluster_algorithm_agree(tmp_path):
    lines = printed("phi4_ensembles.py", tmp_path).splitlines()
    assert {path.name for path in tmp_path.glob("*.nc")} == {"hmc.nc", "cluster.nc"}
    sigmas = {line.split()[0]: float(line.split()[-1]) for line in lines if "±" in line}
    assert {"abs_m", "chi", "phi2", "action", "kappa4"} <= set(sigmas)
    assert all(abs(sigma) < SIGMAS for name, sigma in sigmas.items() if name != "walls")


@pytest.mark.slow
def test_fields_from_a_network_have_the_exact_observables():
    rows = [line for line in printed("diffusion_of_fields.py").splitlines() if line.count("±") == 3]
    assert len(rows) == 5
    for line in rows:
        words = line.split()
        assert abs(float(words[7])) < SIGMAS, line
        assert abs(float(words[-1])) < SIGMAS, line


def test_every_public_name_is_there_and_documented():
    for name in core.__all__:
        assert (getattr(core, name).__doc__ or "").strip(), name


def test_the_public_names_are_loaded_when_they_are_used():
    code = "import core, sys; assert 'torch' not in sys.modules; core.Phi4; assert 'torch' in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_an_unknown_name_is_no_attribute():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        getattr(core, "nothing")  # noqa: B009  a name that type checkers refuse
