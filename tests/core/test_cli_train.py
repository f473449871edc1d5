"""``stoqlab train``: files, arrays, the live sampler, going on, and a sentence for everything that does not fit."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from core.cli import main, train
from core.diffusion.field_config import LEVELS, TARGETS
from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.field_model import FieldModel
from core.diffusion.field_network import PRESETS
from core.noise import Noise
from core.theories.phi4 import Phi4

ROOT = Path(__file__).parents[2]
LIVE = ("phi4", "--L", 4, "--kappa", 0.15, 0.17, 0.2, "--lam", 0.1)
QUICK = ("--steps", 24, "--batch", 8, "--threads", 1, "--seed", 3)
KEYS = {
    "path", "digest", "steps", "planned", "complete", "seconds", "parameters", "target", "data", "sigma_min",
    "sigma_max", "levels", "validation", "excess", "excess_error", "warnings",
}  # fmt: skip


@pytest.fixture(scope="module")
def array(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "mine.npy"
    free = FieldGaussianScore(Phi4(4, 0.2, 0.0).free_propagator())
    np.save(path, free.draw_prior(60, 1.0, 0.0, Noise(8)).numpy())
    return path


def run(capsys, *words):
    status = main(["train", *(str(w) for w in words)])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def refused(capsys, *words):
    with pytest.raises(SystemExit) as stop:
        run(capsys, *words)
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


def test_the_names_are_those_of_the_engine():
    assert (tuple(PRESETS), TARGETS, LEVELS) == (train.PRESETS, train.TARGETS, train.LEVELS)


def test_json_is_one_object_with_the_promised_keys(capsys, tmp_path, array):
    status, out, _ = run(capsys, array, "--out", tmp_path / "m.safetensors", *QUICK, "--json")
    assert status == 0
    assert out.count("\n") == 1
    report = json.loads(out)
    assert set(report) == KEYS
    assert (report["steps"], report["planned"], report["complete"], report["target"]) == (24, 24, True, "dsm")
    assert set(report["validation"][0]) == {"low", "high", "loss", "baseline", "error"}
    model = FieldModel.load(tmp_path / "m.safetensors")
    assert (model.digest, model.theory, model.record.seed) == (report["digest"], "", 3)


def test_couplings_of_an_array(capsys, tmp_path, array):
    _, out, _ = run(capsys, array, "--kappa", 0.2, "--lam", 0, "--out", tmp_path / "m.safetensors", *QUICK, "--json")
    assert json.loads(out)["target"] == "tsm"
    assert FieldModel.load(tmp_path / "m.safetensors").record.couplings == [[0.2, 0.0]]


def test_an_ensemble_file_and_a_sentence_for_people(capsys, tmp_path):
    words = "ensemble phi4 --L 4 --kappa 0.2 --lam 0.1 --configs 40 --chains 4 --therm 20 --thin 2 --sampler cluster"
    assert main([*words.split(), "--out", str(tmp_path / "f.nc")]) == 0
    status, out, _ = run(capsys, tmp_path / "f.nc", "--out", tmp_path / "m.safetensors", *QUICK)
    assert status == 0
    for words in ("36 configurations from f.nc, and 4 more held out.", "σ̃ from", "24 of 24 steps", "in total, over"):
        assert words in out


def test_the_live_sampler_makes_a_conditioned_model_and_goes_on_with_the_same_command(capsys, tmp_path):
    path = tmp_path / "m.safetensors"
    status, out, _ = run(capsys, *LIVE, "--out", path, *QUICK, "--json")
    assert status == 0
    model = FieldModel.load(path)
    assert model.conditioned
    assert model.kappa_range == (0.15, 0.2)
    again = run(capsys, *LIVE, "--out", path, *QUICK, "--json", "--resume")
    assert again[0] == 0
    assert json.loads(again[1])["digest"] == json.loads(out)["digest"]
    bare = run(capsys, "--out", path, "--json", "--resume")
    assert json.loads(bare[1])["digest"] == json.loads(out)["digest"]
    for option, value, words in (
        ("--steps", 30, "--steps is 24 in the training that --resume goes on with, got 30"),
        ("--minutes", 1, "--minutes is None"),
        ("--seed", 4, "--seed is 3"),
        ("--preset", "large", "--preset is small"),
        ("--kappa", 0.3, "--kappa is [0.15, 0.17, 0.2]"),
        ("--L", 8, "--L is [4]"),
    ):
        assert words in refused(capsys, "phi4", "--out", path, "--resume", option, value)


def test_existing_files(capsys, tmp_path, array):
    path = tmp_path / "m.safetensors"
    run(capsys, array, "--out", path, *QUICK)
    before = path.read_bytes()
    assert "give --force to overwrite it or --resume" in refused(capsys, array, "--out", path, *QUICK)
    assert path.read_bytes() == before
    assert run(capsys, array, "--out", path, *QUICK[:-1], 4, "--force")[0] == 0
    assert FieldModel.load(path).record.seed == 4


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--steps", 5, "--minutes", 1), "not allowed with argument"),
        (("--steps", 0), "at least 1"),
        (("--minutes", -1), "must be a positive number"),
        (("--kappa", 0.2), "both couplings"),
        (("--kappa", 0.2, 0.3, "--lam", 0.1), "--kappa of an array must be one number, got 2"),
        (("--L", 4), "--L is for the live sampler"),
        (("--target", "tsm"), "needs the action"),
        (("--resume",), "nothing to resume"),
        (("--threads", 10**6), "threads must be from 1"),
    ],
)
def test_bad_arguments_get_a_sentence(capsys, tmp_path, array, words, sentence):
    assert sentence in refused(capsys, array, "--out", tmp_path / "m.safetensors", *words)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ((), "name files to learn from, or one of phi4"),
        (("none.nc",), "there is no file none.nc"),
        (("phi4",), "a live sampler needs --L"),
        (("phi4", "a.nc", "--L", 4), "does not go together with a.nc"),
        (("phi4", "--L", 4, "--kappa", 0.3, "--lam", 0), "kappa must be below"),
        (("phi4", "--L", 5, "--kappa", 0.2, "--lam", 0.1), "even extents"),
    ],
)
def test_bad_data_get_a_sentence(capsys, tmp_path, data, sentence):
    assert sentence in refused(capsys, *data, "--out", tmp_path / "m.safetensors")


def test_a_folder_is_no_file(capsys, tmp_path, array):
    assert "is a folder" in refused(capsys, array, "--out", tmp_path)


def test_interrupt_saves_and_resume_goes_on(tmp_path, array):
    path = tmp_path / "m.safetensors"
    words = [
        sys.executable,
        "-m",
        "core.cli",
        "train",
        array,
        "--out",
        path,
        "--steps",
        10**6,
        "--batch",
        8,
        "--threads",
        1,
    ]
    command = [str(w) for w in words]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, env=dict(os.environ, PYTHONUNBUFFERED="1")
    ) as process:
        assert process.stdout is not None
        for _ in range(2):  # what it learns from, and at which levels: training begins
            process.stdout.readline()
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        out = process.stdout.read().decode()
        assert process.wait(60) == 130
    assert "the same command with --resume goes on" in out
    assert 0 < FieldModel.load(path).record.steps < 10**6
