"""The websocket of live pictures: who may open it, and what may be said on it."""

import asyncio
import logging

import pytest
from bokeh.document import Document
from tornado.httpclient import HTTPRequest
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application
from tornado.websocket import websocket_connect

from dashboard.stage import socket as frame_socket
from dashboard.stage.channel import Channel, parts
from dashboard.stage.socket import LONGEST, MALFORMED, PROTOCOL, UNKNOWN, FrameSocket, channel_of


@pytest.fixture
def channel(monkeypatch):
    made = Channel()
    monkeypatch.setitem(frame_socket._channels, made.token, made)
    return made


def talk(conversation):
    """Run ``conversation(connect)`` against a server; ``connect(*protocols)`` opens the socket."""

    async def run():
        listening, port = bind_unused_port()
        application = Application([("/frames", FrameSocket)])
        application.websocket_origins = {f"127.0.0.1:{port}"}  # type: ignore[attr-defined]
        server = HTTPServer(application)
        server.add_sockets([listening])

        async def connect(*protocols, origin=None):
            headers = {"Origin": origin or f"http://127.0.0.1:{port}"}
            request = HTTPRequest(f"ws://127.0.0.1:{port}/frames", headers=headers)
            return await websocket_connect(request, subprotocols=list(protocols))

        try:
            return await asyncio.wait_for(conversation(connect), 20)
        finally:
            server.stop()
            await server.close_all_connections()

    return asyncio.run(run())


async def closed(socket):
    """Code and reason with which the server closes."""
    while await socket.read_message() is not None:
        pass
    return socket.close_code, socket.close_reason


def test_pictures_and_their_answers(channel):
    async def conversation(connect):
        socket = await connect(PROTOCOL, channel.token)
        assert socket.selected_subprotocol == PROTOCOL
        seen = []
        for i in range(5):
            channel.post("a", i)
            message = await socket.read_message()
            seen += [head["value"] for head, _ in parts(message)]
            await socket.write_message((i + 1).to_bytes(4, "little"), binary=True)
        assert channel.connected
        socket.close()
        while channel.connected:
            await asyncio.sleep(0.01)
        return seen

    assert talk(conversation) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("said", [b"", b"abc", b"12345", "text", "[1]", b"\xff\xff\xff\xff", b"\0\0\0\0"])
def test_whoever_says_anything_else_is_disconnected(channel, caplog, said):
    async def conversation(connect):
        socket = await connect(PROTOCOL, channel.token)
        await socket.write_message(said, binary=isinstance(said, bytes))
        return await closed(socket)

    with caplog.at_level(logging.WARNING):
        code, reason = talk(conversation)
    assert code == MALFORMED
    assert reason
    assert not caplog.records


def test_a_message_that_is_too_long_ends_it(channel, caplog):
    async def conversation(connect):
        socket = await connect(PROTOCOL, channel.token)
        await socket.write_message(b"x" * (LONGEST + 1), binary=True)
        return await closed(socket)

    with caplog.at_level(logging.WARNING):
        code, _ = talk(conversation)
    assert code == 1009
    assert not caplog.records


def test_an_unknown_token_is_told_so(channel):
    async def conversation(connect):
        return await closed(await connect(PROTOCOL, "x" * len(channel.token)))

    assert talk(conversation) == (UNKNOWN, "unknown token")
    assert not channel.connected


@pytest.mark.parametrize("protocols", [(), (PROTOCOL,), ("other", "token"), (PROTOCOL, "a", "b")])
def test_a_token_is_needed(channel, protocols):
    async def conversation(connect):
        return await closed(await connect(*protocols))

    assert talk(conversation)[0] == UNKNOWN


def test_pages_of_other_hosts_are_refused(channel):
    async def conversation(connect):
        with pytest.raises(Exception, match="403"):
            await connect(PROTOCOL, channel.token, origin="http://elsewhere.example")

    talk(conversation)
    assert not channel.connected


def test_the_token_dies_with_the_session(monkeypatch):
    monkeypatch.setattr(frame_socket, "_has_route", lambda: True)
    assert channel_of(None) is None
    assert channel_of(Document()) is None  # no session: a notebook, a test
    document = Document()
    monkeypatch.setattr(Document, "session_context", property(lambda self: object()))
    channel = channel_of(document)
    assert channel is not None
    assert channel_of(document) is channel
    assert frame_socket._channels[channel.token] is channel
    (ended,) = document.session_destroyed_callbacks
    ended(None)  # type: ignore[arg-type]
    assert channel.token not in frame_socket._channels


def test_a_browser_is_let_go_when_its_session_ends(channel):
    async def conversation(connect):
        socket = await connect(PROTOCOL, channel.token)
        while not channel.connected:
            await asyncio.sleep(0.01)
        frame_socket._end(channel.token)
        return await closed(socket)

    assert talk(conversation) == (frame_socket.REPLACED, "no longer wanted")
