"""Files that are either there whole or not at all."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def atomic_path(path: str | Path, force: bool = False) -> Iterator[Path]:
    """A temporary path beside ``path`` to write to; it takes that name once the block has ended without an error.

    A process killed while it writes leaves ``path`` as it was (and perhaps a hidden ``.NAME.….tmp`` beside it); an
    error inside the block removes the temporary file. Missing folders are made. Raises FileExistsError if ``path``
    exists and ``force`` is not set, and IsADirectoryError if it is a folder.
    """
    path = Path(path)
    _refuse(path, force)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        yield temporary
        with temporary.open("rb") as file:  # the data must be on the disk before the name points to them
            os.fsync(file.fileno())
        _refuse(path, force)  # somebody else may have written it meanwhile
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def sweep(folder: Path, pattern: str, seconds: float) -> None:
    """Delete files of a folder, by a pattern of their names, that nobody has written to for so long: those that a
    process left behind when it was killed."""
    now = time.time()
    for path in folder.glob(pattern):
        with suppress(OSError):  # somebody else was quicker
            if now - path.stat().st_mtime > seconds:
                path.unlink()


def in_bytes(size: float) -> str:
    """A size for people: 8.2 TB."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} PB"


def _refuse(path: Path, force: bool) -> None:
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; name a file in it")
    if path.exists() and not force:
        raise FileExistsError(f"{path} exists already; choose another name or overwrite it with force")
