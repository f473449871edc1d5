"""Settings of the documentation: ``make docs`` writes it to docs/_build, to be read without a network."""

import re
import sys
from dataclasses import fields
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

import core  # noqa: E402
from core.cli.reference import markdown  # noqa: E402
from core.limits import PREFIX, Limits  # noqa: E402

project, author, release = "StoqLab", "the StoqLab authors", core.__version__
extensions = ["sphinx.ext.autodoc", "sphinx.ext.viewcode", "myst_parser", "mathml"]
exclude_patterns = ["_build", "limits.md"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
default_role = "code"  # what stands in single backticks in a docstring
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "show-inheritance": False}
html_theme = "furo"
html_title = "StoqLab"
html_logo = "../assets/logo.svg"
html_favicon = "../assets/logo.svg"
nitpicky = False


def _write_command_line(_app) -> None:
    """The page on the command line comes from the parsers themselves."""
    (HERE / "command_line.md").write_text(markdown(), encoding="utf-8")


def _write_limits(_app) -> None:
    """The table of limits comes from their definition."""
    rows = [f"| `{PREFIX}{one.name.upper()}` | {one.metadata['what']} | {one.default:,} |" for one in fields(Limits)]
    table = "\n".join(["| variable | what it bounds | default |", "|---|---|---|", *rows])
    (HERE / "limits.md").write_text(table.replace(",", " ") + "\n", encoding="utf-8")


def _as_written(_app, _what, _name, _object, _options, lines: list[str]) -> None:
    """Docstrings say (n, *event) and |M|, which mean nothing special outside of backticks."""
    for i, line in enumerate(lines):
        parts = re.split(r"(``.*?``|`.*?`)", line)
        parts[::2] = [re.sub(r"([*|])", r"\\\1", part) for part in parts[::2]]
        lines[i] = "".join(parts)


def setup(app) -> None:
    app.connect("autodoc-process-docstring", _as_written)
    app.connect("builder-inited", _write_command_line)
    app.connect("builder-inited", _write_limits)
