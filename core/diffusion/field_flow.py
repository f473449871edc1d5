"""The probability flow of a lattice field's score as a law with a density, and what that costs."""

from __future__ import annotations

import time

import torch

from core.contracts import ScoreModel
from core.devices import cores
from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.field_generate import baseline_of
from core.diffusion.field_noise import noise_range
from core.diffusion.grids import SIGMA_CAP
from core.diffusion.likelihood import ProbabilityFlow, score_divergence
from core.noise import Noise
from core.schedule import Schedule

PASSES = 6
"""Scores and divergences for each Runge–Kutta step: four, and half as many again for the error estimate."""
PATIENCE = 600.0
"""Seconds that log q may take unless somebody insists."""


def field_flow(
    score: ScoreModel, schedule: Schedule, *, steps: int, device: str | torch.device = "cpu", divergence: str = "exact"
) -> ProbabilityFlow:
    """The flow from the schedule's last noise level down to the lowest that the field needs.

    The flow is the same for every schedule; only its highest level comes from there. Raises ValueError for a number of
    steps that is not even.
    """
    gaussian = baseline_of(score)
    high = min(float(schedule.sigma(schedule.t_max)), SIGMA_CAP)
    return ProbabilityFlow(score, gaussian, noise_range(gaussian).low, high, steps, divergence, device=device)


def cheap(flow: ProbabilityFlow) -> bool:
    """Whether the exact divergence costs no more than a few scores.

    A model says so by ``cheap_divergence``; one that brings a ``divergence`` and says nothing is taken at its word.
    """
    known = hasattr(flow.model, "divergence")
    return isinstance(flow.model, FieldGaussianScore) or bool(getattr(flow.model, "cheap_divergence", known))


def seconds_for(flow: ProbabilityFlow, n: int) -> float:
    """About how long log q of ``n`` configurations takes here, from one backward pass of a few."""
    gaussian = baseline_of(flow.model)
    few, sites = min(n, 8), gaussian.connected.size
    xi = flow.low * flow.high
    x = gaussian.draw_prior(few, 1.0, xi, Noise(0, "timing"), torch.float64).to(flow.device)
    probe = torch.ones_like(x)
    method = "exact" if cheap(flow) else "hutchinson"
    passes = 1 if cheap(flow) or flow.divergence == "hutchinson" else sites
    times = []
    for _ in range(2):  # the first one may compile or plan
        start = time.perf_counter()
        score_divergence(flow.model, x, xi, method, probe)
        times.append(time.perf_counter() - start)
    at_once = cores() if torch.device(flow.device).type == "cpu" else 1
    return min(times) / few * passes * PASSES * flow.steps * n / at_once


class TooLong(ValueError):
    """What is asked for would take ``seconds``, more than anybody wants to wait."""

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


def require_affordable(flow: ProbabilityFlow, n: int, patience: float = PATIENCE) -> None:
    """TooLong where log q of ``n`` configurations would take longer than ``patience`` seconds."""
    needed = seconds_for(flow, n)
    if needed > patience:
        sites = baseline_of(flow.model).connected.size
        raise TooLong(
            f"log q of {n} configurations would take about {in_words(needed)}: the exact divergence of this network "
            f"costs {sites} backward passes for each of {PASSES * flow.steps} evaluations. Path weights (path) have no "
            "divergence; or take fewer configurations, or ask for it all the same with exact",
            needed,
        )


def in_words(seconds: float) -> str:
    """A duration for people."""
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.2g} {unit}"
    return f"{seconds:.2g} seconds"
