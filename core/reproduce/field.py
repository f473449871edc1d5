"""Forward and backward process of lattice fields as a script and as ``stoqlab sample``."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.diffusion.field_model import shipped
from core.ensembles.library import Library
from core.reproduce.code import Words, schedule_code
from core.reproduce.recipe import Recipe, stamp
from core.schedule import VE, VP, Schedule
from core.theories.phi4 import Phi4

NO_MODEL = "The command line samples with a model or from an ensemble file; the Python script makes this picture."
OTHER_SCHEDULE = "The command line takes this schedule from a JSON file only; the Python script makes this picture."
OTHER_NOISE = "Makes configurations of the same law with other noise, to a file; stoqlab compare tells two files apart."


@dataclass(frozen=True)
class Made:
    """Data made on the spot: independent chains after so many cluster updates."""

    configurations: int
    sweeps: int
    seed: int


@dataclass(frozen=True)
class Stored:
    """An ensemble of the library, see `core.ensembles.spread`; ``chains`` as found there."""

    name: str
    chains: int


@dataclass(frozen=True, eq=False)
class FieldProcess:
    """What fixes a run: data, score and the arguments of `core.diffusion.field_run.run_field`.

    ``kind`` is learned, gaussian or exact; ``model`` the file of the model, None without one; ``source`` where its
    Gaussian part comes from, as of `core.diffusion.field_score.FieldScore`.
    """

    theory: Phi4
    data: Made | Stored
    kind: str
    model: Path | None
    source: str
    schedule: Schedule
    solver: str
    grid: str
    prior: str
    seed: int
    paths: int
    steps: int
    frames: int
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fitted(self) -> bool:
        """Whether the score is fitted to one half of the data, and held against the other."""
        return self.kind != "exact" and (self.model is None or self.source == "refitted")

    def recipe(self) -> Recipe:
        """The script prints all observables of the data and of the configurations that are made of noise."""
        kind, schedule = schedule_code(self.schedule)
        imports = {
            f"from core.schedule import {kind}",
            "from core.diffusion.field_run import run_field",
            "from core.statistics.measure import measure",
            "from core.theories.phi4 import Phi4",
        }
        body = [f"theory = {self.theory!r}", *self._data(imports), *self._score(imports)]
        body += [
            f"schedule = {schedule}",
            "run = run_field(",
            f"    data, schedule, gaussian=gaussian, score=score, solver={self.solver!r}, grid={self.grid!r},",
            f"    prior={self.prior!r}, seed={self.seed}, paths={self.paths}, steps={self.steps},",
            f"    frames={self.frames},",
            ")",
            "",
            "made = measure(theory, [run.generated.numpy()[None]], independent=True)",
            'print("# value and error in the data, and in what was made of noise")',
            "for name, there in known.observables.items():",
            "    here = made.observables[name]",
            "    print(name, *map(float, (there.value, there.error, here.value, here.error)))",
            "",
            'print("# t of the backward process, ⟨φ²⟩ there with its error")',
            "for t, value, error in zip(run.backward.times, *run.backward.cumulants, strict=True):",
            "    print(float(t), float(value[2]), float(error[2]))",
        ]
        title = f"{self.theory!r}, {self.schedule.name}: fields dissolved and made of noise; seed {self.seed}"
        command, note = self._command()
        script = "\n".join([stamp(title) + "\n".join(sorted(imports)), "", *body, ""])
        return Recipe(script, command, "", note, self.settings)

    def _data(self, imports: set[str]) -> list[str]:
        data = self.data
        if isinstance(data, Made):
            imports |= {"from core.noise import Noise", "from core.samplers.ensemble import thermalise_by_clusters"}
            lines = [
                f'noise = Noise({data.seed}).of("ensemble")',
                f"*_, last = thermalise_by_clusters(theory, {data.configurations}, noise, {data.sweeps})",
                "data = last.fields",
            ]
        else:
            imports |= {
                "from core.ensembles.library import Library",
                "from core.ensembles.spread import spread_configurations",
            }
            lines = [f"data = spread_configurations(Library().path({data.name!r})).fields"]
        chained = data.chains if isinstance(data, Stored) else 0
        known = f"data.unflatten(0, (-1, {chained})).swapaxes(0, 1)" if chained else "data"
        if not self.fitted:
            lines.append(f"against = {known}")
        elif chained == 1:
            lines += [f"series = {known}", "half = series.shape[1] // 2"]
            lines += ["first, against = series[0, :half], series[:, half:]"]
        elif chained:
            lines += [f"series = {known}", "half = len(series) // 2"]
            lines += ["first, against = series[:half].flatten(0, 1), series[half:]"]
        else:
            lines += ["half = len(data) // 2  # the score is fitted to one half and held against the other"]
            lines += ["first, against = data[:half], data[half:]"]
        if chained:
            return [*lines, "known = measure(theory, [against.numpy()])"]
        return [*lines, "known = measure(theory, [against.numpy()[None]], independent=True)"]

    def _score(self, imports: set[str]) -> list[str]:
        if self.model is None or self.kind == "exact":
            imports.add("from core.diffusion.field_gaussian import FieldGaussianScore")
            exact = "FieldGaussianScore(theory.free_propagator())  # exact for the free field"
            return [f"score = gaussian = {exact if self.kind == 'exact' else 'FieldGaussianScore.fit(first)'}"]
        imports.add("from core.diffusion.field_model import FieldModel")
        name = self.model.stem
        if shipped().get(name) == self.model:
            imports.add("from core.diffusion.field_model import shipped")
            lines = [f"model = FieldModel.load(shipped()[{name!r}])"]
        else:
            lines = [f"model = FieldModel.load({str(self.model)!r})"]
        if self.source == "refitted":
            imports.add("from core.diffusion.field_source import refitted")
            learned = "" if self.kind == "learned" else ", learned=False"
            lines.append(f"score = refitted(model, theory, first, 0{learned})")
        else:
            lines.append("score = model.at(theory.event, theory.kappa, theory.lam)")
        if self.kind == "gaussian":
            return [*lines, "score = gaussian = score.gaussian  # the Gaussian part alone"]
        return [*lines, "gaussian = score.gaussian"]

    def _command(self) -> tuple[str, str]:
        if not isinstance(self.schedule, VE | VP):
            return "", OTHER_SCHEDULE
        if self.model is not None and self.kind != "exact":
            what: Words = [self.model, "--score", self.kind, "--L", max(self.theory.event)]
            what += ["--kappa", self.theory.kappa, "--lam", self.theory.lam]
            what += ["--baseline", "refitted"] if self.source == "refitted" else []
        elif isinstance(self.data, Stored) and self.kind == "gaussian":
            what = [Library().path(self.data.name), "--score", "gaussian"]
        else:
            return "", NO_MODEL
        words: Words = ["stoqlab", "sample", *what, "--configs", self.paths, "--schedule", self.schedule.name]
        words += ["--sigma", repr(self.schedule.sigma_max), "--prior", self.prior, "--solver", self.solver]
        words += ["--grid", self.grid, "--steps", self.steps, "--seed", self.seed, "--out", "generated.nc"]
        return shlex.join(map(str, words)), OTHER_NOISE
