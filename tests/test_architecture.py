"""The arrows between the parts run one way."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
INTERFACES = {"panel", "panel_material_ui", "bokeh", "holoviews", "dashboard"}


def imported(path: Path) -> set[str]:
    """Full names of all modules that a file imports, also inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


CORE = sorted(ROOT.glob("core/**/*.py"))


@pytest.mark.parametrize("path", CORE, ids=lambda p: str(p.relative_to(ROOT)))
def test_engine_imports_no_interface(path: Path):
    assert not {name.split(".")[0] for name in imported(path)} & INTERFACES


@pytest.mark.parametrize("path", [p for p in CORE if "cli" not in p.parts], ids=lambda p: str(p.relative_to(ROOT)))
def test_nothing_imports_the_command_line(path: Path):
    assert not [name for name in imported(path) if name.startswith("core.cli")]


@pytest.mark.parametrize("package", ["theories", "statistics"])
def test_foundations_do_not_know_the_processes(package: str):
    for path in ROOT.glob(f"core/{package}/*.py"):
        above = [n for n in imported(path) if n.startswith(("core.diffusion", "core.samplers", "core.fokker_planck"))]
        assert not above, f"{path.name} imports {above}"


def test_nothing_is_pickled():
    """Files from elsewhere must not be able to run code."""
    for path in [*CORE, *ROOT.glob("dashboard/**/*.py")]:
        assert not {name.split(".")[0] for name in imported(path)} & {"pickle", "dill", "cloudpickle", "joblib"}, path
        assert "torch.load(" not in path.read_text(), path
