"""What the commands share: the parser, its kinds of numbers, and the targets."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from core.theories.base import Target

ONE_DIMENSION = ("two-peak", "double-well", "quartic", "mixture", "formula")
TWO_DIMENSIONS = ("three-peak", "circle", "spiral", "line")


class _Help(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30)


class Parser(argparse.ArgumentParser):
    """Keeps the line breaks of its texts, and answers a wrong argument with one sentence."""

    def __init__(self, **options) -> None:
        super().__init__(formatter_class=_Help, allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def extent(text: str) -> int:
    """Sites of a lattice along one direction, at least 2."""
    return _whole(text, 2)


def whole_number(text: str) -> int:
    """A whole number of at least 1; 1e5 and 100_000 are read too."""
    return _whole(text, 1)


def seed(text: str) -> int:
    """A whole number of at least 0."""
    return _whole(text, 0)


def positive(text: str) -> float:
    """A positive finite number."""
    value = number(text)
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"must be a positive number, got {text!r}")
    return value


def numbers(text: str) -> list[float]:
    """One or more numbers, separated by commas."""
    return [number(part) for part in text.split(",")]


def add_target(parser: argparse.ArgumentParser, choices: tuple[str, ...]) -> None:
    """Add the target, one of ``choices``, and the parameters of those that have some."""
    parser.add_argument("target", metavar="TARGET", choices=choices, help=f"one of {', '.join(choices)}")
    group = parser.add_argument_group("components of a mixture (numbers, separated by blanks or commas)")
    for name, what in (("means", "means"), ("stds", "standard deviations"), ("weights", "weights, of any sum")):
        group.add_argument(f"--{name}", metavar="X", nargs="+", type=numbers, help=f"its {what}")
    others = parser.add_argument_group("parameters of other targets (default those of the preset)")
    others.add_argument("--mu2", type=number, metavar="μ²", help="of S = ½ μ² x² + g x⁴/4! (double-well, quartic)")
    others.add_argument("--coupling", type=number, metavar="g", help="of S = ½ μ² x² + g x⁴/4!")
    others.add_argument("--formula", metavar="S(x)", help="the action of the target formula, such as 'x^4/4 - x^2'")
    if set(choices) & set(TWO_DIMENSIONS):
        others.add_argument("--thickness", type=number, metavar="X", help="width of the data around a curve")


PARAMETERS = {
    "mu2": ("mu2", ("double-well", "quartic")), "coupling": ("g", ("double-well", "quartic")),
    "formula": ("text", ("formula",)), "thickness": ("thickness", ("circle", "spiral", "line")),
}  # fmt: skip
"""Options of single numbers and texts: what the target calls them, and which targets have them."""


def make(arguments: argparse.Namespace) -> Target:
    """The target that the arguments describe. Raises ValueError for parameters that do not fit."""
    from core.theories.registry import make_target

    lists = {name: getattr(arguments, name) for name in ("means", "stds", "weights")}
    given = {name: tuple(x for part in parts for x in part) for name, parts in lists.items() if parts is not None}
    if given and arguments.target != "mixture":
        raise ValueError(f"--{next(iter(given))} describes a mixture, but the target is {arguments.target}")
    if given:
        missing = [f"--{name}" for name in ("means", "stds") if name not in given]
        if missing:
            raise ValueError(f"a mixture of your own needs {' and '.join(missing)} too")
        given.setdefault("weights", (1.0,) * len(given["means"]))
    for option, (name, targets) in PARAMETERS.items():
        value = getattr(arguments, option, None)
        if value is not None and arguments.target not in targets:
            raise ValueError(f"--{option} belongs to {' and '.join(targets)}, but the target is {arguments.target}")
        if value is not None:
            given[name] = value
    return make_target(arguments.target, **given)


def require_suffix(option: str, path: Path, suffix: str) -> None:
    """ValueError where a file that is to be written has another ending than the commands that read it look for."""
    if path.suffix != suffix and not path.is_dir():
        raise ValueError(f"{option} must name a file that ends in {suffix}, got {path}")


def warn(sentence: str) -> None:
    """Print a warning to stderr."""
    print(f"stoqlab: warning: {sentence}", file=sys.stderr)


def number(text: str) -> float:
    """A number, not necessarily finite."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number, got {text!r}") from None


def _whole(text: str, least: int) -> int:
    try:
        value = int(text)
    except ValueError:
        other = number(text)
        value = int(other) if math.isfinite(other) and other.is_integer() else least - 1
    if value < least:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least {least}, got {text!r}")
    return value
