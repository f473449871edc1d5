"""``stoqlab bench WHAT``: how fast the engine is here; ``hmc``, beside plain NumPy and a C kernel, in this file."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from core.cli import bench_cost, bench_sample, bench_solvers, bench_train
from core.cli.arguments import warn, whole_number

if TYPE_CHECKING:
    from core.cli.bench_hmc import Row

N_STEPS = (10, 100)

_DESCRIPTION = """\
Measure hybrid Monte Carlo of φ⁴ on a square lattice in site updates per second: float32, all cores,
with 10 and 100 leapfrog steps per trajectory, random numbers and decisions included. Beside it, in the
same run, the leapfrog written with numpy.roll, one chain at a time, and, where there is a C compiler, a
C kernel that does the leapfrog alone on all cores. The best of several rounds counts."""


def add_to(commands) -> None:
    """Add this command, with everything that can be measured, to the parser's commands."""
    parser = commands.add_parser(
        "bench", help="measure the engine's speed", description="Measure speed on this machine."
    )
    kinds = parser.add_subparsers(title="what is measured", metavar="WHAT", required=True)
    _add_hmc(kinds)
    for kind in (bench_train, bench_sample, bench_solvers, bench_cost):
        kind.add_to(kinds)


def _add_hmc(kinds) -> None:
    parser = kinds.add_parser("hmc", help="site updates per second of hybrid Monte Carlo", description=_DESCRIPTION)
    parser.add_argument("--L", type=whole_number, default=32, metavar="N", help="extent of the lattice (default 32)")
    parser.add_argument("--chains", type=whole_number, default=2048, metavar="N", help="chains (default 2048)")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.set_defaults(run=run, parser=parser)


def run(arguments: argparse.Namespace) -> int:
    """Do what the arguments ask for; returns the exit status. Raises ValueError for arguments that do not fit."""
    from core.cli.bench_hmc import measure
    from core.devices import cores

    rows = measure(arguments.L, arguments.chains, N_STEPS)
    if rows[0].c is None:
        warn("no C compiler that understands OpenMP: no comparison with the C kernel")
    if arguments.json:
        print(json.dumps(_report(rows, arguments.L, arguments.chains, cores())))
    else:
        _print_table(rows, arguments.L, arguments.chains, cores())
    return 0


def _report(rows: list[Row], extent: int, chains: int, threads: int) -> dict:
    return {
        "L": extent,
        "chains": chains,
        "dtype": "float32",
        "threads": threads,
        "unit": "site updates per second",
        "results": [
            {
                "n_steps": row.n_steps,
                "stoqlab": row.stoqlab,
                "numpy": row.numpy,
                "c": row.c,
                "ratio_to_numpy": row.numpy_ratio,
                "ratio_to_c": row.c_ratio,
            }
            for row in rows
        ],
        "rate_10_to_100": rows[0].stoqlab / rows[-1].stoqlab,
    }


def _print_table(rows: list[Row], extent: int, chains: int, threads: int) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("steps", "StoqLab", "NumPy", "C kernel", "× NumPy", "of C"):
        table.add_column(heading, justify="right")
    for row in rows:
        c = ("–", "–") if row.c is None else (f"{row.c:.3g}", f"{row.c_ratio:.2f}")
        table.add_row(
            str(row.n_steps), f"{row.stoqlab:.3g}", f"{row.numpy:.3g}", c[0], f"{row.numpy_ratio:.0f}", c[1]
        )  # fmt: skip
    console = Console(highlight=False)
    console.print("[bold]Hybrid Monte Carlo of φ⁴[/]: site updates per second")
    console.print(table)
    plural = "s" if threads > 1 else ""
    console.print(
        f"{extent}², float32, {chains} chains; StoqLab and C on {threads} thread{plural}, NumPy on one; "
        f"10 steps at {rows[0].stoqlab / rows[-1].stoqlab:.2f} of the rate of 100",
        style="dim",
        soft_wrap=True,
    )
