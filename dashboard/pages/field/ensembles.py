"""Ensembles made on the spot, kept for all sessions, so that one of them waits and the others do not."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from core.jobs import Token
from core.noise import Noise
from core.samplers.ensemble import Thermalisation, thermalise
from core.theories.phi4 import Phi4

KEPT = 12
"""Ensembles in memory, the longest unused dropped first (4 MB each at 1024 × 32²)."""
EVERY = 10
DRIFTING = 4.0
"""Change of ⟨φ²⟩ or ⟨|M|⟩ late in the run, in standard errors, from which the ensemble counts as not in equilibrium."""


@dataclass(frozen=True)
class Request:
    """What fixes an ensemble."""

    theory: Phi4
    configurations: int
    trajectories: int
    seed: int


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Configurations (n, L, L) and how they were reached."""

    request: Request
    fields: torch.Tensor
    report: Thermalisation
    history: np.ndarray

    @property
    def warning(self) -> str | None:
        """A sentence where the chains had not settled, else None."""
        drift = self.report.drift()
        if drift < DRIFTING:
            return None
        return (
            f"The chains still move as a body ({drift:.1f} standard errors between the last two quarters of the run): "
            "this ensemble is not in equilibrium. Take more HMC trajectories."
        )


_kept: OrderedDict[Request, Ensemble] = OrderedDict()
_lock = threading.Lock()


def make(request: Request, token: Token) -> Iterator[Thermalisation | Ensemble]:
    """Reports while the chains thermalise, then the ensemble; at once the ensemble where it is known."""
    with _lock:
        known = _kept.get(request)
        if known is not None:
            _kept.move_to_end(request)
    if known is not None:
        yield known
        return
    report = None
    noise = Noise(request.seed).of("ensemble")
    for report in thermalise(
        request.theory, request.configurations, noise, request.trajectories, every=EVERY, token=token
    ):
        yield report
    assert report is not None
    ensemble = Ensemble(request, report.fields, report, report.magnetisation)
    with _lock:
        _kept[request] = ensemble
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
    yield ensemble
