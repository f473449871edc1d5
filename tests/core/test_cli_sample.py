"""``stoqlab sample``, ``likelihood`` and ``bench sample``: what they write and print, and what they refuse."""

import json
import shlex

import numpy as np
import pytest
import torch

from core.cli import main
from core.diffusion.field_model import FieldModel, FieldTrainingRecord
from core.ensembles.command import made_by
from core.ensembles.files import open_ensemble
from core.ensembles.generated import Origin
from core.ensembles.make import make_ensemble
from core.ensembles.request import EnsembleRequest
from core.schedule import VP, Tabulated
from core.schedule_record import describe_schedule, schedule_of
from core.theories.phi4 import Phi4
from tests.core.diffusion.test_field_model import conditioned
from tests.core.diffusion.test_field_model import model as random_model

THEORY = Phi4(8, 0.22, 0.02)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model of small random weights, a conditioned one, one that does not know its action, and an ensemble."""
    place = tmp_path_factory.mktemp("models")
    for name, made in (("net", random_model()), ("conditioned", conditioned())):
        made.network.out.mul_(0.02)
        made.network.out_level.weight.mul_(0.02)
        made.save(place / f"{name}.safetensors")
    net = FieldModel.load(place / "net.safetensors")
    record = FieldTrainingRecord(sigma_min=0.01, sigma_max=30.0)
    FieldModel(net.network, net.baselines, record).save(place / "nameless.safetensors")
    request = EnsembleRequest(THEORY, "hmc", 400, 20, 30, 3, {"step_size": 0.2, "n_steps": 4}, seed=2)
    make_ensemble(request, place / "F.nc")
    return place


@pytest.fixture
def run(folder, tmp_path, capsys):
    """``run("sample", "net.safetensors", …)``: exit status, stdout, stderr; files named as in ``folder``."""

    def call(command, *arguments, model="net.safetensors"):
        places = {name: str(folder / name) for name in ("F.nc",)}
        words = [str(places.get(str(a), a)) for a in arguments]
        capsys.readouterr()
        status = main([*command.split(), str(folder / model), *words])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


def refused(capsys, run, *arguments, **options):
    with pytest.raises(SystemExit) as stop:
        run(*arguments, **options)
    captured = capsys.readouterr()
    assert stop.value.code == 2
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err


def test_sample_writes_an_ensemble_and_prints_one_object(run, folder, tmp_path):
    out = tmp_path / "G.nc"
    arguments = ("--configs", 60, "--steps", 6, "--check", 16, "--seed", 5, "--out", out, "--json")
    status, printed, _ = run("sample", *arguments)
    assert status == 0
    assert printed.count("\n") == 1
    report = json.loads(printed)
    digest = FieldModel.load(folder / "net.safetensors").digest
    expected = {
        "path": str(out), "n_configs": 60, "chains": 1, "draws": 60, "independent": True, "model": "net",
        "digest": digest, "score": "learned", "baseline": "fitted", "solver": "exponential", "steps": 6,
        "prior": "matched", "correction": {"kind": "none"}, "seed": 5, "evaluations": 6.0, "acceptance": None,
    }  # fmt: skip
    assert {name: report[name] for name in expected} == expected
    assert 0 < report["ess"] <= 1
    assert report["check"]["paths"] == 16
    with open_ensemble(out) as reader:
        origin = Origin.of(reader)
        assert (reader.theory, reader.independent, reader.configs) == (Phi4((8, 8), 0.22, 0.02), True, 60)
    assert origin is not None
    assert (origin.digest, origin.ess, origin.warnings) == (digest, report["ess"], report["warnings"])
    assert main(["measure", str(out), "--json"]) == 0


def test_the_same_command_gives_the_same_fields(run, tmp_path):
    for name in ("a", "b"):
        run("sample", "--configs", 20, "--steps", 4, "--check", 0, "--out", tmp_path / f"{name}.nc")
    fields = []
    for name in ("a", "b"):
        with open_ensemble(tmp_path / f"{name}.nc") as reader:
            fields.append(next(reader.blocks()))
    np.testing.assert_array_equal(*fields)


@pytest.mark.parametrize("correction", ["hmc", "path"])
def test_corrections(run, tmp_path, correction):
    extra = ("--correct-steps", 2, "--step-size", 0.1) if correction == "hmc" else ("--chains", 4)
    out = tmp_path / "G.nc"
    status, printed, _ = run(
        "sample", "--configs", 40, "--steps", 5, "--check", 8, "--correct", correction, *extra, "--out", out
    )
    assert status == 0
    assert f"correction: {correction}." in printed
    assert "acceptance" in printed
    with open_ensemble(out) as reader:
        origin = Origin.of(reader)
        assert reader.stored == ((1, 40) if correction == "hmc" else (4, 10))
        assert reader.independent == (correction == "hmc")
    assert origin is not None
    assert origin.correction["kind"] == correction
    if correction == "hmc":
        assert (origin.correction["steps"], origin.correction["step_size"]) == (2, 0.1)


def test_schedules(run, folder, tmp_path):
    drawn = Tabulated((0.0, 0.5, 1.0), (0.5, 4.0, 20.0))
    (tmp_path / "drawn.json").write_text(json.dumps(describe_schedule(drawn)))
    given = [("drawn", ("--schedule", tmp_path / "drawn.json"), drawn)]
    given += [("vp", ("--schedule", "vp", "--sigma", 4), VP(4.0)), ("cosine", ("--schedule", "cosine"), None)]
    for name, words, schedule in given:
        out = tmp_path / f"{name}.nc"
        assert run("sample", "--configs", 8, "--steps", 5, "--check", 0, *words, "--out", out)[0] == 0
        with open_ensemble(out) as reader:
            origin = Origin.of(reader)
        assert origin is not None
        assert origin.schedule["name"] == name
        if schedule is not None:
            assert schedule_of(origin.schedule) == schedule


def test_other_lattices_and_couplings(run, tmp_path):
    words = ("--configs", 8, "--steps", 4, "--check", 0, "--force", "--out", tmp_path / "G.nc")
    status, printed, err = run("sample", "--L", 6, *words)
    assert "refitted baseline" in printed
    assert err == ""
    status, printed, err = run("sample", "--L", 6, "--baseline", "extrapolated", *words)
    assert "extrapolated baseline" in printed
    assert "--baseline refitted" in err
    status, printed, err = run("sample", "--kappa", 0.19, "--lam", 0.02, *words, model="conditioned.safetensors")
    assert (status, err) == (0, "")
    assert "κ = 0.19" in printed
    assert "interpolated baseline" in printed
    status, printed, err = run("sample", "--kappa", 0.22, "--lam", 0.02, *words, model="nameless.safetensors")
    assert status == 0


@pytest.mark.parametrize(
    "words",
    [
        ("--solver", "euler", "--grid", "variance", "--prior", "noise"),
        ("--schedule", "vp", "--sigma", 4.5),
        ("--correct", "mala", "--correct-steps", 2, "--step-size", 0.07),
        ("--correct", "hmc"),
        ("--correct", "path", "--chains", 4, "--grid", "karras"),
        ("--correct", "metropolis", "--score", "gaussian"),
        ("--L", 6, "--baseline", "extrapolated"),
        ("--L", 6),
    ],
    ids=["numerics", "vp", "mala", "hmc", "path", "metropolis", "extrapolated", "refitted"],
)
def test_the_printed_command_makes_the_same_file(run, folder, tmp_path, capsys, monkeypatch, words):
    """Every number that the file keeps of its making goes into the command, and nothing else decides the fields."""
    run("sample", "--configs", 12, "--steps", 4, "--check", 0, "--seed", 3, *words, "--out", tmp_path / "G.nc")
    with open_ensemble(tmp_path / "G.nc") as reader:
        line, first = made_by(reader), next(reader.blocks())
    (tmp_path / "G.nc").unlink()
    (tmp_path / "net.safetensors").write_bytes((folder / "net.safetensors").read_bytes())
    monkeypatch.chdir(tmp_path)
    assert main(shlex.split(line)[1:]) == 0
    with open_ensemble("G.nc") as reader:
        assert made_by(reader) == line
        np.testing.assert_array_equal(next(reader.blocks()), first)


def test_the_gaussian_of_an_ensemble(run, tmp_path):
    out = tmp_path / "G.nc"
    status, printed, _ = run("sample", "--score", "gaussian", "--configs", 50, "--out", out, model="F.nc")
    assert status == 0
    assert "from the Gaussian fitted to F.nc" in printed


@pytest.mark.parametrize(
    ("words", "model", "sentence"),
    [
        (("--configs", "10"), "net.safetensors", "--out"),
        (("--configs", "0", "--out", "G.nc"), "net.safetensors", "at least 1"),
        (("--configs", "8", "--out", "{}/F.nc"), "net.safetensors", "give --force to overwrite it"),
        (("--configs", "8", "--out", "{}"), "net.safetensors", "is a folder"),
        (("--configs", "8", "--out", "G.nc"), "missing.safetensors", "there is no file"),
        (("--configs", "8", "--out", "G.nc"), "F.nc", "it has a score with --score gaussian only"),
        (("--configs", "8", "--out", "G.nc"), "nameless.safetensors", "does not know its action: give --kappa and"),
        (("--configs", "8", "--out", "G.nc"), "conditioned.safetensors", "kappa must be given"),
        (("--configs", "8", "--kappa", "0.3", "--out", "G.nc"), "net.safetensors", "kappa must be 0.22"),
        (("--configs", "8", "--schedule", "zigzag", "--out", "G.nc"), "net.safetensors", "--schedule must be one of"),
        (("--configs", "8", "--schedule", "no.json", "--out", "G.nc"), "net.safetensors", "cannot be read"),
        (("--configs", "8", "--schedule", "cosine", "--sigma", "3", "--out", "G.nc"), "net.safetensors", "--sigma bel"),
        (("--configs", "8", "--grid", "even", "--out", "G.nc"), "net.safetensors", "invalid choice: 'even'"),
        (("--configs", "8", "--correct", "path", "--chains", "3", "--out", "G.nc"), "net.safetensors", "must divide"),
        (("--configs", "8", "--correct", "path", "--solver", "heun", "--out", "G.nc"), "net.safetensors", "of its own"),
        (("--configs", "1e6", "--correct", "metropolis", "--out", "G.nc"), "net.safetensors", "would take about"),
        (("--configs", "8", "--L", "6", "--baseline", "stored", "--out", "G.nc"), "net.safetensors", "extrapolated or"),
    ],
)
def test_sample_refuses_in_one_sentence(capsys, run, folder, words, model, sentence):
    before = sorted(folder.iterdir())
    error = refused(capsys, run, "sample", *(w.format(folder) for w in words), model=model)
    assert sentence in error
    assert sorted(folder.iterdir()) == before


def test_likelihood_by_path_and_by_flow(run):
    status, printed, _ = run("likelihood", "F.nc", "--configs", 40, "--steps", 6, "--json")
    assert status == 0
    report = json.loads(printed)
    assert (report["method"], report["n_configs"], report["evaluations"]) == ("path", 40, 6)
    assert report["integration_error"] is None
    flow = ("likelihood", "F.nc", "--configs", 2, "--method", "flow", "--steps", 2, "--exact", "--json")
    exact = json.loads(run(*flow)[1])
    assert exact["method"] == "flow"
    for found in (report, exact):
        assert 0 < found["ess"] <= 1
        assert 0 <= found["ess_data"] <= 1
        assert 0 <= found["acceptance"] <= 1
        assert found["log_q_per_site"] == pytest.approx(found["log_q"]["value"] / 64)
    status, printed, err = run("likelihood", "F.nc", "--configs", 10, "--hutchinson", "--steps", 2, "--json")
    assert json.loads(printed)["ess"] is None
    assert "Hutchinson" in err


def test_likelihood_in_words(run):
    status, printed, _ = run("likelihood", "F.nc", "--configs", 200, "--score", "gaussian", model="F.nc")
    assert status == 0
    for part in ("log q = ", "by flow", "relative entropy", "effective sample size", "acceptance of independence"):
        assert part in printed
    assert "nan" not in printed


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("missing.nc",), "there is no file"),
        (("F.nc", "--method", "path", "--hutchinson"), "but --method is path"),
        (("F.nc", "--configs", "400", "--method", "flow", "--steps", "4000"), "would take about"),
        (("F.nc", "--steps", "3", "--method", "flow"), "steps must be an even number"),
    ],
)
def test_likelihood_refuses_in_one_sentence(capsys, run, words, sentence):
    assert sentence in refused(capsys, run, "likelihood", *words)


def test_bench_sample(run):
    status, printed, _ = run("bench sample", "--steps", 2, "--batches", 2, "--json")
    assert status == 0
    report = json.loads(printed)
    assert (report["shape"], report["steps"]) == ([8, 8], 2)
    kinds = {(r["score"], r["method"]) for r in report["results"]}
    assert kinds == {(score, method) for score in ("learned", "gaussian") for method in ("sample", "path")}
    assert all(r["configs_per_second"] > 0 for r in report["results"])
    status, printed, _ = run("bench sample", "--steps", 2, "--batches", 2, "--L", 6, model="conditioned.safetensors")
    assert status == 0
    assert "6 × 6" in printed
    assert torch.get_num_threads() >= 1
