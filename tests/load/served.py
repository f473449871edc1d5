"""`panel serve` as a person starts it, but for one thing: on SIGUSR1 it collects its garbage and counts what is left.

    python -m tests.load.served COUNTS dashboard --port 5006 …

COUNTS is a file that gets one line of JSON at each signal.
"""

import ctypes
import gc
import json
import signal
import sys
import threading
from functools import partial
from pathlib import Path
from typing import Any


def count(counts: Path, *_: Any) -> None:
    """What sessions may leave behind."""
    from bokeh.document import Document

    from dashboard.pages.lattice.runner import Runner
    from dashboard.stage import socket

    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)
    objects = gc.get_objects()
    found = {
        "documents": sum(issubclass(type(o), Document) for o in objects),
        "runners": sum(type(o) is Runner for o in objects),
        "channels": len(socket._channels),
        "threads": threading.active_count(),
    }
    with counts.open("a") as file:
        file.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    from panel.command import main

    signal.signal(signal.SIGUSR1, partial(count, Path(sys.argv[1])))
    sys.argv = ["panel", "serve", *sys.argv[2:]]
    main()
