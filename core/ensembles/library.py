"""The library: a folder of ensembles, with an index so that listing them does not open every file.

The folder is ``ensembles`` in the user's data folder (platformdirs), or in the one that the environment variable
STOQLAB_HOME names. The files are what counts: the index only remembers what they said about themselves, is checked
against their sizes and times, and is made again where it is missing, broken or out of date.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.ensembles.files import open_ensemble
from core.ensembles.parts import Parts
from core.ensembles.plan import Plan
from core.statistics.errors import mean
from core.store import atomic_path

INDEX = "index.json"
FORMAT = 2
_NAME = re.compile(r"[\w][\w .,=+()-]{0,119}")
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")


@dataclass(frozen=True)
class Entry:
    """One ensemble of the library. ``problem`` says why a file cannot be read; the other facts are empty then.

    ``planned`` configurations were asked for, of which an interrupted run has fewer. ``acceptance`` is None for an
    algorithm that decides nothing, ``abs_m`` is ⟨|M|⟩ with its error (None where that is not known).
    """

    name: str
    path: Path
    bytes: int
    modified: float
    theory: str = ""
    shape: tuple[int, ...] = ()
    kappa: float | None = None
    lam: float | None = None
    sampler: str = ""
    chains: int = 0
    draws: int = 0
    seed: int | None = None
    equilibrium: str = ""
    warnings: tuple[str, ...] = ()
    planned: int = 0
    acceptance: float | None = None
    abs_m: tuple[float, float | None] | None = None
    problem: str = ""

    @property
    def n_configs(self) -> int:
        """Configurations in all."""
        return self.chains * self.draws


class Library:
    """The ensembles in a folder, by default the user's. Nothing is made until something is saved."""

    def __init__(self, folder: str | Path | None = None) -> None:
        self.folder = Path(folder) if folder is not None else default_folder()

    def path(self, name: str) -> Path:
        """Where the ensemble ``name`` is, or would be. ValueError for a name that is not safe as a file name."""
        if not isinstance(name, str) or not _NAME.fullmatch(name) or name.endswith((".", " ")):
            raise ValueError(
                "name must begin with a letter or digit and hold at most 120 letters, digits, blanks and .,=+()_-, "
                f"got {name!r}"
            )
        if _RESERVED.fullmatch(name):
            raise ValueError(f"name must not be one that a system keeps for itself, got {name!r}")
        return self.folder / f"{name}.nc"

    def save(self, name: str, file: str | Path, force: bool = False) -> Entry:
        """Copy an ensemble's file into the library, whole or not at all.

        Raises ValueError for a bad name or a file that is not an ensemble made here, FileExistsError for a name that
        is taken, unless ``force``.
        """
        path = self.path(name)
        with open_ensemble(file) as reader:
            if not reader.attributes:
                raise ValueError(f"{file} is a plain array; the library takes ensembles that know their origin")
        with atomic_path(path, force) as temporary:
            shutil.copyfile(file, temporary)
        return self[name]

    def list(self) -> list[Entry]:
        """All ensembles, the latest first. Brings the index up to date."""
        if not self.folder.is_dir():
            return []
        known, entries = self._read_index(), []
        for file in sorted(self.folder.glob("*.nc")):
            if file.name.startswith("."):
                continue
            try:
                about = file.stat()
            except FileNotFoundError:  # removed by somebody else just now
                continue
            entry = known.get(file.stem)
            if entry is None or (entry.bytes, entry.modified) != (about.st_size, about.st_mtime):
                entry = _look(file, about.st_size, about.st_mtime)
            entries.append(entry)
        if {e.name: e for e in entries} != known:
            self._write_index(entries)
        return sorted(entries, key=lambda e: (-e.modified, e.name))

    def __getitem__(self, name: str) -> Entry:
        """The entry of one ensemble. KeyError if there is none of that name."""
        for entry in self.list():
            if entry.name == name:
                return entry
        raise KeyError(name)

    def unfinished(self) -> dict[str, Plan]:
        """Plans of the ensembles of which there is no file yet but the beginning of a run that was interrupted, or that
        is under way."""
        found = {}
        for folder in sorted(self.folder.glob(".*.nc.part")) if self.folder.is_dir() else []:
            path = self.folder / folder.name.removeprefix(".").removesuffix(".part")
            with suppress(ValueError, OSError):
                work = Parts(path).work()
                if work is not None and not path.exists():
                    found[path.stem] = work.plan
        return found

    def discard(self, name: str) -> None:
        """Delete what there is of an ensemble that was not finished. BlockingIOError while a process works on it."""
        parts = Parts(self.path(name))
        with parts.locked():
            parts.discard()

    def remove(self, name: str) -> None:
        """Delete an ensemble. Raises FileNotFoundError if there is none of that name."""
        path = self.path(name)
        if not path.exists():
            raise FileNotFoundError(f"the library has no ensemble {name!r}")
        path.unlink()
        self.list()

    def _read_index(self) -> dict[str, Entry]:
        try:
            data = json.loads((self.folder / INDEX).read_text())
            if data["format"] != FORMAT:
                return {}
            return {e["name"]: self._entry(e) for e in data["ensembles"]}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}

    def _entry(self, data: dict[str, Any]) -> Entry:
        path = self.path(data["name"])
        tuples = {name: tuple(data[name]) for name in ("shape", "warnings", "abs_m") if data[name] is not None}
        return Entry(**{**data, "path": path, **tuples})

    def _write_index(self, entries: list[Entry]) -> None:
        rows = [{k: v for k, v in asdict(e).items() if k != "path"} for e in entries]
        try:
            with atomic_path(self.folder / INDEX, force=True) as temporary:
                temporary.write_text(json.dumps({"format": FORMAT, "ensembles": rows}, indent=1))
        except OSError:  # a folder that cannot be written can still be listed
            pass


def default_folder() -> Path:
    """``$STOQLAB_HOME/ensembles``, or ``ensembles`` in the user's data folder."""
    home = os.environ.get("STOQLAB_HOME")
    if home:
        return Path(home).expanduser() / "ensembles"
    from platformdirs import user_data_path

    return user_data_path("stoqlab", appauthor=False) / "ensembles"


def _look(file: Path, size: int, modified: float) -> Entry:
    """What a file says about itself."""
    try:
        with open_ensemble(file) as reader:
            a, theory = reader.attributes, reader.theory
            chains, draws = reader.stored
            planned = chains * draws if reader.plan is None else reader.plan.configs
            acceptance = float(a["acceptance"])
            size_of_m = mean(np.abs(reader.scalars()["magnetisation"]), reader.independent)
            error = size_of_m.error if math.isfinite(size_of_m.error) else None
            return Entry(
                file.stem, file, size, modified, a["theory"], theory.event, float(a["kappa"]), float(a["lam"]),
                a["algorithm"], chains, draws, int(a["seed"]), a["equilibrium"], tuple(a["warnings"]), planned,
                acceptance if math.isfinite(acceptance) else None, (size_of_m.value, error),
            )  # fmt: skip
    except (ValueError, KeyError, OSError) as error:
        return Entry(file.stem, file, size, modified, problem=str(error))
