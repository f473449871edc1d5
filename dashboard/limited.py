"""What an address asks for beyond the server's limits, in a sentence."""

from __future__ import annotations

import math

from core.limits import limits

LIMITED = {
    "paths": "paths",
    "L": "lattice_side",
    "chains": "chains",
    "chain_count": "chains",
    "configurations": "configurations",
    "keep_configurations": "ensemble_configurations",
    "train_minutes": "training_minutes",
    "train_steps": "training_steps",
}
"""Keys of the address and the limits that they have."""


def beyond(key: str, text: str) -> str:
    """The limit that the value ``text`` of this key exceeds, in a sentence; empty where it exceeds none."""
    if key not in LIMITED:
        return ""
    try:
        value = float(text)
    except ValueError:
        return ""
    if math.isnan(value):
        return ""
    try:
        limits().check(LIMITED[key], value)
    except ValueError as problem:
        return str(problem)
    return ""
