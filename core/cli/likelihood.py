"""``stoqlab likelihood``: log q of an ensemble under a diffusion model, and what the model is worth as a proposal."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cli import models
from core.cli.arguments import Parser, seed, warn, whole_number
from core.cli.lattices import finite, theory_in_words

if TYPE_CHECKING:
    from core.contracts import Tensor
    from core.diffusion.field_likelihood import Likelihood
    from core.ensembles.files import EnsembleReader
    from core.theories.phi4 import Phi4

METHODS = ("flow", "path")

_DESCRIPTION = """\
log q of the configurations of an ensemble under a diffusion model, the effective sample size (0 to 1) of
its draws, and the acceptance of independence Metropolis with them. By flow, log q is that of the
probability flow with its exact divergence, which for a network without a cheap one costs a backward pass
for each site and evaluation; by path the weights are those of whole backward paths, exact without any
divergence, and -(S + log w) bounds log q from below. The ensemble should be in equilibrium."""

_EPILOG = """\
examples:
  stoqlab likelihood assets/models/phi4_L32_k0.27.safetensors F.nc
  stoqlab likelihood M.safetensors F.nc --method flow --configs 16 --exact --json
  stoqlab likelihood F.nc F.nc --score gaussian          the Gaussian baseline fitted to F.nc itself"""


def add_to(commands) -> None:
    """Add this command and its arguments to the parser's commands."""
    parser: Parser = commands.add_parser(
        "likelihood", help="log q of an ensemble, effective sample size, acceptance", description=_DESCRIPTION,
        epilog=_EPILOG,
    )  # fmt: skip
    models.add_model(parser)
    parser.add_argument("file", metavar="FILE", type=Path, help="ensemble (.nc)")
    parser.add_argument(
        "--configs", type=whole_number, default=1024, metavar="N", help="configurations of it (default 1024)"
    )
    parser.add_argument("--method", choices=METHODS, help="default flow where the divergence is cheap, else path")
    parser.add_argument("--exact", action="store_true", help="flow, however long the divergence takes")
    parser.add_argument(
        "--hutchinson", action="store_true", help="log q with an estimate of the divergence: a diagnostic, no weights"
    )
    process = parser.add_argument_group("process")
    models.add_schedule(process)
    process.add_argument("--steps", type=whole_number, metavar="N", help="steps (default 30 of a path, 64 of a flow)")
    parser.add_argument("--seed", type=seed, default=0, metavar="N", help="the same seed, the same paths (default 0)")
    parser.add_argument("--device", choices=models.DEVICES, default="auto", help="where it runs (default auto)")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.set_defaults(run=run, parser=parser)


def run(arguments: argparse.Namespace) -> int:
    """Do what the arguments ask for; returns the exit status. Raises ValueError for arguments that do not fit."""
    import torch

    from core.devices import pick_device
    from core.diffusion.field_generate import baseline_of
    from core.diffusion.field_likelihood import likelihood
    from core.diffusion.field_noise import noise_range, schedule_reaching
    from core.ensembles.files import open_ensemble

    torch.set_num_threads(1)  # configurations are shared by the threads of the engine instead
    if arguments.hutchinson and arguments.method == "path":
        raise ValueError("--hutchinson is an estimate of the flow's divergence, but --method is path")
    try:
        with open_ensemble(arguments.file) as reader:
            theory, x = reader.theory, _spread(reader, arguments.configs)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise ValueError(str(error)) from None
    bound = models.bound_of(arguments, theory.event, theory.kappa, theory.lam)
    schedule = models.schedule_of(arguments)
    if isinstance(schedule, str):
        schedule = schedule_reaching(schedule, noise_range(baseline_of(bound.score)).high)
    found = likelihood(
        bound, x, "hutchinson" if arguments.hutchinson else arguments.method, schedule=schedule, steps=arguments.steps,
        exact=arguments.exact, seed=arguments.seed, device=str(pick_device(arguments.device)),
    )  # fmt: skip
    models.say(bound)
    for sentence in (bound.outside, *found.warnings):
        if sentence:
            warn(sentence)
    if arguments.json:
        print(json.dumps(_report(arguments, found, theory.volume), allow_nan=False, ensure_ascii=False))
    else:
        _print(arguments, found, theory)
    return 0


def _spread(reader: EnsembleReader, configs: int) -> Tensor:
    """At most ``configs`` configurations, far apart: (n, *event) independent ones, or (chains, draws, *event)."""
    import torch

    if reader.independent:
        return torch.from_numpy(reader.spread(configs))
    draws = max(1, min(configs // reader.chains, reader.draws))
    chains = min(configs, reader.chains)
    fields = torch.from_numpy(reader.spread(chains * draws))
    return fields.unflatten(0, (chains, draws))


def _report(arguments: argparse.Namespace, found: Likelihood, volume: int) -> dict[str, Any]:
    pairs = {
        name: {"value": finite(value), "error": finite(error)}
        for name, (value, error, *_) in (
            ("log_q", found.log_q), ("log_partition", found.log_partition),
            ("relative_entropy", found.relative_entropy),
        )
    }  # fmt: skip
    numbers = ("ess", "ess_data", "acceptance", "integration_error", "seconds")
    return {
        "model": str(arguments.model),
        "file": str(arguments.file),
        "method": found.method,
        "n_configs": found.configs,
        **pairs,
        "log_q_per_site": finite(found.log_q.value / volume),
        **{name: finite(getattr(found, name)) for name in numbers},
        "evaluations": found.evaluations,
        "seed": arguments.seed,
        "warnings": list(found.warnings),
    }


def _print(arguments: argparse.Namespace, found: Likelihood, theory: Phi4) -> None:
    from core.statistics.format import thousands, with_error

    print(
        f"{arguments.model.name} on {thousands(found.configs)} configurations of {arguments.file.name}: "
        f"{theory_in_words(theory)}"
    )
    bound = " at least" if found.method == "path" else ""
    print(
        f"log q ={bound} {with_error(*found.log_q[:2])} per configuration ({found.log_q.value / theory.volume:.5f} a "
        f"site), by {found.method}, {found.evaluations} evaluations, {found.seconds:.1f} s"
    )
    if found.method != "hutchinson":
        most = "at most " if found.method == "path" else ""
        print(
            f"relative entropy of the data with respect to the model: {most}{with_error(*found.relative_entropy[:2])}"
        )
        print(
            f"effective sample size {found.ess:.3g} of 1 from the model's draws, {found.ess_data:.3g} as the data see "
            f"it; acceptance of independence Metropolis {found.acceptance:.3g}"
        )
