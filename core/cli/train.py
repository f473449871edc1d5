"""``stoqlab train``: learn the score of a lattice field from ensembles, arrays, or a live sampler."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cli.arguments import extent, number, positive, require_suffix, seed, warn, whole_number
from core.cli.interrupt import stopping_at_interrupt
from core.cli.progress import Show, progress_bar
from core.cli.toy import DEVICES

if TYPE_CHECKING:
    from core.diffusion.field_data import FieldSource
    from core.diffusion.field_live import LiveRequest
    from core.diffusion.field_training import FieldTrainer, FieldTrainingConfig, ProgressCallback, TrainingProgress
    from core.jobs import Token

# The names are spelled out here because asking the engine for them would import torch.
THEORIES = ("phi4",)
PRESETS = ("small", "large", "flow")
TARGETS = ("auto", "dsm", "tsm")
LEVELS = ("uniform", "adaptive")
CONFIG = ("steps", "minutes", "batch", "rate", "target", "levels", "patience", "mixed", "compiled")
"""Options that have a field of their name in the configuration."""
MINUTES = 10.0

_DESCRIPTION = """\
Train a network on configurations of a lattice field: ensemble files, which know their couplings; an array
(.npy) of shape (N, L, L), with its couplings or without; or a live sampler, phi4 with a lattice and couplings,
which makes fresh configurations for as long as it takes. The one file it writes serves every schedule; with
several couplings it takes them as an input.

It is written every two minutes and holds what is needed to go on: after Ctrl-C, or a crash, the same run
with --resume is the same run, to the bit, on the same device and number of threads."""

_EPILOG = """\
examples:
  stoqlab train critical.nc --out critical.safetensors --minutes 15
  stoqlab train phi4 --L 32 --kappa 0.2 0.4 --lam 0.022 --out kappa.safetensors --minutes 60
  stoqlab train mine.npy --kappa 0.27 --lam 0.022 --out mine.safetensors --steps 5000
  stoqlab train --out critical.safetensors --resume"""


def add_to(commands) -> None:
    """Add this command and its arguments to the parser's commands."""
    parser = commands.add_parser(
        "train", help="train a score on configurations of a lattice field", description=_DESCRIPTION, epilog=_EPILOG
    )
    add = parser.add_argument
    add("data", nargs="*", metavar="DATA", help="files (.nc or .npy), or phi4 for a live sampler")
    add("--out", type=Path, required=True, metavar="FILE", help="file to write (.safetensors)")
    overwrite = parser.add_mutually_exclusive_group()
    overwrite.add_argument("--force", action="store_true", help="overwrite FILE if it exists")
    overwrite.add_argument("--resume", action="store_true", help="go on with the training saved in FILE")
    group = parser.add_argument_group("live sampler, and couplings of arrays")
    add = group.add_argument
    add("--L", type=extent, nargs="+", metavar="L", help="extents of square lattices")
    add("--kappa", type=number, nargs="+", metavar="κ", help="one value, two for a range, or three and more")
    add("--lam", type=number, nargs="+", metavar="λ", help="the same")
    group = parser.add_argument_group("training")
    add = group.add_argument
    length = group.add_mutually_exclusive_group()
    length.add_argument("--minutes", type=positive, metavar="X", help=f"how long to train (default {MINUTES:g})")
    length.add_argument("--steps", type=whole_number, metavar="N", help="how many steps to train")
    add("--preset", choices=PRESETS, help="network: flow is one of one block, with a cheap divergence (default small)")
    add("--target", choices=TARGETS, help="dsm: from data alone; tsm: with the known action; default auto: if known")
    add("--levels", choices=LEVELS, help="density of the noise levels in log σ̃ (default uniform)")
    add("--batch", type=whole_number, metavar="N", help="configurations in a step (default 64)")
    add("--rate", type=positive, metavar="X", help="highest learning rate (default 0.008)")
    add(
        "--patience", type=whole_number, metavar="N", help="stop after N validations, of some 100, without a better one"
    )
    add("--mixed", action="store_true", default=None, help="bfloat16 where it is safe (CUDA)")
    add("--compiled", action="store_true", default=None, help="compile the network (CUDA)")
    add("--seed", type=seed, metavar="N", help="of weights, noise and live sampler (default 0)")
    add("--device", choices=DEVICES, default="auto", help="where it runs (default auto)")
    add("--threads", type=whole_number, metavar="N", help="threads (default all cores, or as before)")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.set_defaults(run=run, parser=parser)


def run(arguments: argparse.Namespace) -> int:
    """Do what the arguments ask for; returns the exit status. Raises ValueError for arguments that do not fit."""
    out: Path = arguments.out
    require_suffix("--out", out, ".safetensors")
    if out.is_dir():
        raise ValueError(f"--out must name a file, {out} is a folder")
    if out.exists() and not (arguments.force or arguments.resume):
        raise ValueError(f"{out} exists; give --force to overwrite it or --resume to go on with it")
    from core.contracts import Cancelled
    from core.history import keep
    from core.history_records import training_run
    from core.jobs import Token

    token = Token()
    with stopping_at_interrupt(token):
        try:
            trainer = _resumed(arguments) if arguments.resume else _begun(arguments, token)
        except Cancelled:
            raise KeyboardInterrupt from None
        for sentence in trainer.source.warnings:
            warn(sentence)
        if not arguments.json:
            print(trainer.source.sentence())
            print(trainer.levels_sentence)
        with progress_bar("training", done=trainer.step, total=trainer.steps) as show:
            trainer.run(callback=_shown(show), token=token, checkpoint=out)
    keep(lambda: training_run(trainer, out.stem, "command line"))
    if arguments.json:
        print(json.dumps(_report(trainer, out), allow_nan=False))
    else:
        _print(trainer, out)
    return 130 if token.cancelled and not trainer.finished else 0


def _begun(arguments: argparse.Namespace, token: Token) -> FieldTrainer:
    from core.diffusion.field_training import FieldTrainer

    if not arguments.data:
        raise ValueError(f"name files to learn from, or one of {', '.join(THEORIES)} for a live sampler")
    config, s = _config(arguments), arguments.seed or 0
    return FieldTrainer(_source(arguments, token), config, arguments.preset or "small", s, arguments.device,
                        arguments.threads)  # fmt: skip


def _config(arguments: argparse.Namespace) -> FieldTrainingConfig:
    from core.diffusion.field_training import FieldTrainingConfig

    given = {name: getattr(arguments, name) for name in CONFIG if getattr(arguments, name) is not None}
    if "steps" not in given:
        given.setdefault("minutes", MINUTES)
    return FieldTrainingConfig(**given)


def _source(arguments: argparse.Namespace, token: Token | None) -> FieldSource:
    if arguments.data[0] in THEORIES:
        from core.diffusion.field_live import LiveSource

        with progress_bar("thermalising") as show:
            return LiveSource(_request(arguments), report=show, token=token)
    from core.diffusion.field_data import open_files

    if arguments.L is not None:
        raise ValueError("--L is for the live sampler; files know their lattices")
    couplings = []
    for name in ("kappa", "lam"):
        values = getattr(arguments, name)
        if values is not None and len(values) != 1:
            raise ValueError(f"--{name} of an array must be one number, got {len(values)}")
        couplings.append(None if values is None else values[0])
    try:
        return open_files(arguments.data, *couplings)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise ValueError(str(error)) from None


def _request(arguments: argparse.Namespace) -> LiveRequest:
    from core.diffusion.field_live import LiveRequest

    if len(arguments.data) > 1:
        raise ValueError(f"{arguments.data[0]} is a live sampler and does not go together with {arguments.data[1]}")
    for name in ("L", "kappa", "lam"):
        if getattr(arguments, name) is None:
            raise ValueError(f"a live sampler needs --{name}")
    lattices = [(extent, extent) for extent in arguments.L]
    return LiveRequest.over(lattices, arguments.kappa, arguments.lam, arguments.seed or 0)


def _resumed(arguments: argparse.Namespace) -> FieldTrainer:
    from core.diffusion.field_training import FieldTrainer

    live = arguments.data[:1] == list(THEORIES)
    try:
        source = None if live or not arguments.data else _source(arguments, None)
        trainer = FieldTrainer.load(arguments.out, source, arguments.device, arguments.threads)
    except FileNotFoundError as error:
        raise ValueError(f"nothing to resume: {error}") from None
    for name, had, given in _asked(arguments, trainer):
        if given is not None and given != had:
            raise ValueError(f"--{name} is {had} in the training that --resume goes on with, got {given}")
    return trainer


def _asked(arguments: argparse.Namespace, trainer: FieldTrainer) -> Iterator[tuple[str, Any, Any]]:
    """Options by name, as the saved training has them and as they are given (None where they are not)."""
    from core.diffusion.field_live import LiveSource
    from core.diffusion.field_network import PRESETS as SIZES

    for name in CONFIG:
        yield name, getattr(trainer.config, name), getattr(arguments, name)
    yield "seed", trainer.seed, arguments.seed
    if arguments.preset is not None:
        size = trainer.network_config
        had = next((n for n, c in SIZES.items() if replace(c, conditioned=size.conditioned) == size), "another")
        yield "preset", had, arguments.preset
    if isinstance(trainer.source, LiveSource):
        request = trainer.source.request
        yield "L", [event[0] for event in request.lattices], arguments.L
        for name, values in (("kappa", request.kappas), ("lam", request.lams)):
            given = getattr(arguments, name)
            yield name, [min(values), max(values)] if given and len(given) == 2 else list(values), given


def _report(trainer: FieldTrainer, out: Path) -> dict[str, Any]:
    record, last = trainer.record, trainer.final or (trainer.history[-1] if trainer.history else None)
    return {
        "path": str(out),
        "digest": trainer.model().digest,
        "steps": trainer.step,
        "planned": trainer.steps,
        "complete": trainer.finished,
        "seconds": trainer.seconds,
        "parameters": trainer.parameters,
        "target": record.target,
        "data": record.source,
        "sigma_min": record.sigma_min,
        "sigma_max": record.sigma_max,
        "levels": record.levels,
        "validation": [] if last is None else last.by_band(),
        "excess": None if last is None else last.total,
        "excess_error": None if last is None else last.total_error,
        "warnings": list(trainer.source.warnings),
    }


def _print(trainer: FieldTrainer, out: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    planned = f" of {trainer.steps}" if trainer.steps is not None else ""
    print(f"{out}: {trainer.step}{planned} steps in {trainer.seconds:.1f} s, {trainer.parameters} parameters")
    last = trainer.final or (trainer.history[-1] if trainer.history else None)
    if last is not None:
        table = Table("σ̃", "loss", "Gaussian baseline", "difference", "error", title="held out, nats per unit of log σ̃")
        for band in last.by_band():
            table.add_row(
                f"{band['low']:.3g} to {band['high']:.3g}", f"{band['loss']:.4f}", f"{band['baseline']:.4f}",
                f"{band['loss'] - band['baseline']:+.4f}", f"{band['error']:.4f}",
            )  # fmt: skip
        Console(highlight=False).print(table)
        print(f"in total, over log σ̃: {last.total:+.4f} ± {last.total_error:.4f} nats")
    if trainer.ended:
        print(trainer.ended)
    elif not trainer.finished:
        print("Training is not complete; the same command with --resume goes on.")


def _shown(show: Show) -> ProgressCallback:
    """Steps, and gain over the baseline in bands of σ̃ from low to high."""

    def tell(now: TrainingProgress) -> None:
        bands = "" if now.validation is None else " ".join(f"{e:+.2f}" for e in now.validation.excess)
        show(now.step, now.steps, note=f"nats from the baseline, by σ̃: {bands}" if bands else "")

    return tell
