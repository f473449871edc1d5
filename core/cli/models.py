"""What the commands that use a score of lattice fields share: the arguments that choose it, and how it is read."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from core.cli.arguments import extent, number, warn

if TYPE_CHECKING:
    from core.diffusion.field_source import Bound
    from core.schedule import Schedule

# The names are spelled out here because asking the engine for them would import torch.
SCORES = ("learned", "gaussian")
BASELINES = ("stored", "extrapolated", "refitted")
SCHEDULES = ("ve", "vp", "vp-linear", "cosine")
GRIDS = ("uniform", "log", "variance", "karras", "log-sigma")
PRIORS = ("matched", "noise")
DEVICES = ("auto", "cpu", "cuda", "mps")


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the model and the choice of its score and baseline."""
    parser.add_argument(
        "model", metavar="MODEL", type=Path,
        help="model (.safetensors), or an ensemble (.nc) whose Gaussian fit takes its place with --score gaussian",
    )  # fmt: skip
    group = parser.add_argument_group("score")
    group.add_argument("--score", choices=SCORES, default="learned", help="the network's, or its baseline alone")
    group.add_argument(
        "--baseline", choices=BASELINES,
        help="Gaussian part: of the training; on another lattice refitted to a short run of the action (default "
        "there), or extrapolated",
    )  # fmt: skip


def add_couplings(parser: argparse.ArgumentParser) -> None:
    """Add lattice and couplings at which the model is used."""
    group = parser.add_argument_group("lattice and couplings (default those of the training)")
    group.add_argument("--L", type=extent, metavar="L", help="extent of a square lattice")
    group.add_argument("--kappa", type=number, metavar="κ", help="hopping parameter, for a conditioned model")
    group.add_argument("--lam", type=number, metavar="λ", help="its coupling")


def add_schedule(parser: argparse._ArgumentGroup) -> None:
    """Add the noise schedule."""
    parser.add_argument(
        "--schedule", default="ve", metavar="NAME|FILE",
        help=f"one of {', '.join(SCHEDULES)} (default ve), or a JSON file that describes one, drawn ones too",
    )  # fmt: skip
    parser.add_argument(
        "--sigma", type=number, metavar="σ", help="base of g = σ^t, for ve and vp (default: what the field needs)"
    )


def schedule_of(arguments: argparse.Namespace) -> Schedule | str:
    """The schedule asked for; its name where it is to reach what the field needs. ValueError for a bad one."""
    import json

    from core import schedule_record
    from core.schedule import make_schedule

    name: str = arguments.schedule
    if arguments.sigma is not None:
        if name not in ("ve", "vp"):
            raise ValueError(f"--sigma belongs to the schedules ve and vp, but the schedule is {name}")
        return make_schedule(name, arguments.sigma)
    if name in SCHEDULES:
        return name
    if not name.endswith(".json"):
        raise ValueError(f"--schedule must be one of {', '.join(SCHEDULES)} or a .json file, got {name!r}")
    try:
        description = json.loads(Path(name).read_text())
    except (OSError, ValueError) as error:
        raise ValueError(f"--schedule: {name} cannot be read: {error}") from None
    if not isinstance(description, dict):
        raise ValueError(f"--schedule: {name} must hold an object with the schedule's name and parameters")
    return schedule_record.schedule_of(description)


def bound_of(
    arguments: argparse.Namespace, event: tuple[int, ...] | None, kappa: float | None, lam: float | None
) -> Bound:
    """The score that the arguments choose, on a lattice and at couplings (None: those of the training).

    Raises ValueError for a file that is missing, damaged or something else, and for what does not fit together.
    """
    from core.diffusion.field_model import FieldModel
    from core.diffusion.field_source import bind, bind_ensemble
    from core.ensembles.files import open_ensemble

    path: Path = arguments.model
    seed = getattr(arguments, "seed", 0)
    try:
        if path.suffix == ".nc":
            if arguments.score != "gaussian":
                with open_ensemble(path):  # something else says so
                    pass
                raise ValueError(f"{path} is an ensemble: it has a score with --score gaussian only")
            if arguments.baseline == "refitted":
                raise ValueError("--baseline refitted belongs to models; make an ensemble there and give that")
            bound = bind_ensemble(path, event)
            for name, given, own in (("kappa", kappa, bound.theory.kappa), ("lam", lam, bound.theory.lam)):  # type: ignore[union-attr]
                if given is not None and given != own:
                    raise ValueError(f"--{name} must be {own:g}, that of {path}, got {given:g}")
            return bound
        model = FieldModel.load(path)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise ValueError(str(error)) from None
    return bind(model, event=event, kappa=kappa, lam=lam, score=arguments.score, baseline=arguments.baseline, seed=seed)


def say(bound: Bound) -> None:
    """Warn of a baseline that was not made for this lattice and these couplings."""
    if bound.baseline == "extrapolated":
        warn(
            "the baseline is extrapolated from another lattice, and the fields may be wrong; --baseline refitted fits "
            "it to a short run there."
        )
