"""Noise strengths g(t) of Langevin processes that depend on time; see `core.samplers.langevin`, where √2 is usual."""

from __future__ import annotations

import math


def growing(t: float) -> float:
    """From √2/2 at t = 0 to 2√2 at t = 15, linearly, and constant from there on."""
    return math.sqrt(2) * (0.5 + 0.5 * min(t / 5, 3.0))


def falling(t: float) -> float:
    """From 2√2 at t = 0 to √2/2 in the far future."""
    return math.sqrt(2) * (0.5 + 1.5 / (1 + t / 5))
