"""What a run of the page leaves: both processes, with the data and the score that they had."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from core.contracts import ScoreModel
from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.field_run import FieldRun
from core.samplers.ensemble import Thermalisation
from core.schedule import Schedule
from dashboard.pages.diffusion.ensembles import Ensemble
from dashboard.pages.diffusion.library import StoredEnsemble


@dataclass(frozen=True, eq=False)
class Score:
    """What drives the backward process: ``model``, its Gaussian part, and a sentence on where both come from.

    ``kind`` is 'learned', 'gaussian' or 'exact'; ``baseline`` says where the Gaussian part of a learned one comes from
    and ``doubt`` that it is used outside its training or with an extrapolated one, each a sentence or empty.
    ``against`` are the data to hold its configurations against: where it was ``fitted`` to data the half that the fit
    has not seen.
    """

    model: ScoreModel
    gaussian: FieldGaussianScore
    kind: str
    text: str
    against: torch.Tensor
    fitted: bool = False
    baseline: str = ""
    doubt: str = ""


@dataclass(frozen=True, eq=False)
class Outcome:
    """A forward and a backward process; ``last`` where there is nothing better to come."""

    run: FieldRun
    schedule: Schedule
    data: Ensemble | StoredEnsemble
    score: Score
    last: bool

    @property
    def report(self) -> Thermalisation | None:
        """How the data came into equilibrium, where they were made here."""
        return self.data.report if isinstance(self.data, Ensemble) else None
