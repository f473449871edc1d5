"""``stoqlab toy-train``: learn the score of a toy target from samples of it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from core.cli.arguments import ONE_DIMENSION, TWO_DIMENSIONS, add_target, make, positive, seed, whole_number
from core.cli.interrupt import stopping_at_interrupt
from core.cli.progress import progress_bar
from core.cli.toy import DEVICES

if TYPE_CHECKING:
    from core.diffusion.training import Trainer
    from core.jobs import Token

_DESCRIPTION = """\
Train a small network on samples of a toy target, by denoising score matching. The one file it writes
serves every schedule, and holds what is needed to go on training. Ctrl-C stops after the present step
and saves."""

_EPILOG = """\
examples:
  stoqlab toy-train two-peak --out two-peak.safetensors
  stoqlab toy-train mixture --means -1 2 --stds 0.3 0.5 --out mine.safetensors --minutes 1
  stoqlab toy-train two-peak --out two-peak.safetensors --resume"""


def add_to(commands) -> None:
    """Add this command and its arguments to the parser's commands."""
    parser = commands.add_parser(
        "toy-train", help="train a score on samples of a target", description=_DESCRIPTION, epilog=_EPILOG
    )
    add_target(parser, ONE_DIMENSION + TWO_DIMENSIONS)
    parser.add_argument("--out", required=True, type=Path, metavar="FILE", help="file to write (.safetensors)")
    overwrite = parser.add_mutually_exclusive_group()
    overwrite.add_argument("--force", action="store_true", help="overwrite FILE if it exists")
    overwrite.add_argument("--resume", action="store_true", help="go on with the training saved in FILE")
    parser.add_argument("--samples", type=whole_number, metavar="N", help="samples to learn from (default 1000000)")
    parser.add_argument("--steps", type=whole_number, metavar="N", help="training steps (default: enough)")
    parser.add_argument("--minutes", type=positive, metavar="X", help="stop after so many minutes")
    parser.add_argument("--threads", type=whole_number, metavar="N", help="threads (default 1, or as before)")
    parser.add_argument("--seed", type=seed, metavar="N", help="the same seed, the same score (default 0)")
    parser.add_argument("--device", choices=DEVICES, default="auto", help="where it runs (default auto)")
    parser.set_defaults(run=run, parser=parser)


def run(arguments: argparse.Namespace) -> int:
    """Do what the arguments ask for; returns the exit status. Raises ValueError for arguments that do not fit."""
    out: Path = arguments.out
    if out.is_dir():
        raise ValueError(f"--out must name a file, {out} is a folder")
    if out.exists() and not (arguments.force or arguments.resume):
        raise ValueError(f"{out} exists; give --force to overwrite it or --resume to go on with it")
    trainer = _trainer(arguments)

    from core.history import keep
    from core.history_records import toy_training_run
    from core.jobs import Token

    token = Token()
    with stopping_at_interrupt(token):
        _train(trainer, arguments.minutes, token)
        trainer.save(out, force=arguments.force or arguments.resume)
    keep(lambda: toy_training_run(trainer, out.stem, "command line"))
    loss = f", loss {trainer.history[-1][1]:.5f}" if trainer.history else ""
    print(f"{out}: {trainer.step} of {trainer.config.steps} steps in {trainer.seconds:.1f} s{loss}")
    if trainer.step < trainer.config.steps:
        print("Training is not complete; the same command with --resume goes on.")
    return 130 if token.cancelled else 0


def _trainer(arguments: argparse.Namespace) -> Trainer:
    from core.diffusion.training import Trainer, TrainingConfig

    target = make(arguments)
    if arguments.resume:
        fixed = [name for name in ("samples", "steps", "seed") if getattr(arguments, name) is not None]
        if fixed:
            raise ValueError(f"--{fixed[0]} is fixed by the training that --resume goes on with")
        try:
            return Trainer.load(arguments.out, target, arguments.device, arguments.threads)
        except FileNotFoundError as error:
            raise ValueError(f"nothing to resume: {error}") from None
    changes = {name: getattr(arguments, name) for name in ("samples", "steps") if getattr(arguments, name) is not None}
    config = TrainingConfig.of(target.dim, **changes)
    return Trainer(target, config, arguments.seed or 0, arguments.device, arguments.threads or 1)


def _train(trainer: Trainer, minutes: float | None, token: Token) -> None:
    total = trainer.config.steps
    with progress_bar("training", done=trainer.step, total=total) as show:
        trainer.run(
            minutes=minutes, callback=lambda step, loss, _: show(step, total, note=f"loss {loss:.5f}"), token=token
        )
