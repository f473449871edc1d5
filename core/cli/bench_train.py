"""``stoqlab bench train``: our training and the published network's, on the same data and the same clock."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cli.arguments import extent, number, positive, seed, warn, whole_number

if TYPE_CHECKING:
    import numpy as np

    from core.cli.held_out import Examination
    from core.cli.train_curves import Results
    from core.cli.train_race import Setting
    from core.theories.phi4 import Phi4

PUBLISHED = {"recipe": ("published",), "adapted": ("adapted",), "both": ("published", "adapted")}

_DESCRIPTION = """\
Train our network and the published one (arXiv:2309.17082, 1.1 M parameters) for the same time on the
same configurations of φ⁴, and show what each reaches when: the held-out denoising loss in bands of the
noise level σ̃, less that of the Gaussian baseline, in nats per unit of log σ̃. All see the same held-out
fields with the same noise. Time spent on validation does not count, time spent on setting up does."""


def add_to(kinds) -> None:
    """Add this benchmark to those of ``stoqlab bench``."""
    parser = kinds.add_parser("train", help="our training beside the published network's", description=_DESCRIPTION)
    add = parser.add_argument
    add("--L", type=extent, default=32, metavar="N", help="extent of the lattice (default 32)")
    add("--kappa", type=number, default=0.27, metavar="X", help="hopping parameter κ (default 0.27)")
    add("--lam", type=number, default=0.022, metavar="X", help="coupling λ (default 0.022)")
    add("--configs", type=whole_number, default=51_200, metavar="N", help="configurations to make (default 51200)")
    add("--data", metavar="F", help="an ensemble file to learn from instead")
    add("--minutes", type=positive, default=15.0, metavar="M", help="training time of each (default 15)")
    add("--published", choices=tuple(PUBLISHED), default="both",
        help="the published network by its own recipe, adapted (our noise levels, averaged weights), or both "
        "(default)")  # fmt: skip
    add("--held-out", type=whole_number, default=1024, metavar="N", help="fields to validate on (default 1024)")
    add("--bands", type=whole_number, default=8, metavar="N", help="bands of σ̃ (default 8)")
    add("--preset", choices=("small", "large"), default="small", help="size of our network (default small)")
    add("--reference", metavar="M", help="a model that was trained for long, to compare with")
    add("--threads", type=whole_number, metavar="N", help="cores to use (default all)")
    add("--concurrent", action="store_true", help="all at once, each on its share of the threads")
    add("--device", default="auto", metavar="D", help="auto, cpu, cuda or mps")
    add("--seed", type=seed, default=1, metavar="N", help="seed of data and training (default 1)")
    add("--out", metavar="F.json", help="write the results here, and what is known so far after every validation")
    add("--force", action="store_true", help="overwrite that file")
    add("--json", action="store_true", help="print one JSON object and nothing else")
    parser.set_defaults(run=run, parser=parser)


def run(arguments: argparse.Namespace) -> int:
    """Do what the arguments ask for; returns the exit status. Raises ValueError for arguments that do not fit."""
    from core.cli.lattices import theory_in_words
    from core.cli.train_race import Setting
    from core.cli.train_table import print_results
    from core.devices import cores, pick_device
    from core.theories.phi4 import Phi4

    device, threads = pick_device(arguments.device), arguments.threads or cores()
    if threads > cores():
        raise ValueError(f"--threads must be at most the {cores()} cores there are, got {threads}")
    if arguments.out and Path(arguments.out).exists() and not arguments.force:
        raise ValueError(f"{arguments.out} exists already; choose another name or overwrite it with --force")
    with ExitStack() as stack:
        if arguments.data is None:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="stoqlab-bench-"))
            data = _made(arguments, Path(folder) / "ensemble.nc")
        else:
            data = Path(arguments.data)
        setting = Setting(
            data, arguments.minutes, arguments.held_out, arguments.bands, arguments.preset, device.type, threads,
            arguments.seed,
        )  # fmt: skip
        results, about = _race(arguments, setting)
    if arguments.json:
        print(json.dumps(about | results.report(), allow_nan=False))
    else:
        print_results(results, theory_in_words(Phi4(about["L"], about["kappa"], about["lam"])))
    return 0


def _made(arguments: argparse.Namespace, path: Path) -> Path:
    from core.ensembles.make import make_ensemble
    from core.ensembles.request import EnsembleRequest
    from core.jobs import torch_threads
    from core.theories.phi4 import Phi4

    theory = Phi4((arguments.L, arguments.L), arguments.kappa, arguments.lam)
    request = EnsembleRequest(theory, "cluster", arguments.configs, seed=arguments.seed)
    with torch_threads(1):  # chains are shared by the threads of the engine instead
        result = make_ensemble(request, path)
    for sentence in result.warnings:
        warn(sentence)
    return path


def _race(arguments: argparse.Namespace, setting: Setting) -> tuple[Results, dict[str, Any]]:
    """Run it, telling of every validation on stderr and in the file of results."""
    from core.cli.held_out import denoiser_of
    from core.cli.train_curves import Excess, Results
    from core.cli.train_race import prepare, race, share

    data, gaussian, exam = prepare(setting)
    reference = None if arguments.reference is None else _reference(arguments.reference, data.theory, exam)
    names = ("ours", *PUBLISHED[arguments.published])
    results = Results(exam, exam.losses(denoiser_of(gaussian)), reference, {name: [] for name in names})
    theory = data.theory
    about: dict[str, Any] = {
        "L": theory.event[0], "kappa": theory.kappa, "lam": theory.lam, "configs": len(data.fields),
        "minutes": setting.minutes, "device": setting.device, "preset": setting.preset, "seed": setting.seed,
        "threads": share(setting, len(names)) if arguments.concurrent else setting.threads,
        "concurrent": arguments.concurrent, "complete": False,
    }  # fmt: skip
    for point in race(names, setting, arguments.concurrent):
        results.points[point.name].append(point)
        total = Excess.of(point.losses, results.baseline, exam).total
        print(f"{point.name}: {point.seconds:.1f} s, step {point.step}, {total:+.4g} nats", file=sys.stderr)
        _write(arguments.out, about | results.report())
    about["complete"] = True
    _write(arguments.out, about | results.report())
    return results, about


def _write(path: str | None, report: dict[str, Any]) -> None:
    from core.store import atomic_path

    if path is not None:
        with atomic_path(path, force=True) as temporary:
            temporary.write_text(json.dumps(report, allow_nan=False, indent=1) + "\n")


def _reference(path: str, theory: Phi4, exam: Examination) -> np.ndarray:
    from core.cli.held_out import denoiser_of
    from core.diffusion.field_model import FieldModel

    model = FieldModel.load(path)
    score = model.at(theory.event, theory.kappa, theory.lam)
    if sentence := model.trusts(theory.kappa, theory.lam):
        warn(sentence)
    return exam.losses(denoiser_of(score))
