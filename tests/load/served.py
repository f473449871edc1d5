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


class _Mallinfo(ctypes.Structure):
    """What glibc's ``mallinfo2`` returns: the fifth is what it has mapped for large pieces, the eighth the others."""

    _fields_ = [(f"field_{i}", ctypes.c_size_t) for i in range(10)]


def in_use() -> float:
    """MB that the C library has given out and not got back, as for arrays; 0 where it does not tell."""
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallinfo2"):
        return 0.0
    library.mallinfo2.restype = _Mallinfo
    found = library.mallinfo2()
    return (found.field_4 + found.field_7) / 1e6


def count(counts: Path, *_: Any) -> None:
    """What sessions may leave behind; ``blocks`` are the pieces of memory that Python has given out."""
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
        "blocks": sys.getallocatedblocks(),
        "in_use": in_use(),
    }
    with counts.open("a") as file:
        file.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    from panel.command import main

    signal.signal(signal.SIGUSR1, partial(count, Path(sys.argv[1])))
    sys.argv = ["panel", "serve", *sys.argv[2:]]
    main()
