"""The command line: the JSON object and nothing beside it, exit states, sentences, and quick help."""

import json
import subprocess
import sys

import pytest

from core.cli import main, toy, toy_train
from core.cli.arguments import ONE_DIMENSION, TWO_DIMENSIONS
from core.devices import DEVICES
from core.diffusion.backward import SOLVERS
from core.diffusion.grids import GRIDS
from core.diffusion.prior import PRIORS
from core.schedule import SCHEDULES, make_schedule

QUICK = ["--paths", "500", "--steps", "20"]


def run(capsys, *arguments):
    status = main([str(a) for a in arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def refused(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        main([str(a) for a in arguments])
    captured = capsys.readouterr()
    assert stop.value.code == 2
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err


@pytest.mark.parametrize(
    "options",
    [
        ["two-peak"],
        ["two-peak", "--schedule", "vp", "--sigma", "3", "--solver", "flow", "--grid", "karras", "--score", "gaussian"],
        ["two-peak", "--prior", "noise", "--seed", "7", "--device", "cpu"],
        ["mixture", "--means", "-1", "2", "--stds", "0.3", "0.5", "--weights", "0.7", "0.3", "--schedule", "vp-linear"],
        ["mixture", "--means=-1e-1,2", "--stds", "0.3,0.5", "--schedule", "cosine"],
    ],
    ids=" ".join,
)
def test_json_is_one_object_and_nothing_else(capsys, options):
    status, out, _ = run(capsys, "toy", *options, *QUICK, "--json")
    assert status == 0
    assert out.count("\n") == 1
    report = json.loads(out)
    assert list(report) == ["target", "schedule", "solver", "steps", "paths", "seed", "cumulants", "seconds"]
    assert report["target"] == options[0]
    assert (report["steps"], report["paths"]) == (20, 500)
    assert list(report["cumulants"]) == [str(n) for n in range(1, 9)]
    for entry in report["cumulants"].values():
        assert list(entry) == ["value", "error", "exact"]
        assert all(isinstance(x, float) for x in entry.values())
    assert report["seconds"] > 0


def test_exact_column_and_measured_column(capsys):
    # κ_2 … κ_8 of two peaks; 1000 Euler steps leave less than 1 % of bias; 5 σ of 20 000 paths.
    _, out, _ = run(capsys, "toy", "two-peak", "--paths", "20000", "--json")
    cumulants = json.loads(out)["cumulants"]
    for n, exact in (("1", 0.0), ("2", 1.0625), ("4", -2.0), ("6", 16.0), ("8", -272.0)):
        assert cumulants[n]["exact"] == pytest.approx(exact, abs=1e-10)
        assert abs(cumulants[n]["value"] - exact) < 5 * cumulants[n]["error"] + 0.01 * abs(exact)


def test_numbers_that_do_not_exist_are_null(capsys):
    _, out, _ = run(capsys, "toy", "two-peak", "--paths", "1", "--steps", "5", "--json")
    assert "NaN" not in out
    assert json.loads(out)["cumulants"]["2"]["error"] is None


def test_the_same_seed_gives_the_same_numbers(capsys):
    first, again, other = (
        json.loads(run(capsys, "toy", "two-peak", *QUICK, "--json", "--seed", s)[1])["cumulants"] for s in (3, 3, 4)
    )
    assert first == again
    assert first != other


def test_table_for_people(capsys):
    status, out, err = run(capsys, "toy", "two-peak", *QUICK)
    assert status == 0
    assert err == ""
    for word in ("two-peak, VE, σ = 10", "measured", "exact", "κ₂", "κ₈", "1.0625", "−272", "500 paths", "seed 0"):
        assert word in out


def test_warnings_go_to_stderr(capsys):
    _, out, err = run(capsys, "toy", "two-peak", "--prior", "noise", *QUICK, "--json")
    json.loads(out)
    assert "warning: The prior N(0, Ξ) starts with κ₂ 4.7% too small" in err


def test_divergence_exits_1_with_a_sentence(capsys):
    status, out, err = run(
        capsys, "toy", "quartic", "--schedule", "vp", "--sigma", "1e7", "--steps", "200", "--paths", "50", "--json"
    )
    assert status == 1
    assert out == ""
    assert "diverged at step" in err
    assert "take more steps" in err


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["two-peak", "--paths", "-5"], "--paths: must be a whole number of at least 1, got '-5'"),
        (["two-peak", "--paths", "2.5"], "--paths: must be a whole number"),
        (["two-peak", "--paths", "1e13"], "paths must be from 1 to 100000000"),
        (["two-peak", "--paths", "nan"], "--paths: must be a whole number"),
        (["two-peak", "--steps", "0"], "--steps: must be a whole number of at least 1, got '0'"),
        (["two-peak", "--steps", "1e12"], "steps must be from 1 to 1000000"),
        (["two-peak", "--sigma", "0"], "--sigma: must be a positive number, got '0'"),
        (["two-peak", "--sigma", "-3"], "--sigma: must be a positive number, got '-3'"),
        (["two-peak", "--sigma", "inf"], "--sigma: must be a positive number"),
        (["two-peak", "--sigma", "1e200"], "reduce sigma"),
        (["two-peak", "--sigma", "five"], "--sigma: must be a number, got 'five'"),
        (["two-peak", "--schedule", "cosine", "--sigma", "3"], "--sigma belongs to the schedules ve and vp"),
        (["two-peak", "--schedule", "sine"], "--schedule: invalid choice: 'sine'"),
        (["two-peak", "--seed", "-1"], "--seed: must be a whole number of at least 0"),
        (["two-peak", "--seed", str(2**63)], "seed must be an integer"),
        (["two-peak", "--score", "no/such/file"], "--score must be exact, gaussian or a file made by toy-train"),
        (["two-peak", "--score", __file__], "not a learned score"),
        (["two-peak", "--score", "."], "--score must be exact"),
        (["two-peak", "--means", "1"], "--means describes a mixture, but the target is two-peak"),
        (["mixture", "--means", "1", "2"], "needs --stds too"),
        (["mixture", "--means", "1", "2", "--stds", "1"], "one entry for each component"),
        (["mixture", "--means", "1", "--stds", "0"], "stds must be positive"),
        (["mixture", "--means", "x", "--stds", "1"], "--means: must be a number, got 'x'"),
        (["three-peak"], "invalid choice: 'three-peak'"),
        ([], "TARGET"),
        (["two-peak", "--frobnicate"], "unrecognized arguments: --frobnicate"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else "",
)
def test_wrong_arguments_exit_2_with_one_sentence(capsys, options, sentence):
    assert sentence in refused(capsys, "toy", *options)


def test_no_command(capsys):
    assert "required: COMMAND" in refused(capsys)


def test_names_are_those_of_the_engine():
    from core.theories.registry import PRESETS

    assert tuple(SOLVERS) == toy.SOLVERS
    assert (toy.GRIDS, toy.PRIORS, toy.DEVICES) == (GRIDS, PRIORS, DEVICES)
    for name in toy.SCHEDULES:
        assert name == "drawn" or make_schedule(name).name == name
    assert set(toy.SCHEDULES) == set(SCHEDULES)
    assert {name for name in ONE_DIMENSION if PRESETS[name].dim == 1} == set(ONE_DIMENSION)
    assert {name for name in TWO_DIMENSIONS if PRESETS[name].dim == 2} == set(TWO_DIMENSIONS)


def test_a_score_is_trained_resumed_and_used(capsys, tmp_path):
    out = tmp_path / "score.safetensors"
    train = ["toy-train", "two-peak", "--out", out, "--samples", "2000", "--seed", "3"]
    status, text, _ = run(capsys, *train, "--steps", "60")
    assert status == 0
    assert "60 of 60 steps" in text
    assert "exists; give --force" in refused(capsys, *train)
    assert run(capsys, *train, "--steps", "50", "--force")[0] == 0
    assert "--seed is fixed by the training" in refused(
        capsys, "toy-train", "two-peak", "--out", out, "--resume", "--seed", "4"
    )
    status, text, _ = run(capsys, "toy-train", "two-peak", "--out", out, "--resume")
    assert status == 0
    assert "50 of 50 steps" in text
    status, report, err = run(capsys, "toy", "two-peak", "--score", out, *QUICK, "--json")
    assert (status, err) == (0, "")
    assert json.loads(report)["target"] == "two-peak"
    _, _, err = run(capsys, "toy", "mixture", "--score", out, *QUICK, "--json")
    assert "not on this target" in err


def test_training_that_is_cut_short_goes_on(capsys, tmp_path):
    out = tmp_path / "score.safetensors"
    train = ["toy-train", "two-peak", "--out", out, "--samples", "2000"]
    status, text, _ = run(capsys, *train, "--minutes", "0.01")
    assert status == 0
    assert "the same command with --resume goes on" in text
    before = int(text.split(": ")[1].split(" of ")[0])
    _, text, _ = run(capsys, "toy-train", "two-peak", "--out", out, "--resume", "--minutes", "0.01")
    assert int(text.split(": ")[1].split(" of ")[0]) > before


def test_training_needs_a_file_to_write(capsys, tmp_path):
    assert "required: --out" in refused(capsys, "toy-train", "two-peak")
    assert "is a folder" in refused(capsys, "toy-train", "two-peak", "--out", tmp_path)
    assert "nothing to resume" in refused(capsys, "toy-train", "two-peak", "--out", tmp_path / "x", "--resume")


@pytest.mark.parametrize("arguments", [[], ["toy"], ["toy-train"]])
def test_help_gives_examples_and_loads_nothing_heavy(arguments):
    code = f"import sys; from core.cli import main; sys.argv = ['stoqlab', *{arguments}, '--help']\n"
    code += "try: main()\nfinally: print('heavy:', sorted({'torch', 'numba', 'scipy', 'sympy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "heavy: []" in done.stdout
    assert done.returncode == 0
    assert "examples:" in done.stdout
    assert "stoqlab toy" in done.stdout


def test_help_imports_nothing_heavy():
    code = "import sys, core.cli; sys.exit(bool({'torch', 'numpy', 'scipy', 'rich', 'panel'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
    assert toy_train.DEVICES == DEVICES
