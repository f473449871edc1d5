"""``stoqlab bench sample``: configurations a second that a diffusion model makes, with the network and without."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cli.arguments import extent, whole_number

if TYPE_CHECKING:
    from core.diffusion.sampling_rate import Rate

BATCHES = (16, 64, 256, 1024)

_DESCRIPTION = """\
Measure how many configurations a second the backward process makes: with the network of MODEL and with
its Gaussian baseline alone, in batches of several sizes, on one core, on all cores, and on a GPU where
there is one. Without MODEL the free field of the same lattice stands for the baseline. Also the rate of
corrected configurations (path weights). The best of several rounds counts."""


def add_to(commands) -> None:
    """Add this command and its arguments to the parser's commands."""
    parser = commands.add_parser(
        "sample", help="configurations per second of the backward process", description=_DESCRIPTION
    )
    parser.add_argument("model", metavar="MODEL", type=Path, nargs="?", help="model (.safetensors)")
    parser.add_argument("--L", type=extent, metavar="L", help="extent of the lattice (default the model's, or 32)")
    parser.add_argument("--steps", type=whole_number, default=30, metavar="N", help="steps (default 30)")
    parser.add_argument(
        "--batches", type=whole_number, nargs="+", default=BATCHES, metavar="N",
        help=f"configurations made at once (default {' '.join(map(str, BATCHES))})",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.set_defaults(run=run, parser=parser)


def run(arguments: argparse.Namespace) -> int:
    """Do what the arguments ask for; returns the exit status. Raises ValueError for arguments that do not fit."""
    from core.diffusion.field_model import FieldModel
    from core.diffusion.field_source import Bound, bind
    from core.diffusion.sampling_rate import free_field, measure

    event = None if arguments.L is None else (arguments.L, arguments.L)
    if arguments.model is None:
        bounds: list[Bound] = [free_field(event or (32, 32))]
    else:
        try:
            model = FieldModel.load(arguments.model)
        except (FileNotFoundError, IsADirectoryError) as error:
            raise ValueError(str(error)) from None
        kappa, lam = (None if ends is None else sum(ends) / 2 for ends in (model.kappa_range, model.lam_range))
        bounds = [bind(model, event=event, kappa=kappa, lam=lam, score=score) for score in ("learned", "gaussian")]
    rates = [rate for bound in bounds for rate in measure(bound, tuple(arguments.batches), arguments.steps)]
    if arguments.json:
        print(json.dumps(_report(arguments, rates), allow_nan=False, ensure_ascii=False))
    else:
        _print_table(arguments, rates)
    return 0


def _report(arguments: argparse.Namespace, rates: list[Rate]) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "model": None if arguments.model is None else str(arguments.model),
        "shape": list(rates[0].shape),
        "steps": arguments.steps,
        "unit": "configurations per second",
        "results": [{k: v for k, v in asdict(rate).items() if k != "shape"} for rate in rates],
    }


def _print_table(arguments: argparse.Namespace, rates: list[Rate]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("score", "method", "on"):
        table.add_column(heading, no_wrap=True)
    for heading in ("threads", "batch", "configs/s", "evaluations/s"):
        table.add_column(heading, justify="right")
    for rate in rates:
        table.add_row(
            rate.score, rate.method, rate.device.partition(":")[0], str(rate.threads), str(rate.batch),
            f"{rate.configs_per_second:.4g}", f"{rate.configs_per_second * rate.evaluations:.3g}",
        )  # fmt: skip
    name = "the free field" if arguments.model is None else arguments.model.name
    lattice = " × ".join(str(n) for n in rates[0].shape)
    console = Console(highlight=False)
    console.print(f"[bold]Sampling from {name}[/] on {lattice}, {arguments.steps} steps: configurations per second")
    console.print(table)
    for device in dict.fromkeys(rate.device for rate in rates):
        console.print(device, style="dim", soft_wrap=True)
