"""Where something in the library comes from: everything that is known, as names and texts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from core.diffusion.model_entry import ModelEntry
from core.ensembles.files import open_ensemble
from core.ensembles.library import Entry
from core.history import Run
from core.library.catalogue import Item, when

LARGEST = 2**28
"""Bytes of a file whose checksum is taken."""
Facts = list[tuple[str, str]]
_LEFT_OUT = ("plan", "stoqlab_ensemble", "warnings", "notes", "history", "validation")


def provenance(item: Item) -> Facts:
    """Settings, seed, versions, checksums and parents. Reads the file: not for a loop of events.

    Raises ValueError or OSError where it cannot be read.
    """
    entry = item.entry
    if isinstance(entry, Run):
        facts = {
            "asked for": f"in the {entry.by}" if entry.by == "browser" else f"on the {entry.by}",
            "ended": when(entry.ended),
            "seconds": entry.seconds,
            "seed": entry.seed,
            "checksum of the network": entry.digest,
            "made from": entry.parents,
            "complete": entry.complete,
            **entry.settings,
            "versions": entry.versions,
        }
        return list(_flat(facts))
    facts: dict[str, Any] = {}
    if isinstance(entry, Entry):
        with open_ensemble(entry.path) as reader:
            facts = {name: value for name, value in reader.attributes.items() if name not in _LEFT_OUT}
    elif isinstance(entry, ModelEntry):
        from core.diffusion.field_model import load_cached

        facts = {name: value for name, value in entry.record.items() if name not in _LEFT_OUT}
        facts = {"checksum of the network": load_cached(entry.path).digest, **facts}
    facts |= {"file": entry.path.name, "bytes": entry.bytes, "changed": when(entry.modified)}
    if entry.bytes <= LARGEST:
        facts["SHA-256 of the file"] = _checksum(entry.path, entry.bytes, entry.modified)
    return list(_flat(facts))


def _flat(facts: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Dictionaries inside become names of two words."""
    for name, value in facts.items():
        title = f"{above}{name}".replace("_", " ")
        if isinstance(value, Mapping) and len(value) <= 12:
            yield from _flat(value, f"{title}: ")
        elif value is not None and value != "" and value != []:
            yield title, _text(value)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.8g}"
    if isinstance(value, list) and all(isinstance(v, str) for v in value):
        return ", ".join(value)
    text = value if isinstance(value, str | int) else json.dumps(value, ensure_ascii=False, default=str)
    return str(text) if len(str(text)) <= 400 else f"{str(text)[:397]} …"


@lru_cache(maxsize=128)
def _checksum(path: Path, size: int, modified: float) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
