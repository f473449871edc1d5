"""What a score is held against: the data, or of data that it was fitted to the half that the fit has not seen.

Data are independent configurations (n, *event), or Markov chains (chains, draws, *event).
"""

from __future__ import annotations

import torch

from core.jobs import Token
from core.statistics.measure import Measurement, measure
from core.theories.phi4 import Phi4


def halves(data: torch.Tensor, theory: Phi4) -> tuple[torch.Tensor, torch.Tensor]:
    """Two halves: of single configurations, of whole chains, or of the only chain its beginning and its end."""
    axis = 1 if data.ndim == theory.d + 2 and len(data) == 1 else 0
    first = data.shape[axis] // 2
    return data.narrow(axis, 0, first), data.narrow(axis, first, data.shape[axis] - first)


def flat(data: torch.Tensor, theory: Phi4) -> torch.Tensor:
    """All configurations (n, *event)."""
    return data.flatten(0, 1) if data.ndim == theory.d + 2 else data


def measured(theory: Phi4, data: torch.Tensor, token: Token) -> Measurement:
    """All observables, with errors that know the correlations of chains."""
    chained = data.ndim == theory.d + 2
    return measure(theory, [(data if chained else data[None]).numpy()], independent=not chained, token=token)
