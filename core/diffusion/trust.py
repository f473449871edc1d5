"""Whether a score can be trusted where it is used: a light, and the numbers behind it.

Three things are looked at. The couplings: a conditioned model knows the range of its training. The Schwinger–Dyson
equation of what it generates, ⟨φ ∂S/∂φ⟩ = 1: wrong couplings or short-distance errors show at once, with few
configurations. The weights of backward paths (``core.diffusion.path_weights``): their effective sample size falls with
any error of the score, at any scale that the paths visit; it cannot tell of a region that they never reach.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from core.contracts import ScoreModel, score_at
from core.devices import pick_device
from core.diffusion.field_generate import GRID, STEPS, backward_times, baseline_of
from core.diffusion.field_noise import noise_range, schedule_reaching
from core.diffusion.field_score import FieldScore
from core.diffusion.path_weights import PathProposal
from core.diffusion.weights import Weighted
from core.jobs import Token, one_thread
from core.noise import Noise
from core.schedule import Schedule
from core.statistics.errors import Measured
from core.statistics.format import with_error
from core.statistics.schwinger_dyson import left_hand_side, schwinger_dyson
from core.theories.phi4 import Phi4

Tensor = torch.Tensor

CONFIGS = 128
"""Paths that a check takes unless told otherwise."""
SIGNIFICANT, NOTICEABLE = 4.0, 0.01
"""Schwinger–Dyson is off where it deviates from 1 by so many errors and by this much."""
FEWEST_PATHS, LARGEST_ERROR = 32, 0.05
"""With fewer paths, or a larger error of Schwinger–Dyson, a check cannot tell."""
LOW_ESS = 0.05
"""Effective sample size of the paths below which the light is amber."""


@dataclass(frozen=True)
class TrustCheck:
    """``level`` is 'green' or 'amber', ``sentence`` why. ``ess`` and ``acceptance`` (of independence Metropolis) come
    from the weights of ``configs`` paths, ``schwinger_dyson`` from generated configurations; nan where not known.
    """

    level: str
    sentence: str
    ess: float
    acceptance: float
    schwinger_dyson: Measured
    configs: int


def trust_check(
    score: ScoreModel,
    theory: Phi4 | None = None,
    *,
    noise: Noise,
    fields: Tensor | None = None,
    schedule: Schedule | None = None,
    steps: int = STEPS,
    grid: str = GRID,
    configs: int = CONFIGS,
    device: str = "cpu",
    token: Token | None = None,
) -> TrustCheck:
    """Check ``score`` for ``theory``, by default the one the score brings.

    ``fields`` (n, *event) are configurations that it generated; without them the ends of the paths take their place.
    ``schedule`` is by default the VE one that reaches the level the field needs. Raises ValueError for a score without
    a Gaussian baseline or a theory, Cancelled once ``token`` is.
    """
    known = theory or getattr(score, "theory_object", None)
    if known is None:
        raise ValueError("a check needs the action: the score does not know its theory, and none is given")
    gaussian = baseline_of(score)
    schedule = schedule or schedule_reaching("ve", noise_range(gaussian).high)
    try:
        paths = path_proposal(score, known, schedule, steps=steps, grid=grid, device=device)
        with one_thread():
            found = paths.propose(configs, noise.of("check"), token)
    except (FloatingPointError, ValueError) as error:
        nan = Measured(math.nan)
        return TrustCheck("amber", f"No configuration could be made: {error}", 0.0, 0.0, nan, configs)
    equation = schwinger_dyson_of(known, found.fields if fields is None else fields)
    return judge(_out_of_range(score), found, equation, configs)


def judge(outside: str, found: Weighted, equation: Measured, configs: int) -> TrustCheck:
    """The light for what was found; ``outside`` is a sentence where the couplings are outside the training's."""
    reasons = [outside] if outside else []
    excess = equation.value - 1
    if not abs(excess) < max(NOTICEABLE, SIGNIFICANT * equation.error):
        reasons.append(f"The Schwinger–Dyson equation gives {with_error(equation.value, equation.error)} instead of 1.")
    if found.ess < LOW_ESS:
        reasons.append(
            f"The paths' effective sample size is {found.ess:.2g} of {configs}: the score misses part of the law."
        )
    numbers = (
        f"Schwinger–Dyson {with_error(equation.value, equation.error)} (must be 1), path weights of {configs} "
        f"configurations: ESS {found.ess:.2f}, acceptance {found.acceptance:.2f}."
    )
    if configs < FEWEST_PATHS or not equation.error <= LARGEST_ERROR:
        reasons.append(f"Too few configurations were looked at to tell. {numbers}")
    level = "amber" if reasons else "green"
    sentence = " ".join(reasons) if reasons else f"Inside what the checks can see. {numbers}"
    return TrustCheck(level, sentence, found.ess, found.acceptance, equation, configs)


def path_proposal(
    score: ScoreModel,
    theory: Any,
    schedule: Schedule,
    *,
    steps: int = STEPS,
    grid: str = GRID,
    prior: str = "matched",
    device: str = "cpu",
) -> PathProposal:
    """Ancestral paths of a field's score with ``steps`` evaluations each."""
    gaussian = baseline_of(score)
    times = backward_times(gaussian, schedule, solver="exponential-sde", grid=grid, steps=steps)
    at = score_at(score, schedule)
    return PathProposal(theory, at, schedule, times, gaussian, prior=prior, device=pick_device(device))


def schwinger_dyson_of(theory: Phi4, fields: Tensor) -> Measured:
    """⟨φ ∂S/∂φ⟩ per site of independent configurations (n, *event)."""
    series = []
    for some in fields.split(1024):
        x = some.double()
        links = sum((x * x.roll(-1, axis)).flatten(1).mean(1) for axis in range(1, x.ndim))
        moments = (x.pow(n).flatten(1).mean(1).numpy() for n in (2, 4))
        series.append(left_hand_side(theory, *moments, links.numpy()))  # type: ignore[union-attr]
    return schwinger_dyson(np.concatenate(series), independent=True).measured


def _out_of_range(score: ScoreModel) -> str:
    if not isinstance(score, FieldScore):
        return ""
    return score.model.trusts(score.kappa, score.lam)
