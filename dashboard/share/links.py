"""Short links: the server keeps what a long address says under a short id.

The id is the beginning of a hash of the address, so that the same state has the same link, and a file that was tampered
with or damaged is noticed. One SQLite file holds all links, for any number of server processes.
"""

from __future__ import annotations

import base64
import hashlib
import re
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

from core.shelf import home

LONGEST = 4000
"""Characters of an address that is kept."""
MOST = 20_000
"""Links that are kept; beyond, those go that were opened or made longest ago."""
SHORTEST = 8
"""Characters of an id: 40 bits, more where two addresses would share them."""
_ID = re.compile(r"[a-z2-7]{8,52}")
_BUSY = 5.0
"""Seconds to wait for another process that writes."""


def opened(search: str, report: Callable[[str], None]) -> str:
    """The query behind a short link ``?s=…``, with what else is in ``search``; any other query as it is. A link that
    is not known is told to ``report`` in a sentence."""
    given = dict(parse_qsl(search.removeprefix("?"), keep_blank_values=True))
    key = given.pop("s", "")
    if not key:
        return search
    try:
        given |= dict(parse_qsl(Links().find(key), keep_blank_values=True))
    except ValueError as problem:
        report(str(problem))
    return urlencode(given, safe=",:")


def canonical(query: str) -> str:
    """The query with its keys in order and without those of short links, so that equal states are equal texts."""
    pairs = dict(parse_qsl(query.removeprefix("?"), keep_blank_values=True))
    pairs.pop("s", None)
    return urlencode(sorted(pairs.items()), safe=",:")


class Links:
    """The short links in the file at ``path``; by default ``links.sqlite`` in the user's data folder."""

    def __init__(self, path: Path | None = None, most: int = MOST) -> None:
        self.path, self.most = path or home() / "links.sqlite", most

    def keep(self, query: str) -> str:
        """The id for the address with this query. ValueError with a sentence for one that is too long, OSError where
        the file cannot be written."""
        text = canonical(query)
        if len(text) > LONGEST:
            raise ValueError(f"This state needs an address of {len(text)} characters; short links take {LONGEST}.")
        full = _hash(text)
        try:
            with closing(self._open()) as file, file:
                ids = (full[:length] for length in range(SHORTEST, len(full) + 1))
                key = next(key for key in ids if _row(file, key) in (None, text))
                file.execute("INSERT OR REPLACE INTO links VALUES (?, ?, ?)", (key, text, time.time()))
                file.execute(
                    "DELETE FROM links WHERE id NOT IN (SELECT id FROM links ORDER BY used DESC LIMIT ?)", (self.most,)
                )
        except sqlite3.Error as problem:
            raise OSError(f"The short links in {self.path.name} cannot be written: {problem}") from None
        return key

    def find(self, key: str) -> str:
        """The query that the id stands for. ValueError with a sentence for an unknown id or a damaged entry."""
        unknown = f"There is no short link {key[:40]!r} on this server; it may be mistyped, or from another server."
        if not _ID.fullmatch(key) or not self.path.is_file():
            raise ValueError(unknown)
        try:
            with closing(self._open()) as file, file:
                text = _row(file, key)
                if text is not None:
                    file.execute("UPDATE links SET used = ? WHERE id = ?", (time.time(), key))
        except (sqlite3.Error, OSError) as problem:
            raise ValueError(f"The short links of this server cannot be read: {problem}.") from None
        if text is None:
            raise ValueError(unknown)
        if len(text) > LONGEST or not _hash(text).startswith(key):
            raise ValueError(f"What this server keeps under the short link {key!r} is damaged.")
        return text

    def _open(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = sqlite3.connect(self.path, timeout=_BUSY)
        try:
            file.execute("CREATE TABLE IF NOT EXISTS links (id TEXT PRIMARY KEY, query TEXT, used REAL)")
        except sqlite3.Error:
            file.close()
            raise
        return file


def _row(file: sqlite3.Connection, key: str) -> str | None:
    found = file.execute("SELECT query FROM links WHERE id = ?", (key,)).fetchone()
    return None if found is None else str(found[0])


def _hash(text: str) -> str:
    return base64.b32encode(hashlib.sha256(text.encode()).digest()).decode().lower().rstrip("=")
