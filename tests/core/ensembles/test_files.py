"""Ensembles on disk: what is in them, what else can be opened, and clear words about what cannot."""

import numpy as np
import pytest
import torch
import xarray as xr

from core.ensembles.files import open_ensemble
from core.ensembles.make import make_ensemble
from core.ensembles.plan import make_plan
from core.ensembles.request import EnsembleRequest
from core.ensembles.run import generate
from core.theories.phi4 import Phi4

THEORY = Phi4((6, 4), 0.25, 0.1)
REQUEST = EnsembleRequest(THEORY, "hmc", 40, 4, 20, 2, {"step_size": 0.1, "n_steps": 4}, seed=8)


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory):
    path = tmp_path_factory.mktemp("ensemble") / "F.nc"
    make_ensemble(REQUEST, path)
    return path


def test_the_file_holds_the_chains_and_their_origin(ensemble):
    fields = np.concatenate([b.fields for b in generate(make_plan(REQUEST))], axis=1)
    with xr.open_dataset(ensemble, engine="h5netcdf") as data:
        assert data["field"].dims == ("chain", "draw", "x", "y")
        assert data["field"].dtype == np.float32
        np.testing.assert_array_equal(data["field"], fields)
        np.testing.assert_allclose(data["magnetisation"], fields.astype(float).mean((2, 3)), atol=1e-14)
        action = THEORY.action(torch.from_numpy(fields.reshape(-1, 6, 4))).reshape(4, 10) / 24
        np.testing.assert_allclose(data["action"], action, rtol=1e-12)
        expected = {
            "theory": "phi4", "kappa": 0.25, "lam": 0.1, "algorithm": "hmc", "seed": 8, "start": "mixed", "therm": 20,
            "thin": 2, "unit": "trajectory", "protocol": "",
        }  # fmt: skip
        assert {name: data.attrs[name] for name in expected} == expected
        assert list(data.attrs["shape"]) == [6, 4]
        assert data.attrs["acceptance"] == pytest.approx(float(data["acceptance"].mean()))
        for name in ("tau_int", "seconds", "versions", "warnings", "parameters", "plan"):
            assert name in data.attrs


@pytest.mark.parametrize(
    ("extents", "axes"), [((8,), ("x",)), ((4, 4, 6), ("x", "y", "z")), ((2,) * 4, ("x", "y", "z", "t"))]
)
def test_other_dimensions(tmp_path, extents, axes):
    request = EnsembleRequest(Phi4(extents, 0.05, 0.1), "hmc", 12, 3, 2, 1, {"step_size": 0.1, "n_steps": 2})
    make_ensemble(request, tmp_path / "F.nc")
    with xr.open_dataset(tmp_path / "F.nc", engine="h5netcdf") as data:
        assert data["field"].dims == ("chain", "draw", *axes)
        assert data["field"].shape == (3, 4, *extents)


def test_reading_in_blocks(ensemble):
    with open_ensemble(ensemble) as reader:
        assert (reader.chains, reader.draws, reader.configs, reader.independent) == (4, 10, 40, False)
        assert reader.theory == THEORY
        blocks = list(reader.blocks(3))
        assert [b.shape for b in blocks] == [(4, 3, 6, 4)] * 3 + [(4, 1, 6, 4)]
        assert all(b.dtype == np.float32 for b in blocks)
        np.testing.assert_array_equal(np.concatenate(blocks, axis=1), next(reader.blocks()))
        assert reader.attributes["parameters"]["n_steps"] == 4
        with pytest.raises(ValueError, match="size must be at least 1, got 0"):
            next(reader.blocks(0))


def test_one_configuration_a_chain_is_read_as_independent_draws(tmp_path):
    make_ensemble(EnsembleRequest(THEORY, "hmc", 10, protocol="published"), tmp_path / "F.nc")
    with open_ensemble(tmp_path / "F.nc") as reader:
        assert (reader.independent, reader.chains, reader.draws, reader.stored) == (True, 1, 10, (10, 1))
        blocks = list(reader.blocks(4))
        assert [b.shape for b in blocks] == [(1, 4, 6, 4), (1, 4, 6, 4), (1, 2, 6, 4)]
        np.testing.assert_array_equal(np.concatenate(blocks, axis=1)[0], reader.read(0, 10, 0, 1)[:, 0])


def test_plain_arrays(tmp_path):
    x = np.random.default_rng(0).normal(size=(7, 6, 4))
    np.save(tmp_path / "x.npy", x)
    with open_ensemble(tmp_path / "x.npy", THEORY) as reader:
        assert (reader.chains, reader.draws, reader.independent, reader.plan) == (1, 7, False, None)
        np.testing.assert_array_equal(np.concatenate(list(reader.blocks(2)), axis=1)[0], x.astype(np.float32))
        assert reader.scalars() == {}
    with open_ensemble(tmp_path / "x.npy", lambda shape: Phi4(shape, 0.2, 0.1), independent=True) as reader:
        assert reader.independent
        assert reader.theory.event == (6, 4)


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (np.zeros((3, 4, 6)), r"holds fields of shape \(4, 6\), but the theory lives on \(6, 4\)"),
        (np.zeros(5), "must have the shape"),
        (np.zeros((0, 6, 4)), "must have the shape"),
        (np.zeros((3, 6, 4), dtype=complex), "must hold real numbers, got complex128"),
        (np.array(["a", "b"]), "must hold real numbers"),
    ],
    ids=["shape", "flat", "empty", "complex", "text"],
)
def test_arrays_that_are_not_ensembles(tmp_path, array, sentence):
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(ValueError, match=sentence):
        open_ensemble(tmp_path / "x.npy", THEORY)


def test_an_array_needs_its_couplings_and_finite_numbers(tmp_path):
    x = np.ones((3, 6, 4))
    x[1, 2, 3] = np.nan
    np.save(tmp_path / "x.npy", x)
    with pytest.raises(ValueError, match="give its kappa and lambda"):
        open_ensemble(tmp_path / "x.npy")
    with open_ensemble(tmp_path / "x.npy", THEORY) as reader, pytest.raises(ValueError, match="not finite"):
        list(reader.blocks())


@pytest.mark.parametrize("name", ["F.nc", "F.npy"])
def test_a_file_cut_short_anywhere(tmp_path, ensemble, name):
    if name == "F.nc":
        whole = ensemble.read_bytes()
    else:
        np.save(tmp_path / "whole.npy", np.zeros((3, 6, 4)))
        whole = (tmp_path / "whole.npy").read_bytes()
    for length in (0, 1, 60, len(whole) // 2, len(whole) - 1):
        (tmp_path / name).write_bytes(whole[:length])
        with pytest.raises(ValueError, match="damaged or cut short"):
            open_ensemble(tmp_path / name, THEORY)


def test_files_that_are_something_else(tmp_path):
    (tmp_path / "a.nc").write_text("a letter, not a lattice")
    with pytest.raises(ValueError, match="is not an ensemble in NetCDF"):
        open_ensemble(tmp_path / "a.nc")
    xr.Dataset({"t": ("x", [1.0, 2.0])}).to_netcdf(tmp_path / "b.nc", engine="h5netcdf")
    with pytest.raises(ValueError, match="not an ensemble of StoqLab"):
        open_ensemble(tmp_path / "b.nc")
    with pytest.raises(FileNotFoundError, match="there is no file"):
        open_ensemble(tmp_path / "c.nc")
    with pytest.raises(IsADirectoryError, match="is a folder"):
        open_ensemble(tmp_path)
