"""What somebody wants to be trained: which data, which network, how long."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from core.diffusion.field_config import MOST_BATCH
from core.diffusion.field_live import LiveRequest
from core.noise import Noise

PRESETS = ("small", "large")
TARGETS = ("auto", "dsm", "tsm")
LONGEST = 7 * 24 * 60
"""Minutes."""


@dataclass(frozen=True)
class LiveSampler:
    """Fresh configurations of φ⁴ on a square lattice for as long as is trained, with κ from ``low`` to ``high``.

    Raises ValueError for couplings or an extent that the theory does not have, and for an empty range.
    """

    L: int
    low: float
    high: float
    lam: float

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError(f"a range of κ must rise, got {self.low:g} to {self.high:g}")
        LiveRequest((self.event,), self.kappas, (self.lam,))

    @property
    def event(self) -> tuple[int, int]:
        """Shape of one configuration."""
        return self.L, self.L

    @property
    def kappas(self) -> tuple[float, ...]:
        """One κ, or the ends of the range."""
        return (self.low,) if self.low == self.high else (self.low, self.high)

    @property
    def name(self) -> str:
        """A few words, fit for a file name."""
        span = f"{self.low:g}" if self.low == self.high else f"{self.low:g}-{self.high:g}"
        return f"κ={span} λ={self.lam:g} L={self.L}"


@dataclass(frozen=True)
class TrainingRequest:
    """A training run. ``data`` is an ensemble file or a live sampler; either ``minutes`` or ``steps`` is given.

    None for ``batch``, ``rate`` or ``threads`` leaves the choice to the trainer. Raises ValueError, naming the field,
    for anything that cannot be.
    """

    data: Path | LiveSampler
    preset: str = "small"
    minutes: float | None = None
    steps: int | None = None
    target: str = "auto"
    batch: int | None = None
    rate: float | None = None
    seed: int = 0
    device: str = "auto"
    threads: int | None = None

    def __post_init__(self) -> None:
        for name, value, allowed in (("preset", self.preset, PRESETS), ("target", self.target, TARGETS)):
            if value not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")
        if (self.minutes is None) == (self.steps is None):
            raise ValueError(f"give either minutes or steps, got minutes {self.minutes} and steps {self.steps}")
        if self.minutes is not None and not 0 < self.minutes <= LONGEST:
            raise ValueError(f"minutes must be above 0 and at most {LONGEST}, a week, got {self.minutes:g}")
        for name, value in (("steps", self.steps), ("batch", self.batch), ("threads", self.threads)):
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if self.batch is not None and self.batch > MOST_BATCH:
            raise ValueError(f"batch must be at most {MOST_BATCH}, got {self.batch}")
        if self.rate is not None and not 0 < self.rate < 1:
            raise ValueError(f"rate must be above 0 and below 1, got {self.rate:g}")
        Noise(self.seed)

    @property
    def name(self) -> str:
        """A few words that say what is trained, fit for a file name."""
        source = self.data.name if isinstance(self.data, LiveSampler) else self.data.stem
        return f"{source} {self.preset}"


@dataclass(frozen=True)
class Continuation:
    """A training that was interrupted, to be taken to its end; its checkpoint knows all the rest."""

    checkpoint: Path

    @property
    def name(self) -> str:
        """That of the model."""
        return self.checkpoint.stem
