"""The command line that makes the same ensemble."""

from __future__ import annotations

import shlex
from pathlib import Path

from core.ensembles.request import EnsembleRequest


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
