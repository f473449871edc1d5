"""Values as the Python code and as the words of a command line that make them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from core.schedule import Schedule, Tabulated
from core.theories.base import Target
from core.theories.curves import Curve
from core.theories.formula import Formula
from core.theories.mixture import GaussianMixture
from core.theories.potential import Quartic
from core.theories.registry import PRESETS

Words = list[object]


def parameters(target: Target, weights: Sequence[float] | None = None) -> dict[str, Any]:
    """What `core.theories.registry.make_target` needs beside the name; empty for a preset.

    ``weights`` are those of a mixture as they were given: it keeps them normalised, and to normalise them once more
    could change their last digit. Raises ValueError for a target that the registry does not make.
    """
    if target.name in PRESETS and repr(PRESETS[target.name]) == repr(target):
        return {}
    if isinstance(target, GaussianMixture) and target.name == "mixture":
        return {"weights": tuple(weights or target.weights), "means": target.means, "stds": target.stds}
    if isinstance(target, Quartic):
        return {"mu2": target.mu2, "g": target.g}
    if isinstance(target, Formula):
        return {"text": target.text}
    if isinstance(target, Curve):
        return {"thickness": target.thickness}
    raise ValueError(f"there is no short way to make the target {target!r}")


def target_code(target: Target, weights: Sequence[float] | None = None) -> str:
    """A call of ``make_target``."""
    given = "".join(f", {name}={value!r}" for name, value in parameters(target, weights).items())
    return f"make_target({target.name!r}{given})"


def target_words(target: Target, weights: Sequence[float] | None = None) -> Words:
    """The target as the commands ``toy`` and ``toy-train`` take it."""
    words: Words = [target.name]
    for name, value in parameters(target, weights).items():
        # One word, so that a value such as -1e-05 is not taken for an option.
        text = (
            ",".join(map(repr, value)) if isinstance(value, tuple) else value if isinstance(value, str) else repr(value)
        )
        words.append(f"--{OPTIONS.get(name, name)}={text}")
    return words


OPTIONS = {"g": "coupling", "text": "formula"}
"""Options of the command line that are not called like the parameter."""


def schedule_code(schedule: Schedule) -> tuple[str, str]:
    """The name to import from ``core.schedule``, and the call."""
    return type(schedule).__name__, repr(schedule)


def schedule_words(schedule: Schedule) -> Words:
    """The schedule as the command ``toy`` takes it."""
    words: Words = ["--schedule", schedule.name]
    if isinstance(schedule, Tabulated):
        points = ",".join(f"{t!r}:{g!r}" for t, g in zip(schedule.times, schedule.values, strict=True))
        return [*words, f"--points={points}", *(["--keep-variance"] if schedule.keep_variance else [])]
    given: Mapping[str, str] = {"sigma_max": "sigma", "beta_min": "beta-min", "beta_max": "beta-max"}
    for name, option in given.items():
        if hasattr(schedule, name):
            words += [f"--{option}", repr(getattr(schedule, name))]
    return words
