"""Imports in a process of their own, so that a file made to harm takes down that process and nothing else.

``python -m core.library.apart`` reads the arguments of ``import_file`` as JSON from its input, and writes the outcome
as JSON. Its memory and its time are bounded.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from core.library.intake import LARGEST, Imported, import_file
from core.shelf import home

SECONDS = 300
"""Of waiting for a file to be checked."""
MEMORY = 2**33
"""Bytes of addresses, of which torch sets aside some gigabytes that it never uses."""


def import_apart(path: str | Path, **options: Any) -> Imported:
    """``import_file`` in another process. Raises ValueError for what is not taken, whatever the file does there."""
    # That process runs elsewhere: what is relative to the present folder would be another place there.
    order = json.dumps({"path": str(Path(path).absolute()), **options})
    environment = os.environ | {"STOQLAB_HOME": str(home().absolute())}
    command = [sys.executable, "-m", "core.library.apart"]
    try:
        done = subprocess.run(
            command, input=order, capture_output=True, text=True, timeout=SECONDS,
            cwd=Path(__file__).parents[2], env=environment,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise ValueError(f"the file was not taken: it could not be checked within {SECONDS} s") from None
    try:
        answer = json.loads(done.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError):
        raise ValueError("the file was not taken: it cannot be read; it may be damaged, or too large") from None
    if "refused" in answer:
        raise ValueError(answer["refused"])
    return Imported(**answer)


def _main() -> None:
    order = json.loads(sys.stdin.read())
    _limit(int(order.get("largest", LARGEST)))
    try:
        answer = asdict(import_file(**order))
    except (ValueError, OSError, MemoryError) as error:
        answer = {"refused": str(error) or "the file was not taken: there is not enough memory to check it"}
    print(json.dumps(answer))


def _limit(largest: int) -> None:
    with suppress(ImportError, ValueError, OSError):  # Windows has no such limits
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY + 4 * largest, MEMORY + 4 * largest))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    _main()
