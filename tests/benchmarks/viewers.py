"""Many viewers of live pages without browsers: they open a page as one does and acknowledge every picture at once."""

import asyncio
import json
import re
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tornado.httpclient import HTTPRequest
from tornado.websocket import WebSocketClientConnection, WebSocketClosedError, websocket_connect

PATIENCE = 120.0
"""Seconds that a page may take to open."""


@dataclass
class Viewer:
    """One viewer, on ``address``, the page's; times are those of `time.monotonic`.

    ``pictures`` and ``size`` count the streamed scenes of the stage called ``label`` and their bytes, ``traffic``
    every byte received.
    """

    address: str
    label: str
    pictures: int = 0
    size: int = 0
    traffic: int = 0
    began: float = 0.0
    first: float | None = None
    problem: str = ""
    _socket: WebSocketClientConnection | None = None
    _stages: dict[str, str] = field(default_factory=dict)

    async def watch(self) -> None:
        """Open the page and watch until `leave`; what goes wrong is kept in ``problem``."""
        try:
            await self._open()
            while True:
                _, content, buffers = await self._message()
                for event in content.get("events", ()):
                    await self._answer(event, buffers)
        except ConnectionError as error:
            self.problem = "" if self._socket is None else str(error)

    def leave(self) -> None:
        socket, self._socket = self._socket, None
        if socket is not None:
            socket.close()

    async def _open(self) -> None:
        self.began = time.monotonic()
        html = await asyncio.get_running_loop().run_in_executor(None, self._page)
        token = re.search(r'"token":"([^"]+)"', html)
        if token is None:
            raise ConnectionError("the page has no token")
        address = self.address.replace("http", "ws", 1).partition("?")[0] + "/ws"
        request = HTTPRequest(address, connect_timeout=PATIENCE, request_timeout=PATIENCE)
        self._socket = await websocket_connect(request, subprotocols=["bokeh", token.group(1)])
        await self._reply("ACK")  # the server listens from now on
        await self._send("PULL-DOC-REQ", {})
        content = await self._reply("PULL-DOC-REPLY")
        for model in _objects(content):
            attributes = model.get("attributes", {})
            if attributes.get("class_name") == "Stage":
                self._stages[model["id"]] = attributes["data"]["attributes"]["label"]
        await self._event("document_ready", [])
        for stage in self._stages:
            await self._tell(stage, {"type": "map", "entries": [["ready", True]]})

    def _page(self) -> str:
        with urllib.request.urlopen(self.address, timeout=PATIENCE) as answer:
            return answer.read().decode()

    async def _answer(self, event: dict, buffers: dict[str, bytes]) -> None:
        values = dict(event.get("msg_data", {}).get("values", {}).get("entries", ()))
        data = dict(values["data"]["entries"]) if isinstance(values.get("data"), dict) else {}
        if "serial" not in data:
            return
        stage = values["model"]["id"]
        await self._tell(stage, {"type": "map", "entries": [["drawn", data["serial"]]]})
        if self._stages[stage] == self.label:
            self.first = self.first or time.monotonic()
            self.pictures += 1
            self.size += sum(map(len, buffers.values()))

    async def _tell(self, stage: str, data: Any) -> None:
        await self._event("data_event", [["model", {"id": stage}], ["data", data]])

    async def _event(self, name: str, entries: list) -> None:
        values = {"type": "map", "entries": entries}
        event = {"type": "event", "name": name, "values": values}
        await self._send(
            "PATCH-DOC", {"events": [{"kind": "MessageSent", "msg_type": "bokeh_event", "msg_data": event}]}
        )

    async def _send(self, kind: str, content: Any) -> None:
        socket = self._socket
        if socket is None:
            raise ConnectionError("the viewer has left")
        try:
            for part in ({"msgid": str(time.monotonic_ns()), "msgtype": kind}, {}, content):
                await socket.write_message(json.dumps(part))
        except WebSocketClosedError:
            raise ConnectionError("the connection was closed") from None

    async def _reply(self, kind: str) -> dict:
        """The content of the next message of that kind; others before it are dropped."""
        while True:
            found, content, _ = await self._message()
            if found == kind:
                return content

    async def _message(self) -> tuple[str, dict, dict[str, bytes]]:
        """Kind, content and buffers of the next message."""
        header, _, content = [json.loads(await self._part()) for _ in range(3)]
        buffers = {}
        for _ in range(header.get("num_buffers", 0)):
            name = json.loads(await self._part())["id"]
            buffers[name] = await self._part()
        return header["msgtype"], content, buffers

    async def _part(self) -> Any:
        said = None if self._socket is None else await self._socket.read_message()
        if said is None:
            raise ConnectionError("the server closed the connection")
        self.traffic += len(said)
        return said


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
