"""The second table of ``stoqlab compare``: a row an ensemble, data, baseline, learned, corrected and exact theory."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cli.lattices import finite

if TYPE_CHECKING:
    from core.diffusion.further_rows import FurtherRow
    from core.ensembles.files import EnsembleReader
    from core.statistics.compare import Comparison
    from core.statistics.errors import Measured
    from core.statistics.measure import Measurement

COLUMNS = ("kappa2", "kappa4_ratio", "kappa6_ratio", "kappa8_ratio", "action", "abs_m", "chi", "binder")
WIDTH = 160
"""Columns of text that the table takes; a narrower terminal breaks its lines."""


def title_of(b: EnsembleReader) -> str:
    """What B is: 'learned', 'gaussian, hmc' and so on, empty where no model generated it."""
    from core.ensembles.generated import Origin

    origin = Origin.of(b)
    if origin is None:
        return ""
    kind = origin.correction["kind"]
    return origin.score + ("" if kind == "none" else f", corrected by {kind}")


def rows_of(arguments: argparse.Namespace, a: Measurement, b: EnsembleReader) -> tuple[list[FurtherRow], list[str]]:
    """The rows that are asked for, or that B has by itself, and notes on those that cannot be had.

    Raises ValueError for one that was asked for and cannot be had.
    """
    from core.ensembles.generated import Origin

    origin = Origin.of(b)
    asked = list(dict.fromkeys(arguments.rows or [])) + ["published"] * arguments.published
    if arguments.model is not None and not arguments.model.is_file():
        raise ValueError(f"--model: there is no file {arguments.model}")
    if "none" in asked and len(arguments.rows) > 1:
        raise ValueError("--rows none goes with no other row")
    if arguments.rows is None and origin is None and a.theory.lam != 0 and not asked:
        return [], []
    from core.diffusion.further_rows import applicable, find_model, further_row

    same = a.theory == b.theory
    kinds = [*(applicable(a.theory, origin) if arguments.rows is None and same else []), *asked]
    model, notes = arguments.model, []
    if model is None and origin is not None and {"baseline", "learned"} & set(kinds):
        model = find_model(origin, (b.path.parent, Path()))
        if model is None:
            missing = f"the model {origin.model} of B is not found here: give it with --model"
            if {"baseline", "learned"} & set(asked):
                raise ValueError(missing)
            notes = [f"There is no row of the baseline: {missing}."]
            kinds = [kind for kind in kinds if kind not in ("baseline", "learned")]
    if asked and not same and set(asked) & {"baseline", "learned", "exact"}:
        raise ValueError("--rows needs two ensembles of one theory and lattice")
    seed = 0 if origin is None else origin.seed
    return [further_row(kind, a, origin, model, seed) for kind in kinds if kind != "none"], notes


def as_json(rows: Sequence[FurtherRow]) -> dict[str, Any]:
    """Rows by their kinds as JSON has them; ``sigma`` is (a − row) in units of the joint error."""
    return {
        row.kind: {
            "title": row.title,
            "how": row.how,
            "observables": {
                name: {
                    "value": finite(m.value),
                    "error": finite(m.error),
                    "sigma": finite(row.sigma.get(name, math.nan)),
                }
                for name, m in row.observables.items()
            },
            "n_configs": row.configs,
            "chi2_per_dof": finite(row.chi2_per_dof),
            "effective_sample_size": finite(row.effective_sample_size),
        }
        for row in rows
    }


def print_rows(paths: tuple[Path, Path], found: Comparison, rows: Sequence[FurtherRow], title: str = "") -> None:
    """The table in the form that talks show, where there are further rows; ``title`` says what B is."""
    if not rows:
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from core.statistics.format import thousands
    from core.statistics.measure import TITLES

    console = Console(highlight=False)
    console.width = max(console.width, WIDTH)
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("", *(TITLES[name] for name in COLUMNS), "χ²/dof", "ESS"):
        table.add_column(heading, justify="right" if heading else "left")

    def add(title: str, values: Mapping[str, Measured], sigma: Mapping[str, float], chi2: float, ess: float) -> None:
        cells = [_cell(values.get(name), sigma.get(name, math.nan)) for name in COLUMNS]
        size = thousands(round(ess)) if math.isfinite(ess) else "–"
        table.add_row(title, *cells, f"{chi2:.3g}" if math.isfinite(chi2) else "–", size)

    sizes = found.effective_sample_size["abs_m"]
    joint = found.joint
    add(f"A, {paths[0].name}", found.a.observables, {}, math.nan, sizes[0])
    sigma = {name: row.sigma for name, row in found.observables.items()}
    b = f"B, {paths[1].name}" + (f" ({title})" if title else "")
    add(
        b, found.b.observables, sigma, joint.chi2 / joint.dof if joint.dof else math.nan, sizes[1]
    )  # fmt: skip
    for row in rows:
        add(row.title, row.observables, row.sigma, row.chi2_per_dof, row.effective_sample_size)
    console.print(table)
    console.print(Text("Below each value: (A − row)/σ."), style="dim")
    for row in rows:
        console.print(Text(f"{row.title}: {row.how}"), style="dim", soft_wrap=True)


def _cell(m: Measured | None, sigma: float) -> str:
    from core.statistics.format import MINUS, with_error

    if m is None:
        return "–"
    value = with_error(m.value, m.error)
    if math.isnan(sigma):
        return value
    size = f"{abs(sigma):.1f}" if math.isfinite(sigma) else "∞"
    return f"{value}\n{'+' if sigma >= 0 else MINUS}{size} σ"
