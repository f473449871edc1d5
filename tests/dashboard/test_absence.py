"""A browser that goes, politely or not, is noticed by a real server: its work is dropped, its session stays."""

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import types
from contextlib import suppress
from pathlib import Path
from typing import Any

import panel as pn
import pytest
from bokeh.core.types import ID
from bokeh.document import Document
from bokeh.server.session import ServerSession
from tornado.ioloop import IOLoop
from tornado.iostream import StreamClosedError
from tornado.websocket import WebSocketClosedError

from core.contracts import Cancelled
from dashboard import app_hooks, shell
from dashboard.live import Live
from dashboard.pages import ROOMS, Room
from dashboard.shell import Content, Shell, open_page

CLIENT = Path(__file__).with_name("absent_client.py")
PATIENCE = 30.0


class Work:
    """Endless work of a room, and what became of it."""

    def __init__(self) -> None:
        self.shells: list[Shell] = []
        self.begun, self.cancelled, self.closed = threading.Event(), threading.Event(), threading.Event()

    def build(self, shell: Shell) -> Content:
        live = Live(lambda _: None, lambda _: None)
        shell.on_leave(live.cancel)
        shell.on_close(live.close)
        shell.on_close(self.closed.set)
        live.submit(self.endless)
        self.shells.append(shell)
        return Content("Room", main=[pn.pane.Str("work")])

    def endless(self, token):
        self.begun.set()
        try:
            while True:
                token.check()
                time.sleep(0.01)
        except Cancelled:
            self.cancelled.set()
            raise
        yield


@pytest.fixture
def hooks(monkeypatch):
    """The hooks of the server, undone after the test; without the fields that it makes for its first visitor."""
    monkeypatch.setattr(app_hooks, "_first_fields", lambda: None)
    interval = sys.getswitchinterval()
    loggers = [logging.getLogger(name) for name in ("asyncio", "bokeh.server.views.ws")]
    before = [logger.filters.copy() for logger in loggers]
    yield app_hooks
    sys.setswitchinterval(interval)
    for logger, filters in zip(loggers, before, strict=True):
        logger.filters[:] = filters


@pytest.fixture
def room(monkeypatch, hooks):
    """A served room with endless work, under the hooks of the server; ``room()`` is a client that has opened it."""
    work, module = Work(), types.ModuleType("a_room_with_work")
    module.build = work.build  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "a_room_with_work", module)
    monkeypatch.setitem(ROOMS, "room", Room("room", "Room", "A promise.", "a_room_with_work"))
    monkeypatch.setattr(shell, "GONE", 300)
    monkeypatch.setattr(shell, "PING", 0.5)
    loaded = []

    def app() -> None:
        if not loaded:
            loaded.append(True)
            hooks.on_server_loaded(pn.state.curdoc.session_context.server_context)  # type: ignore[union-attr]
        open_page()

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server: Any = pn.serve({"app": app}, port=port, address="127.0.0.1", threaded=True, show=False)
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            break
        time.sleep(0.05)
    clients = []

    def visit() -> subprocess.Popen:
        command = [sys.executable, str(CLIENT), f"http://127.0.0.1:{port}/app?page=room"]
        client = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        clients.append(client)
        assert client.stdout is not None
        assert client.stdout.readline() == "ready\n"
        assert work.begun.wait(PATIENCE)
        return client

    visit.work = work  # type: ignore[attr-defined]
    yield visit
    for client in clients:
        client.kill()
        client.wait()
    for session in work.shells:
        session.close()
    server.stop()
    server.join(5)


def test_work_goes_on_while_the_browser_is_there_and_ends_when_it_closes(room):
    client, work = room(), room.work
    assert not work.cancelled.wait(2.5)  # several questions, all answered, and two rounds of the check
    client.stdin.close()
    assert work.cancelled.wait(PATIENCE)
    assert not work.closed.is_set()  # the session is kept for a browser that comes back
    assert not work.shells[0].arrived


def test_a_browser_that_falls_silent_is_noticed(room):
    """Its socket stays open, as that of a computer that sleeps."""
    client, work = room(), room.work
    os.kill(client.pid, signal.SIGSTOP)
    assert work.cancelled.wait(PATIENCE)
    assert not work.closed.is_set()
    assert client.poll() is None


def test_only_who_was_there_can_leave_and_only_once(monkeypatch):
    """A session begins without a connection, and is without one for a moment while its page is loaded again."""
    page, left = Shell(), []
    page.on_leave(lambda: left.append(True))
    session = ServerSession(ID("a session"), Document(), IOLoop())
    shell._open[session.document] = page
    monkeypatch.setattr(shell, "GONE", -1)
    shell.notice_absence([session])
    assert left == []
    page.arrived = True
    monkeypatch.setattr(shell, "GONE", 60_000)
    shell.notice_absence([session])
    assert left == []
    monkeypatch.setattr(shell, "GONE", -1)
    shell.notice_absence([session])
    shell.notice_absence([session])
    assert left == [True]
    page.arrived = True  # it came back
    shell.notice_absence([session])
    assert left == [True, True]


@pytest.mark.parametrize("name", ["asyncio", "bokeh.server.views.ws"])
def test_a_tab_that_is_closed_leaves_no_traces_in_the_log(hooks, caplog, name):
    hooks.on_server_loaded(types.SimpleNamespace(sessions=[]))
    logger = logging.getLogger(name)
    for error in (WebSocketClosedError(), StreamClosedError()):
        logger.error("Task exception was never retrieved", exc_info=error)
    logger.warning("Failed sending message as connection was closed")
    assert caplog.messages == []
    logger.error("Task exception was never retrieved", exc_info=ValueError("a real one"))
    logger.error("something else")
    assert caplog.messages == ["Task exception was never retrieved", "something else"]
