"""The library: where it is, what it lists, and that a lost or broken index loses nothing."""

import json

import pytest

from core.ensembles.library import INDEX, Library
from core.ensembles.make import make_ensemble
from core.ensembles.request import EnsembleRequest
from core.theories.phi4 import Phi4


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    path = tmp_path_factory.mktemp("made") / "F.nc"
    request = EnsembleRequest(Phi4((6, 4), 0.25, 0.1), "hmc", 12, 3, 5, 2, {"step_size": 0.1, "n_steps": 4}, seed=8)
    make_ensemble(request, path)
    return path


@pytest.fixture
def library(tmp_path, monkeypatch):
    monkeypatch.setenv("STOQLAB_HOME", str(tmp_path))
    return Library()


def test_the_environment_names_the_folder(tmp_path, library, made):
    assert library.folder == tmp_path / "ensembles"
    assert library.list() == []
    assert not library.folder.exists()
    library.save("κ = 0.25", made)
    assert (tmp_path / "ensembles" / "κ = 0.25.nc").read_bytes() == made.read_bytes()


def test_without_it_the_user_s_data_folder(monkeypatch):
    monkeypatch.delenv("STOQLAB_HOME", raising=False)
    assert Library().folder.parts[-2:] == ("stoqlab", "ensembles")


def test_an_entry_says_what_the_file_says(library, made):
    entry = library.save("a", made)
    assert library.list() == [entry]
    assert (entry.theory, entry.shape, entry.kappa, entry.lam) == ("phi4", (6, 4), 0.25, 0.1)
    assert (entry.sampler, entry.chains, entry.draws, entry.n_configs, entry.seed) == ("hmc", 3, 4, 12, 8)
    assert entry.path == library.path("a")
    assert entry.bytes == made.stat().st_size


def test_files_made_in_the_library_are_listed_and_removed_ones_are_not(library, made):
    library.save("a", made)
    request = EnsembleRequest(Phi4((6, 4), 0.25, 0.1), "hmc", 6, 3, 5, 2, {"step_size": 0.1, "n_steps": 4})
    make_ensemble(request, library.path("b"))
    assert [e.name for e in library.list()] == ["b", "a"]  # the latest first
    library.remove("a")
    assert [e.name for e in library.list()] == ["b"]
    with pytest.raises(FileNotFoundError, match="no ensemble 'a'"):
        library.remove("a")
    with pytest.raises(KeyError):
        library["a"]


@pytest.mark.parametrize(
    "text", [None, "", "{", "[]", "null", '{"format": 1}', '{"format": 1, "ensembles": [{}]}', '{"format": 9}']
)
def test_the_index_is_made_again(library, made, text):
    before = library.save("a", made)
    index = library.folder / INDEX
    index.unlink() if text is None else index.write_text(text)
    assert library.list() == [before]
    assert json.loads(index.read_text())["ensembles"][0]["name"] == "a"


def test_the_index_spares_opening_the_files(library, made, monkeypatch):
    library.save("a", made)
    opened = []
    from core.ensembles import library as module

    look = module._look
    monkeypatch.setattr(module, "_look", lambda *a: opened.append(a) or look(*a))
    library.list()
    assert opened == []
    library.path("a").write_bytes(made.read_bytes() + b" ")  # another file of that name
    library.list()
    assert len(opened) == 1


def test_a_damaged_file_is_listed_with_its_problem(library, made):
    library.save("a", made)
    library.path("b").write_text("nothing")
    entries = {e.name: e for e in library.list()}
    assert entries["a"].problem == ""
    assert "not an ensemble in NetCDF" in entries["b"].problem
    library.remove("b")
    assert [e.name for e in library.list()] == ["a"]


def test_names_that_are_taken(library, made):
    library.save("a", made)
    with pytest.raises(FileExistsError):
        library.save("a", made)
    library.save("a", made, force=True)


@pytest.mark.parametrize(
    "name", ["", " a", ".a", "a/b", "../a", "a\\b", "a\0", "a\n", "a.", "a ", "con", "NUL.x", "x" * 121, 7]
)
def test_names_that_are_not_safe(library, name):
    with pytest.raises(ValueError, match="name must"):
        library.path(name)


def test_only_ensembles_are_saved(library, tmp_path):
    (tmp_path / "x.nc").write_text("")
    with pytest.raises(ValueError, match="not an ensemble"):
        library.save("x", tmp_path / "x.nc")
    assert library.list() == []
