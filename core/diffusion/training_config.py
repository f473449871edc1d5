"""How the score of a toy target is trained."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class TrainingConfig:
    """How to train; ``sigma_min`` and ``sigma_max`` are in units of the data's spread.

    ``samples`` is the number drawn where a target is given instead of samples. The learning rate rises over
    ``warmup`` steps to ``rate`` and falls as a cosine to a thousandth of it at ``steps``. The average of the weights
    over the run gives step s the weight s^``averaging``, so it reaches back over a fixed fraction of the run,
    whenever it is stopped.
    """

    steps: int = 14_000
    batch: int = 4096
    rate: float = 5e-3
    warmup: int = 200
    averaging: float = 8.0
    width: int = 64
    depth: int = 2
    sigma_min: float = 0.01
    sigma_max: float = 30.0
    samples: int = 1_000_000

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "width", "depth", "samples"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.batch % 2:
            raise ValueError(f"batch must be even, because each draw is used with η and -η, got {self.batch}")
        if self.warmup < 0 or self.averaging < 0:
            raise ValueError(f"warmup and averaging must not be negative, got {self.warmup} and {self.averaging}")
        if not self.rate > 0:
            raise ValueError(f"rate must be positive, got {self.rate}")
        if not 0 < self.sigma_min < self.sigma_max < math.inf:
            raise ValueError(f"need 0 < sigma_min < sigma_max, got {self.sigma_min} and {self.sigma_max}")

    @classmethod
    def of(cls, dim: int, **changes: Any) -> TrainingConfig:
        """The usual configuration for data of this dimension: a larger network, fewer steps in two dimensions."""
        return cls(**({"depth": 3, "steps": 8000} if dim > 1 else {}) | changes)

    def rate_at(self, step: int) -> float:
        """Learning rate of step number ``step``, counted from 1."""
        cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, step / self.steps)))
        return self.rate * min(1.0, step / max(1, self.warmup)) * max(1e-3, cosine)
