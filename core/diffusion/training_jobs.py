"""The trainings of this process: a browser may go and find them when it is back. See `core.diffusion.training_job`."""

from __future__ import annotations

import atexit
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

from core.diffusion.model_library import ModelLibrary
from core.diffusion.training_job import OVER, Job, Request
from core.diffusion.training_request import Continuation
from core.jobs.board import board

log = logging.getLogger(__name__)

MOST_WAITING = 8
KEPT = 20
"""Trainings that are over and can still be looked at."""
Watcher = Callable[[Job], None]


class TrainingJobs:
    """The trainings of this process: ``at_once`` of them run, the others wait for their turn."""

    def __init__(self, library: ModelLibrary | None = None, at_once: int = 1) -> None:
        self.library, self.at_once = library or ModelLibrary(), at_once
        self._jobs: dict[str, Job] = {}
        self._watchers: list[Watcher] = []
        self._count = 0
        self._lock = threading.RLock()

    def start(self, request: Request, name: str = "", owner: str = "") -> Job:
        """Begin a training, or put it at the end of the queue. ``name`` is that of the model in the library.

        Without a name one is made; one that goes on keeps its own. Raises ValueError for a bad name, where too many
        wait, and where ``owner`` has too many jobs (see `core.jobs.board`); FileExistsError for a name that is taken.
        """
        with board().admit(owner), self._lock:
            waiting = [job for job in self._jobs.values() if job.state == "waiting"]
            if len(waiting) >= MOST_WAITING:
                raise ValueError(f"{MOST_WAITING} trainings wait already; cancel one of them, or come back later")
            busy = {job.path for job in self._jobs.values() if not job.over}
            if isinstance(request, Continuation):
                path, taken = request.checkpoint, request.checkpoint in busy
            else:
                path = self.library.path(name.strip()) if name.strip() else self._free(request.name, busy)
                taken = path.exists() or path in busy
            if taken:
                raise FileExistsError(f"the model {path.stem!r} is there already; choose another name")
            self._count += 1
            job = self._jobs[str(self._count)] = Job(self, self._count, request, path, owner)
            for old in [one.id for one in self._jobs.values() if one.over][:-KEPT]:
                del self._jobs[old]
            board().add(job)
            self.advance()
        self.tell(job)
        return job

    def jobs(self) -> list[Job]:
        """All trainings, in the order in which they were asked for."""
        with self._lock:
            return list(self._jobs.values())

    def job(self, id: str) -> Job:
        """The training of that id. KeyError if there is none."""
        with self._lock:
            return self._jobs[id]

    def watch(self, watcher: Watcher) -> None:
        """Call ``watcher(job)`` whenever something about a training has changed, from any thread. It must be quick."""
        self._watchers.append(watcher)

    def unwatch(self, watcher: Watcher) -> None:
        """No longer call it."""
        with suppress(ValueError):
            self._watchers.remove(watcher)

    def tell(self, job: Job) -> None:
        """Call all watchers."""
        for watcher in self._watchers.copy():
            try:
                watcher(job)
            except Exception:  # a viewer's trouble must not end a training
                log.exception("a viewer of the training of %s failed", job.title)

    def ahead(self, job: Job) -> list[Job]:
        """Trainings that must end before this one, which waits, begins."""
        return [one for one in self.jobs() if not one.over and int(one.id) < int(job.id)]

    def close(self) -> None:
        """This process ends: nothing that waits begins any more."""
        self.at_once = 0

    def _free(self, wanted: str, busy: set[Path]) -> Path:
        number, path = 1, self.library.path(wanted)
        while path.exists() or path in busy:
            number += 1
            path = self.library.path(f"{wanted} ({number})")
        return path

    def advance(self) -> None:
        """Begin those that wait, as far as there is room."""
        with self._lock:
            running = sum(job.state not in ("waiting", *OVER) for job in self._jobs.values())
            for job in list(self._jobs.values()):
                if job.state == "waiting" and running < self.at_once:
                    job.begin()
                    running += not job.over


@cache
def trainings() -> TrainingJobs:
    """The trainings of this process, in the user's library."""
    jobs = TrainingJobs()
    atexit.register(jobs.close)  # before the running one is terminated, or the next would take its place
    return jobs
