"""``stoqlab library``: what the library of the user holds, and how things get in and out."""

from __future__ import annotations

import argparse
import json
import math
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cli.arguments import number

if TYPE_CHECKING:
    from core.library.catalogue import Item

# The names are spelled out here because asking the engine for them would import torch.
KINDS = ("ensemble", "array", "model", "run")

_DESCRIPTION = """\
The library: ensembles, arrays of unknown couplings, models, and the history of runs, in $STOQLAB_HOME or the
user's data folder. Something in it is named KIND:NAME, for instance "ensemble:critical"; KIND is one of
ensemble, array, model, run. What is removed can be restored for 30 days, the last 20 of each kind."""

_EPILOG = """\
examples:
  stoqlab library list --kind ensemble --kappa 0.26 0.28
  stoqlab library import critical.nc mine.safetensors
  stoqlab library import fields.npy --kappa 0.27 --lam 0.022 --name mine
  stoqlab library remove "ensemble:critical"
  stoqlab library list --deleted
  stoqlab library export "ensemble:critical" --out critical.nc"""


def add_to(commands) -> None:
    """Add this command and its arguments to the parser's commands."""
    parser = commands.add_parser(
        "library",
        help="list, remove, restore, import and export what is kept",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    one = _action(actions, "list", "list what there is, the latest first", _list)
    one.add_argument("text", nargs="*", metavar="WORD", help="words that must occur in name, origin or lattice")
    one.add_argument("--kind", choices=KINDS, default="", help="only this kind")
    one.add_argument("--kappa", type=number, nargs="+", metavar="κ", help="only these couplings: a value, or a range")
    one.add_argument("--lam", type=number, nargs="+", metavar="λ", help="the same")
    one.add_argument("--deleted", action="store_true", help="what can be restored, instead")
    one = _action(actions, "remove", "move things into the trash", _remove)
    one.add_argument("keys", nargs="+", metavar="KIND:NAME", help="what to remove")
    one = _action(actions, "restore", "bring removed things back", _restore)
    one.add_argument("keys", nargs="+", metavar="KEY", help="as listed by “list --deleted”")
    one = _action(actions, "import", "check files and take them in", _import)
    one.add_argument("files", nargs="+", type=Path, metavar="FILE", help=".nc, .npy or .safetensors")
    one.add_argument("--name", default="", help="name in the library (default made from that of the file)")
    one.add_argument("--kappa", type=number, metavar="κ", help="of raw fields (.npy)")
    one.add_argument("--lam", type=number, metavar="λ", help="the same")
    one.add_argument("--independent", action="store_true", help="raw fields are independent draws, not one chain")
    one = _action(actions, "export", "copy something out of the library", _export)
    one.add_argument("key", metavar="KIND:NAME", help="what to copy")
    one.add_argument("--out", type=Path, required=True, metavar="FILE", help="file to write")
    one.add_argument("--force", action="store_true", help="overwrite FILE if it exists")


def _action(actions: Any, name: str, text: str, run: Any) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=text, description=f"{text[:1].upper()}{text[1:]}.", epilog=_EPILOG)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.set_defaults(run=run, parser=parser)
    return parser


def _list(arguments: argparse.Namespace) -> int:
    from core.library.catalogue import Wanted, catalogue, deleted, when

    if arguments.deleted:
        gone = deleted()
        _tell(arguments, {"deleted": [asdict(one) for one in gone]}, [
            f"{one.key}  {one.kind} “{one.name}”, deleted {when(one.deleted)}" for one in gone
        ] or ["The trash is empty."])  # fmt: skip
        return 0
    wanted = Wanted(
        " ".join(arguments.text), arguments.kind, _range(arguments, "kappa"), _range(arguments, "lam")
    )  # fmt: skip
    items = [item for item in catalogue() if wanted.fits(item)]
    if arguments.json:
        _tell(arguments, {"items": [_report(item) for item in items]}, [])
    elif items:
        _table(items)
    else:
        print("There is nothing of that kind in the library.")
    return 0


def _remove(arguments: argparse.Namespace) -> int:
    from core.library.catalogue import remove

    try:
        gone = {key: remove(key) for key in arguments.keys}
    except FileNotFoundError as error:
        raise ValueError(str(error)) from None
    lines = [f"{key} is in the trash; stoqlab library restore {place} brings it back." for key, place in gone.items()]
    _tell(arguments, {"removed": gone}, lines)
    return 0


def _restore(arguments: argparse.Namespace) -> int:
    from core.library.catalogue import restore

    back = {key: restore(key) for key in arguments.keys}
    _tell(arguments, {"restored": back}, [f"{key} is back." for key in back.values()])
    return 0


def _import(arguments: argparse.Namespace) -> int:
    from core.library.intake import import_file

    if arguments.name and len(arguments.files) > 1:
        raise ValueError("--name is for one file")
    options = {"kappa": arguments.kappa, "lam": arguments.lam, "independent": arguments.independent}
    taken = []
    for file in arguments.files:
        try:  # whatever fits on the disk: the limit is for uploads
            taken.append(import_file(file, name=arguments.name, largest=math.inf, **options))
        except FileNotFoundError as error:
            raise ValueError(str(error)) from None
    _tell(
        arguments,
        {"imported": [asdict(one) for one in taken]},
        [f"{one.kind}:{one.name}: {one.sentence}" for one in taken],
    )
    return 0


def _export(arguments: argparse.Namespace) -> int:
    from core.library.catalogue import catalogue
    from core.store import atomic_path

    found = next((item for item in catalogue() if item.key == arguments.key), None)
    if found is None:
        raise ValueError(f"the library has no {arguments.key!r}; stoqlab library list names all there is")
    from core.history import History

    path = found.path or History().path(found.name)
    try:
        with atomic_path(arguments.out, arguments.force) as temporary:
            shutil.copyfile(path, temporary)
    except FileExistsError:
        raise ValueError(f"{arguments.out} exists; give --force to overwrite it") from None
    _tell(arguments, {"path": str(arguments.out)}, [f"{arguments.out}: {found.key}"])
    return 0


def _range(arguments: argparse.Namespace, name: str) -> tuple[float, float] | None:
    values = getattr(arguments, name)
    if values is None:
        return None
    if len(values) > 2:
        raise ValueError(f"--{name} takes one value, or the ends of a range, got {len(values)}")
    return min(values), max(values)


def _report(item: Item) -> dict[str, Any]:
    names = ("key", "kind", "name", "title", "made", "origin", "bytes", "kappa", "lam", "shapes", "glance", "problem")
    return {name: getattr(item, name) for name in names}


def _table(items: list[Item]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from core.library.catalogue import extents, span, when
    from core.statistics.format import with_error
    from core.statistics.measure import TITLES

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("key", "κ", "λ", "lattice", "by", "at a glance", "made"):
        table.add_column(heading, overflow="fold")
    for item in items:
        glance = ", ".join(f"{TITLES.get(name, name)} {with_error(*value)}" for name, value in item.glance.items())
        shapes = ", ".join(extents(shape) for shape in item.shapes[:3])
        title = item.key if item.kind != "run" else f"{item.key} {item.title}"
        facts = (title, span(item.kappa), span(item.lam), shapes, item.origin)
        table.add_row(*facts, item.problem or glance, when(item.made))
    console = Console(highlight=False, markup=False)
    console.width = max(console.width, 120)
    console.print(table)


def _tell(arguments: argparse.Namespace, data: dict[str, Any], lines: list[str]) -> None:
    if arguments.json:
        print(json.dumps(data, ensure_ascii=False))
    else:
        print("\n".join(lines))
