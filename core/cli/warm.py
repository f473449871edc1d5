"""``stoqlab warm``: compile every kernel now, so that nobody waits for one later."""

from __future__ import annotations

import argparse
import json
import time

_DESCRIPTION = """\
Call everything that is compiled once, on tiny systems, in both precisions. The compiled code is kept on
disk; later runs read it in a fraction of a second. Needed once after installing or updating."""


def add_to(commands) -> None:
    """Add this command and its arguments to the parser's commands."""
    parser = commands.add_parser("warm", help="compile everything now", description=_DESCRIPTION)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.set_defaults(run=run, parser=parser)


def run(arguments: argparse.Namespace) -> int:
    """Do what the arguments ask for; returns the exit status."""
    from core.cli.warm_parts import parts

    seconds = {}
    start = time.perf_counter()
    for name, work in parts():
        begun = time.perf_counter()
        work()
        seconds[name] = time.perf_counter() - begun
        if not arguments.json:
            print(f"{seconds[name]:7.2f} s  {name}", flush=True)
    total = time.perf_counter() - start
    print(json.dumps({"seconds": total, "parts": seconds}) if arguments.json else f"{total:7.2f} s  in all")
    return 0
