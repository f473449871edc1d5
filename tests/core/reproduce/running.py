"""Scripts and command lines, run as a person runs them, and the numbers that they print."""

import io
import os
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

ROOT = Path(__file__).parents[3]


def run_script(script: str, cwd: Path) -> str:
    """What a script prints in a process of its own."""
    (cwd / "script.py").write_text(script, encoding="utf-8")
    return _run([sys.executable, "script.py"], cwd)


def run_command(command: str, cwd: Path) -> str:
    """What the last line of a command line prints; all of them are run by a shell."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return _run(["sh", "-e", "-c", command], cwd, PATH=path)


def run_here(script: str) -> str:
    """What a script prints, without the time that a process takes to start."""
    out = io.StringIO()
    with redirect_stdout(out):
        exec(compile(script, "script.py", "exec"), {"__name__": "__main__"})
    return out.getvalue()


def table(text: str) -> list[list[float]]:
    """The lines that hold numbers alone."""
    rows = []
    for line in text.splitlines():
        try:
            rows.append([float(word) for word in line.split()])
        except ValueError:
            continue
    return [row for row in rows if row]


def named(text: str) -> dict[str, list[float]]:
    """The lines that begin with a word and go on with numbers."""
    found = {}
    for line in text.splitlines():
        name, *numbers = line.split()
        try:
            found[name] = [float(number) for number in numbers]
        except ValueError:
            continue
    return found


def _run(command: list[str], cwd: Path, **environment: str) -> str:
    own = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | environment
    done = subprocess.run(command, cwd=cwd, env=own, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout
