"""``stoqlab toy``: the backward process of a toy target, and the cumulants it ends with."""

from __future__ import annotations

import argparse
import json
import math
from typing import TYPE_CHECKING, Any

from core.cli.arguments import ONE_DIMENSION, add_target, make, positive, seed, warn, whole_number

if TYPE_CHECKING:
    from core.contracts import ScoreModel
    from core.diffusion.run import BackwardRun
    from core.schedule import Schedule
    from core.theories.base import Target

# The names are spelled out here because asking the engine for them would import torch.
SCHEDULES = ("ve", "vp", "vp-linear", "cosine", "drawn")
GRIDS = ("uniform", "log", "variance", "karras", "log-sigma")
SOLVERS = ("euler", "heun", "flow", "ancestral", "pc", "multistep")
PRIORS = ("matched", "noise")
DEVICES = ("auto", "cpu", "cuda", "mps")
DEFAULT_SIGMA = 10.0

_DESCRIPTION = """\
Start from noise, run the backward process of a toy target in one dimension, and print the cumulants
of the paths at its end, with their statistical errors (jackknife over blocks), beside the exact ones."""

_EPILOG = """\
examples:
  stoqlab toy two-peak
  stoqlab toy two-peak --schedule vp --solver flow --steps 100
  stoqlab toy mixture --means -1 2 --stds 0.3 0.5 --weights 0.7 0.3 --paths 1e6
  stoqlab toy mixture --means=-1e-1,2 --stds 0.3,0.5       (a list that starts with a number such as -1e-1)
  stoqlab toy double-well --score gaussian --json
  stoqlab toy two-peak --score two-peak.safetensors --prior noise"""


def add_to(commands) -> None:
    """Add this command and its arguments to the parser's commands."""
    parser = commands.add_parser(
        "toy", help="run a backward process and print its cumulants", description=_DESCRIPTION, epilog=_EPILOG
    )
    add_target(parser, ONE_DIMENSION)
    process = parser.add_argument_group("process")
    process.add_argument("--schedule", choices=SCHEDULES, default="ve", help="noise schedule (default ve)")
    process.add_argument(
        "--sigma", type=positive, metavar="σ", help=f"base of g = σ^t, for ve and vp (default {DEFAULT_SIGMA:g})"
    )
    process.add_argument("--beta-min", type=positive, metavar="β", help="g² at the start, for vp-linear (default 0.1)")
    process.add_argument("--beta-max", type=positive, metavar="β", help="g² at the end, for vp-linear (default 20)")
    process.add_argument("--points", type=_points, metavar="T:G,…", help="of the drawn one, such as 0:1,0.5:3,1:10")
    process.add_argument("--keep-variance", action="store_true", help="k = g² in the drawn one; without it k = 0")
    process.add_argument("--score", default="exact", metavar="exact|gaussian|FILE", help="score (default exact)")
    process.add_argument("--prior", choices=PRIORS, default="matched", help="start of the process (default matched)")
    numerics = parser.add_argument_group("numerics")
    numerics.add_argument("--solver", choices=SOLVERS, default="euler", help="integrator (default euler)")
    numerics.add_argument("--steps", type=whole_number, default=1000, metavar="N", help="time steps (default 1000)")
    numerics.add_argument("--grid", choices=GRIDS, default="uniform", help="where they lie (default uniform)")
    numerics.add_argument("--paths", type=whole_number, default=100_000, metavar="N", help="paths (default 100000)")
    numerics.add_argument("--seed", type=seed, default=0, metavar="N", help="the same seed, the same paths (default 0)")
    numerics.add_argument(
        "--device", choices=DEVICES, default="auto", help="where it runs (default auto: a GPU where there is one)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.set_defaults(run=run, parser=parser)


def run(arguments: argparse.Namespace) -> int:
    """Do what the arguments ask for; returns the exit status. Raises ValueError for arguments that do not fit."""
    from core.diffusion.run import run_backward

    target = make(arguments)
    result = run_backward(
        target,
        _schedule(arguments),
        _score(arguments.score, target),
        solver=arguments.solver,
        grid=arguments.grid,
        steps=arguments.steps,
        paths=arguments.paths,
        prior=arguments.prior,
        seed=arguments.seed,
        device=arguments.device,
    )
    for sentence in result.warnings:
        warn(sentence)
    cumulants = _cumulants(result, target)
    if arguments.json:
        names = ("target", "schedule", "solver", "steps", "paths", "seed")
        report = {name: getattr(arguments, name) for name in names}
        report |= {"cumulants": cumulants, "seconds": round(result.seconds, 3)}
        print(json.dumps(report, allow_nan=False))
    else:
        _print_table(arguments, cumulants, result.seconds)
    return 0


OWN = {
    "sigma": ("ve", "vp"), "beta_min": ("vp-linear",), "beta_max": ("vp-linear",), "points": ("drawn",),
    "keep_variance": ("drawn",),
}  # fmt: skip
"""Options of schedules, and which of them have one."""


def _schedule(arguments: argparse.Namespace) -> Schedule:
    from core.schedule import LinearVP, Tabulated, make_schedule

    name = arguments.schedule
    for option, schedules in OWN.items():
        if getattr(arguments, option) not in (None, False) and name not in schedules:
            flag = option.replace("_", "-")
            raise ValueError(
                f"--{flag} belongs to the schedule{'s' * (len(schedules) > 1)} {' and '.join(schedules)}, but the "
                f"schedule is {name}"
            )
    if name == "drawn":
        if arguments.points is None:
            raise ValueError("a drawn schedule needs its --points, such as 0:1,0.5:3,1:10")
        times, values = zip(*arguments.points, strict=True)
        return Tabulated(times, values, arguments.keep_variance)
    if name == "vp-linear":
        given = {n: getattr(arguments, n) for n in ("beta_min", "beta_max") if getattr(arguments, n) is not None}
        return LinearVP(**given)
    return make_schedule(name, DEFAULT_SIGMA if arguments.sigma is None else arguments.sigma)


def _points(text: str) -> list[tuple[float, float]]:
    try:
        return [(float(t), float(g)) for t, g in (word.split(":") for word in text.split(","))]
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be times and strengths such as 0:1,0.5:3,1:10, got {text!r}") from None


def _score(name: str, target: Target) -> ScoreModel | None:
    if name == "exact":
        return None
    if name == "gaussian":
        from core.diffusion.gaussian import GaussianScore

        return GaussianScore(target.mean, target.covariance)
    from core.diffusion.learned import LearnedScore

    try:
        model = LearnedScore.load(name)
    except OSError as error:
        raise ValueError(f"--score must be exact, gaussian or a file made by toy-train: {error}") from None
    if model.dim != target.dim:
        raise ValueError(f"the score in {name} is for {model.dim} dimensions, the target has {target.dim}")
    if model.record.law != repr(target):
        warn(f"the score in {name} was trained on {model.record.law or model.record.target}, not on this target.")
    return model


def _cumulants(result: BackwardRun, target: Target) -> dict[str, dict[str, float | None]]:
    measured, exact = result.cumulants(), target.cumulants(8)
    return {
        str(n): {
            "value": _finite(measured.value[n]),
            "error": _finite(measured.error[n]),
            "exact": _finite(exact[n]),
        }
        for n in range(1, 9)
    }


def _finite(number: Any) -> float | None:
    return float(number) if math.isfinite(number) else None


def _print_table(arguments: argparse.Namespace, cumulants: dict[str, dict[str, float | None]], seconds: float) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from core.statistics.format import MINUS, with_error

    sigma = arguments.sigma or DEFAULT_SIGMA
    schedule = arguments.schedule.upper() + (f", σ = {sigma:g}" if arguments.schedule in ("ve", "vp") else "")
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("", "measured", "exact", "off by"):
        table.add_column(heading, justify="right")
    for n, row in cumulants.items():
        value, error, exact = row["value"], row["error"], row["exact"]
        known = value is not None and error and exact is not None
        off = f"{(value - exact) / error:+.1f} σ".replace("-", MINUS) if known else "–"  # type: ignore[operator]
        table.add_row(f"κ{'₀₁₂₃₄₅₆₇₈'[int(n)]}", with_error(value, error), with_error(exact), off)
    console = Console(highlight=False)
    console.print(f"[bold]{arguments.target}[/], {schedule}: cumulants at the end of the backward process")
    console.print(table)
    console.print(
        f"{arguments.score} score, {arguments.prior} prior; {arguments.solver}, {arguments.steps} steps, "
        f"{arguments.grid} grid; {arguments.paths} paths, seed {arguments.seed}; {seconds:.2f} s",
        style="dim",
        soft_wrap=True,
    )
