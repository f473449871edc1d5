"""The history of runs: what was trained, sampled and scanned here, one small JSON file a run, in the folder ``runs``.

A record says what was asked for and what came out, not the data; it stays when the model or the ensemble has been
deleted.
"""

from __future__ import annotations

import json
import logging
import math
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from core import __version__
from core.shelf import Shelf, home
from core.store import atomic_path

log = logging.getLogger(__name__)

FORMAT = 1
MOST = 1000
"""Records that are kept; the oldest go first."""
MOST_POINTS = 300
"""Points of a loss curve that are kept."""
LARGEST = 2**20
"""Bytes of a record that is read."""
KINDS = ("training", "ensemble", "generation", "scan")
Kind = Literal["training", "ensemble", "generation", "scan"]
Origin = Literal["browser", "command line"]
Value = tuple[float, float | None]
"""A number with its error, None where that is not known."""


@dataclass(frozen=True)
class Curves:
    """Loss curves: ``lines`` by name over ``steps`` and ``seconds``, all of one length; nan leaves a gap."""

    unit: str
    steps: list[int]
    seconds: list[float]
    lines: dict[str, list[float]]


@dataclass(frozen=True)
class Table:
    """A small table of results: a cell is a text, a number, [value, error], or None."""

    caption: str
    columns: list[str]
    rows: list[list[Any]]


@dataclass(frozen=True)
class Run:
    """One finished run.

    ``title`` is the name of what came out, ``by`` where it was asked for; ``ended`` is Unix time, ``seconds`` those of
    computing. ``settings`` are flat: names and plain values. ``digest`` is the checksum of the network that was
    trained, or that generated; ``parents`` are names of the files that it was made from. ``results`` are numbers with
    errors, ``id`` is given by the history.
    """

    kind: Kind
    title: str
    by: Origin
    seconds: float
    settings: dict[str, Any]
    seed: int | None = None
    digest: str = ""
    parents: list[str] = field(default_factory=list)
    results: dict[str, Value] = field(default_factory=dict)
    curves: Curves | None = None
    table: Table | None = None
    warnings: list[str] = field(default_factory=list)
    complete: bool = True
    versions: dict[str, str] = field(default_factory=dict)
    ended: float = 0.0
    id: str = ""


class History(Shelf):
    """The records in a folder, by default the user's."""

    suffix, what = ".json", "run"

    def __init__(self, folder: str | Path | None = None) -> None:
        super().__init__(Path(folder) if folder is not None else home() / "runs")

    def add(self, run: Run) -> Run:
        """Keep a record; it comes back with its time, versions and id."""
        now = time.time()
        name = f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(now))}-{secrets.token_hex(4)}"
        data = asdict(run) | {"ended": now, "versions": versions(), "id": name}
        with atomic_path(self.path(name)) as temporary:
            temporary.write_text(json.dumps({"format": FORMAT} | _plain(data), allow_nan=False, ensure_ascii=False))
        for path in self.files()[MOST:]:
            path.unlink(missing_ok=True)
        return self[name]

    def list(self) -> list[Run]:
        """All records that can be read, the latest first; a file is read once until it changes."""
        found = []
        for path in self.files():
            try:
                about = path.stat()
                found.append(_read(path, about.st_mtime, about.st_size))
            except (OSError, ValueError) as problem:
                log.warning("the record %s cannot be read: %s", path.name, problem)
        return sorted(found, key=lambda run: (-run.ended, run.id))

    def __getitem__(self, id: str) -> Run:
        """One record. KeyError if there is none, or it cannot be read."""
        try:
            path = self.path(id)
            about = path.stat()
            return _read(path, about.st_mtime, about.st_size)
        except (OSError, ValueError):
            raise KeyError(id) from None


def keep(record: Callable[[], Run]) -> None:
    """Add what ``record`` makes to the user's history. A run is not to fail for that: what goes wrong is in the log."""
    try:
        History().add(record())
    except Exception as problem:
        log.warning("a run could not be put into the history: %s", problem)


def versions() -> dict[str, str]:
    """Of what results depend on."""
    return {"stoqlab": __version__, **{name: version(name) for name in ("numpy", "numba", "torch")}}


def thinned(count: int) -> list[int]:
    """Indices of at most MOST_POINTS of ``count`` points, both ends among them."""
    if count <= MOST_POINTS:
        return list(range(count))
    return sorted({round(k * (count - 1) / (MOST_POINTS - 1)) for k in range(MOST_POINTS)})


@lru_cache(maxsize=2 * MOST)
def _read(path: Path, modified: float, size: int) -> Run:
    """ValueError with a sentence for what is not a record."""
    if size > LARGEST:
        raise ValueError(f"it has {size} bytes, more than any record")
    try:
        data = json.loads(path.read_text())
        if data.pop("format") != FORMAT or data["kind"] not in KINDS:
            raise ValueError("it is of another version")
        curves, table = data.pop("curves"), data.pop("table")
        if curves is not None:
            curves = Curves(**curves)
            curves.lines.update({name: _numbers(line) for name, line in curves.lines.items()})
        results = {str(name): (float(v), None if e is None else float(e)) for name, (v, e) in data["results"].items()}
        whole = {"curves": curves, "table": None if table is None else Table(**table), "results": results}
        return Run(**data | whole | {"id": path.stem, "ended": float(data["ended"]), "title": str(data["title"])})
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it is no record of a run ({error})") from error


def _numbers(line: Sequence[Any]) -> list[float]:
    return [math.nan if value is None else float(value) for value in line]


def _plain(value: Any) -> Any:
    """As JSON has it: no nan, no tuples, no paths, no numbers of numpy."""
    if isinstance(value, Mapping):
        return {str(name): _plain(v) for name, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, bool | str) or value is None:
        return value
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value)
