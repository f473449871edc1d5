"""How to train the network of a lattice field."""

from __future__ import annotations

import math
from dataclasses import dataclass

TARGETS = ("auto", "dsm", "tsm")
LEVELS = ("uniform", "adaptive")
MOST_BATCH = 65536
"""Configurations in a step; far more do not fit into memory."""


@dataclass(frozen=True)
class FieldTrainingConfig:
    """How to train, for ``steps`` or for ``minutes``.

    The rate rises over ``warmup`` steps and falls as a cosine to a thousandth. ``averaging`` γ gives step s the weight
    s^γ in the average of the weights. A gradient is cut at ``clip`` times its typical norm. ``target`` 'auto' and
    'tsm' combine the known action with the data, 'dsm' takes the data alone; auto does so where the action is not
    known. ``levels`` 'uniform' or 'adaptive' is the density of log σ̃, from ``sigma_min`` to ``sigma_max``, or where
    these are None over what the data need. Training stops after ``patience`` validations (0: never) without a better
    one. After it, what the network says of the magnetisation is set right at each level by ``calibration`` fields, of
    all couplings together. ``mixed`` (bfloat16) and ``compiled`` are for CUDA. Raises ValueError, naming the field.
    """

    steps: int | None = None
    minutes: float | None = None
    batch: int = 64
    rate: float = 8e-3
    warmup: int = 100
    averaging: float = 8.0
    clip: float = 3.0
    target: str = "auto"
    levels: str = "uniform"
    sigma_min: float | None = None
    sigma_max: float | None = None
    patience: int = 0
    calibration: int = 2048
    mixed: bool = False
    compiled: bool = False

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.minutes is None):
            raise ValueError(f"give either steps or minutes, got {self.steps} and {self.minutes}")
        for name, least in (("steps", 1), ("batch", 1), ("warmup", 0), ("calibration", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ValueError(f"{name} must be at least {least}, got {value}")
        if self.batch > MOST_BATCH:
            raise ValueError(f"batch must be at most {MOST_BATCH}, got {self.batch}")
        for name in ("minutes", "rate", "clip", "sigma_min", "sigma_max"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} must be a positive finite number, got {value}")
        if self.averaging < 0 or self.patience < 0:
            raise ValueError(f"averaging and patience must not be negative, got {self.averaging} and {self.patience}")
        for name, value, allowed in (("target", self.target, TARGETS), ("levels", self.levels, LEVELS)):
            if value not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")

    def rate_at(self, step: int, steps: int | None) -> float:
        """Learning rate of step number ``step``, counted from 1, of ``steps`` (None while that is not known)."""
        rise = min(1.0, step / max(1, self.warmup))
        if steps is None or step <= self.warmup or steps <= self.warmup:
            return self.rate * rise
        fall = 0.5 * (1 + math.cos(math.pi * min(1.0, (step - self.warmup) / (steps - self.warmup))))
        return self.rate * max(1e-3, fall)
