"""The command line: ``stoqlab COMMAND …``.

Exit status 0: done; 1: the computation failed (a solver diverged, a file could not be written); 2: a wrong argument;
130: interrupted. Results go to stdout, warnings and errors, one sentence each, to stderr. Everything heavy is imported
by the command that needs it, so that help comes at once.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from core import __version__
from core.cli import bench, budget, compare, ensemble, library, likelihood, measure, sample, toy, toy_train, train, warm
from core.cli.arguments import Parser

_DESCRIPTION = """\
StoqLab: diffusion models and stochastic quantisation of toy targets and lattice fields.

A distribution dissolves into noise and re-forms; its cumulants tell how well."""

_EPILOG = """\
examples:
  stoqlab toy two-peak                             cumulants after the backward process, beside the exact ones
  stoqlab toy quartic --schedule vp --json         the same as one JSON object
  stoqlab toy-train two-peak --out two-peak.safetensors
  stoqlab toy two-peak --score two-peak.safetensors
  stoqlab ensemble phi4 --L 32 --kappa 0.27 --lam 0.022 --configs 10000 --out critical.nc
  stoqlab measure critical.nc                      observables with errors and autocorrelation times
  stoqlab train critical.nc --out critical.safetensors --minutes 10

'stoqlab COMMAND --help' explains a command. For the dashboard: make serve, or panel serve dashboard."""


def make_parser() -> Parser:
    """The parser of ``stoqlab`` with all its commands."""
    parser = Parser(prog="stoqlab", description=_DESCRIPTION, epilog=_EPILOG)
    parser.add_argument("--version", action="version", version=f"stoqlab {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (
        toy,
        toy_train,
        train,
        ensemble,
        sample,
        measure,
        compare,
        likelihood,
        budget,
        library,
        bench,
        warm,
    ):
        command.add_to(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status. Wrong arguments raise SystemExit(2), as argparse does."""
    arguments = make_parser().parse_args(argv)
    try:
        return arguments.run(arguments)
    except ValueError as error:  # every ValueError of the engine is a sentence about an argument
        failed: Parser = arguments.parser
        failed.error(str(error))
    except (ArithmeticError, OSError, MemoryError) as error:
        print(f"stoqlab: {error or 'not enough memory'}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stoqlab: interrupted", file=sys.stderr)
        return 130
