"""What a checkpoint says about itself, read from the head of its file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from core.diffusion import checkpoint


@dataclass(frozen=True)
class ModelEntry:
    """One model. ``problem`` says why a file cannot be read; the other facts are empty then.

    ``kind`` is ``field`` for a lattice, ``toy`` for one degree of freedom. ``kappa`` and ``lam`` are the smallest and
    largest couplings of the training, ``sigma`` the trained levels σ̃. ``excess`` is what the network loses above the
    Gaussian baseline on held-out data, in nats over all log σ̃, with its error. ``unfinished`` are the steps done and
    planned of a training that was interrupted. ``record`` is the whole training record.
    """

    name: str
    path: Path
    bytes: int
    modified: float
    kind: str = ""
    events: tuple[tuple[int, ...], ...] = ()
    kappa: tuple[float, float] | None = None
    lam: tuple[float, float] | None = None
    conditioned: bool = False
    sigma: tuple[float, float] | None = None
    excess: tuple[float, float] | None = None
    unfinished: tuple[int, int] | None = None
    record: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)
    problem: str = ""


def look(path: str | Path) -> ModelEntry:
    """What the file says about itself; read once until it changes. FileNotFoundError if there is none."""
    path = Path(path)
    about = path.stat()
    return _look(path, about.st_size, about.st_mtime)


@lru_cache(maxsize=512)
def _look(path: Path, size: int, modified: float) -> ModelEntry:
    try:
        header = checkpoint.read_record(path)
        if header.get("kind") != "field":
            return ModelEntry(path.stem, path, size, modified, "toy", record=header)
        record = header["training"]
        couplings = [(float(kappa), float(lam)) for kappa, lam in record["couplings"]]
        return ModelEntry(
            path.stem, path, size, modified, "field",
            tuple(tuple(int(n) for n in event) for event in record["events"]),
            _span([kappa for kappa, _ in couplings]), _span([lam for _, lam in couplings]),
            bool(header["network"].get("conditioned", False)),
            (float(record["sigma_min"]), float(record["sigma_max"])),
            _excess(record), _unfinished(record, header.get("trainer")), record,
        )  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return ModelEntry(path.stem, path, size, modified, problem=str(error) or type(error).__name__)


def _span(values: Sequence[float]) -> tuple[float, float] | None:
    return (min(values), max(values)) if values else None


def _excess(record: dict[str, Any]) -> tuple[float, float] | None:
    """∫ d log σ̃ of the loss above the baseline's, by the last validation."""
    bands = bands_of(record)
    widths = [math.log(band["high"] / band["low"]) for band in bands]
    value = sum(w * (band["loss"] - band["baseline"]) for w, band in zip(widths, bands, strict=True))
    error = math.hypot(*(w * band["error"] for w, band in zip(widths, bands, strict=True)))
    return (value, error) if bands else None


def bands_of(record: dict[str, Any]) -> list[dict[str, float]]:
    """The last validation of a training record, band by band: ``low``, ``high``, ``loss``, ``baseline``, ``error``."""
    if record["validation"]:
        return record["validation"]
    if not record["history"]:
        return []
    last, names = record["history"][-1], ("low", "high", "loss", "baseline", "error")
    rows = zip(last["edges"], last["edges"][1:], last["loss"], last["baseline"], last["error"], strict=False)
    return [dict(zip(names, row, strict=True)) for row in rows]


def _unfinished(record: dict[str, Any], trainer: dict[str, Any] | None) -> tuple[int, int] | None:
    if trainer is None:
        return None
    step, steps = int(record["steps"]), int(trainer["steps"] or 0)
    return (step, steps) if step < steps and not trainer["ended"] else None
