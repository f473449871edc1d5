"""What a race between trainings showed, in numbers: excess losses by band, totals, and who was there how much sooner.

``excess[b]`` is the loss in band b less that of a common yardstick (the Gaussian baseline, or a reference trained for
long) on the same fields and noise, nats per configuration and unit of log σ̃. The relative entropy between the laws of
the true and a learned backward path is ``∫ d log σ̃ E|D - D*|²/σ̃²`` (arXiv:2101.09258, theorem 1), so the total is
``2 Σ_b Δ_b excess[b]``, Δ_b the width of a band in log σ̃: the relative entropy beyond the yardstick's, in nats per
configuration.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.cli.held_out import Examination
from core.cli.train_race import Point


@dataclass(frozen=True, eq=False)
class Excess:
    """Differences of losses by band, (bands,), nats per unit of log σ̃, and their total, with standard errors."""

    value: np.ndarray
    error: np.ndarray
    total: float
    total_error: float

    @classmethod
    def of(cls, losses: np.ndarray, yardstick: np.ndarray, exam: Examination) -> Excess:
        """From the losses of the same held-out fields (n,)."""
        difference, bands = losses - yardstick, len(exam.edges) - 1
        value, error = np.empty(bands), np.empty(bands)
        for band in range(bands):
            some = difference[exam.band == band]
            value[band], error[band] = some.mean(), some.std(ddof=1) / math.sqrt(len(some))
        width = 2 * np.diff(np.log(exam.edges))
        return cls(value, error, float(width @ value), float(np.linalg.norm(width * error)))

    def report(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "excess": self.value.tolist(), "error": self.error.tolist(), "total": self.total,
            "total_error": self.total_error,
        }  # fmt: skip


@dataclass(frozen=True, eq=False)
class Lead:
    """How much sooner our training was where another ended.

    ``seconds`` and ``step``: when a validation of ours first showed no more than the other's loss at ``end`` seconds,
    None where none did; step 0 is the Gaussian baseline, from which ours starts. ``by_band`` are the seconds in each
    band. ``difference`` is ours less the other's loss, each at its end.
    """

    end: float
    seconds: float | None
    step: int | None
    by_band: list[float | None]
    difference: Excess

    @classmethod
    def of(cls, ours: list[Point], other: Point, exam: Examination) -> Lead:
        """From all validations of ours, in order of time, and the last of the other."""
        differences = [Excess.of(point.losses, other.losses, exam) for point in ours]
        reached = [point for point, d in zip(ours, differences, strict=True) if d.total <= 0]
        by_band = [
            next((point.seconds for point, d in zip(ours, differences, strict=True) if d.value[band] <= 0), None)
            for band in range(len(exam.edges) - 1)
        ]
        seconds, step = (reached[0].seconds, reached[0].step) if reached else (None, None)
        return cls(other.seconds, seconds, step, by_band, differences[-1])

    @property
    def factor(self) -> float | None:
        """How many times sooner; at least so many, as validations are a factor of two apart."""
        return None if self.seconds is None else self.end / self.seconds

    def report(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "end": self.end, "seconds": self.seconds, "step": self.step, "factor": self.factor,
            "seconds_by_band": self.by_band, "difference": self.difference.report(),
        }  # fmt: skip


@dataclass(eq=False)
class Results:
    """Everything known so far: losses of the baseline, of a reference, and the points of every contender, in order."""

    exam: Examination
    baseline: np.ndarray
    reference: np.ndarray | None
    points: dict[str, list[Point]]

    def leads(self) -> dict[str, Lead]:
        """Ours against each of the others, as far as they have come."""
        ours = self.points.get("ours")
        return {
            name: Lead.of(ours, points[-1], self.exam)
            for name, points in self.points.items()
            if ours and points and name != "ours"
        }

    def rate(self, name: str) -> float | None:
        """Iterations a second of a contender, without what it took to set up; None before the first."""
        first, last = self.points[name][0], self.points[name][-1]
        return last.step / (last.seconds - first.seconds) if last.step else None

    def report(self) -> dict[str, Any]:
        """As JSON has it: bands, baseline, reference, curves, leads."""
        curves = {
            name: {
                "parameters": points[-1].parameters,
                "iterations_per_second": self.rate(name),
                "points": [self._point(point) for point in points],
            }
            for name, points in self.points.items()
            if points
        }
        return {
            "bands": [list(pair) for pair in itertools.pairwise(self.exam.edges.tolist())],
            "held_out": len(self.baseline),
            "unit": "nats per configuration and unit of log σ̃; totals in nats per configuration",
            "baseline": self._yardstick(self.baseline),
            "reference": None if self.reference is None else self._yardstick(self.reference),
            "curves": curves,
            "leads": {name: lead.report() for name, lead in self.leads().items()},
        }

    def _point(self, point: Point) -> dict[str, Any]:
        found = {"seconds": point.seconds, "step": point.step}
        found |= {"over_baseline": Excess.of(point.losses, self.baseline, self.exam).report()}
        if self.reference is not None:
            found |= {"over_reference": Excess.of(point.losses, self.reference, self.exam).report()}
        return found

    def _yardstick(self, losses: np.ndarray) -> dict[str, Any]:
        plain = Excess.of(losses, np.zeros_like(losses), self.exam)
        found: dict[str, Any] = {"loss": plain.value.tolist(), "error": plain.error.tolist()}
        if self.reference is not None and losses is self.baseline:
            found |= {"over_reference": Excess.of(losses, self.reference, self.exam).report()}
        return found
