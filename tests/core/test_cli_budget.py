"""``stoqlab budget`` and ``stoqlab bench cost``: what they print, as text and as JSON, and what they refuse."""

import json

import numpy as np
import pytest

from core.cli import main
from core.diffusion.error_budget import COLUMNS
from core.diffusion.field_baseline import Baseline
from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.field_model import FieldModel, FieldTrainingRecord
from core.diffusion.field_network import FieldNetwork, NetworkConfig
from core.ensembles.make import make_ensemble
from core.ensembles.request import EnsembleRequest
from core.noise import Noise
from core.statistics.averages import OBSERVABLES
from core.theories.phi4 import Phi4


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory):
    path = tmp_path_factory.mktemp("budget") / "phi4.nc"
    make_ensemble(EnsembleRequest(Phi4(4, 0.2, 0.0), "cluster", 512, seed=3), path)
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The exact score of the free field on 4 × 4, as an untrained network on its baseline."""
    network = FieldNetwork(NetworkConfig(channels=3, hidden=6, gate=5, blocks=1, embedding=7))
    network.initialise(Noise(1))
    record = FieldTrainingRecord("phi4", [[0.2, 0.0]], [[4, 4]], seconds=8.0, sigma_min=0.01, sigma_max=30.0)
    baseline = Baseline(FieldGaussianScore(Phi4(4, 0.2, 0.0).free_propagator()), 0.2, 0.0)
    path = tmp_path_factory.mktemp("model") / "free.safetensors"
    FieldModel(network, [baseline], record, "free").save(path)
    return path


def printed(capsys, *arguments):
    assert main([str(a) for a in arguments]) == 0
    return capsys.readouterr()


def test_budget_of_a_model_as_json(capsys, ensemble, model):
    found = json.loads(
        printed(capsys, "budget", model, ensemble, "--configs", 128, "--steps", 5, "--profile", "--json").out
    )
    assert set(found["columns"]) >= {*COLUMNS, "total"}
    assert set(found["columns"]["score"]) == set(OBSERVABLES)
    assert found["couplings"] == {"kappa": 0.2, "lam": 0.0, "shape": [4, 4]}
    assert (found["n"], found["data_n"], found["steps"], found["score"]) == (128, 512, 5, "learned")
    assert len(found["digest"]) == 16
    for column in COLUMNS:  # the score is exact
        for name, both in found["columns"][column].items():
            assert abs(both["value"]) < 4.5 * both["error"], (column, name)
    assert np.all(np.diff(found["profile"]["sigma"]) > 0)


def test_budget_of_a_gaussian_as_text(capsys, ensemble):
    said = printed(
        capsys, "budget", ensemble, ensemble, "--score", "gaussian", "--configs", 32, "--steps", 3, "--prior", "noise"
    )
    assert all(word in said.out for word in (*COLUMNS, "statistics", "κ₈/κ₂⁴", "512 configurations", "κ = 0.2"))
    assert "N(0, Ξ)" in said.err


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (["--configs", "4"], "n must be at least 16"),
        (["--solver", "magic"], "solver must be one of"),
        (["--grid", "magic"], "grid must be one of"),
        (["--schedule", "magic"], "schedule must be one of"),
        (["--device", "abacus"], "device must be one of"),
        (["--steps", "1"], "steps must be at least 2"),
    ],
)
def test_budget_refuses_in_a_sentence(capsys, ensemble, change, sentence):
    with pytest.raises(SystemExit) as exit:
        main(["budget", str(ensemble), str(ensemble), "--score", "gaussian", *change])
    assert exit.value.code == 2
    assert sentence in capsys.readouterr().err


def test_budget_names_files_that_do_not_fit(capsys, ensemble, model, tmp_path):
    other = tmp_path / "other.nc"
    make_ensemble(EnsembleRequest(Phi4(4, 0.15, 0.0), "cluster", 32, seed=3), other)
    for arguments, sentence in (
        ((ensemble, ensemble), "it has a score with --score gaussian only"),
        ((other, ensemble, "--score", "gaussian"), "--kappa must be 0.15"),
        ((model, tmp_path / "none.nc"), "there is no file"),
        ((tmp_path / "none.safetensors", ensemble), "none.safetensors"),
        ((ensemble, model), "not an ensemble"),
    ):
        with pytest.raises(SystemExit):
            main(["budget", *(str(a) for a in arguments)])
        assert sentence in capsys.readouterr().err


@pytest.mark.slow
def test_bench_cost(capsys, model):
    arguments = ("bench", "cost", "--models", model, "--kappa", 0.2, "--lam", 0, "--L", 4, "--minutes", 0.005)
    found = json.loads(printed(capsys, *arguments, "--json").out)
    rows = {row["method"]: row for row in found["rows"]}
    assert set(rows) == {
        "HMC", "MALA", "Langevin", "Cluster (Wolff)", "raw", "path weights", "path Metropolis",
    }  # fmt: skip
    assert all(row["seconds"] > 0 for row in rows.values())
    assert rows["raw"]["setup_seconds"] >= 8.0
    assert set(rows["raw"]["break_even"]) == {"HMC", "MALA", "Langevin", "Cluster (Wolff)"}
    assert "path Metropolis" in printed(capsys, *arguments).out


def test_bench_cost_refuses_in_a_sentence(capsys, tmp_path):
    with pytest.raises(SystemExit):
        main(["bench", "cost", "--models", str(tmp_path / "none.safetensors")])
    assert "none.safetensors" in capsys.readouterr().err
