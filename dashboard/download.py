"""Files of any size from the server's disk to the browser, piece by piece.

A file is offered to one session under an address that nobody can guess and that ends with the session. The route is
added to the server that the session runs on, so plain ``panel serve dashboard`` is enough.
"""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import panel as pn
from tornado.iostream import StreamClosedError
from tornado.web import Application, HTTPError, RequestHandler

from dashboard.shell import Shell

ROUTE = "stoqlab-file"
PIECE = 2**20
"""Bytes in memory at a time."""

_TYPES = {".nc": "application/x-netcdf", ".json": "application/json"}
_offered: dict[str, Path] = {}


class FileHandler(RequestHandler):
    """Answers with an offered file, as something to save."""

    async def get(self, key: str) -> None:
        path = _offered.get(key)
        if path is None or not path.is_file():
            raise HTTPError(404)
        with path.open("rb") as file:
            self.set_header("Content-Type", _TYPES.get(path.suffix, "application/octet-stream"))
            self.set_header("Content-Length", str(path.stat().st_size))
            self.set_header("Content-Disposition", f"attachment; filename*=UTF-8''{quote(path.name)}")
            self.set_header("Cache-Control", "no-store")
            with suppress(StreamClosedError):  # the person has changed their mind
                while piece := await asyncio.to_thread(file.read, PIECE):
                    self.write(piece)
                    await self.flush()


class Downloads:
    """What one session offers."""

    def __init__(self, shell: Shell) -> None:
        self._keys: list[str] = []
        shell.on_close(self.withdraw)

    def offer(self, path: Path) -> str:
        """The address, relative to the page, under which the file is there until `withdraw`; empty without a server."""
        server = application()
        if server is None:
            return ""
        add_route(server, rf"{ROUTE}/([\w-]+)", FileHandler)
        key = secrets.token_urlsafe(24)
        _offered[key] = path
        self._keys.append(key)
        return f"{ROUTE}/{key}"

    def withdraw(self) -> None:
        """Nothing is offered any more."""
        while self._keys:
            _offered.pop(self._keys.pop(), None)


def application() -> Any:
    """The server's application, found through the connection of the present session; None without one."""
    document = pn.state.curdoc
    context = document.session_context if document is not None else None
    session = getattr(context, "session", None)
    for connection in getattr(session, "_subscribed_connections", ()):
        return connection._socket.application
    return None


def add_route(server: Application, pattern: str, handler: type[RequestHandler], **options: Any) -> None:
    """Let the server answer addresses of this pattern, relative to the pages, with ``handler``; once is enough."""
    known = server.__dict__.setdefault("_stoqlab_routes", set())  # a mark of ours on their object
    if pattern not in known:
        known.add(pattern)
        prefix = getattr(server, "prefix", "")
        server.add_handlers(r".*", [(rf"{prefix}/{pattern}", handler, options)])
