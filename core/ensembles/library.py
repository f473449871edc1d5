"""The library: a folder of ensembles, with an index so that listing them does not open every file.

The folder is ``ensembles`` in the user's data folder (platformdirs), or in the one that the environment variable
STOQLAB_HOME names. The files are what counts: the index only remembers what they said about themselves, is checked
against their sizes and times, and is made again where it is missing, broken or out of date.
"""

from __future__ import annotations

import json
import math
import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from core.ensembles.files import EnsembleReader, open_ensemble
from core.ensembles.parts import Parts
from core.ensembles.plan import Plan
from core.shelf import Shelf, home
from core.statistics.errors import derived, mean
from core.store import atomic_path

INDEX = "index.json"
FORMAT = 3


@dataclass(frozen=True)
class Entry:
    """One ensemble of the library. ``problem`` says why a file cannot be read; the other facts are empty then.

    ``planned`` configurations were asked for, of which an interrupted run has fewer. ``acceptance`` is None for an
    algorithm that decides nothing. ``observables`` are abs_m = ⟨|M|⟩, chi, binder = U_L and action (per site), with
    their errors (None where they are not known), from what the file keeps of each configuration.
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
    observables: dict[str, tuple[float, float | None]] = field(default_factory=dict)
    problem: str = ""

    @property
    def n_configs(self) -> int:
        """Configurations in all."""
        return self.chains * self.draws

    @property
    def abs_m(self) -> tuple[float, float | None] | None:
        """⟨|M|⟩ with its error, None where that is not known."""
        return self.observables.get("abs_m")


class Library(Shelf):
    """The ensembles in a folder, by default the user's. Nothing is made until something is saved."""

    suffix, what = ".nc", "ensemble"

    def __init__(self, folder: str | Path | None = None) -> None:
        super().__init__(Path(folder) if folder is not None else default_folder())

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

    def remove(self, name: str) -> str:
        """Move an ensemble into the trash; the key for ``restore``. FileNotFoundError if there is none of that name."""
        key = super().remove(name)
        self.list()
        return key

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
        tuples = {name: tuple(data[name]) for name in ("shape", "warnings")}
        observables = {name: (value, error) for name, (value, error) in data["observables"].items()}
        return Entry(**{**data, "path": path, "observables": observables, **tuples})

    def _write_index(self, entries: list[Entry]) -> None:
        rows = [{k: v for k, v in asdict(e).items() if k != "path"} for e in entries]
        try:
            with atomic_path(self.folder / INDEX, force=True) as temporary:
                temporary.write_text(json.dumps({"format": FORMAT, "ensembles": rows}, indent=1))
        except OSError:  # a folder that cannot be written can still be listed
            pass


def default_folder() -> Path:
    """``$STOQLAB_HOME/ensembles``, or ``ensembles`` in the user's data folder."""
    return home() / "ensembles"


def _look(file: Path, size: int, modified: float) -> Entry:
    """What a file says about itself."""
    try:
        with open_ensemble(file) as reader:
            a, theory = reader.attributes, reader.theory
            chains, draws = reader.stored
            planned = chains * draws if reader.plan is None else reader.plan.configs
            acceptance = float(a["acceptance"])
            return Entry(
                file.stem, file, size, modified, a["theory"], theory.event, float(a["kappa"]), float(a["lam"]),
                a["algorithm"], chains, draws, int(a["seed"]) if "seed" in a else None, a["equilibrium"],
                tuple(a["warnings"]), planned, acceptance if math.isfinite(acceptance) else None, _observables(reader),
            )  # fmt: skip
    except (ValueError, KeyError, TypeError, OSError) as error:
        return Entry(file.stem, file, size, modified, problem=str(error) or type(error).__name__)


def _observables(reader: EnsembleReader) -> dict[str, tuple[float, float | None]]:
    """What ``at_a_glance`` says of the magnetisations and actions in a file."""
    found = reader.scalars()
    return at_a_glance(found["magnetisation"], found["action"], reader.theory.volume, reader.independent)


def at_a_glance(
    magnetisation: np.ndarray, action: np.ndarray | None, volume: int, independent: bool
) -> dict[str, tuple[float, float | None]]:
    """⟨|M|⟩, χ = V(⟨M²⟩ - ⟨|M|⟩²), U_L = 1 - ⟨M⁴⟩/(3⟨M²⟩²) and, where known, the action per site, of (chains, draws).

    With errors by the Γ method; None where there are too few draws to know them.
    """
    m = {"abs": np.abs(magnetisation), "m2": magnetisation**2, "m4": magnetisation**4}
    some = {
        "abs_m": mean(m["abs"], independent),
        "chi": derived(
            lambda v: volume * (v["m2"] - v["abs"] ** 2), {name: m[name] for name in ("abs", "m2")}, independent
        ),
    }
    if m["m2"].any():
        some["binder"] = derived(
            lambda v: 1 - v["m4"] / (3 * v["m2"] ** 2), {name: m[name] for name in ("m2", "m4")}, independent
        )
    if action is not None:
        some["action"] = mean(action, independent)
    return {name: (v.value, v.error if math.isfinite(v.error) else None) for name, v in some.items()}
