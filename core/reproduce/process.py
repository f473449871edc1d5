"""Forward and backward process of one or two degrees of freedom as a script and as ``stoqlab toy``."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.contracts import ScoreModel
from core.diffusion.gaussian import GaussianScore
from core.diffusion.learned import MODELS, LearnedScore, pretrained
from core.reproduce.code import Words, schedule_code, schedule_words, target_code, target_words
from core.reproduce.recipe import Recipe, stamp
from core.schedule import Schedule
from core.theories.base import Target

TRAINED = "The score was trained here; the script trains it once more, which takes as long as it took."
INTERRUPTED = "The score was trained here and stopped early, so that the script trains it for the same number of steps."


@dataclass(frozen=True, eq=False)
class ProcessRun:
    """What fixes a run: the arguments of `core.diffusion.run.run_backward`, and the frames that are recorded.

    ``weights`` are those of a mixture as they were given; ``settings`` go into data files.
    """

    target: Target
    schedule: Schedule
    model: ScoreModel
    solver: str
    grid: str
    steps: int
    paths: int
    prior: str
    seed: int
    frames: int
    weights: Sequence[float] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    def recipe(self) -> Recipe:
        """The script prints the cumulants of data and samples and their way back, in the plane the variance."""
        flat = self.target.dim == 1
        lines, imports, note = _score(self)
        kind, schedule = schedule_code(self.schedule)
        imports |= {
            f"from core.schedule import {kind}",
            "from core.diffusion.record import Record",
            "from core.diffusion.run import run_backward, run_forward",
            "from core.theories.registry import make_target",
        }
        bundle = "" if flat else f", bundle={self.paths}"
        body = [
            f"target = {target_code(self.target, self.weights)}",
            f"schedule = {schedule}",
            *lines,
            f"record = Record(frames={self.frames}{bundle})",
            "backward = run_backward(",
            f"    target, schedule, model, solver={self.solver!r}, grid={self.grid!r}, steps={self.steps},",
            f"    paths={self.paths}, prior={self.prior!r}, seed={self.seed}, record=record,",
            ")",
            f"forward = run_forward(target, schedule, paths={self.paths}, seed={self.seed}, record=record)",
            "",
        ]
        if flat:
            imports.add("from core.statistics.cumulants import PowerSums")
            body.append(_LINE)
        else:
            body.append(_PLANE)
        title = f"{self.target.name}, {self.schedule.name}: forward and backward process; seed {self.seed}"
        script = "\n".join([stamp(title) + "\n".join(sorted(imports)), "", *body, ""])
        command, why = self._command()
        return Recipe(script, command, note, why, self.settings)

    def _command(self) -> tuple[str, str]:
        if self.target.dim != 1:
            return "", "The command line makes one-dimensional targets only; the Python script makes this picture."
        target = target_words(self.target, self.weights)
        words: Words = ["stoqlab", "toy", *target, *schedule_words(self.schedule)]
        before, score = "", "exact"
        if isinstance(self.model, GaussianScore):
            score = "gaussian"
        elif isinstance(self.model, LearnedScore):
            score = f"{self.target.name}.safetensors"
            if self.model is pretrained(self.target):
                score = str(MODELS / score)
            else:
                record = self.model.record
                train: Words = ["stoqlab", "toy-train", *target, "--samples", record.samples]
                train += ["--steps", record.config["steps"], "--seed", record.seed, "--out", score]
                before = shlex.join(map(str, train)) + "\n"
        words += ["--score", score, "--prior", self.prior, "--solver", self.solver, "--steps", self.steps]
        words += ["--grid", self.grid, "--paths", self.paths, "--seed", self.seed, "--device", "cpu"]
        return before + shlex.join(
            map(str, words)
        ), "Prints the cumulants at the end, the row of this run in the table."


def _score(run: ProcessRun) -> tuple[list[str], set[str], str]:
    """The lines that make the score, what they import, and what to say of it."""
    if isinstance(run.model, GaussianScore):
        line = "model = GaussianScore(target.mean, target.covariance)  # knows mean and variance alone"
        return [line], {"from core.diffusion.gaussian import GaussianScore"}, ""
    if not isinstance(run.model, LearnedScore):
        return ["model = target  # its exact score"], set(), ""
    if run.model is pretrained(run.target):
        return (
            ["model = pretrained(target)  # the shipped network"],
            {"from core.diffusion.learned import pretrained"},
            "",
        )
    record = run.model.record
    lines = [
        f"config = TrainingConfig(**{record.config!r})",
        f"trainer = Trainer(target, config, seed={record.seed}, threads={record.threads})",
    ]
    stopped = record.steps < record.config["steps"]
    lines.append(f"trainer.run(steps={record.steps})" if stopped else "trainer.run()")
    imports = {"from core.diffusion.training import Trainer, TrainingConfig"}
    return [*lines, "model = trainer.score()"], imports, INTERRUPTED if stopped else TRAINED


_LINE = """\
data = PowerSums(shift=float(target.mean[0]))
data.add(forward.start)
start, end, exact = data.cumulants(), backward.cumulants(), target.cumulants(8)
print("# n, exact, data and error, samples and error")
for n in range(1, 9):
    print(n, *map(float, (exact[n], start.value[0, n], start.error[0, n], end.value[n], end.error[n])))

way = backward.frames.sums.cumulants()
print("# t of the backward process, then κ₂, κ₄, κ₆ and κ₈ there, each with its error")
for t, value, error in zip(backward.frames.times, way.value, way.error, strict=True):
    print(float(t), *(float(x) for n in (2, 4, 6, 8) for x in (value[n], error[n])))"""

_PLANE = """\
print("# t, then the variance for each direction")
for frames in (forward.frames, backward.frames):
    for t, particles in zip(frames.times, frames.paths, strict=True):
        print(float(t), float(particles.var(axis=0).mean()))"""
