"""From a working thread to the page: results are handed over on the session's own loop."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterator
from functools import partial
from typing import Any

import panel as pn

from core.jobs import Latest, Token
from dashboard.faults import note, sentence

__all__ = ["Live", "sentence"]


class Live:
    """Runs a page's newest request in the pool and delivers its results where widgets may be touched.

    ``deliver(result)`` and ``fail(error)`` are called on the session's loop; without a session (in a notebook, in a
    test) directly from the working thread. What is ready before the browser has loaded the page waits for it, because
    changes between the making of a session and its first message can get lost. An error that nobody expected is in the
    log besides. Close it with the session.
    """

    def __init__(self, deliver: Callable[[Any], None], fail: Callable[[Exception], None]) -> None:
        self._deliver, self._fail = deliver, fail
        self._document = pn.state.curdoc
        self.owner: Hashable = f"session {id(self._document or self)}"
        """For whom the work is done, among whom the pool is shared."""
        self._closed = False
        self._results: deque[Callable[[], None]] = deque()
        self._ready = self._document is None or self._document.session_context is None or pn.state.loaded
        if not self._ready:
            pn.state.onload(self._loaded)
        self._latest = Latest(lambda result: self.soon(self._show, result), self._failed, self.owner)

    def submit(self, stages: Callable[[Token], Iterator[Any]], at_once: Callable[[Token], Any] | None = None) -> None:
        """Answer this request next. For a page that is still being built ``at_once(token)`` is called on the spot and
        its result delivered, so that the page opens with a picture: it must be quick, and may be None."""
        if at_once is not None and not self._ready:
            try:
                quick = at_once(Token())
                if quick is not None:
                    self._deliver(quick)
            except Exception as error:
                note(error, "a first picture failed")
                self._fail(error)
        self._latest.submit(stages)

    def soon(self, call: Callable[..., None], *arguments: Any) -> None:
        """Call on the session's loop, from any thread; dropped once this is closed."""
        if self._closed:
            return
        document = self._document
        if document is None or document.session_context is None:
            call(*arguments)
            return
        # Callbacks from before the session exists run in any order, the results nevertheless in theirs.
        self._results.append(partial(call, *arguments))
        document.add_next_tick_callback(lambda: self._hand_over())

    def _failed(self, error: Exception) -> None:
        note(error, "a request failed")
        self.soon(self._fail, error)

    def _show(self, result: Any) -> None:
        """What cannot be shown is an error of this session like any other."""
        try:
            self._deliver(result)
        except Exception as error:
            note(error, "a result could not be shown")
            self._fail(error)

    def _hand_over(self) -> None:
        while self._ready and self._results and not self._closed:
            self._results.popleft()()

    def _loaded(self) -> None:
        self._ready = True
        self._hand_over()

    def make_way(self) -> None:
        """Call when a control has moved, before the work of making the request for it."""
        self._latest.make_way()

    def cancel(self) -> None:
        """Drop what runs and what waits."""
        self._latest.cancel()

    def close(self) -> None:
        """The session ends: cancel, take no more requests, and deliver nothing that is still under way."""
        self._closed = True
        self._latest.close()
