"""All commands with their help, as one Markdown page for the documentation."""

from __future__ import annotations

import argparse
import os

from core.cli import make_parser


def markdown() -> str:
    """The page: the help of ``stoqlab`` and of each of its commands and their commands, as the terminal shows it."""
    os.environ["COLUMNS"] = "110"
    parts = [
        "# Command line",
        "Every command prints its results to stdout and warnings to stderr; `--json` prints one JSON object. "
        "Exit status 0: done; 1: the computation failed; 2: a wrong argument; 130: interrupted.",
    ]
    _describe(make_parser(), parts, 2)
    return "\n\n".join(parts) + "\n"


def _describe(parser: argparse.ArgumentParser, parts: list[str], depth: int) -> None:
    parts += [f"{'#' * depth} {parser.prog}", f"```text\n{parser.format_help().rstrip()}\n```"]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                _describe(command, parts, min(depth + 1, 4))
