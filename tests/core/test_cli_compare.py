"""``stoqlab compare``: its JSON, its table, what it says about files that are not independent, and its refusals."""

import json
import math

import numpy as np
import pytest

from core.cli import main
from core.ensembles.files import open_ensemble
from core.theories.phi4 import Phi4
from tests.core.statistics.synthetic import free_fields

FREE = ["--kappa", "0.2", "--lam", "0"]


def run(capsys, *arguments):
    status = main(["compare", *map(str, arguments)])
    captured = capsys.readouterr()
    assert status == 0
    return captured.out, captured.err


def report(capsys, *arguments):
    out, err = run(capsys, *arguments, "--json")
    assert err == ""
    assert out.count("\n") == 1
    assert "NaN" not in out
    assert "Infinity" not in out
    return json.loads(out)


def refused(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        main(["compare", *map(str, arguments)])
    captured = capsys.readouterr()
    assert stop.value.code == 2
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err


def make(path, seed, extent="4", configs="1600"):
    theory = ["--L", extent, "--kappa", "0.2", "--lam", "0.022", "--seed", seed, "--configs", configs]
    steps = ["--step-size", "0.2", "--therm", "40", "--thin", "2", "--chains", "16"]
    assert main(["ensemble", "phi4", *theory, *steps, "--out", str(path)]) == 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two seeds of one theory, a.nc longer, another lattice, one that is not in equilibrium, and two arrays."""
    folder = tmp_path_factory.mktemp("compare")
    make(folder / "a.nc", "1")
    make(folder / "b.nc", "2")
    make(folder / "longer.nc", "1", configs="3200")
    make(folder / "large.nc", "3", extent="8")
    published = ["--L", "16", "--kappa", "0.4", "--lam", "0.022", "--protocol", "published", "--configs", "64"]
    assert main(["ensemble", "phi4", *published, "--out", str(folder / "published.nc")]) == 0
    for name, seed in (("free1.npy", 1), ("free2.npy", 2)):
        np.save(folder / name, free_fields(Phi4(8, 0.2, 0.0), 500, seed).astype(np.float32))
    return folder


def test_json(capsys, folder):
    found = report(capsys, folder / "a.nc", folder / "b.nc")
    for entry in found["observables"].values():
        assert list(entry) == ["a", "b", "sigma"]
        assert list(entry["a"]) == list(entry["b"]) == ["value", "error"]
    assert {"m", "abs_m", "chi", "binder", "phi2", "action", "kappa4_ratio", "walls"} <= set(found["observables"])
    row = found["observables"]["phi2"]
    error = math.hypot(row["a"]["error"], row["b"]["error"])
    assert row["sigma"] == pytest.approx((row["a"]["value"] - row["b"]["value"]) / error)
    assert found["observables"]["walls"]["sigma"] is None
    assert all(abs(entry["sigma"]) < 4.5 for name, entry in found["observables"].items() if name != "walls")
    assert found["dof"] == len(found["chi2_averages"]) == 9
    assert found["chi2_per_dof"] == pytest.approx(found["chi2"] / 9)
    assert found["p_value"] > 1e-4
    assert found["warnings"] == []
    assert found["a"]["couplings"] == {"kappa": 0.2, "lam": 0.022, "shape": [4, 4]}
    assert (found["b"]["n_configs"], found["b"]["chains"], found["b"]["draws"]) == (1600, 16, 100)
    assert found["effective_sample_size"]["abs_m"]["a"] > 100
    # The numbers of each side are those of stoqlab measure.
    assert main(["measure", str(folder / "a.nc"), "--json"]) == 0
    alone = json.loads(capsys.readouterr().out)
    for name, entry in found["observables"].items():
        assert entry["a"] == {key: alone["observables"][name][key] for key in ("value", "error")}


def test_table(capsys, folder):
    out, err = run(capsys, folder / "a.nc", folder / "b.nc")
    assert err == ""
    for part in ("A: a.nc: φ⁴ on 4 × 4, κ = 0.2, λ = 0.022", "(A − B)/σ", "χ²/dof = ", "9 degrees of freedom", "p = "):
        assert part in out
    assert "effective sample size" in out
    assert "nan" not in out


def test_a_file_is_not_compared_with_itself_in_silence(capsys, folder, tmp_path):
    link, array = tmp_path / "link.nc", tmp_path / "copy.npy"
    link.symlink_to(folder / "a.nc")
    with open_ensemble(folder / "a.nc") as ensemble:
        np.save(array, next(ensemble.blocks()).reshape(-1, 4, 4)[::-1])
    for other in (folder / "a.nc", link):
        said = report(capsys, folder / "a.nc", other)["warnings"]
        assert said[0] == "A and B are one and the same file."
    found = report(capsys, folder / "a.nc", array)
    assert "compares an ensemble with itself" in found["warnings"][0]
    assert found["notes"][0] == "B is taken to have the couplings of A."
    _, err = run(capsys, folder / "a.nc", folder / "a.nc")
    assert "stoqlab: warning: A and B are one and the same file." in err
    said = report(capsys, folder / "a.nc", folder / "longer.nc")["warnings"]
    assert "from the seed 1: they share their random numbers" in said[0]
    assert "1\u202f600 of the 1\u202f600 configurations of the first" in said[1]


def test_warnings_name_their_ensemble(capsys, folder):
    found = report(capsys, folder / "large.nc", folder / "a.nc")
    assert (found["a"]["couplings"]["shape"], found["b"]["couplings"]["shape"]) == ([8, 8], [4, 4])
    assert (found["a"]["file"], found["b"]["file"]) == (str(folder / "large.nc"), str(folder / "a.nc"))
    assert "The lattices differ: 8 × 8 and 4 × 4." in found["warnings"][0]
    assert found["observables"]["chi"]["sigma"] is None
    assert found["observables"]["phi2"]["sigma"] is not None
    said = report(capsys, folder / "published.nc", folder / "large.nc")["warnings"]
    assert "The couplings differ: κ = 0.4 and 0.2." in said[0]
    assert any(sentence.startswith("A: not in equilibrium: a hot start") for sentence in said)
    assert any(sentence.startswith("A: Not in equilibrium: ") and "domain wall" in sentence for sentence in said)
    assert not any(sentence.startswith("B: ") for sentence in said)
    shifted = folder / "shifted.npy"
    np.save(shifted, 3 + np.load(folder / "free2.npy"))
    _, err = run(capsys, folder / "free1.npy", shifted, *FREE, "--independent")
    assert "stoqlab: warning: B: Only one sign was visited" in err
    assert "warning: A:" not in err


def test_a_difference_is_found(capsys, folder):
    larger = folder / "larger.npy"
    np.save(larger, 1.1 * np.load(folder / "free2.npy"))
    found = report(capsys, folder / "free1.npy", folder / "free2.npy", *FREE, "--independent")
    assert abs(found["observables"]["phi2"]["sigma"]) < 4.5
    assert found["p_value"] > 1e-4
    found = report(capsys, folder / "free1.npy", larger, *FREE, "--independent")
    assert found["observables"]["phi2"]["sigma"] < -4.5
    assert found["p_value"] < 1e-8


def test_what_is_undefined_is_null(capsys, folder, tmp_path):
    one = tmp_path / "one.npy"
    np.save(one, np.load(folder / "free1.npy")[:1])
    found = report(capsys, one, folder / "free2.npy", *FREE, "--independent")
    assert found["observables"]["phi2"]["a"]["error"] is None
    assert found["observables"]["phi2"]["sigma"] is None
    assert (found["chi2_per_dof"], found["p_value"], found["dof"]) == (None, None, 0)
    assert any("There is no χ²" in sentence for sentence in found["warnings"])
    assert "A: A single configuration has no errors." in found["warnings"]


def test_bad_input_is_refused_in_one_sentence(capsys, folder, tmp_path):
    a, free = folder / "a.nc", folder / "free1.npy"
    assert "give --kappa and --lam" in refused(capsys, free, free)
    assert "both --kappa and --lam, got --kappa alone" in refused(capsys, free, a, "--kappa", "0.2")
    assert "are for arrays" in refused(capsys, a, a, *FREE)
    assert "are for arrays" in refused(capsys, a, a, "--independent")
    assert "no file" in refused(capsys, a, tmp_path / "none.nc")
    assert "is a folder" in refused(capsys, tmp_path, a)
    assert "lambda must be" in refused(capsys, free, free, "--kappa", "0.2", "--lam", "-1")
    other = tmp_path / "other.nc"
    other.write_text("no ensemble")
    assert "not an ensemble" in refused(capsys, a, other)
    line = tmp_path / "line.npy"
    np.save(line, np.ones((10, 8)))
    assert "in 2 and 1 dimensions cannot be compared" in refused(capsys, a, line)
    bad = tmp_path / "nan.npy"
    np.save(bad, np.full((3, 4, 4), np.nan))
    assert "finite" in refused(capsys, a, bad)
    assert "required" in refused(capsys, a)
