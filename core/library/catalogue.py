"""Everything that the library holds in one list: ensembles, arrays, models (the shipped ones too) and runs."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from core.diffusion.field_model import shipped
from core.diffusion.model_entry import ModelEntry, look
from core.diffusion.model_library import ModelLibrary
from core.ensembles.library import Entry, Library
from core.history import History, Run
from core.library.arrays import ArrayEntry, ArrayLibrary
from core.shelf import Shelf

KINDS = ("ensemble", "array", "model", "run")
Kind = Literal["ensemble", "array", "model", "run"]
SHIPPED = "shipped"
"""Origin of the models that come with StoqLab."""
DIFFUSION = "diffusion model"


@dataclass(frozen=True)
class Item:
    """One thing of the library.

    ``key`` is KIND:NAME, or shipped:NAME. ``kappa`` and ``lam`` are the smallest and largest couplings, None where
    unknown; ``shapes`` the lattices. ``origin`` is the sampler, or what else it was made by. ``glance`` are numbers
    with errors. ``fixed`` tells that it cannot be deleted. ``entry`` is what its part of the library says of it.
    """

    kind: Kind
    name: str
    title: str
    made: float
    origin: str
    entry: Entry | ArrayEntry | ModelEntry | Run
    bytes: int = 0
    kappa: tuple[float, float] | None = None
    lam: tuple[float, float] | None = None
    shapes: tuple[tuple[int, ...], ...] = ()
    glance: dict[str, tuple[float, float | None]] = field(default_factory=dict)
    problem: str = ""
    fixed: bool = False

    @property
    def key(self) -> str:
        """The name in the whole library."""
        return f"{SHIPPED if self.fixed else self.kind}:{self.name}"

    @property
    def path(self) -> Path | None:
        """The file; None for a run."""
        return None if isinstance(self.entry, Run) else self.entry.path


@dataclass(frozen=True)
class Gone:
    """Something in the trash: ``key`` is KIND:KEY, for ``restore``."""

    key: str
    kind: Kind
    name: str
    deleted: float
    bytes: int


def shelves() -> dict[Kind, Shelf]:
    """The parts of the user's library."""
    return {"ensemble": Library(), "array": ArrayLibrary(), "model": ModelLibrary(), "run": History()}


def catalogue() -> list[Item]:
    """All there is, the latest first, the shipped models last.

    Reads files that have changed: not for a loop of events.
    """
    items = [_of_ensemble(entry) for entry in Library().list()]
    items += [_of_array(entry) for entry in ArrayLibrary().list()]
    for path in ModelLibrary().list():
        try:
            items.append(_of_model(look(path)))
        except FileNotFoundError:  # removed by somebody else just now
            continue
    items += [_of_run(run) for run in History().list()]
    items.sort(key=lambda item: (-item.made, item.key))
    return items + [_of_model(look(path), fixed=True) for path in shipped().values()]


def remove(key: str) -> str:
    """Move something into the trash; the key for ``restore``. ValueError with a sentence where that cannot be."""
    kind, name = _parts(key)
    return f"{kind}:{shelves()[kind].remove(name)}"


def restore(key: str) -> str:
    """Bring something back from the trash; its key in the library. ValueError with a sentence where it is gone."""
    kind, place = _parts(key)
    try:
        return f"{kind}:{shelves()[kind].restore(place).stem}"
    except KeyError:
        raise ValueError("it is no longer in the trash, which keeps 20 files of a kind for 30 days") from None


def deleted() -> list[Gone]:
    """What is in the trash, the latest first."""
    found = []
    for kind, shelf in shelves().items():
        for one in shelf.deleted():
            name = one.name.removesuffix(shelf.suffix)
            found.append(Gone(f"{kind}:{one.key}", kind, name, one.deleted, one.bytes))
    return sorted(found, key=lambda gone: -gone.deleted)


@dataclass(frozen=True)
class Wanted:
    """What to look for; what is empty, or None, is not asked for.

    All words of ``text`` must occur in title, origin or lattice. ``kappa`` and ``lam`` are (smallest, largest): the
    couplings of what is found overlap with that.
    """

    text: str = ""
    kind: str = ""
    kappa: tuple[float, float] | None = None
    lam: tuple[float, float] | None = None
    extent: int | None = None
    origin: str = ""

    def fits(self, item: Item) -> bool:
        """Whether it is what is looked for."""
        words = (
            f"{item.title} {item.name} {item.origin} {item.kind} {' '.join(extents(s) for s in item.shapes)}".lower()
        )
        return (
            all(word in words for word in self.text.lower().split())
            and self.kind in ("", item.kind)
            and _overlap(self.kappa, item.kappa)
            and _overlap(self.lam, item.lam)
            and (self.extent is None or any(self.extent in shape for shape in item.shapes))
            and self.origin in ("", item.origin)
        )


def extents(shape: Iterable[int]) -> str:
    """32 × 32."""
    return " × ".join(str(n) for n in shape)


def span(values: tuple[float, float] | None) -> str:
    """0.27, or 0.2–0.4; a dash where that is not known."""
    if values is None:
        return "–"
    return f"{values[0]:g}" if values[0] == values[1] else f"{values[0]:g}–{values[1]:g}"


def when(seconds: float, short: bool = False) -> str:
    """The local time, for a person; ``short`` leaves out the present year."""
    there = time.localtime(seconds)
    year = "" if short and there.tm_year == time.localtime().tm_year else " %Y"
    return time.strftime(f"%d %b{year} %H:%M", there)


def _overlap(wanted: tuple[float, float] | None, known: tuple[float, float] | None) -> bool:
    if wanted is None:
        return True
    return known is not None and known[0] <= wanted[1] + 1e-9 and known[1] >= wanted[0] - 1e-9


def _parts(key: str) -> tuple[Kind, str]:
    kind, _, name = key.partition(":")
    if kind not in KINDS or not name:
        raise ValueError(f"{key!r} names nothing in the library: it must be KIND:NAME, KIND one of {', '.join(KINDS)}")
    return kind, name  # type: ignore[return-value]


def _of_ensemble(entry: Entry) -> Item:
    pair = [None if v is None else (v, v) for v in (entry.kappa, entry.lam)]
    origin = DIFFUSION if entry.sampler == "diffusion" else entry.sampler
    return Item(
        "ensemble", entry.name, entry.name, entry.modified, origin, entry, entry.bytes, pair[0], pair[1],
        (entry.shape,) if entry.shape else (), entry.observables, entry.problem,
    )  # fmt: skip


def _of_array(entry: ArrayEntry) -> Item:
    return Item(
        "array", entry.name, entry.name, entry.modified, "imported", entry, entry.bytes, None, None,
        (entry.shape,) if entry.shape else (), entry.observables, entry.problem,
    )  # fmt: skip


def _of_model(entry: ModelEntry, fixed: bool = False) -> Item:
    glance: dict[str, tuple[float, float | None]] = {}
    if entry.excess is not None:
        glance["loss"] = entry.excess
    return Item(
        "model", entry.name, entry.name, entry.modified, SHIPPED if fixed else "trained", entry, entry.bytes,
        entry.kappa, entry.lam, entry.events, glance, entry.problem, fixed,
    )  # fmt: skip


def _of_run(run: Run) -> Item:
    couplings = [_couplings(run.settings.get(name)) for name in ("κ", "λ")]
    lattice = [part for part in str(run.settings.get("lattice", "")).split(", ") if part]
    shapes = []
    for part in lattice:
        numbers = part.split(" × ")
        if all(number.isdigit() for number in numbers):
            shapes.append(tuple(int(number) for number in numbers))
    glance = {name: value for name, value in run.results.items() if name not in ("steps", "points measured")}
    return Item(
        "run", run.id, run.title, run.ended, run.kind, run, 0, couplings[0], couplings[1], tuple(shapes), glance
    )


def _couplings(value: object) -> tuple[float, float] | None:
    """Of a record: a number, or "0.2 to 0.4"."""
    try:
        numbers = [float(part) for part in str(value).split(" to ")]
    except ValueError:
        return None
    return numbers[0], numbers[-1]
