"""``stoqlab bench cost``: what an independent configuration costs, training counted in."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cli.arguments import extent, number, positive, seed, warn
from core.cli.lattices import finite, theory_in_words

if TYPE_CHECKING:
    from core.diffusion.cost import Cost
    from core.diffusion.field_model import FieldModel

_DESCRIPTION = """\
Measure what an independent configuration of φ⁴ costs, in seconds of one core: by hybrid Monte Carlo,
MALA, Langevin and the cluster algorithm, 2 τ_int(|M|) steps; by diffusion models, one draw (raw, of the
model's own law), and exactly by the weights of backward paths (over the effective sample size) and by
Metropolis chains of them. The training counts: the last columns say after how many configurations a
model has paid for it. Nothing else should run on the machine meanwhile."""

_EPILOG = """\
examples:
  stoqlab bench cost
  stoqlab bench cost --kappa 0.27 --L 32 --minutes 5
  stoqlab bench cost --models mine.safetensors --json"""

_LEGEND = """\
Milliseconds of one core for an independent configuration. > X: configurations from which on the model is
cheaper than X, its training paid. *: not the law e^{-S} (step size, score). ?: chains too short against
τ_int, or too few paths carry the weight; the cost may be far larger."""
_WIDTHS = (15, 10, 9, 9, 12, 11)


def add_to(kinds) -> None:
    """Add this benchmark to those of ``stoqlab bench``."""
    parser = kinds.add_parser(
        "cost", help="an independent configuration, training counted in", description=_DESCRIPTION, epilog=_EPILOG
    )
    add = parser.add_argument
    add("--kappa", type=number, nargs="+", default=[0.21, 0.27, 0.4], metavar="κ", help="default 0.21 0.27 0.4")
    add("--lam", type=number, default=0.022, metavar="λ", help="coupling (default 0.022)")
    add("--L", type=extent, nargs="+", default=[16, 32], metavar="N", help="extents of the lattice (default 16 32)")
    add("--models", type=Path, nargs="+", metavar="M",
        help="field models, or folders of them (default those that come with StoqLab)")  # fmt: skip
    add("--minutes", type=positive, default=1.0, metavar="m",
        help="processor time for every chain and every model at each κ and L, at most (default 1)")  # fmt: skip
    add("--seed", type=seed, default=0, metavar="N", help="seed (default 0)")
    add("--json", action="store_true", help="print one JSON object and nothing else")
    parser.set_defaults(run=run, parser=parser)


def run(arguments: argparse.Namespace) -> int:
    """Do what the arguments ask for; returns the exit status. Raises ValueError for arguments that do not fit."""
    from rich.console import Console

    from core.devices import cores
    from core.diffusion.cost import cost_table
    from core.theories.phi4 import Phi4

    models = _models(arguments.models)
    theories = [Phi4(size, kappa, arguments.lam) for kappa in arguments.kappa for size in arguments.L]
    if not models:
        warn("there is no field model: only the Markov chains are measured")
    console = Console(stderr=True)
    with console.status("") as status:
        rows = cost_table(
            theories, models, seconds=60 * arguments.minutes, seed=arguments.seed,
            progress=lambda what, fraction: status.update(f"{what}: {fraction:.0%}"),
        )  # fmt: skip
    if arguments.json:
        report = {"unit": "seconds of one core", "minutes": arguments.minutes, "cores": cores(), "rows": _rows(rows)}
        print(json.dumps(report, allow_nan=False, ensure_ascii=False))
    else:
        _print_table(rows)
    return 0


def _models(given: list[Path] | None) -> list[FieldModel]:
    """The field models in these files and folders, or those that are shipped."""
    from core.diffusion.field_model import FieldModel, shipped

    if given is None:
        return [FieldModel.load(path) for path in shipped().values()]
    files = []
    for path in given:
        files += sorted(path.glob("*.safetensors")) if path.is_dir() else [path]
    try:
        return [FieldModel.load(path) for path in files]
    except FileNotFoundError as error:
        raise ValueError(str(error)) from None


def _of_theory(rows: list[Cost], row: Cost) -> list[Cost]:
    """The chains that a row is to be held against."""
    return [chain for chain in rows if chain.theory == row.theory and not chain.model]


def _rows(rows: list[Cost]) -> list[dict[str, Any]]:
    from core.diffusion.cost import break_even

    found = []
    for row in rows:
        chains = _of_theory(rows, row) if row.model else []
        found.append(
            {
                "kappa": row.theory.kappa, "lam": row.theory.lam, "L": row.theory.event[0], "method": row.method,
                "model": row.model, "seconds": finite(row.cost.value), "error": finite(row.cost.error),
                "setup_seconds": finite(row.setup), "exact": row.exact, "trusted": row.trusted, "detail": row.detail,
                "break_even": {chain.method: finite(break_even(row, chain)) for chain in chains},
            }
        )  # fmt: skip
    return found


def _print_table(rows: list[Cost]) -> None:
    from core.diffusion.cost import break_even
    from core.statistics.format import with_error

    for theory in dict.fromkeys(row.theory for row in rows):
        own = [row for row in rows if row.theory == theory]
        chains, name = _of_theory(own, own[0]), ""
        print(theory_in_words(theory))
        headings = ("ms each", "setup, s", *(f"> {chain.method.split()[0]}" for chain in chains))
        print(f"{'':<17}" + _columns(headings))
        for row in own:
            if row.model != name:
                name = row.model
                print(f"{name}:")
            cost = with_error(1e3 * row.cost.value, 1e3 * row.cost.error) + " ?" * (not row.trusted)
            paid = (_number(break_even(row, chain)) for chain in chains if row.model)
            print(f"{row.method + ' *' * (not row.exact):<17}" + _columns((cost, f"{row.setup:.2g}", *paid)))
        print("\n".join(f"  {f'{row.model} {row.method}'.strip()}: {row.detail}" for row in own), end="\n\n")
    print(_LEGEND)


def _columns(cells: Iterable[str]) -> str:
    return "".join(f"{cell:>{width}}" for cell, width in zip(cells, _WIDTHS, strict=False))


def _number(count: float) -> str:
    return "never" if math.isinf(count) else f"{count:.2g}"
