"""``stoqlab compare``: two lattice ensembles in one table, with errors from both and one χ² for all."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cli.arguments import Parser, warn
from core.cli.compare_rows import as_json, print_rows, rows_of, title_of
from core.cli.lattices import finite, theory_in_words, theory_maker

if TYPE_CHECKING:
    from contextlib import ExitStack

    from core.ensembles.files import EnsembleReader
    from core.statistics.compare import Comparison
    from core.statistics.measure import Measurement

_DESCRIPTION = """\
Compare two ensembles of lattice fields: every observable with its error from both, the difference in
standard deviations, and one χ² that knows how the observables are correlated. Each of A and B is a file
made by 'stoqlab ensemble' or 'stoqlab sample', or a NumPy array (.npy) of shape (N, L, L), taken as one
Markov chain or, with --independent, as independent draws. An array belongs to the theory of the other
file, or to that of --kappa and --lam. Where a model generated B, a second table holds A beside the
model's Gaussian baseline, its uncorrected fields and the exact theory (a reference of cluster updates
where there is no formula); see --rows."""

_EPILOG = """\
examples:
  stoqlab compare hmc.nc cluster.nc
  stoqlab compare hmc.nc generated.npy --independent --json
  stoqlab compare critical.nc generated.nc --rows baseline exact
  stoqlab compare hot.nc equilibrium.nc --published        κ = 0.4, λ = 0.022 on 32 × 32

σ is (a − b)/√(error_a² + error_b²). The two ensembles have to be independent of each other; what speaks
against it (the same file, configurations that occur in both, the same seed) is said."""

SUSPECT, DIFFERENT = 3.0, 4.5
"""Differences in σ from which on a row is yellow, and red."""


def add_to(commands) -> None:
    """Add this command and its arguments to the parser's commands."""
    parser: Parser = commands.add_parser(
        "compare", help="compare two lattice ensembles", description=_DESCRIPTION, epilog=_EPILOG
    )
    for name in ("a", "b"):
        parser.add_argument(name, metavar=name.upper(), type=Path, help="ensemble (.nc) or array (.npy)")
    array = parser.add_argument_group("arrays of other origin")
    array.add_argument("--kappa", type=float, metavar="κ", help="hopping parameter (default that of the other file)")
    array.add_argument("--lam", type=float, metavar="λ", help="its coupling")
    array.add_argument("--independent", action="store_true", help="configurations of arrays are independent draws")
    rows = parser.add_argument_group("further rows")
    rows.add_argument(
        "--rows", nargs="+", choices=("baseline", "learned", "exact", "none"), metavar="ROW",
        help="baseline, learned, exact or none (default: those that B's model and theory have)",
    )  # fmt: skip
    rows.add_argument("--published", action="store_true", help="also the published figures, with their caveat")
    rows.add_argument("--model", type=Path, metavar="FILE", help="the model of B, where it is not found by itself")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.set_defaults(run=run, parser=parser)


def run(arguments: argparse.Namespace) -> int:
    """Do what the arguments ask for; returns the exit status. Raises ValueError for arguments that do not fit."""
    from contextlib import ExitStack

    from core.statistics.compare import compare
    from core.statistics.measure import measure

    paths = (arguments.a, arguments.b)
    with ExitStack() as stack:
        readers, notes = _open(paths, arguments, stack)
        found = [measure(reader.theory, reader.blocks(), reader.independent) for reader in readers]
        caveats = [reader.caveats for reader in readers]
        origins = _origins(paths, readers)
        further, unknown = rows_of(arguments, found[0], readers[1])
        title = title_of(readers[1])
    comparison = compare(*found)
    warnings = origins + comparison.warnings
    for name, (said, known), measurement in zip("AB", caveats, found, strict=True):
        notes += [f"{name}: {sentence}" for sentence in known]
        warnings += [f"{name}: {sentence}" for sentence in dict.fromkeys([*said, *measurement.warnings])]
    notes += comparison.notes + unknown
    if arguments.json:
        report = _report(paths, comparison, warnings, notes) | {"rows": as_json(further)}
        print(json.dumps(report, allow_nan=False, ensure_ascii=False))
    else:
        _print_table(paths, comparison, notes)
        print_rows(paths, comparison, further, title)
        for sentence in warnings:
            warn(sentence)
    return 0


def _open(
    paths: tuple[Path, Path], arguments: argparse.Namespace, stack: ExitStack
) -> tuple[list[EnsembleReader], list[str]]:
    """Both files, opened, and a note where an array takes its couplings from the other file."""
    from core.ensembles.files import open_ensemble

    arrays = [path.suffix == ".npy" for path in paths]
    given = [name for name in ("kappa", "lam") if getattr(arguments, name) is not None]
    if not any(arrays) and (given or arguments.independent):
        raise ValueError("--kappa, --lam and --independent are for arrays (.npy); ensemble files know them themselves")
    if len(given) == 1:
        raise ValueError(f"the theory of an array takes both --kappa and --lam, got --{given[0]} alone")
    if all(arrays) and not given:
        raise ValueError("two arrays do not say what theory they belong to: give --kappa and --lam")
    readers: dict[int, EnsembleReader] = {}
    couplings, notes = (arguments.kappa, arguments.lam), []
    try:
        for k in sorted((0, 1), key=lambda k: arrays[k]):  # files first, since an array may take their couplings
            theory = theory_maker(*couplings) if arrays[k] else None
            readers[k] = stack.enter_context(open_ensemble(paths[k], theory, arguments.independent))
            if not given:
                couplings = (readers[k].theory.kappa, readers[k].theory.lam)
                if arrays[k]:
                    notes = [f"{'AB'[k]} is taken to have the couplings of {'BA'[k]}."]
    except (FileNotFoundError, IsADirectoryError) as error:
        raise ValueError(str(error)) from None
    return [readers[0], readers[1]], notes


def _origins(paths: tuple[Path, Path], readers: list[EnsembleReader]) -> list[str]:
    """What the files tell about their independence of each other."""
    if paths[0].samefile(paths[1]):
        return ["A and B are one and the same file."]
    a, b = (tuple(reader.attributes.get(name) for name in ("algorithm", "seed")) for reader in readers)
    if a != b or None in a:
        return []
    return [
        f"Both ensembles were made by {a[0]} from the seed {a[1]}: they share their random numbers, and may not "
        "be independent. Make one with another --seed."
    ]


def _report(paths: tuple[Path, Path], found: Comparison, warnings: list[str], notes: list[str]) -> dict[str, Any]:
    joint = found.joint
    return {
        "observables": {
            name: {
                "a": {"value": finite(row.a.value), "error": finite(row.a.error)},
                "b": {"value": finite(row.b.value), "error": finite(row.b.error)},
                "sigma": finite(row.sigma),
            }
            for name, row in found.observables.items()
        },
        "chi2_per_dof": finite(joint.chi2 / joint.dof) if joint.dof else None,
        "chi2": finite(joint.chi2),
        "dof": joint.dof,
        "p_value": finite(joint.p_value),
        "chi2_averages": list(found.averages),
        "effective_sample_size": {
            name: {"a": finite(a), "b": finite(b)} for name, (a, b) in found.effective_sample_size.items()
        },
        "a": _origin(paths[0], found.a),
        "b": _origin(paths[1], found.b),
        "warnings": warnings,
        "notes": notes,
    }


def _origin(path: Path, found: Measurement) -> dict[str, Any]:
    theory = found.theory
    return {
        "file": str(path),
        "theory": theory.name,
        "couplings": {"kappa": theory.kappa, "lam": theory.lam, "shape": list(theory.event)},
        "n_configs": found.n_configs,
        "chains": found.chains,
        "draws": found.draws,
        "independent": found.independent,
    }


def _print_table(paths: tuple[Path, Path], found: Comparison, notes: list[str]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from core.statistics.format import with_error
    from core.statistics.measure import TITLES

    console = Console(highlight=False)
    for k, (name, path, of) in enumerate(zip("AB", paths, (found.a, found.b), strict=True)):
        sizes = ", ".join(
            f"{_count(both[k])} for {TITLES[observable]}" for observable, both in found.effective_sample_size.items()
        )
        console.print(
            Text(f"{name}: {path.name}: {theory_in_words(of.theory)}, {_size(of)}; effective sample size {sizes}"),
            soft_wrap=True,
        )
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("")
    for heading in ("A", "B", "(A − B)/σ"):
        table.add_column(heading, justify="right")
    for name, (a, b, sigma) in found.observables.items():
        style = "" if not abs(sigma) > SUSPECT else "yellow" if abs(sigma) <= DIFFERENT else "bold red"
        table.add_row(
            TITLES[name], with_error(a.value, a.error), with_error(b.value, b.error), _sigmas(sigma), style=style
        )
    console.print(table)
    joint = found.joint
    if joint.dof:
        freedom = f"{joint.dof} degree{'s' * (joint.dof > 1)} of freedom"
        text = f"χ²/dof = {joint.chi2 / joint.dof:.3g} with {freedom}, p = {joint.p_value:.2g}"
        console.print(Text(text), soft_wrap=True)
    for sentence in notes:
        console.print(Text(sentence), style="dim", soft_wrap=True)


def _sigmas(sigma: float) -> str:
    from core.statistics.format import MINUS

    if math.isnan(sigma):
        return "–"
    return ("+" if sigma >= 0 else MINUS) + ("∞" if math.isinf(sigma) else f"{abs(sigma):.1f}")


def _count(size: float) -> str:
    from core.statistics.format import thousands

    return thousands(round(size)) if math.isfinite(size) else "unknown"


def _size(found: Measurement) -> str:
    from core.statistics.format import thousands

    number = thousands(found.n_configs)
    if found.independent:
        return f"{number} independent configurations"
    if found.chains == 1:
        return f"{number} configurations of one chain"
    return f"{number} configurations ({thousands(found.chains)} chains × {thousands(found.draws)} draws)"
