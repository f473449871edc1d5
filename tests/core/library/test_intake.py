"""Files from outside: what is taken is what it says it is; everything else is refused with a sentence."""

import io
import json
import shutil

import h5py
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from core.diffusion.field_model import MODELS, FieldModel
from core.diffusion.model_library import ModelLibrary
from core.ensembles.files import open_ensemble
from core.ensembles.library import Library
from core.ensembles.make import make_ensemble
from core.ensembles.request import EnsembleRequest
from core.library.apart import import_apart
from core.library.arrays import ArrayLibrary
from core.library.intake import import_file
from core.theories.phi4 import Phi4

MODEL = MODELS / "phi4_L32_k0.21.safetensors"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("STOQLAB_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    path = tmp_path_factory.mktemp("made") / "F.nc"
    request = EnsembleRequest(Phi4((6, 4), 0.25, 0.1), "hmc", 12, 3, 5, 2, {"step_size": 0.1, "n_steps": 4}, seed=8)
    make_ensemble(request, path)
    return path


@pytest.fixture
def copy(made, tmp_path):
    return shutil.copyfile(made, tmp_path / "copy.nc")


@pytest.fixture
def fields(tmp_path):
    def write(array, name="fields.npy"):
        np.save(tmp_path / name, array)
        return tmp_path / name

    return write


NORMAL = np.random.default_rng(1).normal(size=(30, 4, 6))


def nothing_came_in(home):
    return not [path for path in home.rglob("*") if path.is_file() and path.name != "index.json"]


def test_an_ensemble_is_taken_as_it_is(made, home):
    taken = import_file(made, "../../κ <b> .nc")
    assert taken.name == "κ _b_"
    assert Library().path(taken.name).read_bytes() == made.read_bytes()
    assert import_file(made, "../../κ <b> .nc").name == "κ _b_ (2)"
    assert {path.parent for path in home.rglob("*.nc")} == {home / "ensembles"}


def test_raw_fields_with_couplings_become_an_ensemble(fields):
    path = fields(NORMAL)
    taken = import_file(path, kappa=0.2, lam=0.05)
    entry = Library()[taken.name]
    assert (entry.kappa, entry.lam, entry.shape, entry.n_configs) == (0.2, 0.05, (4, 6), 30)
    assert entry.abs_m[0] == pytest.approx(np.abs(NORMAL.mean((1, 2))).mean(), rel=1e-6)
    with open_ensemble(entry.path) as reader:
        np.testing.assert_array_equal(next(reader.blocks())[0], NORMAL.astype(np.float32))
        assert reader.scalars()["action"].shape == (1, 30)
        assert not reader.independent
        assert "fields.npy" in reader.attributes["notes"][0]
    again = import_file(entry.path, "again.nc")  # what was made of them passes the check of ensembles
    with open_ensemble(Library().path(again.name)) as reader:
        assert reader.configs == 30
    with open_ensemble(Library().path(import_file(path, kappa=0.2, lam=0.05, independent=True).name)) as reader:
        assert reader.independent


def test_raw_fields_without_couplings_stay_an_array(fields):
    taken = import_file(fields(NORMAL.astype(np.int16)))
    (entry,) = ArrayLibrary().list()
    assert (taken.kind, entry.name, entry.configs, entry.shape) == ("array", "fields", 30, (4, 6))
    np.testing.assert_array_equal(np.load(entry.path), NORMAL.astype(np.int16))


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (np.array([{"a": 1}], dtype=object), "not a NumPy array of numbers"),
        (NORMAL + 1j, "real numbers"),
        (np.where(NORMAL[3, 1, 1] == NORMAL, np.nan, NORMAL), "configuration 3 holds numbers that are not finite"),
        (np.full((2, 4, 4), np.inf), "not finite"),
        (np.zeros((0, 4, 4)), "shape"),
        (np.zeros(5), "shape"),
        (np.zeros((2, 1, 4)), "shape"),
        (np.zeros((2, 5000, 2)), "shape"),
    ],
)
def test_other_arrays_are_refused(fields, home, array, sentence):
    path = fields(array)
    for options in ({}, {"kappa": 0.2, "lam": 0.02}):
        with pytest.raises(ValueError, match=sentence):
            import_file(path, **options)
    assert nothing_came_in(home)


def test_pickles_and_cut_arrays_are_refused(tmp_path, fields, home):
    whole = fields(NORMAL).read_bytes()
    for number, data in enumerate((whole[:-8], whole[:20], b"", b"\x80\x04K\x01.", b"PK\x03\x04" + whole)):
        path = tmp_path / f"bad{number}.npy"
        path.write_bytes(data)
        with pytest.raises(ValueError, match="was not taken"):
            import_file(path)
    np.savez(tmp_path / "many.npz", a=NORMAL)
    with pytest.raises(ValueError, match="was not taken"):
        import_file(tmp_path / "many.npz", "many.npy")
    assert nothing_came_in(home)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"kappa": 0.2}, "both"), ({"kappa": 0.2, "lam": -1.0}, "lam"), ({"kappa": np.nan, "lam": 0.1}, "κ must be"),
        ({"name": "../x"}, "name must begin"), ({"largest": 100}, "files of up to 100 B"),
        ({"file_name": "fields.h5"}, "the library takes"), ({"file_name": "fields.npy.exe"}, "the library takes"),
    ],
)  # fmt: skip
def test_wrong_statements_are_refused(fields, home, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        import_file(fields(NORMAL), **options)
    assert nothing_came_in(home)


def change(path, what):
    with h5py.File(path, "r+") as file:
        what(file)


def _field(file):
    return file["field"]


def _nan(file):
    _field(file)[1, 2, 0, 0] = np.nan


def _other_fields(file):
    _field(file)[2] += 0.5


def _lie(file):
    file["phi_squared"][0, 0] += 1


def _mark(file):
    file.attrs["stoqlab_ensemble"] = 7


def _plan(file):
    plan = json.loads(file.attrs["plan"])
    plan["theory"]["shape"] = [6, 10**9]
    file.attrs["plan"] = json.dumps(plan)


def _no_field(file):
    del file["field"]


def _no_attribute(file):
    del file.attrs["acceptance"]


def _guest(file):
    file["guest"] = np.zeros(3)


def _link(file):
    del file["field"]
    file["field"] = h5py.ExternalLink("/etc/hosts", "/x")


def _elsewhere(file):
    del file["field"]
    file.create_dataset("field", (3, 4, 6, 4), "<f4", external=[("/etc/hosts", 0, 3 * 4 * 24 * 4)])


def _bomb(file):
    del file["field"]
    file.create_dataset("field", (3, 10**7, 6, 4), "<f4", chunks=(1, 1000, 6, 4), compression="gzip")


def _double(file):
    values = file["field"][...]
    del file["field"]
    file["field"] = values.astype("<f8")


def _long(file):
    for number in range(100):
        file.attrs[f"a{number}"] = "x" * 1000


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        (_nan, "chain 1 holds numbers that are not finite"), (_other_fields, "does not belong to its fields"),
        (_lie, "phi_squared does not belong"), (_mark, "format 7"), (_plan, "shape"), (_no_field, "no 'field'"),
        (_no_attribute, "lacks something: 'acceptance'"), (_guest, "'guest', which no"), (_link, "no ensemble"),
        (_elsewhere, "not stored plainly"), (_bomb, "not stored plainly"), (_double, "must be float32"),
        (_long, "attributes"),
    ],
)  # fmt: skip
def test_other_files_in_netcdf_are_refused(copy, home, what, sentence):
    change(copy, what)
    with pytest.raises(ValueError, match=sentence) as refused:
        import_file(copy)
    assert str(home) not in str(refused.value)
    assert nothing_came_in(home)


def test_cut_and_foreign_files_are_refused(made, tmp_path, home):
    whole = made.read_bytes()
    for number, data in enumerate((whole[: len(whole) // 2], whole[:100], b"", b"CDF\x01" + bytes(200))):
        path = tmp_path / f"bad{number}.nc"
        path.write_bytes(data)
        with pytest.raises(ValueError, match="was not taken"):
            import_file(path)
    assert nothing_came_in(home)


def test_a_model_comes_in_for_use(home, tmp_path):
    taken = import_file(MODEL, "best.safetensors")
    model = FieldModel.load(ModelLibrary().path("best"))
    assert taken.kind == "model"
    assert model.digest == FieldModel.load(MODEL).digest
    assert model.record.history == FieldModel.load(MODEL).record.history


def headed(path, change_header, change_tensors=lambda tensors: None):
    """A copy of the model with another header."""
    from safetensors import safe_open

    with safe_open(MODEL, framework="np") as file:
        header = json.loads(file.metadata()["stoqlab.score"])
    tensors = load_file(MODEL)
    change_header(header)
    change_tensors(tensors)
    save_file(tensors, path, metadata={"stoqlab.score": json.dumps(header)})
    return path


def test_the_state_of_a_training_and_the_paths_of_its_files_stay_outside(tmp_path):
    def carry(header):
        header["trainer"] = {"steps": 10**9, "ended": "", "source": None}
        header["training"]["source"] = {"kind": "files", "files": ["/etc/passwd", "C:\\x\\F.nc"], "arrays": None}

    path = headed(tmp_path / "m.safetensors", carry, lambda t: t.update({"training.weight.x": np.zeros(3, np.float32)}))
    import_file(path)
    assert ModelLibrary().unfinished() == {}
    model = FieldModel.load(ModelLibrary().path("m"))
    assert model.record.source["files"] == ["passwd", "F.nc"]
    assert "training.weight.x" not in load_file(ModelLibrary().path("m"))


def _huge_network(header):
    header["network"]["hidden"] = 10**6


def _huge_lattice(header):
    header["baselines"][0]["event"] = [4000, 4000]


def _wrong_lattice(header):
    header["baselines"][0]["event"] = [30, 30]


def _nan_kappa(header):
    header["baselines"][0]["kappa"] = "nan"


def _no_network(header):
    del header["network"]


def _strange_history(header):
    header["training"]["history"] = [{"step": 1}]


def _long_history(header):
    header["training"]["history"] = [header["training"]["history"][0] | {"loss": [1.0]}]


def _strange_levels(header):
    header["training"]["sigma_min"], header["training"]["sigma_max"] = 5, 1


def _text_data(header):
    header["training"]["data"] = ["x"]


def _kind(header):
    header["kind"] = "toy"


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        (_huge_network, "hidden of its network must be from 1 to"), (_huge_lattice, "at most"),
        (_wrong_lattice, "another shape than its lattice"), (_nan_kappa, "kappa of a baseline"),
        (_no_network, "not a complete field model"), (_strange_history, "not a complete field model"),
        (_long_history, "different lengths"), (_strange_levels, "must rise"), (_text_data, "must be a text"),
        (_kind, "toy target"),
    ],
)  # fmt: skip
def test_other_models_are_refused(tmp_path, home, what, sentence):
    path = headed(tmp_path / "m.safetensors", what)
    with pytest.raises(ValueError, match=sentence):
        import_file(path)
    assert nothing_came_in(home)


def test_broken_weights_are_refused(tmp_path, home):
    def spoil(tensors):
        name = next(name for name in tensors if name.startswith("network."))
        tensors[name] = np.full_like(tensors[name], np.nan)

    with pytest.raises(ValueError, match="not finite"):
        import_file(headed(tmp_path / "m.safetensors", lambda header: None, spoil))
    whole = MODEL.read_bytes()
    for number, data in enumerate((whole[: len(whole) // 2], whole[:6], (2**60).to_bytes(8, "little") + b"{}")):
        path = tmp_path / f"bad{number}.safetensors"
        path.write_bytes(data)
        with pytest.raises(ValueError, match="was not taken"):
            import_file(path)
    buffer = io.BytesIO()
    np.save(buffer, NORMAL)
    (tmp_path / "array.safetensors").write_bytes(buffer.getvalue())
    with pytest.raises(ValueError, match="was not taken"):
        import_file(tmp_path / "array.safetensors")
    assert nothing_came_in(home)


def test_a_process_that_dies_of_a_file_is_a_refusal(made, monkeypatch):
    from core.library import apart

    assert import_apart(made, file_name="there.nc").name == "there"
    with pytest.raises(ValueError, match="the library takes"):
        import_apart(made, file_name="there.exe")
    monkeypatch.setattr(apart.sys, "executable", "/bin/false")
    with pytest.raises(ValueError, match="cannot be read; it may be damaged"):
        import_apart(made)


def test_the_other_process_finds_what_is_relative_to_the_present_folder(made, tmp_path, monkeypatch):
    shutil.copyfile(made, tmp_path / "here.nc")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STOQLAB_HOME", "data")
    taken = import_apart("here.nc")
    assert (tmp_path / "data" / "ensembles" / f"{taken.name}.nc").is_file()
