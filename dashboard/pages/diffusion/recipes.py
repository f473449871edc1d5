"""The picture of a run as a script and a command line."""

from __future__ import annotations

from core.reproduce.field import FieldProcess, Made, Stored
from core.reproduce.recipe import Recipe
from dashboard.pages.diffusion import models
from dashboard.pages.diffusion.library import StoredEnsemble
from dashboard.pages.diffusion.outcome import Outcome
from dashboard.pages.diffusion.state import DiffusionState
from dashboard.pages.diffusion.work import FRAMES


def field_recipe(outcome: Outcome, state: DiffusionState, names: tuple[str, ...]) -> Recipe:
    """Of a run; ``names`` are the settings that it depends on. ValueError for a preview, whose schedule and data are
    others than those of the run that was asked for."""
    if not outcome.last:
        raise ValueError("this is a preview; the script is there with the whole picture, in a moment")
    data, score = outcome.data, outcome.score
    if isinstance(data, StoredEnsemble):
        origin: Made | Stored = Stored(data.name, data.chains)
    else:
        origin = Made(data.request.configurations, data.request.sweeps, data.request.seed)
    source = "refitted" if score.fitted else str(getattr(score.model, "source", ""))
    run = FieldProcess(
        data.theory, origin, score.kind, models.path(str(state.model)) if state.model else None, source,
        outcome.schedule, str(state.solver), str(state.grid), str(state.prior), int(state.seed),  # type: ignore[arg-type]
        int(state.paths), int(state.steps), FRAMES, {name: getattr(state, name) for name in names},  # type: ignore[arg-type]
    )  # fmt: skip
    return run.recipe()
