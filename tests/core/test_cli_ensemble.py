"""``stoqlab ensemble``: the JSON object, exit states, and a sentence for everything that does not fit."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core.cli import main
from core.ensembles.files import open_ensemble
from core.ensembles.parts import Parts

ROOT = Path(__file__).parents[2]
KEYS = ["path", "n_configs", "chains", "sampler", "acceptance", "tau_int", "seconds", "warnings"]


def arguments(out, *more, L=6, kappa=0.2, lam=0.1, configs=12):
    given = {"--L": L, "--kappa": kappa, "--lam": lam, "--configs": configs, "--out": out}
    words = ["ensemble", "phi4", *(str(w) for pair in given.items() if pair[1] is not None for w in pair)]
    return [*words, *(str(w) for w in more)]


QUICK = ("--chains", 3, "--therm", 4, "--thin", 1, "--step-size", 0.1, "--n-steps", 3)


def run(capsys, *words, **given):
    status = main(arguments(*words, **given))
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_json_is_one_object_with_the_promised_keys(capsys, tmp_path):
    status, out, err = run(capsys, tmp_path / "F.nc", *QUICK, "--json")
    assert status == 0
    assert out.count("\n") == 1
    report = json.loads(out)
    assert list(report) == KEYS
    assert err.splitlines() == [f"stoqlab: warning: {sentence}" for sentence in report["warnings"]]  # and no bar
    assert (report["path"], report["n_configs"], report["chains"]) == (str(tmp_path / "F.nc"), 12, 3)
    assert 0 < report["acceptance"] <= 1
    assert report["tau_int"] > 0
    assert isinstance(report["warnings"], list)


@pytest.mark.parametrize("sampler", ["hmc", "langevin", "mala", "metropolis", "cluster"])
def test_everything_automatic(capsys, tmp_path, sampler):
    status, out, _ = run(capsys, tmp_path / "F.nc", "--sampler", sampler, "--json", configs=100)
    report = json.loads(out)
    assert status == 0
    assert (report["n_configs"], report["sampler"]) == (100, sampler)
    assert (report["acceptance"] is None) == (sampler == "langevin")
    with open_ensemble(tmp_path / "F.nc") as reader:
        assert reader.attributes["parameters"].get("flip", True) == (sampler != "langevin")


def test_shape_and_parameters(capsys, tmp_path):
    status, _, _ = run(
        capsys, tmp_path / "F.nc", "--shape", 4, 6, "--sampler", "metropolis", "--overrelaxation", 2, "--no-flip",
        "--start", "cold", "--therm", "auto", "--thin", 2, "--step-size", "auto", L=None,
    )  # fmt: skip
    assert status == 0
    with open_ensemble(tmp_path / "F.nc") as reader:
        assert reader.theory.event == (4, 6)
        a = reader.attributes
        assert (a["parameters"]["overrelaxation"], a["parameters"]["flip"], a["start"]) == (2, False, "cold")


def test_a_sentence_for_people(capsys, tmp_path):
    _, out, _ = run(capsys, tmp_path / "F.nc", *QUICK)
    assert f"{tmp_path / 'F.nc'}: 12 configurations, 3 chains, hmc, acceptance" in out


def test_existing_files_resume_and_force(capsys, tmp_path):
    run(capsys, tmp_path / "F.nc", *QUICK)
    with pytest.raises(SystemExit) as stop:
        main(arguments(tmp_path / "F.nc", *QUICK))
    assert stop.value.code == 2
    assert "exists; overwrite it with --force, or go on with it with --resume" in capsys.readouterr().err
    _, out, _ = run(capsys, tmp_path / "F.nc", *QUICK, "--resume", "--json", configs=24)
    assert json.loads(out)["n_configs"] == 24
    _, out, _ = run(capsys, tmp_path / "F.nc", *QUICK, "--force", "--json")
    assert json.loads(out)["n_configs"] == 12


def test_a_rejection_rate_of_1_is_a_warning(capsys, tmp_path):
    status, out, err = run(capsys, tmp_path / "F.nc", "--step-size", 1000, "--json")
    assert status == 0
    assert json.loads(out)["acceptance"] == 0
    assert "warning: the acceptance is 0 %" in err


@pytest.mark.parametrize(
    ("more", "given", "sentence"),
    [
        ((), {"L": 0}, ": must be a whole number of at least 2"),
        ((), {"L": 1}, ": must be a whole number of at least 2"),
        ((), {"L": -4}, ": must be a whole number of at least 2"),
        ((), {"L": "four"}, "--L: must be a number, got 'four'"),
        (("--shape", 4, 1), {"L": None}, ": must be a whole number of at least 2"),
        (("--shape", 4, 4), {}, "--shape: not allowed with argument --L"),
        ((), {"L": None}, "one of the arguments --L --shape is required"),
        (("--sampler", "metropolis"), {"L": 5}, "even"),
        (("--sampler", "cluster"), {"L": 5}, "even"),
        ((), {"lam": -0.1}, "lambda must be a finite number of at least 0, got -0.1"),
        ((), {"lam": "nan"}, "lambda must be a finite number"),
        ((), {"lam": 0, "kappa": 0.25}, "kappa must be below 1/(2d) = 0.25 for the free field"),
        ((), {"kappa": "nan"}, "kappa must be a finite number"),
        ((), {"kappa": "inf"}, "kappa must be a finite number"),
        ((), {"kappa": -1}, "kappa must be a finite number of at least 0"),
        ((), {"configs": 0}, "--configs: must be a whole number of at least 1, got '0'"),
        ((), {"configs": "many"}, "--configs: must be a number, got 'many'"),
        (("--chains", 5), {}, "configs must be a multiple of chains, got 12 configurations in 5 chains"),
        (("--therm", -1), {}, "--therm: must be a whole number of at least 0"),
        (("--thin", 0), {}, "--thin: must be a whole number of at least 1"),
        (("--step-size", 0), {}, "step_size must be a positive"),
        (("--step-size", -1), {}, "step_size must be a positive"),
        (("--step-size", "nan"), {}, "step_size must be a positive"),
        (("--step-size", "big"), {}, "--step-size: must be a number or auto, got 'big'"),
        (("--n-steps", 0), {}, "--n-steps: must be a whole number of at least 1"),
        (("--integrator", "euler"), {}, "--integrator: invalid choice: 'euler'"),
        (("--kind", "wolff"), {}, "'kind' is no parameter of hmc"),
        (("--sampler", "gibbs"), {}, "--sampler: invalid choice: 'gibbs'"),
        (("--seed", -1), {}, "--seed: must be a whole number of at least 0"),
        (("--protocol", "published", "--sampler", "mala"), {}, "the published protocol is a recipe for hmc"),
        (("--resume", "--force"), {}, "--force: not allowed with argument --resume"),
    ],
    ids=str,
)
def test_wrong_arguments(capsys, tmp_path, more, given, sentence):
    with pytest.raises(SystemExit) as stop:
        main(arguments(tmp_path / "F.nc", *more, **given))
    captured = capsys.readouterr()
    assert stop.value.code == 2
    assert captured.out == ""
    assert sentence in captured.err
    assert "Traceback" not in captured.err
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written(capsys, tmp_path):
    status, out, err = run(capsys, "/proc/F.nc", *QUICK, "--json")
    assert (status, out) == (1, "")
    assert "stoqlab: /proc/F.nc could not be written" in err


def test_a_runaway_langevin_chain(capsys, tmp_path):
    status, _, err = run(capsys, tmp_path / "F.nc", "--sampler", "langevin", "--step-size", 5, "--therm", 50)
    assert status == 1
    assert "ran away" in err


def started(out, *more):
    words = arguments(out, "--chains", 4, "--therm", 10, "--thin", 5, "--step-size", 0.05, "--n-steps", 60, *more, L=32)
    words[words.index("--configs") + 1] = "400000"
    command = [sys.executable, "-m", "core.cli", *words, "--json"]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def test_ctrl_c_keeps_what_is_done(tmp_path):
    out = tmp_path / "F.nc"
    with started(out) as process:
        until = time.monotonic() + 60
        while not list(Parts(out).folder.glob("block.*")):
            assert time.monotonic() < until
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        report, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    done = json.loads(report)["n_configs"]
    assert 4 <= done < 400000
    with open_ensemble(out) as reader:
        assert reader.configs == done
    assert [p.name for p in tmp_path.iterdir()] == ["F.nc"]


def test_ctrl_c_before_anything_is_done(tmp_path):
    out = tmp_path / "F.nc"
    with started(out, "--therm", 10**6) as process:
        until = time.monotonic() + 60
        while not (Parts(out).folder / "plan.json").exists():
            assert time.monotonic() < until
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        report, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert json.loads(report)["n_configs"] == 0
    assert not out.exists()
