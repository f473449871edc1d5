"""What the pictures of the page are asked for: the law, its score, the schedule and how to go back."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Literal, Protocol

from core.contracts import ScoreModel
from core.diffusion.gaussian import GaussianScore
from core.limits import limits
from core.schedule import Schedule
from core.theories.base import Target
from dashboard.pages.one.state import OneState


class Learned(Protocol):
    """Knows learned scores."""

    def model_for(self, target: Target) -> ScoreModel | None:
        """The score learned for exactly this target, else None."""
        ...


@dataclass(frozen=True, eq=False)
class Order:
    """What to compute: the law, the schedule, and how the backward process is run."""

    target: Target
    schedule: Schedule
    model: ScoreModel
    score_name: str
    solver: str
    grid: str
    steps: int
    paths: int
    prior: Literal["matched", "noise"]
    seed: int

    @property
    def key(self) -> Hashable:
        """Equal for orders whose results are equal."""
        # The Gaussian score follows from the law, the exact one is the law; of learned ones each is its own.
        score = self.model if self.score_name == "learned" else self.score_name
        process = self.solver, self.grid, self.steps, self.paths, self.prior, self.seed
        return self.target, self.schedule, score, process


def make_order(target: Target, state: OneState, training: Learned) -> Order:
    """What the state asks for with this target; ValueError with a sentence where it cannot be, or where it is more than
    a visitor may ask for (`core.limits`)."""
    paths, steps = int(state.paths), int(state.steps)  # type: ignore[arg-type]
    limits().check("paths", paths)
    limits().check("path_steps", paths * steps)
    model, name = choose_score(target, str(state.score), training)
    return Order(
        target=target,
        schedule=state.make_schedule(),
        model=model,
        score_name=name,
        solver=str(state.solver),
        grid=str(state.grid),
        steps=steps,
        paths=paths,
        prior="noise" if state.prior == "noise" else "matched",
        seed=int(state.seed),  # type: ignore[arg-type]
    )


def choose_score(target: Target, choice: str, training: Learned) -> tuple[ScoreModel, str]:
    """The score of that choice for this target, and its name; ValueError where none has been learned yet."""
    if choice == "gaussian":
        return GaussianScore(target.mean, target.covariance), "Gaussian"
    if choice == "learned":
        model = training.model_for(target)
        if model is None:
            raise ValueError("no score has been learned for this target yet: press Train in the section Score.")
        return model, "learned"
    return target, "exact"
