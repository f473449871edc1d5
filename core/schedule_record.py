"""Noise schedules as plain numbers, for files: any schedule, a drawn one too, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from core.schedule import SCHEDULES, Schedule


def describe_schedule(schedule: Schedule) -> dict[str, Any]:
    """A schedule as JSON has it: its ``name`` and its parameters by their names."""
    parameters = {f.name: getattr(schedule, f.name) for f in fields(schedule) if f.repr}
    return {"name": schedule.name} | {k: list(v) if isinstance(v, tuple) else v for k, v in parameters.items()}


def schedule_of(description: Mapping[str, Any]) -> Schedule:
    """The schedule of a description. Raises ValueError for a name or a parameter that is not known, or a bad value."""
    name = description.get("name")
    if name not in SCHEDULES:
        raise ValueError(f"schedule must be one of {', '.join(SCHEDULES)}, got {name!r}")
    kind = SCHEDULES[name]
    known = [f.name for f in fields(kind) if f.repr]
    given = {k: v for k, v in description.items() if k != "name"}
    for parameter in given:
        if parameter not in known:
            raise ValueError(f"{parameter!r} is no parameter of the schedule {name}, which takes {', '.join(known)}")
    try:
        values = {k: tuple(float(x) for x in v) if isinstance(v, list | tuple) else v for k, v in given.items()}
        return kind(**values)
    except TypeError as error:
        raise ValueError(f"the parameters of the schedule {name} must be numbers ({error})") from None
