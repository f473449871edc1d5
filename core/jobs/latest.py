"""Answers to requests that come faster than they can be given: the newest wins."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future
from typing import Any

from core.contracts import Cancelled
from core.jobs.pool import request_pool
from core.jobs.token import Token, working_for

log = logging.getLogger(__name__)


class Latest:
    """Keeps up with requests that come faster than they can be answered, one at a time, the newest first.

    ``submit(stages)`` takes a function of a Token that yields results, a quick one first and better ones after it.
    The quick result is always finished, so that a picture follows a control while it is dragged; better ones are
    dropped as soon as there is a newer request, and of the requests that wait only the newest is kept. Results go to
    ``deliver``, errors to ``fail``, both called from the working thread. The work is that of ``owner``.
    """

    def __init__(
        self, deliver: Callable[[Any], None], fail: Callable[[Exception], None], owner: Hashable = None
    ) -> None:
        self._deliver, self._fail, self._owner = deliver, fail, owner
        self._lock = threading.Lock()
        self._waiting: Callable[[Token], Iterator[Any]] | None = None
        self._token = Token()
        self._quick = False  # the first stage is running: let it finish
        self._closed = False
        self.future: Future[None] | None = None

    def submit(self, stages: Callable[[Token], Iterator[Any]]) -> None:
        """Answer this request next, instead of all that still wait."""
        with self._lock:
            if self._closed:
                return
            self._waiting = stages
            if not self._quick:
                self._token.cancel()
            if self.future is None:
                self.future = request_pool().submit(self._work)

    def make_way(self) -> None:
        """A newer request is being prepared: drop better results of the present one, which would hold it up."""
        with self._lock:
            if not self._quick:
                self._token.cancel()

    def cancel(self) -> None:
        """Drop what runs and what waits."""
        with self._lock:
            self._waiting = None
            self._token.cancel()

    def close(self) -> None:
        """Cancel, and take no more requests."""
        self._closed = True
        self.cancel()

    def _work(self) -> None:
        with working_for(self._owner):
            self._answer_all()

    def _answer_all(self) -> None:
        while True:
            with self._lock:
                stages, self._waiting = self._waiting, None
                if stages is None:
                    self.future = None
                    return
                self._token = token = Token()
                self._quick = True
            try:
                for result in stages(token):
                    token.check()
                    self._deliver(result)
                    with self._lock:
                        self._quick = False
                        if self._waiting is not None:
                            break
            except Cancelled:
                pass
            except Exception as error:
                if not token.cancelled:
                    self._report(error)
            finally:
                self._quick = False

    def _report(self, error: Exception) -> None:
        try:
            self._fail(error)
        except Exception:  # whoever cannot show one error must still get answers to later requests
            log.exception("an error could not be reported: %s", error)
