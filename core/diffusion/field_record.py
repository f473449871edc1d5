"""What the file of a field model says of its training."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class FieldTrainingRecord:
    """Where a field model comes from.

    ``theory`` is ``phi4``, or empty where the action is unknown; ``couplings`` the pairs (κ, λ) of the training and
    ``events`` its lattices. ``data`` describes the training fields in words, ``source`` in full (files, or the request
    to a live sampler), ``digest`` is their checksum. ``sigma_min`` and ``sigma_max`` bound the trained levels σ̃ in the
    field's units, ``levels`` says how they were chosen. ``target`` is ``tsm`` (combined with the known action) or
    ``dsm``. ``history`` and ``validation`` are the trainer's: dicts of plain numbers.
    """

    theory: str = ""
    couplings: list[list[float]] = field(default_factory=list)
    events: list[list[int]] = field(default_factory=list)
    data: str = ""
    digest: str = ""
    source: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    steps: int = 0
    seconds: float = 0.0
    sigma_min: float = 0.0
    sigma_max: float = float(np.finfo(np.float32).max)
    levels: str = ""
    target: str = "tsm"
    network: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    threads: int = 1
    device: str = "cpu"
    torch: str = ""
    history: list[dict[str, Any]] = field(default_factory=list)
    validation: list[dict[str, Any]] = field(default_factory=list)
