"""Generated ensembles on disk: round trip, the library, measuring and comparing, and what is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
import xarray as xr

from core.cli import main
from core.ensembles.command import made_by
from core.ensembles.files import open_ensemble
from core.ensembles.generated import Origin, require_room, write_generated
from core.ensembles.library import Library
from core.schedule import Tabulated
from core.schedule_record import describe_schedule, schedule_of
from core.statistics.measure import measure
from core.theories.phi4 import Phi4
from tests.core.statistics.synthetic import autoregressive, free_fields

THEORY = Phi4((6, 4), 0.2, 0.0)
DRAWN = Tabulated((0.0, 0.5, 1.0), (0.5, 3.0, 20.0))
ORIGIN = Origin(
    "net", "0123456789abcdef", "learned", "fitted", describe_schedule(DRAWN), "exponential", "karras", 30, 30.0,
    "matched", {"kind": "none"}, float("nan"), 0.8, {"level": "green", "paths": 64}, 7, 1.5, ["Mind this."], ["Known."],
)  # fmt: skip
CHAINS = replace(ORIGIN, correction={"kind": "path", "chains": 4}, acceptance=0.7)
FIELDS = torch.from_numpy(free_fields(THEORY, 400, 3)).float()


@pytest.fixture
def drawn(tmp_path):
    write_generated(tmp_path / "G.nc", THEORY, FIELDS[None], ORIGIN)
    return tmp_path / "G.nc"


def test_independent_draws_come_back_with_their_origin(drawn):
    with open_ensemble(drawn) as reader:
        assert (reader.plan, reader.theory, reader.independent) == (None, THEORY, True)
        assert (reader.stored, reader.chains, reader.draws) == ((1, 400), 1, 400)
        np.testing.assert_array_equal(np.concatenate(list(reader.blocks(64)), axis=1)[0], FIELDS)
        origin = Origin.of(reader)
        assert origin is not None
        assert np.isnan(origin.acceptance)
        assert replace(origin, acceptance=0.0) == replace(ORIGIN, acceptance=0.0)
        assert schedule_of(origin.schedule) == DRAWN
        assert "net (0123456789abcdef)" in origin.sentence()
        assert reader.caveats == (["Mind this."], ["Known."])
        scalars = reader.scalars()
    assert list(scalars) == ["magnetisation", "phi_squared", "action", "acceptance"]
    x = FIELDS.double()
    np.testing.assert_allclose(scalars["magnetisation"][0], x.mean((1, 2)), atol=1e-14)
    np.testing.assert_allclose(scalars["phi_squared"][0], x.square().mean((1, 2)), atol=1e-14)
    np.testing.assert_allclose(scalars["action"][0], THEORY.action(FIELDS) / 24, rtol=1e-12)
    assert np.isnan(scalars["acceptance"]).all()
    with xr.open_dataset(drawn, engine="h5netcdf") as data:
        assert data["field"].dims == ("chain", "draw", "x", "y")
        assert {"algorithm", "digest", "solver", "steps", "seed", "versions"} <= set(data.attrs)
        assert data.attrs["algorithm"] == "diffusion"


def test_chains_keep_weights_decisions_and_autocorrelation(tmp_path):
    """Chains of AR(1) fields with a = 0.8: τ_int of |M| is told in the file and found by measuring it."""
    series = autoregressive(0.8, 4, 4000, 1)
    fields = torch.from_numpy(np.broadcast_to(series[..., None, None], (4, 4000, 6, 4)).copy()).float()
    accepted, weights = series > 0, series - 3
    path = tmp_path / "C.nc"
    write_generated(path, THEORY, fields, CHAINS, accepted, weights, -weights)
    with open_ensemble(path) as reader:
        assert (reader.independent, reader.stored) == (False, (4, 4000))
        found = reader.scalars()
        measured = measure(reader.theory, reader.blocks(), reader.independent)
        assert reader.attributes["tau_int"] == pytest.approx(measured.observables["abs_m"].tau_int, rel=1e-9)
    np.testing.assert_array_equal(found["acceptance"], accepted)
    np.testing.assert_array_equal(found["log_weight"], weights)
    np.testing.assert_array_equal(found["log_likelihood"], -weights)
    tau = measured.observables["m"]
    assert abs(tau.tau_int - 4.5) < 4.5 * tau.tau_int_error  # ½ (1 + a)/(1 - a)


def test_nothing_is_overwritten_or_left_half_written(drawn):
    before = drawn.read_bytes()
    with pytest.raises(FileExistsError, match="exists already"):
        write_generated(drawn, THEORY, FIELDS[None, :5], ORIGIN)
    assert drawn.read_bytes() == before
    write_generated(drawn, THEORY, FIELDS[None, :5], ORIGIN, force=True)
    with open_ensemble(drawn) as reader:
        assert reader.configs == 5
    with pytest.raises(TypeError):  # a schedule that JSON cannot hold fails in the middle of the writing
        write_generated(drawn, THEORY, FIELDS[None], replace(ORIGIN, schedule={"f": len}), force=True)
    with open_ensemble(drawn) as reader:
        assert reader.configs == 5
    assert [p.name for p in drawn.parent.iterdir()] == ["G.nc"]
    with pytest.raises(IsADirectoryError):
        write_generated(drawn.parent, THEORY, FIELDS[None], ORIGIN)


def test_shapes_that_do_not_fit(tmp_path):
    with pytest.raises(ValueError, match=r"configurations must have the shape \(chains, draws"):
        write_generated(tmp_path / "G.nc", THEORY, FIELDS, ORIGIN)
    with pytest.raises(ValueError, match=r"log_weight must have one value a configuration, shape \(1, 400\)"):
        write_generated(tmp_path / "G.nc", THEORY, FIELDS[None], ORIGIN, log_weight=np.zeros(400))
    assert not list(tmp_path.iterdir())


def test_the_library_lists_it(drawn, tmp_path):
    library = Library(tmp_path / "library")
    entry = library.save("generated", drawn)
    assert (entry.sampler, entry.chains, entry.draws, entry.planned, entry.seed) == ("diffusion", 1, 400, 400, 7)
    assert (entry.problem, entry.warnings, entry.acceptance, entry.shape) == ("", ("Mind this.",), None, (6, 4))
    assert entry.abs_m is not None
    value, error = entry.abs_m
    assert error is not None
    m = FIELDS.double().mean((1, 2)).abs().numpy()
    assert (value, error) == pytest.approx((m.mean(), m.std(ddof=1) / 20))
    assert library.list() == [entry]


def test_measure_and_compare_read_it(drawn, tmp_path, capsys):
    assert main(["measure", str(drawn), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["independent"], report["n_configs"]) == (True, 400)
    assert "Mind this." in report["warnings"]
    assert "Known." in report["notes"]
    other = tmp_path / "H.nc"
    write_generated(other, THEORY, torch.from_numpy(free_fields(THEORY, 300, 4)).float()[None], ORIGIN)
    assert main(["compare", str(drawn), str(other), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert any("made by diffusion from the seed 7" in sentence for sentence in report["warnings"])
    assert "A: Mind this." in report["warnings"]
    assert all(abs(row["sigma"]) < 4.5 for row in report["observables"].values() if row["sigma"] is not None)


def test_a_damaged_file_says_so(drawn):
    with xr.open_dataset(drawn, engine="h5netcdf") as data:
        without = data.load()
    del without.attrs["independent"]
    without.to_netcdf(drawn, engine="h5netcdf")
    with pytest.raises(ValueError, match=r"is damaged: 'independent'"):
        open_ensemble(drawn)


@pytest.mark.parametrize("n", [1, 3, 7, 12, 100])
def test_configurations_spread_over_the_chains(tmp_path, n):
    fields = torch.arange(12.0).reshape(3, 4, 1, 1).expand(3, 4, 6, 4).contiguous()
    write_generated(tmp_path / "C.nc", THEORY, fields, replace(CHAINS, correction={"kind": "path"}))
    with open_ensemble(tmp_path / "C.nc") as reader:
        taken = reader.spread(n)[:, 0, 0]
    assert len(taken) == len(set(taken)) == min(n, 12)
    if n >= 3:  # every chain, and no chain twice as often as another but for rounding
        counts = np.bincount((taken // 4).astype(int), minlength=3)
        assert np.ptp(counts) <= 1
    with open_ensemble(tmp_path / "C.nc") as reader, pytest.raises(ValueError, match="at least 1, got 0"):
        reader.spread(0)


def test_the_command_line_that_makes_it_again(drawn, tmp_path):
    with open_ensemble(drawn) as reader:
        assert made_by(reader) == ""  # no option for a drawn schedule, nor for a lattice of two extents
    square = Phi4(4, 0.2, 0.01)
    origin = replace(CHAINS, schedule={"name": "ve", "sigma_max": 12.5}, baseline="refitted")
    path = tmp_path / "S.nc"
    write_generated(path, square, torch.zeros(4, 2, 4, 4), origin)
    with open_ensemble(path) as reader:
        assert made_by(reader) == (
            "stoqlab sample net.safetensors --score learned --L 4 --kappa 0.2 --lam 0.01 --baseline refitted "
            "--configs 8 --schedule ve --sigma 12.5 --prior matched --grid karras --steps 30 --correct path --chains 4 "
            "--seed 7 --out S.nc"
        )


def test_what_does_not_fit_on_the_disk_is_told_before_it_is_made(tmp_path):
    require_room(tmp_path / "not yet" / "G.nc", THEORY, 10)
    with pytest.raises(OSError, match=r"10000000000000000 configurations take 960 PB on the disk, .* are free"):
        require_room(tmp_path / "not yet" / "G.nc", THEORY, 10**16)
