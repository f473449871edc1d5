"""Rows of the table: what is in the library, and what has been deleted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.diffusion.model_entry import ModelEntry
from core.ensembles.library import Entry
from core.history import Run
from core.library.catalogue import Gone, Item, extents, span, when
from core.statistics.format import thousands, with_error
from core.statistics.measure import TITLES
from core.store import in_bytes

COLUMNS = ["Name", "State", "Kind", "Lattice", "κ", "λ", "Made by", "At a glance", "When"]
RIGHT: list[int] = []
WORDS = {
    "ensemble": "ensemble", "array": "raw fields", "model": "model", "run": "run",
}  # fmt: skip
GLANCE = TITLES | {
    "abs_m": "⟨|M|⟩",
    "loss": "loss",
    "loss above baseline, nats": "loss",
    "tau_int": "τ_int",
    "ess": "ESS",
}
SHOWN = 3
"""Numbers at a glance."""


def row(item: Item) -> dict[str, Any]:
    """One thing of the library."""
    lattices = ", ".join(extents(shape) for shape in item.shapes[:2]) + (" …" if len(item.shapes) > 2 else "")
    note, title, level = _state(item)
    cells = [
        item.title, WORDS[item.kind], lattices, span(item.kappa), span(item.lam), item.origin,
        glance(item.glance, SHOWN), when(item.made, short=True),
    ]  # fmt: skip
    return {
        "name": item.key, "cells": cells, "note": note, "title": title, "level": level,
        "markable": isinstance(item.entry, Run),
    }  # fmt: skip


def gone_row(gone: Gone, runs: Mapping[str, str]) -> dict[str, Any]:
    """One thing in the trash."""
    cells = [runs.get(gone.name, gone.name), WORDS[gone.kind], "", "", "", "", in_bytes(gone.bytes)]
    cells.append(when(gone.deleted, short=True))
    return {"name": f"deleted/{gone.key}", "cells": cells, "note": "deleted", "title": "", "level": "amber"}


def glance(numbers: Mapping[str, tuple[float, float | None]], most: int | None = None) -> str:
    """Numbers with their errors in one line."""
    some = list(numbers.items())[:most]
    return ", ".join(f"{GLANCE.get(name, name)} {with_error(*value)}" for name, value in some)


def _state(item: Item) -> tuple[str, str, str]:
    """Note, its tooltip and its level."""
    entry = item.entry
    if item.problem:
        return "not readable", item.problem, "red"
    if isinstance(entry, Run):
        if entry.warnings:
            return _warnings(list(entry.warnings))
        return ("finished", "", "green") if entry.complete else ("stopped early", "", "amber")
    if isinstance(entry, ModelEntry):
        if entry.unfinished is not None:
            done, planned = entry.unfinished
            return "unfinished", f"Step {thousands(done)} of {thousands(planned)}.", "amber"
        return ("shipped" if item.fixed else "trained"), "", "green"
    if isinstance(entry, Entry):
        if entry.equilibrium == "not in equilibrium" or any("not in equilibrium" in w.lower() for w in entry.warnings):
            return "not in equilibrium", " ".join(entry.warnings), "red"
        if entry.warnings:
            return _warnings(list(entry.warnings))
        if entry.n_configs < entry.planned:
            return "unfinished", f"{thousands(entry.n_configs)} of {thousands(entry.planned)}.", "amber"
        return f"{thousands(entry.n_configs)} fields", "", "green"
    return f"{thousands(entry.configs)} fields", "", "green"


def _warnings(warnings: list[str]) -> tuple[str, str, str]:
    return f"{len(warnings)} warning{'s' * (len(warnings) > 1)}", " ".join(warnings), "amber"
