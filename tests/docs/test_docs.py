"""The documentation is built without a warning and read without a network."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import core
from core.cli import make_parser

ROOT = Path(__file__).parents[2]
LOADED = re.compile(r"<(?:script|img|link|iframe|source)\b[^>]*?\b(?:src|href)=[\"'](\w+:|//)[^\"']*", re.IGNORECASE)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    out = tmp_path_factory.mktemp("docs")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", str(ROOT / "docs"), str(out)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out


def test_no_page_loads_anything_from_elsewhere(site):
    pages = list(site.rglob("*.html"))
    assert {"index.html", "physics.html", "api.html", "command_line.html", "deployment.html"} <= {p.name for p in pages}
    for page in pages:
        assert not LOADED.search(page.read_text(encoding="utf-8")), page.name
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?(?:https?:)?//", sheet.read_text(encoding="utf-8")), sheet.name


def test_every_public_name_and_every_command_is_described(site):
    api, commands = ((site / name).read_text(encoding="utf-8") for name in ("api.html", "command_line.html"))
    for name in core.__all__:
        assert re.search(rf'id="core\.{name}"', api), name
    for name in next(a.choices for a in make_parser()._actions if isinstance(a.choices, dict)):
        assert f"stoqlab {name}" in commands, name


def test_formulas_are_drawn_by_the_browser_itself(site):
    text = (site / "physics.html").read_text(encoding="utf-8")
    assert text.count("<math") > 30
    assert "$" not in re.sub(r"<(script|style)\b.*?</\1>", "", text, flags=re.DOTALL)
