"""Correction of generated configurations by a few Markov-chain steps with the true action.

Each step leaves e^{-S} as it is, so a good ensemble stays good and a nearly good one is improved at short distances
first. Finitely many steps do not make a bad start right: modes that relax slowly, and the sign of M, stay as they
were generated. Weights (``core.diffusion.path_weights``) have no such restriction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from core.contracts import Theory
from core.jobs import Token
from core.noise import Noise
from core.samplers.algorithms import automatic, find
from core.samplers.driver import frames
from core.theories.phi4 import Phi4

Tensor = torch.Tensor

CORRECTIONS = ("mala", "hmc")
LOW = 0.3
"""Acceptance below which a sentence says so."""


@dataclass(frozen=True, eq=False)
class Corrected:
    """``fields`` (n, *event) after ``steps`` steps of ``algorithm``; ``acceptance`` averaged over all of them."""

    fields: Tensor
    algorithm: str
    steps: int
    parameters: dict[str, Any]
    acceptance: float

    @property
    def warnings(self) -> tuple[str, ...]:
        """A sentence where hardly any step was accepted, so that the correction did little."""
        if self.acceptance >= LOW:
            return ()
        return (
            f"Only {self.acceptance:.1%} of the correction's steps were accepted: it changed little. "
            "A smaller step_size helps, unless the configurations lie far from equilibrium.",
        )


def correct(
    theory: Theory,
    x: Tensor,
    algorithm: str,
    steps: int,
    noise: Noise,
    token: Token | None = None,
    **parameters: Any,
) -> Corrected:
    """Take ``steps`` steps of ``algorithm``, 'mala' or 'hmc', from the configurations ``x`` (n, *event).

    ``parameters`` are those of ``core.samplers.algorithms``; for φ⁴ the missing ones are tuned on pilot chains near
    equilibrium, for other theories ``step_size`` (and ``n_steps`` of HMC) must be given, and the sign is not flipped
    unless ``flip`` is. Configuration i depends on x_i, ``noise`` and i alone. Raises ValueError for an unknown
    algorithm, a bad number of steps or a bad parameter, Cancelled once ``token`` is.
    """
    if algorithm not in CORRECTIONS:
        raise ValueError(f"correction must be one of {', '.join(CORRECTIONS)}, got {algorithm!r}")
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise ValueError(f"steps of a correction must be a whole number of at least 1, got {steps!r}")
    if tuple(x.shape[1:]) != tuple(theory.event):
        raise ValueError(f"configurations must have the theory's shape {theory.event}, got {tuple(x.shape[1:])}")
    known = find(algorithm)
    if isinstance(theory, Phi4):
        parameters = automatic(algorithm, theory, noise, x.dtype, **parameters)
    else:
        parameters = {"flip": False, **parameters}
        missing = [n for n, d in known.parameters.items() if d is None and parameters.get(n) is None]
        unknown = [n for n in parameters if n not in known.parameters]
        if missing or unknown:
            wrong = f"{missing[0]} must be given" if missing else f"{unknown[0]!r} is no parameter"
            raise ValueError(f"{wrong} for {algorithm} on this theory; it takes {', '.join(known.parameters)}")
    state = known.start(theory, x, **parameters)
    (frame,) = frames(state, known.step, noise.of("correction"), steps, token=token)
    return Corrected(frame.state.x, algorithm, steps, parameters, frame.acceptance)
