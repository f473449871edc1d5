"""The progress bar of the commands."""

import os
import pty

import pytest

from core.cli import main
from core.cli.progress import progress_bar


def test_without_a_terminal_there_is_nothing_but_the_lines_that_are_asked_for(capfd):
    with progress_bar("sampling") as show:
        show(1, 4, "sampling")
        show(2, 4, "correcting")
    assert capfd.readouterr() == ("", "")
    with progress_bar("k0.27", lines=True) as show:
        show(0, 3, "euler")
        show(1, 3, "euler")
        show(2, 3, "heun")
    assert capfd.readouterr() == ("", "euler (0/3)\nheun (2/3)\n")


def test_in_a_terminal_it_shows_words_count_and_note(monkeypatch):
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr("sys.stderr", terminal)
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", "120")
        with progress_bar("planning") as show:
            show(3, 8, "sampling", note="acceptance 0.81")
            show(5, 8, count="50/80")
    text = os.read(ours, 100_000).decode()
    os.close(ours)
    assert "sampling" in text
    assert "50/80" in text


@pytest.mark.parametrize("name", ["x.txt", "x"])
def test_ensembles_are_written_to_netcdf_alone(name, tmp_path, capsys):
    words = ["ensemble", "phi4", "--L", "4", "--kappa", "0.2", "--lam", "0.02", "--configs", "4"]
    with pytest.raises(SystemExit) as ended:
        main([*words, "--out", str(tmp_path / name)])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert f"--out must name a file that ends in .nc, got {tmp_path / name}" in said
    assert not list(tmp_path.iterdir())
