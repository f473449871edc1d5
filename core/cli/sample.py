"""``stoqlab sample``: an ensemble of lattice fields by a diffusion model, written to a file."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cli import models
from core.cli.arguments import Parser, positive, require_suffix, seed, warn, whole_number
from core.cli.lattices import finite, theory_in_words
from core.cli.progress import progress_bar

if TYPE_CHECKING:
    from core.diffusion.field_sample import SampleResult

# The names are spelled out here because asking the engine for them would import torch.
SOLVERS = ("exponential", "exponential-sde", "euler", "heun", "flow", "ancestral", "pc", "multistep")
CORRECTIONS = ("none", "mala", "hmc", "path", "metropolis")

_DESCRIPTION = """\
Generate configurations of a lattice field with a diffusion model and write them to a NetCDF file like
those of 'stoqlab ensemble', with the model's checksum and all numerics. Uncorrected configurations are
independent draws; --correct mala or hmc takes some steps of the true action from there. --correct path
and metropolis make Markov chains whose law is exact however bad the score is: with the weights of whole
backward paths, or with log q of the probability flow (exact divergence)."""

_EPILOG = """\
examples:
  stoqlab sample assets/models/phi4_L32_k0.27.safetensors --configs 1e4 --out G.nc
  stoqlab sample M.safetensors --configs 1e4 --correct path --out exact.nc
  stoqlab sample conditioned.safetensors --kappa 0.26 --lam 0.022 --L 64 --configs 1000 --out G.nc
  stoqlab sample F.nc --score gaussian --configs 1e4 --out baseline.nc
  stoqlab compare F.nc G.nc                        what it is worth"""


def add_to(commands) -> None:
    """Add this command and its arguments to the parser's commands."""
    parser: Parser = commands.add_parser(
        "sample", help="generate a lattice ensemble with a diffusion model", description=_DESCRIPTION, epilog=_EPILOG
    )
    models.add_model(parser)
    parser.add_argument("--configs", type=whole_number, required=True, metavar="N", help="configurations in all")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="file to write (.nc)")
    parser.add_argument("--force", action="store_true", help="overwrite FILE if it exists")
    models.add_couplings(parser)
    process = parser.add_argument_group("process")
    models.add_schedule(process)
    process.add_argument("--prior", choices=models.PRIORS, default="matched", help="start (default matched)")
    process.add_argument("--solver", choices=SOLVERS, help="integrator (default exponential)")
    process.add_argument("--grid", choices=models.GRIDS, help="where the steps lie (default log-sigma)")
    process.add_argument(
        "--steps", type=whole_number, metavar="N",
        help="steps (default 30; 60 for path, 64 of Runge–Kutta for metropolis)",
    )  # fmt: skip
    exactness = parser.add_argument_group("correction")
    exactness.add_argument("--correct", choices=CORRECTIONS, default="none", help="correction (default none)")
    exactness.add_argument("--correct-steps", type=whole_number, metavar="N", help="its steps (mala 20, hmc 5)")
    exactness.add_argument("--step-size", type=positive, metavar="ε", help="their size (mala, hmc; default tuned)")
    exactness.add_argument("--chains", type=whole_number, metavar="C", help="chains (path, metropolis); a divisor of N")
    exactness.add_argument(
        "--exact", action="store_true", help="metropolis, however long the divergence of the network takes"
    )
    exactness.add_argument(
        "--check", type=seed, metavar="N", help="paths of the check of uncorrected configurations (default 128)"
    )
    parser.add_argument("--seed", type=seed, default=0, metavar="N", help="the same seed, the same fields (default 0)")
    parser.add_argument("--device", choices=models.DEVICES, default="auto", help="where it runs (default auto)")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.set_defaults(run=run, parser=parser)


def run(arguments: argparse.Namespace) -> int:
    """Do what the arguments ask for; returns the exit status. Raises ValueError for arguments that do not fit."""
    import torch

    from core.diffusion.field_flow import PATIENCE
    from core.diffusion.field_request import SampleRequest
    from core.diffusion.field_sample import sample
    from core.ensembles.generated import require_room
    from core.history import keep
    from core.history_records import ensemble_run

    torch.set_num_threads(1)  # configurations are shared by the threads of the engine instead
    out: Path = arguments.out
    require_suffix("--out", out, ".nc")
    if out.is_dir():
        raise ValueError(f"--out must name a file, {out} is a folder")
    if out.exists() and not arguments.force:
        raise ValueError(f"{out} exists; give --force to overwrite it")
    if arguments.solver is not None and arguments.correct in ("path", "metropolis"):
        raise ValueError(f"--correct {arguments.correct} has an integrator of its own, but --solver is given")
    given = {name: getattr(arguments, name) for name in ("solver", "grid", "check")}
    request = SampleRequest(
        arguments.configs, models.schedule_of(arguments), steps=arguments.steps, prior=arguments.prior,
        correction=arguments.correct, correction_steps=arguments.correct_steps, step_size=arguments.step_size,
        chains=arguments.chains, seed=arguments.seed, **{k: v for k, v in given.items() if v is not None},
    )  # fmt: skip
    event = None if arguments.L is None else (arguments.L, arguments.L)
    bound = models.bound_of(arguments, event, arguments.kappa, arguments.lam)
    if bound.theory is None:
        raise ValueError("the model does not know its action: give --kappa and --lam for the ensemble file")
    require_room(out, bound.theory, request.configs)
    patience = math.inf if arguments.exact else PATIENCE
    with progress_bar("sampling") as show:
        result = sample(
            request, bound, device=arguments.device, patience=patience,
            progress=lambda phase, done, total: show(done, total, phase),
        )  # fmt: skip
    result.save(out, arguments.force)
    keep(lambda: ensemble_run(out, "command line"))
    models.say(bound)
    for sentence in result.warnings:
        warn(sentence)
    if arguments.json:
        print(json.dumps(_report(out, result), allow_nan=False, ensure_ascii=False))
    else:
        _print(out, result)
    return 0


def _report(out: Path, result: SampleResult) -> dict[str, Any]:
    origin = result.origin()
    chains, draws = result.fields.shape[:2]
    return {
        "path": str(out),
        "n_configs": chains * draws,
        "chains": chains,
        "draws": draws,
        "independent": result.independent,
        **{name: finite(getattr(origin, name)) for name in ("acceptance", "ess", "evaluations", "seconds")},
        **{name: getattr(origin, name) for name in ("model", "digest", "score", "baseline", "schedule", "solver")},
        **{name: getattr(origin, name) for name in ("grid", "steps", "prior", "correction", "check", "seed")},
        "configs_per_second": finite(chains * draws / result.seconds),
        "warnings": origin.warnings,
        "notes": origin.notes,
    }


def _print(out: Path, result: SampleResult) -> None:
    from core.statistics.format import thousands

    chains, draws = result.fields.shape[:2]
    count = thousands(chains * draws)
    what = (
        f"{count} independent configurations"
        if result.independent
        else f"{count} configurations ({thousands(chains)} chain{'s' * (chains > 1)} × {thousands(draws)} draws)"
    )
    assert result.bound.theory is not None
    print(f"{out}: {theory_in_words(result.bound.theory)}, {what}, {result.seconds:.1f} s")
    print(result.origin().sentence())
    known = []
    if math.isfinite(result.acceptance):
        known.append(f"acceptance {result.acceptance:.3f}")
    if math.isfinite(result.ess):
        paths = f" (of {result.check.configs} paths)" if result.check is not None else ""
        known.append(f"effective sample size {result.ess:.3f} of 1{paths}")
    if known:
        print(", ".join(known))
    if result.check is not None and result.check.level == "green":
        print(result.check.sentence)
