"""A script and a command line, with what must be said about them."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from core import __version__

LIBRARIES = ("numpy", "torch", "numba")
"""Those on which the last digits may depend."""


@dataclass(frozen=True)
class Recipe:
    """``script`` is Python, ``command`` for a shell; where one is empty its note says why, else what it does.

    ``settings`` are those that made the picture, by name, for the data files.
    """

    script: str
    command: str = ""
    script_note: str = ""
    command_note: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)


def stamp(title: str) -> str:
    """The comment at the head of a script: what it makes, and with which versions it was written."""
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return f"# {title}\n# StoqLab {__version__}; Python {platform.python_version()}, {libraries}\n"
