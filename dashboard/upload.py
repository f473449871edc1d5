"""Files of any size from the browser to the server's disk, piece by piece.

Panel's own inputs hold a whole file in memory, and one that sends it at once takes no more than the 20 MB of a message.
Here the browser puts the file to an address that nobody can guess and that ends with the session; it is written to a
temporary file while it comes, and given to ``take``. The name that it had is a text to be told, and never that of a
file here.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from tornado.web import RequestHandler, stream_request_body

from core.shelf import home
from core.store import in_bytes, sweep
from dashboard.download import add_route, application
from dashboard.shell import Shell

log = logging.getLogger(__name__)

ROUTE = "stoqlab-upload"
MOST_PER_MINUTE = 20
"""Files of one session."""
LEFT_BEHIND = 3600.0
"""Seconds after which what a server that was killed had received is deleted."""
Take = Callable[[Path, str], str]


@dataclass
class _Open:
    """What one session takes: ``take(path, file name)`` gives a sentence, or ValueError with one; ``check`` refuses a
    name or size beforehand."""

    take: Take
    check: Callable[[str, int], None]
    busy: bool = False
    begun: deque[float] = field(default_factory=deque)


_open: dict[str, _Open] = {}


@stream_request_body
class UploadHandler(RequestHandler):
    """Receives a file with PUT; answers {"taken": sentence} or {"refused": sentence}."""

    place: _Open | None = None
    refused = ""
    path: Path | None = None

    def prepare(self) -> None:
        self._received, self._size = 0, -1
        place = _open.get(self.path_args[0])
        if place is None:
            self._refuse("This page has ended: load it again.", 403)
            return
        self._name = unquote(self.request.headers.get("X-File-Name", ""))[:500]
        length = self.request.headers.get("Content-Length", "")
        self._size = int(length) if length.isdigit() else -1
        if self._size < 0:
            self._refuse("The browser did not say how large the file is.")
            return
        now = time.monotonic()
        while place.begun and now - place.begun[0] > 60:
            place.begun.popleft()
        if place.busy:
            self._refuse("One file at a time: another one is on its way.")
            return
        if len(place.begun) >= MOST_PER_MINUTE:
            self._refuse(f"{MOST_PER_MINUTE} files in a minute are enough: wait a little.")
            return
        place.begun.append(now)
        try:
            place.check(self._name, self._size)
            folder = home() / "incoming"
            folder.mkdir(parents=True, exist_ok=True)
            sweep(folder, "*.tmp", LEFT_BEHIND)
            self.path = folder / f"{secrets.token_hex(16)}.tmp"
            self._file = self.path.open("xb")
        except (ValueError, OSError) as problem:
            self._refuse(str(problem))
            return
        self.place, place.busy = place, True
        self.request.connection.set_max_body_size(self._size)  # type: ignore[union-attr]

    async def data_received(self, chunk: bytes) -> None:
        if self.path is not None and not self.refused:
            self._received += len(chunk)
            try:
                await asyncio.to_thread(self._file.write, chunk)
            except OSError as problem:
                self.refused = f"The file could not be written: {problem.strerror}."

    async def put(self, key: str) -> None:
        if self.path is None or self.place is None:
            return
        self._file.close()
        sentence = ""
        if not self.refused and self._received != self._size:
            self.refused = f"Only {in_bytes(self._received)} of {in_bytes(self._size)} have arrived."
        if not self.refused:
            try:
                sentence = await asyncio.to_thread(self.place.take, self.path, self._name)
            except (ValueError, OSError) as problem:
                self.refused = str(problem)
            except Exception:
                log.exception("an upload could not be taken")
                self.refused = "The file could not be taken; the log of the server says why."
        self._clean()
        self.write({"refused": self.refused} if self.refused else {"taken": sentence})

    def on_finish(self) -> None:
        self._clean()

    def on_connection_close(self) -> None:
        if self.path is not None and self._received < self._size:
            self._clean()

    def _clean(self) -> None:
        if self.place is not None:
            self.place.busy = False
        if self.path is not None:
            self._file.close()
            self.path.unlink(missing_ok=True)

    def _refuse(self, sentence: str, status: int = 400) -> None:
        """Answer before the file has come, and do not wait for it."""
        self.refused = sentence
        self.set_status(status)
        self.set_header("Connection", "close")
        self.finish(json.dumps({"refused": sentence}))


class Uploads:
    """What one session takes from its browser."""

    def __init__(self, shell: Shell, take: Take, check: Callable[[str, int], None]) -> None:
        self._key = ""
        self._place = _Open(take, check)
        shell.on_close(self.close)

    def address(self) -> str:
        """Where to put files, relative to the page; empty without a server."""
        server = application()
        if server is None:
            return ""
        if not self._key:
            add_route(server, rf"{ROUTE}/([\w-]+)", UploadHandler)
            self._key = secrets.token_urlsafe(24)
            _open[self._key] = self._place
        return f"{ROUTE}/{self._key}"

    def close(self) -> None:
        """Nothing is taken any more."""
        _open.pop(self._key, None)
