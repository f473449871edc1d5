"""The command lines that make the same ensemble."""

from __future__ import annotations

import shlex
from pathlib import Path

from core.ensembles.files import EnsembleReader
from core.ensembles.generated import CHAINS, Origin
from core.ensembles.request import EnsembleRequest
from core.theories.phi4 import Phi4


def command_line(request: EnsembleRequest, path: str | Path) -> str:
    """``stoqlab ensemble …`` for a request and the file it is to write, quoted for a shell.

    Values that are left to be found automatically are left out.
    """
    theory = request.theory
    extents = theory.event
    square = len(extents) == 2 and extents[0] == extents[1]
    words: list[object] = ["stoqlab", "ensemble", theory.name]
    words += ["--L", extents[0]] if square else ["--shape", *extents]
    words += ["--kappa", theory.kappa, "--lam", theory.lam]
    if request.protocol is not None:
        words += ["--protocol", request.protocol]
    else:
        words += ["--sampler", request.sampler, "--start", request.start]
    words += ["--configs", request.configs]
    for name in ("chains", "therm", "thin"):
        if getattr(request, name) is not None:
            words += [f"--{name}", getattr(request, name)]
    for name, value in request.parameters.items():
        option = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{option}" if value else f"--no-{option}")
        else:
            words += [f"--{option}", value]
    words += ["--seed", request.seed, "--out", path]
    return shlex.join(str(word) for word in words)


def made_by(reader: EnsembleReader) -> str:
    """The command line that makes an open ensemble again, empty where there is none."""
    if reader.plan is not None:
        return command_line(reader.plan.request(), reader.path.name)
    origin = Origin.of(reader)
    return "" if origin is None else sample_command(origin, reader.theory, reader.configs, reader.path.name)


def sample_command(origin: Origin, theory: Phi4, configs: int, path: str | Path) -> str:
    """``stoqlab sample …`` for an ensemble that was generated, quoted for a shell.

    Empty where the schedule was drawn, or given parameters of its own that the command line has no option for, or the
    lattice is not a square. The model is looked for in the present folder.
    """
    extents, schedule, kind = theory.event, origin.schedule["name"], origin.correction["kind"]
    if schedule not in ("ve", "vp") or len(extents) != 2 or extents[0] != extents[1]:
        return ""
    words: list[object] = ["stoqlab", "sample", origin.model + (".safetensors" if origin.digest else "")]
    words += ["--score", origin.score, "--L", extents[0], "--kappa", theory.kappa, "--lam", theory.lam]
    if origin.digest and origin.baseline in ("refitted", "extrapolated"):
        words += ["--baseline", origin.baseline]
    words += ["--configs", configs, "--schedule", schedule, "--sigma", origin.schedule["sigma_max"]]
    words += ["--prior", origin.prior, "--grid", origin.grid, "--steps", origin.steps]
    if kind not in CHAINS:
        words += ["--solver", origin.solver]
    if kind != "none":
        words += ["--correct", kind]
    if kind == "metropolis":
        words += ["--exact"]  # it was affordable once
    for name, option in (("steps", "correct-steps"), ("step_size", "step-size"), ("chains", "chains")):
        if name in origin.correction:
            words += [f"--{option}", origin.correction[name]]
    words += ["--seed", origin.seed, "--out", path]
    return shlex.join(str(word) for word in words)
