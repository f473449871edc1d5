"""``stoqlab budget``: where the errors of generated configurations come from."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cli import models
from core.cli.arguments import Parser, positive, seed, warn, whole_number
from core.cli.lattices import theory_in_words
from core.cli.progress import progress_bar

if TYPE_CHECKING:
    from core.contracts import Tensor
    from core.theories.phi4 import Phi4

_DESCRIPTION = """\
Take the errors of generated configurations apart: prior, discretisation, lowest noise level, score and
statistics, each by putting in the exact part while all random numbers stay the same. M is a field model
(.safetensors), F the ensemble that it is held against, which also gives lattice and couplings. With
--score gaussian the Gaussian baseline alone is taken apart; M may then be an ensemble that it is fitted
to."""

_EPILOG = """\
examples:
  stoqlab budget phi4_L32_k0.27.safetensors critical.nc
  stoqlab budget critical.nc critical.nc --score gaussian --prior noise
  stoqlab budget phi4_L32_k0.27.safetensors critical.nc --configs 1000 --profile --json

Columns are generated minus exact. Every path is made some times with 300 steps: 1000 configurations of
32² take minutes on a CPU. --profile tells at which noise levels the score errs."""


def add_to(commands) -> None:
    """Add this command and its arguments to the parser's commands."""
    parser: Parser = commands.add_parser(
        "budget", help="where the errors of a generated ensemble come from", description=_DESCRIPTION, epilog=_EPILOG
    )
    parser.add_argument("model", metavar="M", type=Path, help="field model (.safetensors), or an ensemble (.nc)")
    parser.add_argument("file", metavar="F", type=Path, help="ensemble (.nc) to hold it against")
    parser.add_argument("--score", choices=("learned", "gaussian"), default="learned", help="default: learned")
    parser.add_argument("--baseline", choices=models.BASELINES, help="where the Gaussian comes from")
    parser.add_argument("--configs", type=whole_number, default=1024, metavar="N", help="paths (default 1024)")
    process = parser.add_argument_group("the process that is taken apart")
    process.add_argument("--steps", type=whole_number, metavar="N", help="steps (default 30)")
    process.add_argument("--solver", help="integrator (default exponential)")
    process.add_argument("--grid", help="grid of the times (default log-sigma)")
    process.add_argument("--schedule", default="ve", help="ve, vp, vp-linear or cosine, to the level that F needs")
    process.add_argument("--prior", choices=("matched", "noise"), default="matched", help="default: matched")
    process.add_argument("--lowest", type=positive, metavar="σ", help="noise level at which it asks the score last")
    parser.add_argument("--profile", action="store_true", help="also the score's error by noise level")
    parser.add_argument("--seed", type=seed, default=0, metavar="N", help="seed (default 0)")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, mps or auto (default cpu)")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.set_defaults(run=run, parser=parser)


def run(arguments: argparse.Namespace) -> int:
    """Do what the arguments ask for; returns the exit status. Raises ValueError for arguments that do not fit."""
    from core.diffusion.error_budget import error_budget
    from core.diffusion.field_generate import GRID, SOLVER, STEPS, baseline_of
    from core.diffusion.field_noise import noise_range, schedule_reaching
    from core.diffusion.score_profile import score_profile

    data, theory = _ensemble(arguments.file)
    bound = models.bound_of(arguments, theory.event, theory.kappa, theory.lam)
    schedule = schedule_reaching(arguments.schedule, noise_range(baseline_of(bound.score)).high)
    common: dict[str, Any] = {
        "theory": theory, "n": arguments.configs, "seed": arguments.seed, "device": arguments.device,
    }  # fmt: skip
    with progress_bar("error budget") as progress:
        found = error_budget(
            bound.score, data, schedule, solver=arguments.solver or SOLVER, grid=arguments.grid or GRID,
            steps=arguments.steps or STEPS, lowest=arguments.lowest, prior=arguments.prior, progress=progress, **common,
        )  # fmt: skip
    profile = None
    if arguments.profile:
        with progress_bar("by noise level") as progress:
            profile = score_profile(bound.score, data, progress=progress, **common)
    warnings = [sentence for sentence in (bound.outside, *found.warnings) if sentence]
    if arguments.json:
        origin = {
            "model": bound.name, "digest": bound.digest, "score": bound.kind, "baseline": bound.baseline,
            "schedule": arguments.schedule, "file": str(arguments.file), "theory": theory.name,
            "couplings": {"kappa": theory.kappa, "lam": theory.lam, "shape": list(theory.event)},
        }  # fmt: skip
        report = origin | found.as_json() | {"warnings": warnings}
        report |= {} if profile is None else {"profile": profile.as_json()}
        print(json.dumps(report, allow_nan=False, ensure_ascii=False))
        return 0
    what = f"{bound.kind} score of {bound.name}" if bound.kind == "learned" else bound.name
    print(f"{theory_in_words(theory)}; {what}, baseline {bound.baseline}\n{found.as_text()}")
    if profile is not None:
        print(f"\n{profile.as_text()}")
    for sentence in warnings:
        warn(sentence)
    return 0


def _ensemble(path: Path) -> tuple[Tensor, Phi4]:
    """Fields (chains, draws, *event), or (n, *event) of independent configurations, and their theory."""
    import torch

    from core.ensembles.files import open_ensemble

    try:
        with open_ensemble(path) as reader:
            fields = reader.read(0, reader.stored[0], 0, reader.stored[1])
            if reader.independent:
                fields = fields.reshape(-1, *reader.theory.event)
            return torch.from_numpy(fields), reader.theory
    except (FileNotFoundError, IsADirectoryError) as error:
        raise ValueError(str(error)) from None
