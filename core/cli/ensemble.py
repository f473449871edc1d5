"""``stoqlab ensemble``: configurations of a lattice field, sampled and written to a file."""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cli.arguments import Parser, extent, number, require_suffix, seed, warn, whole_number
from core.cli.interrupt import stopping_at_interrupt
from core.cli.progress import Show, progress_bar

if TYPE_CHECKING:
    from core.ensembles.make import Progress, Report, Result
    from core.ensembles.request import EnsembleRequest

# The names are spelled out here because asking the engine for them would import torch.
THEORIES = ("phi4",)
SAMPLERS = ("hmc", "langevin", "mala", "metropolis", "cluster")
STARTS = ("mixed", "hot", "cold")
PROTOCOLS = ("published",)
INTEGRATORS = ("leapfrog", "omelyan")
KINDS = ("wolff", "swendsen-wang")
PARAMETERS = ("step_size", "n_steps", "integrator", "overrelaxation", "kind", "sweeps", "fourier", "flip")

_DESCRIPTION = """\
Sample configurations of a lattice field by a Markov chain and write them to a NetCDF file, with dims
(chain, draw, x, y) and all that is known about their origin. What is not given is found on pilot chains.

A run may be killed at any moment: the same command with --resume goes on where it was, and the chains
are bit for bit those of a run without interruption. With a larger --configs it makes a finished file
longer. Ctrl-C writes the file with the configurations done so far."""

_EPILOG = """\
examples:
  stoqlab ensemble phi4 --L 32 --kappa 0.27 --lam 0.022 --configs 10000 --out critical.nc
  stoqlab ensemble phi4 --L 32 --kappa 0.27 --lam 0.022 --configs 20000 --out critical.nc --resume
  stoqlab ensemble phi4 --shape 32 64 --kappa 0.28 --lam 0.022 --sampler cluster --configs 1e4 --out F.nc
  stoqlab ensemble phi4 --L 32 --kappa 0.4 --lam 0.022 --protocol published --configs 1e5 --out hot.nc"""


def add_to(commands) -> None:
    """Add this command and its arguments to the parser's commands."""
    parser: Parser = commands.add_parser(
        "ensemble", help="sample a lattice field and write the configurations", description=_DESCRIPTION,
        epilog=_EPILOG,
    )  # fmt: skip
    parser.add_argument("theory", metavar="THEORY", choices=THEORIES, help=f"one of {', '.join(THEORIES)}")
    lattice = parser.add_mutually_exclusive_group(required=True)
    lattice.add_argument("--L", type=extent, metavar="L", help="extent of a square lattice")
    lattice.add_argument("--shape", type=extent, nargs="+", metavar="L", help="extents of a lattice in any dimension")
    parser.add_argument("--kappa", type=number, required=True, metavar="κ", help="hopping parameter")
    parser.add_argument("--lam", type=number, required=True, metavar="λ", help="quartic coupling, 0 for the free field")
    parser.add_argument("--configs", type=whole_number, required=True, metavar="N", help="configurations in all")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="file to write (.nc)")
    overwrite = parser.add_mutually_exclusive_group()
    overwrite.add_argument("--resume", action="store_true", help="go on with an interrupted run, or make FILE longer")
    overwrite.add_argument("--force", action="store_true", help="start anew and overwrite FILE if it exists")
    run_group = parser.add_argument_group("Markov chains")
    run_group.add_argument("--sampler", choices=SAMPLERS, default="hmc", help="algorithm (default hmc)")
    run_group.add_argument("--chains", type=_auto(whole_number), metavar="C", help="chains; a divisor of N")
    run_group.add_argument("--therm", type=_auto(seed), metavar="K", help="steps dropped by each chain (default auto)")
    run_group.add_argument(
        "--thin", type=_auto(whole_number), metavar="K", help="steps from draw to draw (default auto)"
    )
    run_group.add_argument("--start", choices=STARTS, help="where chains begin (default mixed: half +, half -)")
    run_group.add_argument(
        "--protocol", choices=PROTOCOLS,
        help="published: hot start, 129 unit HMC trajectories, one configuration a chain; not in equilibrium",
    )  # fmt: skip
    run_group.add_argument(
        "--seed", type=seed, default=0, metavar="N", help="the same seed, the same chains (default 0)"
    )
    tuning = parser.add_argument_group("parameters of the algorithm (a step is a trajectory or sweep of it)")
    tuning.add_argument(
        "--step-size", type=_auto(float), metavar="X",
        help="leapfrog step (hmc), ε (langevin, mala), half-width of a proposal (metropolis, cluster); default auto",
    )  # fmt: skip
    tuning.add_argument("--n-steps", type=_auto(whole_number), metavar="K", help="leapfrog steps of a trajectory (hmc)")
    tuning.add_argument("--integrator", choices=INTEGRATORS, help="integrator (hmc; default leapfrog)")
    tuning.add_argument("--overrelaxation", type=seed, metavar="K", help="reflections after each sweep (metropolis)")
    tuning.add_argument("--kind", choices=KINDS, help="cluster update (cluster; default wolff)")
    tuning.add_argument(
        "--sweeps", type=whole_number, metavar="K", help="local sweeps after each cluster update (cluster)"
    )
    tuning.add_argument(
        "--fourier", action=argparse.BooleanOptionalAction, help="Fourier acceleration (hmc, langevin, mala)"
    )
    tuning.add_argument(
        "--flip", action=argparse.BooleanOptionalAction, help="random sign of the field after each step (not cluster)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.set_defaults(run=run, parser=parser)


def request_of(arguments: argparse.Namespace) -> EnsembleRequest:
    """The ensemble that the arguments ask for. Raises ValueError for arguments that do not fit."""
    from core.ensembles.request import EnsembleRequest
    from core.theories.phi4 import Phi4

    extents = (arguments.L, arguments.L) if arguments.shape is None else tuple(arguments.shape)
    given = {name: getattr(arguments, name) for name in PARAMETERS if getattr(arguments, name) is not None}
    return EnsembleRequest(
        Phi4(extents, arguments.kappa, arguments.lam), arguments.sampler, arguments.configs, arguments.chains,
        arguments.therm, arguments.thin, given, arguments.start, arguments.protocol, arguments.seed,
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """Do what the arguments ask for; returns the exit status. Raises ValueError for arguments that do not fit."""
    import torch

    from core.ensembles.make import make_ensemble
    from core.history import keep
    from core.history_records import ensemble_run
    from core.jobs import Token

    torch.set_num_threads(1)  # chains are shared by the threads of the engine instead
    require_suffix("--out", arguments.out, ".nc")
    request, token = request_of(arguments), Token()
    with stopping_at_interrupt(token), progress_bar("planning") as show:
        tell = _shown(show, request.configs)
        try:
            result = make_ensemble(request, arguments.out, arguments.resume, arguments.force, tell, token)
        except FileExistsError as error:
            raise ValueError(str(error).replace("with force", "with --force").replace("resume", "--resume")) from None
    if result.n_configs:
        keep(lambda: ensemble_run(result.path, "command line"))
    for sentence in result.warnings:
        warn(sentence)
    if arguments.json:
        print(json.dumps(_report(result), allow_nan=False))
    else:
        for note in result.notes:
            print(f"note: {note}")
        _print(result, request)
    return 0 if result.complete else 130


def _report(result: Result) -> dict[str, Any]:
    names = ("n_configs", "chains", "sampler", "acceptance", "tau_int", "seconds", "warnings")
    return {"path": str(result.path), **{name: getattr(result, name) for name in names}}


def _print(result: Result, request: EnsembleRequest) -> None:
    if result.n_configs == 0:
        print("interrupted before the first configurations were complete; the same command with --resume goes on")
        return
    facts = [f"{result.n_configs} configurations", f"{result.chains} chain{'s' * (result.chains != 1)}", result.sampler]
    if result.acceptance is not None:
        facts.append(f"acceptance {result.acceptance:.3f}")
    if result.tau_int is not None:
        facts.append(f"τ_int(|M|) {result.tau_int:.3g} draws")
    print(f"{result.path}: {', '.join(facts)}, {result.seconds:.1f} s")
    if not result.complete:
        print(
            f"Interrupted with {result.n_configs} of {request.configs} configurations; the same command with --resume "
            "goes on."
        )


def _auto(kind):
    """The argument ``auto``, which is None, or what ``kind`` reads."""

    def read(text: str) -> Any:
        if text == "auto":
            return None
        try:
            return kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"must be a number or auto, got {text!r}") from None

    return read


def _shown(show: Show, configs: int) -> Report:
    """Configurations that are done, their rate, and the acceptance; the bar goes by the work, that of planning too."""
    first: tuple[float, int] | None = None

    def tell(progress: Progress) -> None:
        nonlocal first
        count, notes = f"0/{configs}", []
        if progress.phase in ("sampling", "writing"):
            now = time.monotonic()
            first = first or (now, progress.done)
            if now > first[0]:
                notes.append(f"{(progress.done - first[1]) / (now - first[0]):.3g}/s")
            count = f"{progress.done}/{progress.total}"
        if math.isfinite(progress.acceptance):
            notes.append(f"acceptance {progress.acceptance:.2f}")
        show(progress.work, progress.all_work or None, progress.phase, count=count, note=" ".join(notes))

    return tell
