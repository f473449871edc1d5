"""``stoqlab measure``: its JSON, its table, and its refusals."""

import json
import pickle
import warnings

import numpy as np
import pytest

from core.cli import main
from core.theories.phi4 import Phi4
from tests.core.statistics.synthetic import free_fields

FREE = ["--kappa", "0.2", "--lam", "0"]


def run(capsys, *arguments):
    status = main(["measure", *map(str, arguments)])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def refused(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        main(["measure", *map(str, arguments)])
    captured = capsys.readouterr()
    assert stop.value.code == 2
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err


@pytest.fixture
def array(tmp_path):
    path = tmp_path / "free.npy"
    np.save(path, free_fields(Phi4(8, 0.2, 0.0), 1000, 3).astype(np.float32))
    return path


def test_json_is_one_object_and_nothing_else(capsys, array):
    status, out, err = run(capsys, array, *FREE, "--independent", "--json")
    assert status == 0
    assert err == ""
    assert out.count("\n") == 1
    assert "NaN" not in out
    report = json.loads(out)
    assert report["n_configs"] == 1000
    assert report["theory"] == "phi4"
    assert report["couplings"] == {"kappa": 0.2, "lam": 0.0, "shape": [8, 8]}
    assert report["warnings"] == []
    names = {"m", "abs_m", "chi", "binder", "phi2", "action", "kappa2", "kappa4", "kappa6", "kappa8"}
    names |= {"kappa4_ratio", "kappa6_ratio", "kappa8_ratio", "v_m2", "xi"}
    assert names <= set(report["observables"])
    for entry in report["observables"].values():
        assert list(entry) == ["value", "error", "tau_int", "tau_int_error"]
    assert report["observables"]["abs_m"]["tau_int"] == 0.5
    assert report["observables"]["chi"]["tau_int"] is None
    exact = Phi4(8, 0.2, 0.0).free_propagator()[0, 0]
    assert abs(report["observables"]["v_m2"]["value"] - exact) < 4.5 * report["observables"]["v_m2"]["error"]
    assert len(report["correlators"]["time_slices"]["value"]) == 5


def test_an_array_is_one_chain_unless_told_otherwise(capsys, array):
    report = json.loads(run(capsys, array, *FREE, "--json")[1])
    assert (report["chains"], report["draws"], report["independent"]) == (1, 1000, False)
    assert 0.3 < report["observables"]["phi2"]["tau_int"] < 0.8
    assert report["observables"]["phi2"]["tau_int_error"] > 0
    assert report["r_hat"] == {"abs_m": None, "phi2": None}


def test_table(capsys, array):
    status, out, err = run(capsys, array, *FREE)
    assert status == 0
    assert err == ""
    for part in ("φ⁴ on 8 × 8, κ = 0.2, λ = 0", "1 000 configurations".replace(" ", "\u202f", 1), "V⟨M²⟩", "U_L"):
        assert part in out
    assert "symmetrised" in out
    assert "nan" not in out


def test_warnings_are_said(capsys, tmp_path):
    path = tmp_path / "one.npy"
    np.save(path, np.ones((1, 4, 4)))
    status, _, err = run(capsys, path, *FREE)
    assert status == 0
    assert "stoqlab: warning: A single configuration has no errors." in err
    report = json.loads(run(capsys, path, *FREE, "--json")[1])
    assert report["observables"]["abs_m"] == {"value": 1.0, "error": None, "tau_int": None, "tau_int_error": None}


def test_bad_input_is_refused_in_one_sentence(capsys, array, tmp_path):
    assert "give --kappa and --lam" in refused(capsys, array)
    assert "lambda must be" in refused(capsys, array, "--kappa", "0.2", "--lam", "-1")
    assert "kappa must be below" in refused(capsys, array, "--kappa", "0.25", "--lam", "0")
    assert "kappa must be a finite number" in refused(capsys, array, "--kappa", "nan", "--lam", "0.1")
    assert "no file" in refused(capsys, tmp_path / "none.nc")
    assert "is a folder" in refused(capsys, tmp_path)
    assert "are for arrays" in refused(capsys, tmp_path / "x.nc", "--kappa", "0.2")
    cut = tmp_path / "cut.npy"
    cut.write_bytes(array.read_bytes()[:5000])
    assert "cut short" in refused(capsys, cut, *FREE)
    other = tmp_path / "other.nc"
    other.write_text("no ensemble")
    assert "not an ensemble" in refused(capsys, other)
    bad = tmp_path / "nan.npy"
    np.save(bad, np.full((3, 4, 4), np.nan))
    assert "finite" in refused(capsys, bad, *FREE)
    flat = tmp_path / "flat.npy"
    np.save(flat, np.ones(5))
    refused(capsys, flat, *FREE)


def test_an_ensemble_file_knows_its_theory(capsys, tmp_path):
    path = tmp_path / "small.nc"
    made = ["ensemble", "phi4", "--L", "4", "--kappa", "0.2", "--lam", "0.022", "--configs", "400", "--chains", "4"]
    assert main([*made, "--step-size", "0.2", "--therm", "20", "--thin", "1", "--out", str(path)]) == 0
    capsys.readouterr()
    report = json.loads(run(capsys, path, "--json")[1])
    assert (report["n_configs"], report["chains"], report["draws"]) == (400, 4, 100)
    assert report["couplings"] == {"kappa": 0.2, "lam": 0.022, "shape": [4, 4]}
    check = report["observables"]["schwinger_dyson"]
    assert abs(check["value"] - 1) < 4.5 * check["error"]
    assert report["r_hat"]["phi2"] > 0.99
    assert report["effective_sample_size"]["phi2"] > 20


def test_an_archive_of_arrays_is_told_from_an_ensemble(capsys, tmp_path):
    np.savez(tmp_path / "several.npz", a=np.zeros((3, 4, 4)))
    assert "several.npz holds several arrays" in refused(capsys, tmp_path / "several.npz", *FREE)


@pytest.mark.parametrize("value", [0.0, 1.3, 0.7, 3.1e-3])
def test_fields_that_do_not_fluctuate_have_no_sigma_and_are_warned_of(capsys, tmp_path, value):
    np.save(tmp_path / "still.npy", np.full((50, 8, 8), value))
    for more in ((), ("--independent",)):
        _, _, err = run(capsys, tmp_path / "still.npy", "--kappa", "0.2", "--lam", "0.022", *more)
        assert "Schwinger–Dyson equation is violated: it reads" in err
        assert " σ:" not in err
        report = json.loads(run(capsys, tmp_path / "still.npy", "--kappa", "0.2", "--lam", "0.022", *more, "--json")[1])
        assert report["schwinger_dyson_deviation"] is None
        errors = {name: row["error"] for name, row in report["observables"].items() if row["value"] is not None}
        assert {name for name, error in errors.items() if error} == set()


def test_no_correlation_length_is_read_off_the_broken_phase(capsys, array, tmp_path):
    _, out, _ = run(capsys, array, *FREE)
    assert "no length" not in out
    np.save(tmp_path / "broken.npy", 4 + 0.1 * free_fields(Phi4(8, 0.2, 0.0), 100, 3))
    _, out, _ = run(capsys, tmp_path / "broken.npy", "--kappa", "0.4", "--lam", "0.022")
    assert "ξ (no length here)" in out
    assert "where ξ is no length: G(0) = V⟨M²⟩" in out


def test_the_notes_of_the_plan_are_repeated(capsys, tmp_path):
    path = tmp_path / "biased.nc"
    made = ["ensemble", "phi4", "--L", "4", "--kappa", "0.2", "--lam", "0.022", "--configs", "40", "--chains", "4"]
    made += ["--sampler", "langevin", "--step-size", "0.25", "--therm", "20", "--thin", "1", "--out", str(path)]
    assert main(made) == 0
    capsys.readouterr()
    sentence = "langevin has a bias of the order of its step size 0.25."
    assert sentence in run(capsys, path)[1]
    assert sentence in json.loads(run(capsys, path, "--json")[1])["notes"]
    assert main(["compare", str(path), str(path)]) == 0
    assert f"A: {sentence}" in capsys.readouterr().out


def test_files_that_are_no_fields_are_refused_in_own_words(capsys, tmp_path):
    path = tmp_path / "objects.npy"
    path.write_bytes(pickle.dumps([1, 2]))
    said = refused(capsys, path, *FREE)
    assert "is not a NumPy array of numbers" in said
    assert "allow_pickle" not in said
    assert "the name of the file is too long, 304 characters" in refused(capsys, tmp_path / ("a" * 300 + ".npy"), *FREE)
    np.save(tmp_path / "away.npy", np.random.default_rng(1).normal(size=(50, 8, 8)) * 1e30)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "too large to measure φ⁸" in refused(capsys, tmp_path / "away.npy", *FREE)
