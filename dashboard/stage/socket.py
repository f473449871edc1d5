"""The websocket on which pages get their pictures: `/frames` below the address of the page, see `channel`.

It is opened with the page's token as a second subprotocol, after `PROTOCOL`; the token is known to the page's session
alone and ends with it. What the browser may say are numbers of drawn messages, four bytes each; whoever says anything
else is disconnected, and told why.
"""

from __future__ import annotations

from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from bokeh.document import Document
from bokeh.server.urls import per_app_patterns
from bokeh.server.views.ws import WSHandler
from tornado.ioloop import IOLoop
from tornado.iostream import StreamClosedError
from tornado.websocket import WebSocketHandler, WebSocketProtocol13

from dashboard.stage.channel import Channel

ROUTE = "/frames"
PROTOCOL = "stoqlab-frames"
BINARY = 0x2  # opcode
LONGEST = 64  # bytes that a message from the browser may have
UNKNOWN, MALFORMED, REPLACED = 4404, 4400, 4410  # codes of closing

_channels: dict[str, Channel] = {}
_of_document: WeakKeyDictionary[Document, Channel] = WeakKeyDictionary()


class FrameSocket(WebSocketHandler):
    """The browser's end of a `Channel`."""

    channel: Channel | None = None

    def initialize(self, **_: Any) -> None:
        """Every route of an application gets its context from bokeh; this one needs none."""

    def check_origin(self, origin: str) -> bool:
        """As for the page's own socket."""
        return WSHandler.check_origin(self, origin)  # type: ignore[arg-type]

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        """The first one; the token behind it is not repeated."""
        if len(subprotocols) == 2 and subprotocols[0] == PROTOCOL:
            self.channel = _channels.get(subprotocols[1])
            return PROTOCOL
        return None

    def get_compression_options(self) -> None:
        """None: fields of noise do not get smaller."""
        return

    @property
    def max_message_size(self) -> int:
        """In bytes; beyond it tornado closes the connection."""
        return LONGEST

    def open(self, *_: str, **__: str) -> None:
        if self.channel is None:
            self.close(UNKNOWN, "unknown token")
            return
        self.set_nodelay(True)
        leave = partial(self.close, REPLACED, "no longer wanted")
        self.channel.attach(self._write, IOLoop.current().add_callback, leave)

    def on_message(self, message: str | bytes) -> None:
        if self.channel is None:
            return
        try:
            if not isinstance(message, bytes) or len(message) != 4:
                raise ValueError("four bytes are expected")
            self.channel.drawn(int.from_bytes(message, "little"))
        except ValueError as problem:
            self.close(MALFORMED, str(problem))

    def on_close(self) -> None:
        if self.channel is not None:
            self.channel.detach(self._write)

    def _write(self, message: bytes) -> None:
        connection = self.ws_connection
        if not isinstance(connection, WebSocketProtocol13):
            return  # closed
        try:
            # What `write_message` does, but for the task around it, which takes longer than the writing.
            written = connection._write_frame(True, BINARY, message)
        except StreamClosedError:
            return  # on_close is about to be called
        written.add_done_callback(lambda future: future.cancelled() or future.exception())


def add_route() -> None:
    """Let the applications of servers that are made from now on have the socket; before, pages use messages."""
    if not _has_route():
        per_app_patterns.append((ROUTE, FrameSocket))


def _has_route() -> bool:
    return any(pattern[0] == ROUTE for pattern in per_app_patterns)


def channel_of(document: Document | None) -> Channel | None:
    """The channel of a session's document, made when first asked for; None where no server has the route."""
    context = None if document is None else document.session_context
    if document is None or context is None or not _has_route():
        return None
    channel = _of_document.get(document)
    if channel is None:
        channel = _of_document[document] = Channel()
        token = channel.token
        _channels[token] = channel
        document.on_session_destroyed(lambda session_context: _end(token))
    return channel


def _end(token: str) -> None:
    """The session is over."""
    channel = _channels.pop(token, None)
    if channel is not None:
        channel.close()
