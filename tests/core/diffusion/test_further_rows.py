"""Rows beside a comparison: the baseline and the fields of a model made again, the free field, a reference."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from core.cli import main
from core.diffusion.field_baseline import Baseline
from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.field_model import FieldModel
from core.diffusion.further_rows import applicable, find_model, further_row
from core.ensembles.files import open_ensemble
from core.ensembles.generated import Origin
from core.statistics.measure import measure
from core.theories.phi4 import Phi4
from tests.core.diffusion.test_field_model import model as random_model
from tests.core.statistics.synthetic import free_fields

FREE = Phi4(8, 0.2, 0.0)
WIDER = 1.3


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model of the free field whose baseline is too wide and whose network adds nothing, and its ensembles."""
    place = tmp_path_factory.mktemp("rows")
    known = random_model()
    known.network.out.zero_()
    known.network.out_level.weight.zero_()
    baseline = Baseline(FieldGaussianScore(WIDER * FREE.free_propagator()), FREE.kappa, FREE.lam)
    FieldModel(known.network, [baseline], known.record).save(place / "wide.safetensors")
    for name, words in (("raw", []), ("hmc", ["--correct", "hmc", "--correct-steps", "4"])):
        line = ["sample", str(place / "wide.safetensors"), "--configs", "64", "--steps", "8", "--check", "0", *words]
        assert main([*line, "--out", str(place / f"{name}.nc")]) == 0
    np.save(place / "free.npy", free_fields(FREE, 1500, 4).astype(np.float32))
    return place


def origin_of(path):
    with open_ensemble(path) as reader:
        origin = Origin.of(reader)
    assert origin is not None
    return origin


@pytest.fixture(scope="module")
def data():
    return measure(FREE, [free_fields(FREE, 1500, 4).astype(np.float32)[None]], independent=True)


def test_which_rows_there_are_by_themselves(folder):
    raw, hmc = (origin_of(folder / f"{name}.nc") for name in ("raw", "hmc"))
    assert applicable(FREE, None) == ["exact"]
    assert applicable(Phi4(8, 0.2, 0.1), None) == []
    assert applicable(Phi4(8, 0.2, 0.1), raw) == ["baseline", "exact"]
    assert applicable(FREE, hmc) == ["baseline", "learned", "exact"]


def test_the_model_is_found_by_its_weights(folder, tmp_path):
    origin = origin_of(folder / "raw.nc")
    assert find_model(origin, [tmp_path, folder]) == folder / "wide.safetensors"
    random_model().save(tmp_path / "wide.safetensors")
    assert find_model(origin, [tmp_path, folder]) == folder / "wide.safetensors"
    assert find_model(origin, [tmp_path]) is None


@pytest.mark.parametrize("kind", ["baseline", "learned"])
def test_the_model_makes_its_fields_again(folder, data, kind):
    """Too wide by WIDER, 5 errors of 2048 configurations; the difference is that of the data from it, with its sign."""
    row = further_row(kind, data, origin_of(folder / "hmc.nc"), folder / "wide.safetensors", seed=2)
    found = row.observables["phi2"]
    assert abs(found.value - WIDER * FREE.free_propagator().mean()) < 5 * found.error
    here = data.observables["phi2"]
    assert row.sigma["phi2"] == pytest.approx((here.value - found.value) / np.hypot(here.error, found.error))
    assert row.sigma["phi2"] < -5
    assert row.chi2_per_dof > 5
    assert row.configs == row.effective_sample_size == 2048


def test_the_free_field_is_exact(data):
    row = further_row("exact", data, None, None)
    assert row.observables["phi2"][:2] == (pytest.approx(FREE.free_propagator().mean()), 0.0)
    known = [s for s in row.sigma.values() if np.isfinite(s)]
    assert len(known) == len(row.observables)
    assert max(map(abs, known)) < 4.5


def test_a_theory_without_a_formula_has_a_reference():
    theory = Phi4(4, 0.2, 0.1)
    fields = free_fields(Phi4(4, 0.2, 0.0), 200, 1).astype(np.float32)
    row = further_row("exact", measure(theory, [fields[None]], independent=True), None, None, seed=1)
    assert row.configs >= 4096
    equation = row.observables["schwinger_dyson"]
    assert abs(equation.value - 1) < 4.5 * equation.error
    assert abs(row.sigma["phi2"]) > 4.5  # the free field is another one


def test_published_figures_stand_beside_their_own_theory_only(data):
    with pytest.raises(ValueError, match=r"those of κ = 0\.4, λ = 0\.022 on 32 × 32"):
        further_row("published", data, None, None)
    there = SimpleNamespace(theory=Phi4(32, 0.4, 0.022), observables=data.observables)
    row = further_row("published", there, None, None)  # type: ignore[arg-type]
    found = row.observables["kappa4_ratio"]
    assert (round(found.value, 4), round(found.error, 4)) == (-1.8785, 0.0005)
    assert set(row.sigma) == {"kappa4_ratio", "kappa6_ratio", "kappa8_ratio"}
    assert "not in equilibrium" in row.how


def test_the_command_adds_them(folder, capsys):
    capsys.readouterr()
    words = ["compare", str(folder / "free.npy"), str(folder / "hmc.nc"), "--independent"]
    assert main([*words, "--kappa", "0.2", "--lam", "0", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert list(report["rows"]) == ["baseline", "learned", "exact"]
    assert report["rows"]["baseline"]["observables"]["phi2"]["sigma"] < -5
    assert report["rows"]["exact"]["observables"]["phi2"]["error"] == 0
    assert set(report["observables"]["phi2"]) == {"a", "b", "sigma"}
    assert main([*words, "--rows", "exact"]) == 0
    printed = capsys.readouterr().out
    assert "(learned, corrected by hmc)" in printed
    assert "Exact theory: The free field, from its propagator." in printed
    assert "Gaussian baseline" not in printed
    assert main([*words, "--rows", "none"]) == 0
    assert "Exact theory" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--rows", "none", "exact"], "none goes with no other row"),
        (["--published"], "those of κ = 0.4"),
        (["--model", "missing.safetensors"], "there is no file missing.safetensors"),
    ],
)
def test_refusals(folder, capsys, words, said):
    with pytest.raises(SystemExit) as stop:
        main(["compare", str(folder / "free.npy"), str(folder / "hmc.nc"), "--independent", *words])
    assert stop.value.code == 2
    assert said in capsys.readouterr().err
