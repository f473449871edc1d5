"""The trash: what was deleted comes back whole, nothing is overwritten, and it does not grow without end."""

import os
import time

import pytest

from core import trash
from core.shelf import Shelf, safe_name
from core.trash import Trash


class Notes(Shelf):
    suffix, what = ".txt", "note"


@pytest.fixture
def notes(tmp_path):
    shelf = Notes(tmp_path)
    shelf.path("a").write_text("first")
    return shelf


def test_there_and_back(notes):
    key = notes.remove("a")
    assert notes.files() == []
    (gone,) = Notes(notes.folder).deleted()  # as after a restart
    assert (gone.key, gone.name, gone.bytes) == (key, "a.txt", 5)
    assert notes.restore(key) == notes.path("a")
    assert notes.path("a").read_text() == "first"
    assert notes.deleted() == []
    with pytest.raises(KeyError):
        notes.restore(key)


def test_what_has_its_name_by_now_stays(notes):
    key = notes.remove("a")
    notes.path("a").write_text("second")
    assert notes.restore(key).name == "a (2).txt"
    assert notes.path("a").read_text() == "second"
    assert notes.path("a (2)").read_text() == "first"


@pytest.mark.parametrize("again", [False, True])
def test_a_kill_on_the_way_back_leaves_one_file(notes, monkeypatch, again):
    key = notes.remove("a")

    class Killed(BaseException):
        pass

    def killed(self, **_):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(trash.Path, "unlink", killed)  # both names point to the file then
        with pytest.raises(Killed):
            notes.restore(key)
    if again:
        assert notes.restore(key) == notes.path("a")
    assert notes.deleted() == []
    assert [path.name for path in notes.files()] == ["a.txt"]
    assert notes.path("a").read_text() == "first"


def test_a_kill_on_the_way_there_leaves_the_file(notes, monkeypatch):
    class Killed(BaseException):
        pass

    def killed(self, target):
        if target.name == "a.txt":
            raise Killed
        return rename(self, target)

    rename = trash.Path.replace
    with monkeypatch.context() as patch:
        patch.setattr(trash.Path, "replace", killed)
        with pytest.raises(Killed):
            notes.remove("a")
    assert notes.path("a").read_text() == "first"
    assert notes.deleted() == []
    (place,) = (notes.folder / trash.FOLDER).iterdir()
    os.utime(place, (0, 0))
    Trash(notes.folder).tidy()
    assert list((notes.folder / trash.FOLDER).iterdir()) == []


def test_the_oldest_and_the_old_go_for_good(notes, monkeypatch):
    for number in range(25):
        notes.path(f"n{number}").write_text("x")
        notes.remove(f"n{number}")
    assert [one.name for one in notes.deleted()] == [f"n{number}.txt" for number in range(24, 4, -1)]
    later = time.time() + 31 * 86400
    monkeypatch.setattr(trash.time, "time", lambda: later)
    Trash(notes.folder).tidy()
    assert notes.deleted() == []


@pytest.mark.parametrize("key", ["", "..", "../..", "/etc", "0" * 16 + "-" + "0" * 8, "a/b"])
def test_keys_from_elsewhere_lead_nowhere(notes, key):
    with pytest.raises(KeyError):
        notes.restore(key)


def test_a_trash_that_was_tampered_with_gives_nothing_outside(notes, tmp_path):
    key = notes.remove("a")
    place = notes.folder / trash.FOLDER / key
    notes.path("b").write_text("not in the trash")
    (place / "about.json").write_text('{"name": "../../b.txt", "deleted": 1}')
    with pytest.raises(KeyError):
        notes.restore(key)
    assert notes.deleted() == []


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ("F.nc", "F"), ("../../etc/passwd", "passwd"), ("C:\\temp\\κ = 0.27.npy", "κ = 0.27"), ("", "imported"),
        (".nc", "nc"), ("...", "imported"), ("con.nc", "file con"), ("a<script>.nc", "a_script_"),
        ("x" * 300 + ".nc", "x" * 100), ("-rf.nc", "rf"), ("a\x00b\n.nc", "a_b_"), ("φ" * 200 + ".nc", "φ" * 70),
    ],
)  # fmt: skip
def test_names_from_elsewhere_are_made_safe(tmp_path, given, made):
    assert safe_name(given) == made
    assert Notes(tmp_path).path(safe_name(given)).parent == tmp_path


def test_newcomers_never_overwrite(notes):
    with notes.newcomer("a") as new:
        new.temporary.write_text("second")
    assert new.path == notes.path("a (2)")
    assert notes.path("a").read_text() == "first"


def test_a_newcomer_that_fails_leaves_nothing(notes):
    def fail():
        with notes.newcomer("b") as new:
            new.temporary.write_text("half")
            raise OSError

    with pytest.raises(OSError):  # noqa: PT011
        fail()
    assert sorted(path.name for path in notes.folder.iterdir()) == ["a.txt"]


def test_what_a_killed_process_left_behind_goes_with_the_next_newcomer(notes):
    names = [f".{'0a' * 16}.tmp", f".{'0b' * 16}.tmp", f".a.txt.{'0c' * 16}.tmp", f"{'0d' * 16}.tmp"]
    for name in names:
        (notes.folder / name).write_text("half")
        os.utime(notes.folder / name, (0, 0))
    os.utime(notes.folder / names[1])  # is being written
    with notes.newcomer("b") as new:
        new.temporary.write_text("whole")
    assert sorted(path.name for path in notes.folder.iterdir()) == sorted([*names[1:], "a.txt", "b.txt"])
