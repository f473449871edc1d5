"""What was deleted from a folder, kept for a while so that it can come back.

The trash is a hidden folder in the one that it belongs to, so that moving there and back are renamings: a file is in
one place or in the other, whatever happens to the process. Of a file that a kill left in both (moving back makes a
second name first, because that cannot overwrite) the trash forgets its name when it is looked at next.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from core.store import atomic_path

FOLDER = ".trash"
DAYS, MOST = 30, 20
"""What is older, and the oldest beyond so many, is gone for good."""
ABANDONED = 3600.0
"""Seconds after which a place without a file counts as left behind by a process that was killed."""
_KEY = re.compile(r"[0-9a-f]{16}-[0-9a-f]{8}")
_ABOUT = "about.json"


@dataclass(frozen=True)
class Deleted:
    """A file in the trash: its ``key`` there, the file name it had, when it was deleted (Unix time), its size."""

    key: str
    name: str
    deleted: float
    bytes: int


class Trash:
    """The trash of one folder. ``days`` and ``most`` bound what it keeps."""

    def __init__(self, folder: Path, days: float = DAYS, most: int = MOST) -> None:
        self.folder, self._place, self._days, self._most = folder, folder / FOLDER, days, most

    def put(self, path: Path) -> str:
        """Move a file of the folder here; the key under which it can be had back. FileNotFoundError if it is gone."""
        key = f"{time.time_ns():016x}-{secrets.token_hex(4)}"
        place = self._place / key
        place.mkdir(parents=True)
        try:
            with atomic_path(place / _ABOUT) as temporary:
                temporary.write_text(json.dumps({"name": path.name, "deleted": time.time()}))
            path.replace(place / path.name)
        except OSError:
            shutil.rmtree(place, ignore_errors=True)
            raise
        self.tidy()
        return key

    def list(self) -> list[Deleted]:
        """All that is here, the latest first."""
        found = []
        for place in self._place.iterdir() if self._place.is_dir() else []:
            if not _KEY.fullmatch(place.name):
                continue
            with suppress(OSError, ValueError, KeyError, TypeError):
                about = json.loads((place / _ABOUT).read_text())
                name, deleted = str(about["name"]), float(about["deleted"])
                file = self._file(place, name)
                if self._back_already(file):
                    shutil.rmtree(place, ignore_errors=True)
                    continue
                found.append(Deleted(place.name, name, deleted, file.stat().st_size))
        return sorted(found, key=lambda d: (-d.deleted, d.key))

    def restore(self, key: str, free: Callable[[str], str] = lambda name: name) -> Path:
        """Move a file back; where it is now. ``free`` finds another file name where its own is taken.

        Raises KeyError for a key that is not known (any more), FileExistsError where ``free`` finds none.
        """
        place = self._place / key
        try:
            if not _KEY.fullmatch(key):
                raise KeyError(key)
            name = str(json.loads((place / _ABOUT).read_text())["name"])
            file = self._file(place, name)
            file.stat()
        except (OSError, ValueError, TypeError):
            raise KeyError(key) from None
        target = self.folder / name
        if not self._back_already(file):
            target = self.folder / free(name)
            rename_without_overwriting(file, target)
        shutil.rmtree(place, ignore_errors=True)
        return target

    def tidy(self) -> None:
        """Let go of what is too old or too much."""
        now = time.time()
        for number, one in enumerate(self.list()):
            if number >= self._most or now - one.deleted > 86400 * self._days:
                self.drop(one.key)
        for place in self._place.iterdir() if self._place.is_dir() else []:
            with suppress(OSError):
                old = _KEY.fullmatch(place.name) and now - place.stat().st_mtime > ABANDONED
                if old and not any(file.name != _ABOUT for file in place.iterdir()):
                    shutil.rmtree(place, ignore_errors=True)

    def drop(self, key: str) -> None:
        """Delete for good. KeyError for a key that is not known."""
        if not _KEY.fullmatch(key) or not (self._place / key).is_dir():
            raise KeyError(key)
        shutil.rmtree(self._place / key, ignore_errors=True)

    def _file(self, place: Path, name: str) -> Path:
        if Path(name).name != name or name == _ABOUT:
            raise ValueError(f"{name!r} is not the name of a file")
        return place / name

    def _back_already(self, file: Path) -> bool:
        target = self.folder / file.name
        return target.exists() and target.samefile(file)


def rename_without_overwriting(path: Path, target: Path) -> None:
    """Rename a file within one disk; FileExistsError if there is one of that name, whoever made it just now."""
    try:
        os.link(path, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if target.exists():
            raise FileExistsError(f"{target} exists already") from None
        path.rename(target)
    else:
        path.unlink()
