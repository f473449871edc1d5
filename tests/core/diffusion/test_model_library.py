import os

import pytest

from core.diffusion.model_library import ModelLibrary


def write(library, name, time):
    library.folder.mkdir(exist_ok=True)
    path = library.path(name)
    path.write_bytes(name.encode())
    os.utime(path, (time, time))
    return path


def test_the_folder_is_beside_the_ensembles(monkeypatch, tmp_path):
    monkeypatch.setenv("STOQLAB_HOME", str(tmp_path))
    assert ModelLibrary().folder == tmp_path / "models"
    assert ModelLibrary().list() == []
    assert not (tmp_path / "models").exists()


def test_models_are_listed_the_latest_first_without_hidden_files(tmp_path):
    library = ModelLibrary(tmp_path / "models")
    old, new = write(library, "old", 1000), write(library, "κ=0.2-0.3 L=16", 2000)
    (library.folder / ".unfinished.safetensors").write_bytes(b"")
    (library.folder / "notes.txt").write_bytes(b"")
    assert library.list() == [new, old]


def test_a_free_name_has_a_number(tmp_path):
    library = ModelLibrary(tmp_path)
    assert library.free_name("a") == "a"
    write(library, "a", 1)
    assert library.free_name("a") == "a (2)"
    write(library, "a (2)", 1)
    assert library.free_name("a") == "a (3)"


def test_a_file_is_saved_once_unless_forced(tmp_path):
    library = ModelLibrary(tmp_path / "models")
    source = tmp_path / "x"
    source.write_bytes(b"1")
    path = library.save("a", source)
    source.write_bytes(b"2")
    with pytest.raises(FileExistsError, match="exists already"):
        library.save("a", source)
    assert path.read_bytes() == b"1"
    assert library.save("a", source, force=True).read_bytes() == b"2"
    library.remove("a")
    assert library.list() == []
    with pytest.raises(FileNotFoundError, match="no model 'a'"):
        library.remove("a")


@pytest.mark.parametrize("name", ["", "../a", "a/b", ".hidden", "a.", "con", "x" * 121])
def test_unsafe_names_are_refused(tmp_path, name):
    with pytest.raises(ValueError, match="name must"):
        ModelLibrary(tmp_path).path(name)
