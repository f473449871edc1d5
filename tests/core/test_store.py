import os
import signal
import subprocess
import sys
import time

import pytest

from core.store import atomic_path


def test_a_file_appears_only_when_it_is_whole(tmp_path):
    path = tmp_path / "new" / "file.txt"
    with atomic_path(path) as temporary:
        assert temporary.parent == path.parent
        temporary.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


def test_an_existing_file_is_kept_unless_forced(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(FileExistsError, match="exists already"), atomic_path(path):
        pytest.fail("must not get here")
    assert path.read_text() == "old"
    with path.open() as reader:
        with atomic_path(path, force=True) as temporary:
            temporary.write_text("new")
        assert reader.read() == "old"  # replaced, not written over
    assert path.read_text() == "new"


def test_a_file_that_appears_meanwhile_is_kept(tmp_path):
    path = tmp_path / "file.txt"

    def write():
        with atomic_path(path) as temporary:
            temporary.write_text("mine")
            path.write_text("theirs")

    with pytest.raises(FileExistsError):
        write()
    assert path.read_text() == "theirs"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_leaves_no_trace(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")

    def write():
        with atomic_path(path, force=True) as temporary:
            temporary.write_text("half")
            raise RuntimeError("broke")

    with pytest.raises(RuntimeError, match="broke"):
        write()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(IsADirectoryError, match="is a folder"), atomic_path(tmp_path, force=True):
        pass


def test_the_file_has_the_usual_permissions(tmp_path):
    plain, ours = tmp_path / "plain", tmp_path / "ours"
    plain.write_text("")
    with atomic_path(ours) as temporary:
        temporary.write_text("")
    assert ours.stat().st_mode == plain.stat().st_mode


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_writer_that_is_killed_leaves_the_old_file(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    code = (
        "import sys, time\n"
        "from core.store import atomic_path\n"
        "with atomic_path(sys.argv[1], force=True) as temporary:\n"
        "    with temporary.open('w') as file:\n"
        "        while True:\n"
        "            file.write('half' * 1000)\n"
        "            file.flush()\n"
        "            time.sleep(0.001)\n"
    )
    writer = subprocess.Popen([sys.executable, "-c", code, str(path)])
    try:
        deadline = time.monotonic() + 30
        while not any(p.stat().st_size for p in tmp_path.glob(".*.tmp")):
            assert writer.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait()
    assert path.read_text() == "old"
