"""``stoqlab bench solvers``: the error of every solver's steps against the number of evaluations of the score."""

from __future__ import annotations

import argparse
import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cli import models
from core.cli.arguments import seed, whole_number
from core.cli.lattices import finite, theory_in_words
from core.cli.progress import Show, progress_bar
from core.cli.sample import SOLVERS

if TYPE_CHECKING:
    from core.diffusion.solver_errors import SolverErrors
    from core.theories.phi4 import Phi4

EVALUATIONS, CONFIGS, REFERENCE = (10, 30, 100), 64, 200
"""By default: the three shipped models in some five minutes of four cores."""
STATISTICS = 10_000
"""Configurations whose statistical error the table holds the differences against."""
WIDTH = 110
"""Columns of text that the table takes."""

_DESCRIPTION = """\
Measure what the steps of each solver do to ⟨φ²⟩, the action density and |M|, against the number of
evaluations of the score, with trained models. Every run has the starts and the noise of its reference of
many more steps, so that a difference is the error of the steps alone."""

_EPILOG = """\
example:
  stoqlab bench solvers --solvers exponential heun flow --evaluations 10 30 100 --configs 128

Differences are in units of the statistical error of 10 000 configurations; the bracket is their own
error. Stochastic solvers have a reference for each of their grids and take the longest. Without options it
is some five minutes of four cores; --configs 256 --reference 1000 are for a table to quote."""


def add_to(commands) -> None:
    """Add this command and its arguments to the parser's commands."""
    parser = commands.add_parser(
        "solvers", help="error of each solver against evaluations", description=_DESCRIPTION, epilog=_EPILOG
    )
    parser.add_argument("models", metavar="MODEL", type=Path, nargs="*", help="models (default the shipped ones)")
    parser.add_argument("--solvers", nargs="+", choices=SOLVERS, default=SOLVERS, help="default all")
    parser.add_argument("--grids", nargs="+", choices=models.GRIDS, default=("log-sigma",), help="default log-sigma")
    parser.add_argument(
        "--evaluations", nargs="+", type=whole_number, default=EVALUATIONS, metavar="N",
        help=f"of the score (default {' '.join(map(str, EVALUATIONS))})",
    )  # fmt: skip
    parser.add_argument("--configs", type=whole_number, default=CONFIGS, metavar="N", help=f"paths (default {CONFIGS})")
    parser.add_argument(
        "--reference", type=whole_number, default=REFERENCE, metavar="N", help=f"its steps (default {REFERENCE})"
    )
    parser.add_argument("--seed", type=seed, default=0, metavar="N", help="seed (default 0)")
    parser.add_argument("--device", choices=models.DEVICES, default="auto", help="where it runs (default auto)")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.set_defaults(run=run, parser=parser)


def run(arguments: argparse.Namespace) -> int:
    """Do what the arguments ask for; returns the exit status. Raises ValueError for arguments that do not fit."""
    import torch

    from core.diffusion.field_model import FieldModel, shipped
    from core.diffusion.field_source import bind
    from core.diffusion.solver_errors import solver_errors

    torch.set_num_threads(1)  # paths are shared by the threads of the engine instead
    files = arguments.models or [path for name, path in shipped().items() if "_k" in name]
    reports = []
    for path in files:
        try:
            bound = bind(FieldModel.load(path))
        except (FileNotFoundError, IsADirectoryError) as error:
            raise ValueError(str(error)) from None
        if bound.theory is None:
            raise ValueError(f"{path} does not know its action, which the action density needs")
        with progress_bar(path.stem, lines=True) as show:
            rows = list(
                solver_errors(
                    bound.score, bound.theory, solvers=arguments.solvers, grids=arguments.grids,
                    evaluations=arguments.evaluations, n=arguments.configs, reference=arguments.reference,
                    seed=arguments.seed, device=arguments.device,
                    progress=partial(_tell, show, path.stem),
                )
            )  # fmt: skip
        if arguments.json:
            reports.append(_report(path, bound.theory, rows))
        else:
            _print_table(path, bound.theory, rows, arguments.configs)
    if arguments.json:
        about = {"configs": arguments.configs, "reference": arguments.reference, "seed": arguments.seed}
        print(json.dumps(about | {"models": reports}, allow_nan=False, ensure_ascii=False))
    return 0


def _tell(show: Show, model: str, what: str, done: int, total: int) -> None:
    show(done, total, f"{model}: {what}")


def _report(path: Path, theory: Phi4, rows: list[SolverErrors]) -> dict[str, Any]:
    return {
        "model": str(path),
        "couplings": {"kappa": theory.kappa, "lam": theory.lam, "shape": list(theory.event)},
        "rows": [
            {
                "solver": row.solver, "grid": row.grid, "steps": row.steps, "evaluations": row.evaluations,
                "difference": {
                    name: {"value": finite(m.value), "error": finite(m.error)} for name, m in row.difference.items()
                },
                "spread": row.sigma,
            }
            for row in rows
        ],
    }  # fmt: skip


def _print_table(path: Path, theory: Phi4, rows: list[SolverErrors], configs: int) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from core.statistics.format import thousands, with_error
    from core.statistics.measure import TITLES

    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("solver", "grid"):
        table.add_column(heading, no_wrap=True)
    table.add_column("evaluations", justify="right")
    for name in rows[0].difference if rows else ():
        table.add_column(f"{TITLES[name]}, σ", justify="right")
    before = ""
    for row in rows:
        cells = []
        for name, m in row.difference.items():
            unit = row.sigma[name] / STATISTICS**0.5
            cells.append(with_error(m.value / unit, m.error / unit) if unit > 0 else "–")
        table.add_row(row.solver if row.solver != before else "", row.grid, thousands(row.evaluations), *cells)
        before = row.solver
    console = Console(highlight=False)
    console.width = max(console.width, WIDTH)
    console.print(f"[bold]{path.name}[/], {theory_in_words(theory)}: run minus reference, {thousands(configs)} paths")
    console.print(table)
    console.print(
        f"σ is the statistical error of {thousands(STATISTICS)} configurations. Brackets: error of the difference.",
        style="dim", soft_wrap=True,
    )  # fmt: skip
