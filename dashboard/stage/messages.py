"""What a browser may say to a stage, checked before anything is done with it."""

from __future__ import annotations

import math
from typing import Any

MOST_POINTS = 10_000
"""Points of a stroke in one message; a pointer gives some hundred a second."""


def check_message(data: Any) -> dict[str, Any]:
    """``data`` as it came, if it is a message. ValueError with a sentence otherwise."""
    if not isinstance(data, dict):
        raise ValueError(f"a message to a picture must be an object, got {_short(data)}")
    if "drawn" in data:
        serial = data["drawn"]
        if isinstance(serial, bool) or not isinstance(serial, int) or serial < 0:
            raise ValueError(f"the number of a drawn picture must be a whole number, got {_short(serial)}")
    return data


def stroke(data: dict[str, Any]) -> list[tuple[float, float]]:
    """The points (x, y) of ``data["paint"]``, finite. ValueError with a sentence for anything else."""
    points = data["paint"]
    if not isinstance(points, list) or len(points) > MOST_POINTS:
        raise ValueError(f"what is painted must be at most {MOST_POINTS} points, got {_short(points)}")
    for point in points:
        if not isinstance(point, list) or len(point) != 2 or not all(map(_finite, point)):
            raise ValueError(f"a painted point must be two finite numbers, got {_short(point)}")
    if not isinstance(data.get("begins"), bool):
        raise ValueError(f"begins must be true or false, got {_short(data.get('begins'))}")
    return [(float(x), float(y)) for x, y in points]


def _finite(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and abs(value) < 1e300 and math.isfinite(value)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
