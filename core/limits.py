"""What one visitor of the dashboard may ask for. The host sets it; the command line has no limits.

Each limit can be set in the environment, ``STOQLAB_LIMIT_PATHS=1e6``, or all of them in a JSON file that the
environment variable STOQLAB_LIMITS names, ``{"paths": 1e6, "jobs": 2}``; the environment wins. The defaults suit
thirty people on a laptop of four cores. A mistake there stops the server with a sentence.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path

from core.statistics.format import thousands

PREFIX, FILE = "STOQLAB_LIMIT_", "STOQLAB_LIMITS"


def _limit(default: int, what: str) -> int:
    return field(default=default, metadata={"what": what})


@dataclass(frozen=True)
class Limits:
    """The largest values, each with what it bounds. Raises ValueError for one that is not a positive whole number."""

    lattice_side: int = _limit(512, "sites along one side of a lattice")
    lattice_sites: int = _limit(2**22, "sites of all chains of a live lattice together")
    paths: int = _limit(500_000, "paths of a process of one degree of freedom")
    path_steps: int = _limit(10**9, "paths times steps of a process of one degree of freedom")
    chains: int = _limit(5000, "chains of a live run")
    configurations: int = _limit(1024, "configurations that are made and dissolved on the page Diffusion")
    field_steps: int = _limit(2 * 10**9, "configurations times sites times steps of a process of fields")
    ensemble_configurations: int = _limit(10**6, "configurations of an ensemble that is made")
    ensemble_bytes: int = _limit(4 * 10**9, "bytes of the fields of an ensemble that is made")
    scan_updates: int = _limit(10**11, "site updates of a scan, over all its points")
    training_steps: int = _limit(200_000, "steps of a training")
    training_minutes: int = _limit(120, "minutes of a training")
    jobs: int = _limit(3, "jobs of one person at a time")
    upload_bytes: int = _limit(500 * 10**6, "bytes of a file that is uploaded")
    shared_bytes: int = _limit(400 * 10**6, "bytes of finished results that are kept for all sessions")

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 1 or value != value // 1:
                raise ValueError(f"the limit {one.name} must be a positive whole number, got {value!r}")
            object.__setattr__(self, one.name, int(value))

    def check(self, name: str, value: float, what: str = "") -> None:
        """ValueError with the limit, and how the host changes it, for a ``value`` beyond the limit ``name``.

        ``what`` says in the words of the page what the value is, by default what the limit bounds.
        """
        most = getattr(self, name)
        if value <= most:
            return
        number = thousands(round(value)) if math.isfinite(value) else str(value)
        what = what or MEANING[name]
        raise ValueError(
            f"{number} {what} are more than the {thousands(most)} that this server allows; its host sets that limit "
            f"with {PREFIX}{name.upper()}"
        )


MEANING: dict[str, str] = {one.name: one.metadata["what"] for one in fields(Limits)}
"""What each limit bounds."""


def read_limits(environment: Mapping[str, str]) -> Limits:
    """The limits that an environment asks for. ValueError, naming the variable, for anything that cannot be."""
    values: dict[str, float] = {}
    if where := environment.get(FILE):
        try:
            found = json.loads(Path(where).read_text(encoding="utf-8"))
        except (OSError, ValueError) as problem:
            raise ValueError(f"{FILE}: the file {where} cannot be read: {problem}") from None
        if not isinstance(found, dict):
            raise ValueError(f'{FILE}: the file {where} must hold names and numbers, such as {{"paths": 100000}}')
        values |= {str(name): value for name, value in found.items()}
    for variable, text in environment.items():
        if variable.startswith(PREFIX):
            try:
                values[variable.removeprefix(PREFIX).lower()] = float(text)
            except ValueError:
                raise ValueError(f"{variable} must be a number such as 1e6, got {text!r}") from None
    unknown = sorted(set(values) - set(MEANING))
    if unknown:
        raise ValueError(f"there is no limit {unknown[0]!r}; the limits are {', '.join(MEANING)}")
    return Limits(**values)  # type: ignore[arg-type]


@cache
def limits() -> Limits:
    """The limits of this process."""
    return read_limits(os.environ)
