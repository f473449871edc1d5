"""Files of one kind in a folder of the user's: safe names, none overwritten unasked, deleted ones can come back."""

from __future__ import annotations

import os
import re
import unicodedata
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from core.store import sweep
from core.trash import Deleted, Trash, rename_without_overwriting

LONGEST = 160
"""Bytes of a name in UTF-8; file systems take 255, and suffixes and temporary names need some."""
LEFT_BEHIND = 86400.0
"""Seconds after which a newcomer that nobody writes to is that of a process that was killed."""
_NAME = re.compile(r"[\w][\w .,=+()-]{0,119}")
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")


@dataclass
class Newcomer:
    """A file on its way into a shelf: to be written to ``temporary``; ``path`` is its place in the end."""

    temporary: Path
    path: Path | None = None


class Shelf:
    """The files ``NAME{suffix}`` of a folder; ``what`` says what one of them is."""

    suffix: ClassVar[str]
    what: ClassVar[str]

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str) -> Path:
        """Where ``name`` is, or would be. ValueError for a name that is not safe as a file name."""
        if not isinstance(name, str) or not _NAME.fullmatch(name) or name.endswith((".", " ")):
            raise ValueError(
                "name must begin with a letter or digit and hold at most 120 letters, digits, blanks and .,=+()_-, "
                f"got {name!r}"
            )
        if _RESERVED.fullmatch(name):
            raise ValueError(f"name must not be one that a system keeps for itself, got {name!r}")
        if len(name.encode()) > LONGEST:
            raise ValueError(f"name must take at most {LONGEST} bytes in UTF-8, got {len(name.encode())}: {name!r}")
        return self.folder / f"{name}{self.suffix}"

    def files(self) -> list[Path]:
        """All files, the latest first; the name of one is its stem."""
        found = []
        for path in self.folder.glob(f"*{self.suffix}") if self.folder.is_dir() else []:
            if path.name.startswith("."):
                continue
            try:
                found.append((-path.stat().st_mtime, path.name, path))
            except FileNotFoundError:  # removed by somebody else just now
                continue
        return [path for _, _, path in sorted(found)]

    def free_name(self, wanted: str) -> str:
        """``wanted``, or with a number behind it if that name is taken. ValueError for an unsafe name."""
        number, name = 1, wanted
        while self.path(name).exists():
            number += 1
            name = f"{wanted} ({number})"
        return name

    @contextmanager
    def newcomer(self, wanted: str) -> Iterator[Newcomer]:
        """A temporary path beside the files to write to; once the block has ended without an error its file is there
        under ``wanted``, or with a number behind it: ``path`` of what was given says where. Nothing is overwritten.
        """
        self.path(wanted)
        self.folder.mkdir(parents=True, exist_ok=True)
        sweep(self.folder, f".{'[0-9a-f]' * 32}.tmp", LEFT_BEHIND)
        new = Newcomer(self.folder / f".{uuid.uuid4().hex}.tmp")
        try:
            yield new
            while new.path is None:
                target = self.path(self.free_name(wanted))
                with suppress(FileExistsError):  # another one of that name has come in just now
                    rename_without_overwriting(new.temporary, target)
                    new.path = target
        finally:
            new.temporary.unlink(missing_ok=True)

    def remove(self, name: str) -> str:
        """Move a file into the trash; the key for ``restore``. FileNotFoundError if there is none of that name."""
        path = self.path(name)
        if not path.is_file():
            raise FileNotFoundError(f"the library has no {self.what} {name!r}")
        return Trash(self.folder).put(path)

    def deleted(self) -> list[Deleted]:
        """What is in the trash, the latest first."""
        return [one for one in Trash(self.folder).list() if one.name.endswith(self.suffix)]

    def restore(self, key: str) -> Path:
        """Bring a deleted file back, with a number behind its name if that is taken by now.

        KeyError for a key that is not known, or no longer: the trash keeps 20 files for 30 days.
        """
        return Trash(self.folder).restore(key, lambda file: self.path(self.free_name(self._stem(file))).name)

    def _stem(self, file: str) -> str:
        return file.removesuffix(self.suffix)


def home() -> Path:
    """``$STOQLAB_HOME``, or the user's data folder."""
    named = os.environ.get("STOQLAB_HOME")
    if named:
        return Path(named).expanduser()
    from platformdirs import user_data_path

    return user_data_path("stoqlab", appauthor=False)


def safe_name(text: str) -> str:
    """A name that every ``Shelf`` takes, as near as may be to a file name from elsewhere; its last suffix is dropped.

    Whatever stands before a slash or backslash is dropped too, characters that are not allowed become ``_``.
    """
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", text))[-1]
    stem = last.rpartition(".")[0] or last
    kept = re.sub(r"[^\w .,=+()-]", "_", stem).strip(" .")
    kept = re.sub(r"^[^\w]+", "", kept)[:100]
    while len(kept.encode()) > LONGEST - 20:
        kept = kept[:-1]
    kept = kept.rstrip(" .")
    if not kept:
        return "imported"
    return f"file {kept}" if _RESERVED.fullmatch(kept) else kept
