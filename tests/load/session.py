"""One session without a browser: it opens a page as a browser does, acknowledges every picture, moves a slider."""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.websocket import WebSocketClientConnection, WebSocketClosedError, websocket_connect

from dashboard.stage.channel import parts
from dashboard.stage.socket import PROTOCOL

PATIENCE = 120.0
"""Seconds that a page may take to open."""
ANSWER = 20.0
"""Seconds after which a control counts as not answered."""
DRAWING = 0.004
"""Seconds that a browser would take to draw a picture."""
CONTROLS: dict[str, tuple[str, Callable[[], float]]] = {
    "lattice": ("kappa", lambda: random.choice([0.205 + 0.005 * i for i in range(12)])),
    "one": ("sigma", lambda: round(random.uniform(5.0, 30.0) / 0.04) * 0.04),
    "diffusion": ("kappa", lambda: random.choice([0.2 + 0.005 * i for i in range(30)])),
}
"""The slider that is moved on each page, and where to."""


@dataclass
class Session:
    """One viewer of ``server``/dashboard?page=``page``; times are those of `time.monotonic`.

    ``frames`` are the times of pictures on the page's own socket, ``latencies`` the seconds between a moved slider and
    the picture that answers it, ``traffic`` bytes received there. ``late`` is how many seconds the page takes to reach
    the browser, which then opens its socket.
    """

    server: str
    page: str
    late: float = 0.0
    frames: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    unanswered: int = 0
    traffic: int = 0
    began: float = 0.0
    opened: float = 0.0
    problem: str = ""
    _page: WebSocketClientConnection | None = None
    _socket: WebSocketClientConnection | None = None
    _live: str = ""
    _control: str = ""
    _awaited: str = ""
    _answered: asyncio.Event = field(default_factory=asyncio.Event)
    _ready: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: list[asyncio.Task] = field(default_factory=list)

    async def open(self) -> bool:
        """Open the page; whether it came, with its first picture."""
        self.began = time.monotonic()
        try:
            await asyncio.wait_for(self._open(), PATIENCE)
        except (Exception, asyncio.CancelledError) as error:
            self.problem = f"not opened: {type(error).__name__} {error}"
            self.leave()
            return False
        self.opened = time.monotonic()
        return True

    def leave(self) -> None:
        """Close the tab."""
        for task in self._tasks:
            task.cancel()
        for socket in (self._socket, self._page):
            if socket is not None:
                socket.close()
        self._socket = self._page = None

    async def steer(self, every: float) -> None:
        """Move the slider now and then until cancelled."""
        await asyncio.sleep(random.uniform(0, every))
        _, choose = CONTROLS[self.page]
        value = None
        while self._control and not self.problem:
            value = next(v for v in iter(choose, None) if v != value)
            self._awaited = f"(a m₀)² = {(1 - 2 * 0.022) / value - 4:.4g}," if self.page == "lattice" else "block"
            self._answered.clear()
            began = time.monotonic()
            change = {"kind": "ModelChanged", "model": {"id": self._control}, "attr": "value", "new": value}
            await self._patch(change)
            try:
                await asyncio.wait_for(self._answered.wait(), ANSWER)
                self.latencies.append(time.monotonic() - began)
            except TimeoutError:
                self.unanswered += 1
            await asyncio.sleep(every * random.uniform(0.7, 1.3))

    async def _open(self) -> None:
        address = f"{self.server}/dashboard?page={self.page}"
        answer = await AsyncHTTPClient().fetch(address, request_timeout=PATIENCE, connect_timeout=PATIENCE)
        token = re.search(r'"token":"([^"]+)"', answer.body.decode())
        if token is None:
            raise ConnectionError("the page has no token")
        await asyncio.sleep(self.late)
        # With the query, as a browser does: a session that ended while its page was on the way is made anew from it.
        self._page = await self._connect(f"/dashboard/ws?page={self.page}", ["bokeh", token.group(1)])
        await self._reply("ACK")  # the server listens from now on
        await self._send("PULL-DOC-REQ", {})
        document = await self._reply("PULL-DOC-REPLY")
        self._find(document)
        self._tasks.append(asyncio.create_task(self._listen()))
        ready = {"type": "event", "name": "document_ready", "values": {"type": "map", "entries": []}}
        await self._patch({"kind": "MessageSent", "msg_type": "bokeh_event", "msg_data": ready})
        if self._live:
            token_of_frames, _, self._live = self._live.partition("/")
            self._socket = await self._connect("/dashboard/frames", [PROTOCOL, token_of_frames])
            self._tasks.append(asyncio.create_task(self._watch()))
        await self._ready.wait()

    async def _connect(self, path: str, protocols: list[str]) -> WebSocketClientConnection:
        request = HTTPRequest(
            self.server.replace("http", "ws", 1) + path, connect_timeout=PATIENCE, request_timeout=PATIENCE
        )
        return await websocket_connect(request, subprotocols=protocols)

    def _find(self, document: Any) -> None:
        """The largest stage, where its pictures come, and the slider."""
        name, _ = CONTROLS[self.page]
        stages = []
        for model in _objects(document):
            attributes = model.get("attributes", {})
            data = attributes.get("data") or {}
            if f"control-{name}" in attributes.get("css_classes", []) and not self._control:
                self._control = data["id"]
            if attributes.get("class_name") == "Stage":
                stages.append(data)
        for stage in stages:
            block = stage["attributes"].get("block")
            if self.page == "lattice" and stage["attributes"].get("label", "").startswith("The lattice field"):
                self._live = stage["attributes"]["stream"]
            elif self.page != "lattice" and block:
                self._ready.set()  # it came with its picture

    async def _watch(self) -> None:
        """Pictures on the page's own socket."""
        while self._socket is not None:
            message = await self._socket.read_message()
            if not isinstance(message, bytes):
                return self._closed(self._socket)
            self.traffic += len(message)
            words = []
            for head, _ in parts(message):
                if head["to"] == self._live:
                    self.frames.append(time.monotonic())
                    self._ready.set()
                elif isinstance(head.get("value"), str):
                    words.append(head["value"])
            if self._awaited and any(self._awaited in text for text in words):
                self._answered.set()
            await asyncio.sleep(DRAWING)
            number = _number(message)
            with suppress(WebSocketClosedError):
                await self._socket.write_message(number.to_bytes(4, "little"), binary=True)
        return None

    async def _listen(self) -> None:
        """Changes of the page."""
        while self._page is not None:
            try:
                content = await self._reply("PATCH-DOC")
            except ConnectionError:
                return self._closed(self._page)
            for event in content.get("events", ()):
                if event.get("kind") == "ModelChanged" and event.get("attr") == "block":
                    self._ready.set()
                    if self._awaited == "block":
                        self._answered.set()
        return None

    def _closed(self, socket: WebSocketClientConnection | None) -> None:
        if socket is not None and not self.problem:
            self.problem = f"the server closed the connection: {socket.close_code} {socket.close_reason}"

    async def _patch(self, event: dict) -> None:
        await self._send("PATCH-DOC", {"events": [event]})

    async def _send(self, kind: str, content: Any) -> None:
        if self._page is None:
            return
        try:
            for part in ({"msgid": str(time.monotonic_ns()), "msgtype": kind}, {}, content):
                await self._page.write_message(json.dumps(part))
        except WebSocketClosedError:
            self._closed(self._page)

    async def _reply(self, kind: str) -> dict:
        """The content of the next message of that kind; others before it are dropped."""
        while True:
            header, _, content = [json.loads(await self._part()) for _ in range(3)]
            for _ in range(header.get("num_buffers", 0)):
                await self._part()
                await self._part()
            if header["msgtype"] == kind:
                return content

    async def _part(self) -> Any:
        said = None if self._page is None else await self._page.read_message()
        if said is None:
            raise ConnectionError("the server closed the connection")
        return said


def _number(message: bytes) -> int:
    return json.loads(message[4 : 4 + int.from_bytes(message[:4], "little")])["frame"]


def _objects(node: Any) -> Iterator[dict]:
    """All models in the JSON of a document."""
    if isinstance(node, dict):
        if node.get("type") == "object" and "id" in node:
            yield node
        for child in node.values():
            yield from _objects(child)
    elif isinstance(node, list):
        for child in node:
            yield from _objects(child)
