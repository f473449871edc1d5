"""At which scale a score errs: data dissolved to a level σ̃ only, and brought back by the score.

The process from σ̃ to 0 sees the score at levels below σ̃ alone. Starts at different levels share their normal deviates,
and every path is held against the configuration that it came from; so the difference from the data tells, with small
errors where σ̃ is small, what the score's errors below σ̃ do, and the difference of two neighbouring levels what those
between them do. Where the exact score would be used all of it vanishes. The picture is ``φ̃ = φ_0 + σ̃ η`` (VE), in which
every schedule has the same score; the integrator is the Gaussian-exact one of the probability flow, with many steps.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.contracts import ScoreModel, Tensor, score_at
from core.devices import pick_device
from core.diffusion.budget_runs import DEEPER
from core.diffusion.exponential import exponential
from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.field_generate import Report, baseline_of
from core.diffusion.field_noise import noise_range, schedule_reaching
from core.diffusion.paired_paths import PairedPaths, difference
from core.jobs import Token
from core.noise import Noise
from core.statistics.format import thousands, with_error
from core.statistics.jackknife import Estimate
from core.statistics.measure import TITLES
from core.theories.phi4 import Phi4

LEVELS = 8
STEPS_PER_E = 16
"""Steps for each factor of e in σ̃."""


@dataclass(frozen=True, eq=False)
class ScoreProfile:
    """What the score's errors do to each observable, by scale.

    ``below`` (levels, observables) is the effect of the errors at all levels below ``sigma`` (levels,), rising;
    ``between`` that of the errors between a level and the one below it (for the first, below it). Both are signed,
    generated minus data, with the errors of paired differences. ``data`` (observables,) are the data's values.
    """

    sigma: np.ndarray
    names: tuple[str, ...]
    below: Estimate
    between: Estimate
    data: Estimate
    n: int

    def as_text(self) -> str:
        """``between`` in columns, one row a level."""
        lines = [f"error of the score by scale, from {thousands(self.n)} paths: what each range of σ̃ adds"]
        lines.append(f"{'σ̃ up to':<10}" + "".join(f"{TITLES[name]:>16}" for name in self.names))
        for level, values, errors in zip(self.sigma, *self.between, strict=True):
            cells = (f"{with_error(v, e):>16}" for v, e in zip(values, errors, strict=True))
            lines.append(f"{level:<10.3g}" + "".join(cells))
        return "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        """Plain numbers; lists over the levels by observable."""
        return {
            "sigma": self.sigma.tolist(),
            "n": self.n,
            **{
                part: {
                    name: {"value": found.value[:, k].tolist(), "error": found.error[:, k].tolist()}
                    for k, name in enumerate(self.names)
                }
                for part, found in (("below", self.below), ("between", self.between))
            },
        }


def score_profile(
    score: ScoreModel,
    data: Tensor,
    *,
    theory: Phi4 | None = None,
    gaussian: FieldGaussianScore | None = None,
    n: int = 1024,
    sigmas: Iterable[float] | None = None,
    steps_per_e: int = STEPS_PER_E,
    seed: int = 0,
    device: str = "cpu",
    token: Token | None = None,
    progress: Report | None = None,
) -> ScoreProfile:
    """The errors of a score by scale, from ``n`` configurations of ``data`` (see ``PairedPaths`` for its shapes).

    ``sigmas`` rise; by default there are LEVELS of them, at equal ratios, from ten times the usual lowest level to the
    highest (``noise_range``). Raises ValueError for arguments out of range, Cancelled once ``token`` is.
    """
    gaussian, where = gaussian or baseline_of(score), pick_device(device)
    paths = PairedPaths(data, gaussian.event, n, theory or getattr(score, "theory_object", None))
    levels = noise_range(gaussian)
    sigma = np.geomspace(10 * levels.low, levels.high, LEVELS) if sigmas is None else np.asarray(list(sigmas), float)
    if len(sigma) == 0 or not np.all(np.isfinite(sigma)) or sigma[0] <= 0 or np.any(np.diff(sigma) <= 0):
        raise ValueError(f"sigmas must be positive, rising noise levels, got {sigma}")
    deepest = min(levels.low, float(sigma[0])) / DEEPER
    schedule = schedule_reaching("ve", float(sigma[-1]))
    solve, at = exponential(gaussian), score_at(score, schedule)
    grids = []
    for level in sigma:
        steps = max(2, math.ceil(steps_per_e * math.log(level / deepest)))
        times = np.asarray(schedule.t_of_sigma(np.geomspace(level, deepest, steps + 1)))
        grids.append(np.append(np.minimum(times, schedule.t_max), 0.0))

    def look(step: int, t: float, x: Tensor) -> None:
        if token is not None:
            token.check()

    def ends(start: Tensor, noise: Noise) -> list[Tensor]:
        eta = noise.normal(0, tuple(start.shape), start.dtype)
        risen = ((start + float(level) * eta).to(where) for level in sigma)
        return [start, *(solve(x, at, schedule, grid, noise, look) for x, grid in zip(risen, grids, strict=True))]

    found = paths.observables(paths.run(ends, Noise(seed).of("profile"), where, token, progress), token)
    level = 2 + np.arange(len(sigma))  # rows of the data, of the starts, and of each level
    below, between = (difference(found, level, row) for row in (np.ones_like(level), level - 1))
    return ScoreProfile(sigma, paths.names, below, between, Estimate(*(a[0] for a in found.estimate)), n)
