"""Load a server and report what its visitors see.

    python -m tests.load --sessions 30 --seconds 60 [--browsers 3] [--pages lattice,diffusion,one] [--json FILE]
    python -m tests.load --churn 200

It starts a server of its own, or takes one of this computer (``--url``). Every session opens a page as a browser does,
acknowledges every picture and moves a slider every few seconds; ``--browsers`` of them are real ones.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path

from tests.load.churn import LIFETIME, churn
from tests.load.measure import measure
from tests.load.server import Server
from tests.load.session import CONTROLS

MOST_SESSIONS, MOST_SECONDS, MOST_BROWSERS, MOST_CHURN = 200, 1800.0, 10, 2000


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.load", description=__doc__)
    parser.add_argument("--sessions", type=int, nargs="+", default=[30], help="one run for each number")
    parser.add_argument("--seconds", type=float, default=60.0, help="of measuring, after all have opened")
    parser.add_argument("--browsers", type=int, default=0, help="real browsers among them")
    parser.add_argument("--pages", default="lattice", help=f"of {', '.join(CONTROLS)}, in turn")
    parser.add_argument("--churn", type=int, help="open and close so many sessions instead")
    parser.add_argument("--url", help="of a server that runs on this computer, instead of a new one")
    parser.add_argument("--json", type=Path, help="file for all figures")
    given = parser.parse_args()
    pages = given.pages.split(",")
    if unknown := set(pages) - set(CONTROLS):
        parser.error(f"unknown pages {', '.join(unknown)}; there are {', '.join(CONTROLS)}")
    for name, most in (("seconds", MOST_SECONDS), ("browsers", MOST_BROWSERS), ("churn", MOST_CHURN)):
        if not 0 <= (getattr(given, name) or 0) <= most:
            parser.error(f"{name} must be from 0 to {most:g}")
    if not all(0 < count <= MOST_SESSIONS for count in given.sessions):
        parser.error(f"sessions must be from 1 to {MOST_SESSIONS}")
    server = Server(given.url, **({"lifetime": LIFETIME} if given.churn else {}))
    try:
        if given.churn:
            found = asyncio.run(churn(server, given.churn, pages))
            print("errors:", "; ".join(found["errors"][:5]) or "none")
        else:
            asyncio.run(measure(server, len(pages), 0.0, pages, 0))  # all is loaded and compiled
            runs = []
            for count in given.sessions:
                runs.append(asyncio.run(measure(server, count, given.seconds, pages, given.browsers)))
                print(runs[-1].lines(), flush=True)
            found = {"runs": [run.record() for run in runs]}
    finally:
        server.stop()
    if given.json:
        given.json.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
