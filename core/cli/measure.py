"""``stoqlab measure``: all observables of a lattice ensemble, with errors and what is wrong with it."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cli.arguments import number, warn
from core.cli.lattices import finite, theory_in_words, theory_maker

if TYPE_CHECKING:
    from core.statistics.jackknife import Estimate
    from core.statistics.measure import Measurement

_DESCRIPTION = """\
Measure an ensemble of lattice fields: value, error and integrated autocorrelation time of every
observable, correlation functions, and warnings where the ensemble is not what it should be.
FILE is one made by 'stoqlab ensemble' or 'stoqlab sample', or a NumPy array (.npy) of shape (N, L, L),
taken as one Markov chain or, with --independent, as independent draws; an array needs --kappa and --lam."""

_EPILOG = """\
examples:
  stoqlab measure broken.nc
  stoqlab measure mine.npy --kappa 0.4 --lam 0.022 --independent --json

Times are in draws (configurations of a chain). Averages are symmetrised under φ → −φ; m is the plain
average of M. action is per site, v_m2 is V⟨M²⟩, kappa4_ratio is κ4/κ2², and so on; xi is the
second-moment correlation length, which is one in the symmetric phase only; walls the fraction of
configurations with domain walls."""


def add_to(commands) -> None:
    """Add this command and its arguments to the parser's commands."""
    parser = commands.add_parser("measure", help="measure a lattice ensemble", description=_DESCRIPTION, epilog=_EPILOG)
    parser.add_argument("file", metavar="FILE", type=Path, help="ensemble (.nc) or array (.npy)")
    array = parser.add_argument_group("arrays of other origin")
    array.add_argument("--kappa", type=number, metavar="κ", help="hopping parameter of the ensemble")
    array.add_argument("--lam", type=number, metavar="λ", help="its coupling")
    array.add_argument("--independent", action="store_true", help="its configurations are independent draws")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.set_defaults(run=run, parser=parser)


def run(arguments: argparse.Namespace) -> int:
    """Do what the arguments ask for; returns the exit status. Raises ValueError for arguments that do not fit."""
    from core.ensembles.files import open_ensemble
    from core.statistics.measure import measure

    array = arguments.file.suffix == ".npy"
    if arguments.file.suffix == ".npz":
        raise ValueError(f"{arguments.file} holds several arrays; give one of them as a .npy file")
    if not array and (arguments.kappa is not None or arguments.lam is not None or arguments.independent):
        raise ValueError("--kappa, --lam and --independent are for arrays (.npy); an ensemble file knows them itself")
    theory = theory_maker(arguments.kappa, arguments.lam) if array else None
    try:
        with open_ensemble(arguments.file, theory, arguments.independent) as ensemble:
            found = measure(ensemble.theory, ensemble.blocks(), ensemble.independent)
            said, known = ensemble.caveats
    except (FileNotFoundError, IsADirectoryError) as error:
        raise ValueError(str(error)) from None
    warnings, notes = list(dict.fromkeys([*said, *found.warnings])), [*known, *found.notes]
    if arguments.json:
        print(json.dumps(_report(found, warnings, notes), allow_nan=False, ensure_ascii=False))
    else:
        _print_tables(arguments.file, found, notes)
        for sentence in warnings:
            warn(sentence)
    return 0


def _report(found: Measurement, warnings: list[str], notes: list[str]) -> dict[str, Any]:
    theory, c = found.theory, found.correlator
    functions = {
        "spectrum": c.spectrum, "time_slices": c.time_slices, "point_to_point": c.point_to_point, "mass": c.mass,
        "mass_above_constant": c.mass_above_constant, "four_point": c.four_point,
    }  # fmt: skip
    return {
        "observables": {
            name: {field: finite(number) for field, number in measured._asdict().items()}
            for name, measured in found.observables.items()
        },
        "warnings": warnings,
        "notes": notes,
        "n_configs": found.n_configs,
        "chains": found.chains,
        "draws": found.draws,
        "independent": found.independent,
        "theory": theory.name,
        "couplings": {"kappa": theory.kappa, "lam": theory.lam, "shape": list(theory.event)},
        "r_hat": {name: finite(value) for name, value in found.r_hat.items()},
        "effective_sample_size": {name: finite(value) for name, value in found.effective_sample_size.items()},
        "schwinger_dyson_deviation": finite(found.schwinger_dyson.deviation),
        "correlators": {
            "r": c.r.tolist(),
            "p": c.p.tolist(),
            **{name: _columns(estimate) for name, estimate in functions.items()},
        },
    }


def _columns(estimate: Estimate) -> dict[str, list[float | None]]:
    return {name: [finite(x) for x in column] for name, column in estimate._asdict().items()}


def _print_tables(file: Path, found: Measurement, notes: list[str]) -> None:
    from rich.console import Console
    from rich.text import Text

    from core.statistics.format import thousands

    console = Console(highlight=False)
    chains = (
        "independent"
        if found.independent
        else f"{thousands(found.chains)} chain{'s' * (found.chains != 1)} × {thousands(found.draws)} draws"
    )
    console.print(
        Text(
            f"{file.name}: {theory_in_words(found.theory)}, {thousands(found.n_configs)} "
            f"configuration{'s' * (found.n_configs != 1)} ({chains})"
        ),
        soft_wrap=True,
    )
    console.print(_observables(found))
    console.print(_correlators(found))
    for name, title in (("abs_m", "|M|"), ("phi2", "φ²")):
        if math.isfinite(found.r_hat.get(name, math.nan)):
            size = found.effective_sample_size[name]
            enough = f", effective sample size {thousands(round(size))}" if math.isfinite(size) else ""
            console.print(Text(f"{title}: R̂ = {found.r_hat[name]:.4f}{enough}"), soft_wrap=True)
    for sentence in notes:
        console.print(Text(sentence), style="dim", soft_wrap=True)


def _observables(found: Measurement) -> Any:
    from rich import box
    from rich.table import Table

    from core.statistics.format import with_error
    from core.statistics.measure import BROKEN, TITLES

    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("")
    for heading in ("value", "τ_int"):
        table.add_column(heading, justify="right")
    for name, (value, error, tau, tau_error) in found.observables.items():
        title = TITLES[name]
        if name == "xi" and found.observables["binder"].value > BROKEN:
            title += " (no length here)"
        table.add_row(title, with_error(value, error), with_error(tau, tau_error))
    return table


def _correlators(found: Measurement) -> Any:
    """The first few distances: zero-momentum time slices with their effective mass, and the function of two points."""
    from rich import box
    from rich.table import Table

    from core.statistics.format import with_error
    from core.statistics.measure import BROKEN

    c = found.correlator
    table = Table(box=box.SIMPLE_HEAD)
    # In the broken phase C(t) tends to a constant, and C(t) - C(t+1) has the mass, half a site further.
    broken = found.observables["binder"].value > BROKEN
    mass, of = (c.mass_above_constant, "C(t)−C(t+1)") if broken else (c.mass, "C(t)")
    functions = (c.time_slices, c.point_to_point, c.spectrum, c.four_point)
    headings = ("t", "C(t), time slices", f"mass of {of}", "⟨φ₀ φ_t⟩", "G(p = 2πt/L)", "⟨φ₀² φ_t²⟩_c")
    for heading in headings:
        table.add_column(heading, justify="right")
    for t in range(min(len(c.r), 9)):
        row = [with_error(column.value[t], column.error[t]) for column in functions]
        known = 1 <= t <= len(mass.value) and math.isfinite(mass.error[t - 1])  # else there is only noise
        fall = with_error(mass.value[t - 1], mass.error[t - 1]) if known else "–"
        table.add_row(str(t), row[0], fall, *row[1:])
    return table
