"""The jobs of this process: long work that belongs to a person, not to a tab, in one list.

A job is whatever `Entry` says: a training in a process of its own, a scan or the making of an ensemble in a thread.
Whoever begins one asks `Board.admit` first, which keeps one person from filling the server, and puts it on the board.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Literal, Protocol

import torch

from core.contracts import Cancelled
from core.jobs.token import Token, working_for
from core.limits import limits

log = logging.getLogger(__name__)

State = Literal["waiting", "running", "paused", "stopping", "finished", "failed", "cancelled"]
KEPT = 30
"""Jobs that are over and still listed."""
AT_ONCE = 2
"""Jobs in threads that run at the same time, each on all cores; more wait."""
MOST = 40
"""Jobs that are not over, of all people together."""
LOOK = 0.1
"""Seconds between looks of one that waits whether it is still wanted."""


class Entry(Protocol):
    """A job as the list shows it. Its attributes may be read at any time, from any thread."""

    @property
    def kind(self) -> str:
        """What it does, in a word: training, scan, ensemble."""
        ...

    @property
    def title(self) -> str:
        """Its name, for a person."""
        ...

    @property
    def owner(self) -> str:
        """Whose it is: the secret of a browser, never to be shown; empty for nobody's."""
        ...

    @property
    def over(self) -> bool:
        """Whether nothing more will happen."""
        ...

    @property
    def status(self) -> State:
        """What it is doing."""
        ...

    @property
    def fraction(self) -> float | None:
        """How much is done, from 0 to 1; None where that is not known."""
        ...

    def words(self) -> str:
        """How far it is or how it ended, in a few words."""
        ...

    def cancel(self) -> None:
        """End it; nothing happens where it is over."""
        ...


class Board:
    """All jobs of the process, numbered in the order in which they were begun."""

    def __init__(self) -> None:
        self._entries: dict[int, Entry] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.RLock()

    @contextmanager
    def admit(self, owner: str) -> Iterator[None]:
        """Around the beginning of a job of this owner, so that two at the same moment count as two.

        Raises ValueError with the limit where the owner has too many that are not over, or all together have.
        """
        with self._lock:
            if sum(not one.over for one in self.jobs().values()) >= MOST:
                raise ValueError(f"{MOST} jobs wait on this server already; come back later")
            own = [one for one in self.jobs().values() if one.owner == owner and not one.over]
            if owner and len(own) >= limits().jobs:
                names = ", ".join(f"“{one.title}”" for one in own)
                raise ValueError(
                    f"you have {len(own)} jobs under way ({names}): wait for one of them, or cancel one. The host of "
                    "this server sets the limit with STOQLAB_LIMIT_JOBS"
                )
            yield

    def add(self, entry: Entry) -> int:
        """List it from now on; returns its number."""
        with self._lock:
            number = next(self._numbers)
            self._entries[number] = entry
            for old in [n for n, one in self._entries.items() if one.over][:-KEPT]:
                del self._entries[old]
        return number

    def jobs(self) -> dict[int, Entry]:
        """All that are listed, by number, the oldest first."""
        with self._lock:
            return dict(self._entries)

    def cancel(self, number: int, owner: str) -> None:
        """End one's own job. ValueError for one that is not listed, or somebody else's."""
        entry = self.jobs().get(number)
        if entry is None:
            raise ValueError("this job is no longer in the list")
        if entry.owner != owner:
            raise ValueError(f"“{entry.title}” is somebody else's; only its owner can cancel it")
        entry.cancel()


@cache
def board() -> Board:
    """The board of this process."""
    return Board()


class ThreadJob:
    """A job in a thread of its own, which begins when there is room. A subclass has `work`, `fraction` and `words`.

    ``error`` is what ended it, where something did; ``began`` (monotonic) when it began to run. Errors that a person
    cannot have caused are in the log besides.
    """

    kind = "job"

    def __init__(self, title: str, owner: str, room: threading.Semaphore | None = None) -> None:
        self.title, self.owner = title, owner
        self.token = Token()
        self.state: State = "waiting"
        self.error: Exception | None = None
        self.began = self.ended = time.monotonic()
        self._room = room or _room
        self._moving_on = threading.Lock()

    def start(self) -> None:
        """List it on the board, and begin as soon as there is room."""
        board().add(self)
        threading.Thread(target=self._run, daemon=True, name=f"stoqlab-{self.kind}").start()

    def cancel(self) -> None:
        """End it soon."""
        with self._moving_on:
            self.token.cancel()
            if not self.over:
                self.state = "stopping"

    @property
    def status(self) -> State:
        return self.state

    @property
    def over(self) -> bool:
        return self.state in ("finished", "failed", "cancelled")

    @property
    def fraction(self) -> float | None:
        return None

    def words(self) -> str:
        """How far it is."""
        return ""

    def work(self) -> State:
        """What it does; returns how it ended. May raise Cancelled once ``token`` is cancelled."""
        raise NotImplementedError

    def _run(self) -> None:
        torch.set_num_threads(1)
        try:
            while not self._room.acquire(timeout=LOOK):
                self.token.check()
            try:
                with self._moving_on:
                    self.token.check()
                    self.state, self.began = "running", time.monotonic()
                with working_for(("job", self.owner)):
                    self._end(self.work())
            finally:
                self._room.release()
        except Cancelled:
            self._end("cancelled")
        except Exception as error:
            if not isinstance(error, ValueError | OSError | ArithmeticError):
                log.exception("the %s %s failed", self.kind, self.title)
            self.error = error
            self._end("failed")

    def _end(self, state: State) -> None:
        with self._moving_on:
            self.ended, self.state = time.monotonic(), state


_room = threading.BoundedSemaphore(AT_ONCE)


def describe(entry: Entry, owner: str) -> dict[str, object]:
    """One row of a list for this reader: plain values, without the owner's secret."""
    fraction = entry.fraction
    return {
        "kind": entry.kind,
        "title": entry.title,
        "state": entry.status,
        "over": entry.over,
        "mine": bool(entry.owner) and entry.owner == owner,
        "percent": None if fraction is None else round(100 * fraction),
        "words": entry.words(),
    }
