"""The frame around every page: header with navigation, theme, address and the life of a session.

``open_page`` is what a session runs. It looks up the room that the address names, asks its module for the content
(``build(shell) -> Content``) and puts both into one page. A room talks to the frame through its ``Shell``.
"""

from __future__ import annotations

import html
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from weakref import WeakKeyDictionary, ref

import panel as pn
import panel_material_ui as pmui
import param
from panel.io.resources import LOCAL_DIST, patch_model_css
from panel.io.state import state as panel_state

from core.devices import describe, pick_device
from dashboard import embed, style
from dashboard.address import Address
from dashboard.faults import answer_events
from dashboard.help import Help
from dashboard.jobs_panel import JobsPanel, browser_owner
from dashboard.pages import FORMER, ROOMS, Room
from dashboard.share import SharePanel
from dashboard.share.links import opened
from dashboard.share.offer import offer
from dashboard.story.guide import Story
from dashboard.story.steps import expand

log = logging.getLogger(__name__)
LOGO = Path(__file__).parent.parent / "assets" / "logo.svg"
MOST_SAID = 8
"""Sentences that are shown above a page at the same time."""


@dataclass
class Content:
    """What a room shows: its title and the objects of its sidebar and its main area."""

    title: str
    sidebar: list[Any] = field(default_factory=list)
    main: list[Any] = field(default_factory=list)


class Shell(param.Parameterized):
    """What the frame offers a room for the length of a session."""

    dark = param.Boolean(default=False, doc="Whether the dark theme is on; follows the toggle in the header.")
    present = param.Boolean(default=False, doc="Whether presenter mode is on: large type, the picture alone.")
    areas = param.List(default=[], doc="Rows of panels that the stages show of their scenes; all where it is empty.")

    def __init__(self, search: str = "", **params: Any) -> None:
        super().__init__(**params)
        self._closing: list[Callable[[], None]] = []
        self._leaving: list[Callable[[], None]] = []
        self.arrived = False
        self.owner = browser_owner()
        self.messages = pn.Column(sizing_mode="stretch_width", margin=0, visible=False)
        self.address = Address(opened(search, self._warn), self._warn)
        self.dark = self.address.get("theme") == "dark"
        self.param.watch(lambda event: self.address.set("theme", "dark" if event.new else None), "dark")
        self.present = self.address.get("present") in ("1", "true")
        self.param.watch(lambda event: self.address.set("present", "1" if event.new else None), "present")

    @property
    def device(self) -> str:
        """Where the work runs, in a few words."""
        return _device()

    def sync(self, state: param.Parameterized, names: Mapping[str, str] | Iterable[str]) -> None:
        """Keep parameters of ``state`` in the address, see ``Address.sync``. Bad values there are shown as messages."""
        self.address.sync(state, names)

    def aside(self, *objects: Any) -> None:
        """These are not the picture: presenter mode hides them."""

        def hide(*_: Any) -> None:
            for item in objects:
                item.visible = not self.present

        self.param.watch(hide, "present")
        hide()

    def say(self, sentence: str, severity: str = "info") -> None:
        """Show a sentence above the page until it is closed; severity is info, success, warning or error.

        What is said again is shown once, as the newest, and of many sentences the last MOST_SAID are kept.
        """
        alert = pmui.Alert(
            object=html.escape(sentence), severity=severity, closeable=True, variant="outlined", margin=(6, 10, 0, 10)
        )
        said: list[Any] = list(self.messages.objects)
        others = [one for one in said if not one.closed and one.object != alert.object]
        self.messages.objects = [*others, alert][-MOST_SAID:]
        self.messages.visible = True

    def _warn(self, sentence: str) -> None:
        self.say(sentence, "warning")

    def on_close(self, callback: Callable[[], None]) -> None:
        """Call ``callback()`` when the session ends: stop threads, cancel work, drop caches."""
        self._closing.append(callback)

    def on_leave(self, callback: Callable[[], None]) -> None:
        """Call ``callback()`` when the browser has gone, which is minutes before the server ends the session: drop work
        that nobody waits for. It may come back, so nothing must be closed."""
        self._leaving.append(callback)

    def leave(self) -> None:
        """The browser has gone: run the callbacks, whatever each of them does."""
        for callback in self._leaving:
            try:
                callback()
            except Exception:
                log.exception("a callback for a browser that has gone failed")

    def close(self) -> None:
        """End of the session: run the callbacks, whatever each of them does."""
        while self._closing:
            try:
                self._closing.pop()()
            except Exception:
                log.exception("a callback at the end of a session failed")


@cache
def _device() -> str:
    return describe(pick_device())


def open_page() -> None:
    """Build the page that this session's address asks for and make it the document."""
    location = pn.state.location
    page, shell = build_page(location.search if location else "")
    page.servable()
    document = pn.state.curdoc
    if document is not None:
        # A session that is created late (queued, or after a restart) would otherwise take its CSS from elsewhere.
        for root in document.roots:
            patch_model_css(root, dist_url=LOCAL_DIST)

        def closed(session_context: Any) -> None:
            shell.close()
            _open.pop(document, None)
            _forget(document)

        pn.state.on_session_destroyed(closed)
        _open[document] = shell
        pn.config.exception_handler = answer_events(partial(_say_in, ref(document)))
        _answer_early(document)
        pn.state.onload(partial(setattr, shell, "arrived", True))


def _answer_early(document: Any) -> None:
    """Answer a person who is quicker than the page.

    A browser shows controls about a second before it says that the document is ready. Until then panel throws the
    changes of its components away, for it takes the document to be still unsent: the sentence, the picture or the
    address that answers a control moved in that second would never come. Panel need not wait: bokeh sends changes to
    connected browsers only, and a browser drops those that come before the document, which contains them.

    Both flags belong together: one lets panel answer at once, the other makes it write the answer itself, which it must
    wherever it runs without the lock of the document, as for every message of a component. What waits for the browser
    (``pn.state.onload``) has been put down by now and still waits.
    """
    panel_state._connected[document] = panel_state._loaded[document] = True


_open: WeakKeyDictionary[Any, Shell] = WeakKeyDictionary()


def _say_in(document: Any, sentence: str) -> None:
    """Show an error in the session of a document; a weak reference, for panel's settings outlive the session."""
    shell = _open.get(document())
    if shell is not None:
        shell.say(sentence, "error")


GONE = 2000  # milliseconds without a connection after which the browser counts as gone
PING = 15.0  # seconds between questions to a browser whether it is there, and that it has to answer


def notice_absence(sessions: Iterable[Any]) -> None:
    """Let the pages of all sessions whose browser has gone drop their work. Call it from the server's loop, again and
    again. A browser is gone once its connection is closed, by itself or for lack of an answer within PING."""
    for session in sessions:
        _ask(session)
        shell = _open.get(session.document)
        if shell is None or not shell.arrived:
            continue
        if session.connection_count == 0 and session.milliseconds_since_last_unsubscribe > GONE:
            shell.arrived = False
            shell.leave()


def _ask(session: Any) -> None:
    """Close connections that no longer answer: of a computer that sleeps or has lost its network nothing is heard."""
    for connection in session._subscribed_connections:
        protocol = connection._socket.ws_connection
        if protocol is not None and not protocol.params.ping_interval:
            protocol.params.ping_interval = PING
            protocol.start_pinging()


def build_page(search: str = "") -> tuple[pmui.Page, Shell]:
    """The page for a query such as ``?page=one&seed=3`` and the shell behind it."""
    shell = Shell(expand(search))
    name = shell.address.get("page", "home") or "home"
    name = FORMER.get(name, name)
    room = ROOMS.get(name)
    story = Story(shell, name)
    content = _content(room, shell) if room else _unknown(name)
    shell.address.check_locks()
    alone = embed.embedded(shell.address)
    main = embed.frame(shell.address, content.main, shell.say) if alone else content.main
    share = SharePanel(lambda: offer(shell.address, content.main), query=shell.address.bar.param.query)
    # The tour is for people who look around, not for an audience, a frame or a guided story.
    quiet = alone or shell.address.get("tour") == "0" or shell.address.get("story") or shell.address.get("present")
    header = pn.pane.HTML(stylesheets=[style.HEADER_CSS], sizing_mode="stretch_width", margin=0)
    jobs = JobsPanel(owner=shell.owner)
    jobs.param.watch(lambda event: setattr(shell, "owner", event.new), "owner")
    shell.on_close(jobs.close)
    page = pmui.Page(
        meta_title=f"{content.title} · StoqLab",
        meta_name="StoqLab",
        favicon=str(LOGO),
        dark_theme=shell.dark,
        theme_config=style.THEME,
        sx=style.PAGE_SX | (embed.SX if alone else {}),
        raw_css=[style.RAW_CSS],
        busy_indicator=None,
        header=[header, jobs, share, Help(tour=not quiet), story.button],
        sidebar=[] if alone else content.sidebar,
        sidebar_width=style.SIDEBAR_WIDTH,
        sidebar_resizable=False,
        main=[
            pn.Column(
                shell.address.bar,
                story.guide,
                shell.messages,
                *main,
                sizing_mode="stretch_both",
                margin=0,
                scroll="y-auto",
                styles={"padding": "0 12px 0 var(--beside, 4px)"},
            )
        ],
    )
    _ignore_busy(page)
    page.link(shell, dark_theme="dark")

    def draw_header(*_: Any) -> None:
        header.object = header_html(name, shell.device, shell.dark)

    shell.param.watch(draw_header, "dark")
    draw_header()
    return page, shell


def header_html(present: str, device: str, dark: bool) -> str:
    """Brand, links to the rooms with the present one marked, and the device."""
    links = "".join(
        f'<a href="{page_link(room.name, dark)}"{_MARK if room.name == present else ""}>{html.escape(room.title)}</a>'
        for room in ROOMS.values()
        if room.name != "home"
    )
    brand = f'<a class="brand" href="{page_link("home", dark)}" title="Home">{LOGO.read_text()}<span>StoqLab</span></a>'
    # Home has a heading of its own.
    heading = f"<h1>{html.escape(ROOMS[present].title)}</h1>" if present in ROOMS and present != "home" else ""
    return f'{heading}<nav aria-label="Rooms">{brand}{links}<span class="device">{html.escape(device)}</span></nav>'


_MARK = ' aria-current="page"'


def page_link(page: str, dark: bool) -> str:
    """The address of a page, for an HTML attribute; it carries the theme along."""
    return "?" + html.escape(urlencode({"page": page} | ({"theme": "dark"} if dark else {})))


def _content(room: Room, shell: Shell) -> Content:
    try:
        return room.load().build(shell)
    except Exception:
        log.exception("the page %s could not be built", room.name)
        shell.say("This page could not be built; the log of the server says why.", "error")
        return Content(room.title)


def _unknown(name: str) -> Content:
    rooms = "".join(f"\n- [{room.title}](?page={room.name}): {room.promise}" for room in ROOMS.values())
    called = f"called “{name}”" if re.fullmatch(r"[\w .-]{1,40}", name) else "of that name"  # nothing of Markdown
    text = f"## There is no page {called}\n\nThese are the rooms of StoqLab:\n{rooms}"
    return Content("Not found", main=[pn.pane.Markdown(text, margin=(20, 30), styles={"font-size": "15px"})])


def _ignore_busy(page: pmui.Page) -> None:
    """Stop the page from watching the process-wide busy flag, which it has no indicator for.

    The flag changes twice with every event of every session, and each time all models of the page are looked through:
    half the time that the server needs to answer a slider. It would also keep a finished session for ever.
    """
    private = page._param__private
    for _, watcher in private.ref_watchers:
        for w in watcher if isinstance(watcher, list) else [watcher]:
            (w.inst or w.cls).param.unwatch(w)
    private.ref_watchers.clear()
    private.refs.clear()


def _forget(document: Any) -> None:
    """Let go of a finished session."""
    for view in [view for view, (_, _, doc, _) in panel_state._views.items() if doc is document]:
        del panel_state._views[view]
