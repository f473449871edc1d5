"""The frame: which page the address opens, the header, messages, and that a finished session leaves nothing behind."""

import gc
import socket
import sys
import time
import types
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import panel as pn
import param
import pytest
from bokeh.client import pull_session
from bokeh.document import Document
from bokeh.models import ImportedStyleSheet
from panel.io.resources import CDN_DIST
from panel.models.esm import ReactiveESM

from dashboard import shell as frame
from dashboard.pages import ROOMS, Room
from dashboard.shell import Content, Shell, build_page, header_html, open_page
from dashboard.widgets import control


class State(param.Parameterized):
    sigma = param.Number(10.0, bounds=(1.0, 50.0), doc="Strength.")


@pytest.fixture
def room(monkeypatch):
    """A small room of its own, so that the frame is tested apart from the pages."""
    module = types.ModuleType("a_room_for_tests")
    built = []

    def build(shell: Shell) -> Content:
        state = State()
        shell.sync(state, ["sigma"])
        built.append((shell, state))
        return Content("Room", sidebar=[pn.pane.Str("left")], main=[pn.pane.Str("right")])

    module.build = build  # type: ignore[attr-defined]
    module.built = built  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "a_room_for_tests", module)
    monkeypatch.setitem(ROOMS, "room", Room("room", "Room", "A promise.", "a_room_for_tests"))
    return module


def shown(page) -> str:
    """All text of the main area."""
    return " ".join(str(pane.object) for pane in page.main[0].select(pn.pane.base.PaneBase))


def said(shell: Shell) -> list[str]:
    return [alert.object for alert in shell.messages]


def test_sentences_neither_repeat_nor_pile_up():
    shell = Shell()
    for number in (*range(20), 15):
        shell.say(f"Sentence {number}.")
    assert said(shell) == [f"Sentence {n}." for n in (12, 13, 14, 16, 17, 18, 19, 15)]
    shell.messages[0].closed = True
    shell.say("Another one.")
    assert said(shell)[0] == "Sentence 13."
    assert len(said(shell)) == 8


def test_what_one_part_of_a_page_does_wrong_keeps_no_other_from_resting():
    shell, rested = Shell(), []
    shell.on_leave(lambda: 1 / 0)
    shell.on_leave(lambda: rested.append(True))
    shell.leave()
    assert rested == [True]


def test_the_address_chooses_the_room_and_sets_its_state(room):
    page, shell = build_page("?page=room&sigma=3")
    assert room.built[0][1].sigma == 3.0
    assert page.meta.title == "Room · StoqLab"
    assert "right" in shown(page)
    assert [pane.object for pane in page.sidebar] == ["left"]
    room.built[0][1].sigma = 4.5
    assert shell.address.bar.query == "page=room&sigma=4.5"


def test_a_bad_value_in_the_address_is_said_on_the_page(room):
    _, shell = build_page("?page=room&sigma=<b>0</b>")
    assert len(said(shell)) == 1
    assert "sigma" in said(shell)[0]
    assert "a number from 1 to 50" in said(shell)[0]
    assert "<b>" not in said(shell)[0]
    assert shell.messages.visible


def test_an_unknown_page_gives_a_friendly_list_of_rooms():
    page, _ = build_page("?page=<i>attic</i> [x](http://x)")
    assert "There is no page of that name" in shown(page)
    assert "http" not in shown(page)
    assert "<i>" not in shown(page)
    assert all(f"?page={name}" in shown(page) for name in ROOMS)


def test_a_room_that_fails_is_logged_and_explained(room, caplog):
    def broken(shell):
        raise RuntimeError("secret detail")

    room.build = broken
    _, shell = build_page("?page=room")
    assert "could not be built" in said(shell)[0]
    assert "secret" not in said(shell)[0]
    assert "secret detail" in caplog.text


def test_the_header_links_every_room_and_marks_the_present_one():
    html = header_html("one", "CPU: 4 cores", dark=True)
    assert all(f'href="?page={name}&amp;theme=dark"' in html for name in ROOMS)
    assert html.count("aria-current") == 1
    assert html.index('page=one&amp;theme=dark" aria-current') > 0
    assert "CPU: 4 cores" in html


def test_the_theme_is_kept_in_the_address_and_in_the_links(room):
    page, shell = build_page("?page=room&theme=dark")
    assert shell.dark
    assert page.dark_theme
    page.dark_theme = False
    assert not shell.dark
    assert "theme" not in shell.address.bar.query
    assert "theme" not in page.header[0].object
    page.dark_theme = True
    assert "theme=dark" in shell.address.bar.query
    assert "theme=dark" in page.header[0].object


def test_closing_runs_every_callback_even_if_one_fails(caplog):
    shell, done = Shell(), []
    shell.on_close(lambda: done.append("first"))
    shell.on_close(lambda: 1 / 0)
    shell.on_close(lambda: done.append("last"))
    shell.close()
    shell.close()
    assert done == ["last", "first"]
    assert "division by zero" in caplog.text


def test_no_stylesheet_comes_from_elsewhere_when_the_session_begins_at_the_socket(room, served):
    url = served(lambda: open_page())
    sheets = [s for root in visit(url).roots for s in root.select({"type": ImportedStyleSheet})]
    assert sheets
    assert [s.url for s in sheets if s.url.startswith((CDN_DIST, "http"))] == []


def test_a_control_that_moves_before_the_page_says_that_it_is_ready_is_answered(room, served):
    """The client has the document, as a browser that is still drawing it, and never sends ``document_ready``."""
    url = served(lambda: open_page())
    build = room.build

    def build_with_control(shell):
        content = build(shell)
        content.sidebar = [control(room.built[-1][1], "sigma")]
        return content

    room.build = build_with_control

    def move() -> str:
        session = pull_session(url=f"{url}/app", arguments={"page": "room"})
        parts: list[Any] = [model for model in session.document.models if isinstance(model, ReactiveESM)]
        (slider,) = (part.data for part in parts if "control-sigma" in part.css_classes)
        (bar,) = (part.data for part in parts if hasattr(part.data, "query") and not hasattr(part.data, "offered"))
        slider.value = 7.0
        connection = session._connection
        connection.io_loop.call_later(10, connection.close)  # nothing else ends the wait if no answer comes
        connection._loop_until(lambda: "sigma=7" in bar.query or not session.connected)
        session.close()
        return bar.query

    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(move).result() == "page=room&sigma=7"


def test_finished_sessions_leave_nothing_behind(room, served):
    closed = []
    build = room.build

    def build_and_watch(shell):
        shell.on_close(lambda: closed.append(1))
        alive.add(shell)
        content = build(shell)
        room.built.clear()
        return content

    room.build = build_and_watch
    alive: weakref.WeakSet = weakref.WeakSet()
    before = set(pn.state._views)
    url = served(lambda: open_page())
    for _ in range(3):
        visit(url)
    until = time.time() + 10
    while time.time() < until and (len(closed) < 3 or alive):
        time.sleep(0.1)
        gc.collect()
    assert len(closed) == 3
    assert len(alive) == 0
    assert set(pn.state._views) <= before


def visit(url: str) -> Document:
    """Open the small room over a websocket, as a browser does, and leave; in a thread, as it runs an event loop."""

    def pull() -> Document:
        session = pull_session(url=f"{url}/app", arguments={"page": "room"})
        session.close()
        return session.document

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(pull).result()


@pytest.fixture
def served():
    """Serves a function as an application in this process; sessions end soon after their last connection."""
    servers = []

    def serve(app) -> str:
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        servers.append(
            pn.serve(
                {"app": app},
                port=port,
                address="127.0.0.1",
                threaded=True,
                show=False,
                unused_session_lifetime_milliseconds=200,
                check_unused_sessions_milliseconds=100,
            )
        )
        until = time.time() + 5
        while time.time() < until:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        return f"http://127.0.0.1:{port}"

    yield serve
    for server in servers:
        server.stop()
        server.join(5)


def test_the_device_is_named():
    assert frame.Shell().device.startswith(("CPU: ", "GPU: "))
