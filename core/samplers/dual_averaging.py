"""A step size for a wanted acceptance, by dual averaging (Hoffman and Gelman, arXiv:1111.4246, section 3.2).

With α_m the acceptance measured at step size ε_m and δ the one wanted,

    H̄_m = (1 - 1/(m + t₀)) H̄_{m-1} + (δ - α_m)/(m + t₀),      log ε_{m+1} = μ - (√m/γ) H̄_m,
    log ε̄_m = m^{-κ} log ε_m + (1 - m^{-κ}) log ε̄_{m-1},

as in their algorithms 5 and 6, with their t₀ = 10 and κ = 0.75. ε₀ is found as in their algorithm 4: doubled or halved
until the acceptance crosses δ (theirs: ½). The averaged ε̄ is what is kept. Their γ = 0.05 and μ = log 10 ε₀ are for a
single chain whose α_m is mostly noise. Here α_m is the mean over many pilot chains: at that gain ε swings between
acceptances of 0 and 1, and its average comes out too small by a third where the acceptance falls steeply. γ = 0.2 and
μ = log ε₀ follow the mean acceptance without swinging, so that some tens of rounds are enough.
"""

from __future__ import annotations

import math
from collections.abc import Callable

GAMMA, T0, KAPPA = 0.2, 10.0, 0.75


def tuned(
    acceptance_at: Callable[[float], float],
    start: float,
    target: float = 0.8,
    rounds: int = 60,
    lowest: float = 0.0,
    highest: float = math.inf,
) -> float:
    """The step size at which ``acceptance_at(step size)`` is ``target`` on average.

    ``acceptance_at`` moves the pilot chains on and returns their mean acceptance probability, 0…1; nan counts as 0. It
    is called at most ``rounds`` + 20 times, with sizes from ``lowest`` to ``highest``: where the target is out of
    reach between them, the nearer end is returned. Raises ValueError for a target outside (0, 1), no rounds, or a
    start that is not positive.
    """
    if not 0 < target < 1:
        raise ValueError(f"target must be between 0 and 1, got {target}")
    if rounds < 1:
        raise ValueError(f"rounds must be at least 1, got {rounds}")
    if not (math.isfinite(start) and start > 0):
        raise ValueError(f"start must be a positive finite number, got {start}")

    def measured(size: float) -> float:
        rate = acceptance_at(size)
        return 0.0 if math.isnan(rate) else rate

    def bounded(log_size: float) -> float:
        return min(highest, max(lowest, math.exp(min(log_size, 700.0))))

    size = _near(measured, start, target, lowest, highest)
    anchor, error, log_average = math.log(size), 0.0, 0.0
    for m in range(1, rounds + 1):
        error += (target - measured(size) - error) / (m + T0)
        log_size = math.log(bounded(anchor - math.sqrt(m) / GAMMA * error))
        weight = m**-KAPPA
        log_average = weight * log_size + (1 - weight) * log_average
        size = math.exp(log_size)
    return bounded(log_average)


def _near(measured: Callable[[float], float], start: float, target: float, lowest: float, highest: float) -> float:
    """Doubled or halved from ``start`` until the acceptance crosses the target, at most twenty times."""
    size = min(highest, max(lowest, start))
    grows = measured(size) > target
    for _ in range(19):
        following = size * (2.0 if grows else 0.5)
        if not lowest <= following <= highest:
            break
        size = following
        if (measured(size) > target) != grows:
            break
    return size
