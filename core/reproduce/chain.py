"""Langevin chains of one degree of freedom as a script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.reproduce.code import target_code
from core.reproduce.recipe import Recipe, stamp
from core.theories.base import Target

NO_COMMAND = "The command line has chains of lattice fields only; the Python script makes this picture."


@dataclass(frozen=True, eq=False)
class ChainRun:
    """``chains`` that start at ``start`` and have taken ``steps`` steps of size ``epsilon``.

    ``strength`` is a name in `core.samplers.strengths`, empty for the constant one; with ``metropolis`` the step is
    that of MALA. τ_int and the mean are taken from the last ``kept`` steps of the first ``measured`` chains.
    """

    target: Target
    start: float
    epsilon: float
    strength: str
    metropolis: bool
    chains: int
    seed: int
    steps: int
    kept: int
    measured: int
    weights: Sequence[float] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    def recipe(self) -> Recipe:
        """The script prints the Langevin time, ⟨x²⟩ over the chains after the last step, and τ_int with the mean."""
        sampler = "mala" if self.metropolis else "langevin"
        strength = "" if self.metropolis or not self.strength else self.strength
        kept = max(1, self.kept)
        imports = [
            "import torch", "", "from core.noise import Noise", f"from core.samplers import {sampler}",
            "from core.samplers.driver import record", "from core.samplers.step_size import mean_square",
            *([f"from core.samplers.strengths import {strength}"] if strength else []),
            "from core.statistics.autocorrelation import integrated_time",
            "from core.theories.registry import make_target",
        ]  # fmt: skip
        body = [
            f"target = {target_code(self.target, self.weights)}",
            f"start = torch.full(({self.chains}, 1), {self.start!r}, dtype=torch.float64)",
            f"state = {sampler}.init(target, start, {self.epsilon!r}{f', {strength}' if strength else ''})",
            'observables = {"x2": mean_square, "x": lambda x: x[:, 0]}',
            f'noise = Noise({self.seed}).of("langevin")',
            f"run = record(state, {sampler}.step, noise, {kept}, observables, thermalisation={self.steps - kept})",
            'print("Langevin time", float(run.clock[-1]))',
            'print("<x²> now", float(run.series["x2"][:, -1].mean()))',
        ]
        if kept >= 20:
            body += [
                'for name in ("x2", "x"):',
                f"    found = integrated_time(run.series[name][:{self.measured}])",
                "    print(name, *map(float, (found.mean, found.mean_error, found.tau, found.tau_error)))",
            ]
        title = f"{self.target.name}: {self.steps} {sampler} steps of {self.chains} chains; seed {self.seed}"
        script = "\n".join([stamp(title) + "\n".join(imports), "", *body, ""])
        return Recipe(script, "", "Goes to the step that the picture has reached.", NO_COMMAND, self.settings)
