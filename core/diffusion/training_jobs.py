"""Trainings that belong to the process, not to whoever started them: a browser may go and find them when it is back.

Each runs in a process of its own, so that it delays nothing here, and writes its checkpoint into the library of
models every minute. It ends with this process; should either be killed, the last checkpoint is there.
"""

from __future__ import annotations

import atexit
import glob
import logging
import multiprocessing
import os
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Literal

from core.diffusion.field_validation import Validation
from core.diffusion.model_library import ModelLibrary
from core.diffusion.training_messages import (
    Begun,
    Command,
    Ended,
    Failed,
    Message,
    Paused,
    Pictures,
    Preparing,
    Progress,
    Saved,
    Table,
)
from core.diffusion.training_request import Continuation, TrainingRequest
from core.diffusion.training_worker import train
from core.store import atomic_path

log = logging.getLogger(__name__)

State = Literal["waiting", "preparing", "training", "paused", "stopping", "finished", "failed", "cancelled"]
OVER: tuple[State, ...] = ("finished", "failed", "cancelled")
MOST_WAITING = 8
Request = TrainingRequest | Continuation
Watcher = Callable[["Job"], None]
KEPT = 20
"""Trainings that are over and can still be looked at."""
PATIENCE = 60.0
"""Seconds that a checkpoint may take."""


class Job:
    """One training. Its attributes are replaced, never changed, so any thread may read them at any time.

    ``begun`` is None until data and network are ready, ``history`` the loss by band of σ̃, ``pictures`` and ``table``
    the latest of the network. ``why`` says in a sentence how it ended, ``error`` what went wrong. ``path`` is the
    checkpoint in the library.
    """

    def __init__(self, jobs: TrainingJobs, number: int, request: Request, path: Path) -> None:
        self.id, self.request, self.path = str(number), request, path
        self.state: State = "waiting"
        self.preparing = Preparing(0, 1)
        self.begun: Begun | None = None
        self.progress = Progress(0, None, 0.0)
        self.history: tuple[Validation, ...] = ()
        self.pictures: Pictures | None = None
        self.table: Table | None = None
        self.saved: int | None = None
        self.why = self.error = ""
        self._jobs, self._pace = jobs, Pace()
        self._changed = threading.Condition()
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None

    @property
    def title(self) -> str:
        """Name of the model that comes out of it."""
        return self.path.stem

    @property
    def over(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in OVER

    @property
    def left(self) -> float | None:
        """Seconds until the end at the present rate; None while that is not known, and while nothing moves."""
        steps = self.progress.steps
        rate = self._pace.rate if self.state == "training" and steps else None
        return (steps - self.progress.step) / rate if steps and rate else None

    def pause(self) -> None:
        """Rest after the present step. ValueError unless it trains."""
        self._tell("pause", ("training",))

    def resume(self) -> None:
        """Go on after a pause. ValueError unless it is paused."""
        self._tell("resume", ("paused",))

    def stop(self) -> None:
        """End it and keep what was learned; before there is anything to keep, the same as ``cancel``."""
        if self.state in ("waiting", "preparing"):
            self.cancel()
            return
        with self._changed:  # should it end by itself meanwhile, that is what it has done
            self._tell("stop", ("training", "paused"))
            self._set(state="stopping")

    def cancel(self) -> None:
        """End it at once and drop its checkpoint, unless it went on from it. Nothing happens where it is over."""
        with self._changed:
            if self.over:
                return
            kept = "what it had begun with" if isinstance(self.request, Continuation) else "nothing"
            self._set(state="cancelled", why=f"Discarded; {kept} was kept.")
            process = self._process
        if process is not None:
            process.kill()
        else:
            self._jobs.advance()

    def save(self, to: str | Path, force: bool = False) -> Path:
        """Write the network as it is now to a file (a Path), or into the library under a name (a string).

        Raises ValueError for a bad name or while there is nothing to save, FileExistsError for one that is taken,
        unless ``force``, and TimeoutError.
        """
        target = to if isinstance(to, Path) else self._jobs.library.path(to)
        if target.exists() and not force:
            raise FileExistsError(f"{target.name} exists already; choose another name")
        if self.state in ("training", "paused"):
            with self._changed:
                before, self.saved = self.saved, None
                try:
                    self._tell("save", ("training", "paused"))
                    if not self._changed.wait_for(lambda: self.saved is not None or self.over, PATIENCE):
                        raise TimeoutError(f"the training did not write a checkpoint within {PATIENCE:.0f} s")
                finally:
                    self.saved = before if self.saved is None else self.saved
        if not self.path.exists():
            raise ValueError("there is nothing to save yet: no step has been trained")
        if target != self.path:
            with atomic_path(target, force) as temporary:
                shutil.copyfile(self.path, temporary)
        return target

    def _begin(self) -> None:
        context = multiprocessing.get_context("spawn")
        name = f"stoqlab-training-{self.id}"
        with self._changed:  # whoever cancels it waits until there is a process to end
            if self.state != "waiting":  # cancelled just before
                return
            self._connection, theirs = context.Pipe()
            arguments = (self.request, self.path, theirs)
            process = context.Process(target=train, args=arguments, name=name, daemon=True)
            try:
                with _environment("OMP_WAIT_POLICY", "PASSIVE"):
                    process.start()
            except OSError as error:
                self._set(state="failed", error=f"No process could be started for the training: {error}.")
                return
            finally:
                theirs.close()
            self._process = process
            self._set(state="preparing")
        threading.Thread(target=self._listen, daemon=True, name=name).start()

    def _listen(self) -> None:
        assert self._connection is not None
        assert self._process is not None
        with suppress(EOFError, OSError):
            while True:
                self._take(self._connection.recv())
        self._process.join()
        self._connection.close()
        for rest in self.path.parent.glob(f".{glob.escape(self.path.name)}.*.tmp"):  # of a checkpoint cut short
            rest.unlink(missing_ok=True)
        with self._changed:
            if self.state == "cancelled" and not isinstance(self.request, Continuation):
                self.path.unlink(missing_ok=True)
            elif not self.over:
                self._set(state="failed", error=_died(self._process.exitcode, self.path, self.saved))
        self._jobs.advance()

    def _take(self, message: Message) -> None:
        with self._changed:
            if self.over:
                return
            match message:
                case Preparing():
                    self._set(preparing=message)
                case Begun():
                    self._set(begun=message, state="training")
                case Progress():
                    self._pace.add(message.step)
                    self._set(progress=message)
                case Validation():
                    self._set(history=(*self.history, message))
                case Pictures():
                    self._set(pictures=message)
                case Table():
                    self._set(table=message)
                case Paused():
                    self._pace = Pace()
                    if self.state in ("training", "paused"):
                        self._set(state="paused" if message.paused else "training")
                case Saved():
                    self._set(saved=message.step)
                case Ended():
                    self._set(state="finished", why=message.why)
                case Failed():
                    self._set(state="failed", error=message.sentence)

    def _tell(self, command: Command, allowed: tuple[State, ...]) -> None:
        with self._changed:
            if self.state not in allowed or self._connection is None:
                raise ValueError(f"the training of “{self.title}” is {self.state}: it cannot {command} now")
            with suppress(OSError):  # it has just died, which the listener will say
                self._connection.send(command)

    def _set(self, **values: object) -> None:
        with self._changed:
            for name, value in values.items():
                setattr(self, name, value)
            self._changed.notify_all()
        self._jobs.tell(self)


class Pace:
    """Steps per second over the last while, from reports of the step."""

    MEMORY, LEAST = 60.0, 2.0  # seconds looked back at, and needed before anything is said

    def __init__(self) -> None:
        self._reports: deque[tuple[float, int]] = deque()

    def add(self, step: int) -> None:
        """Step number ``step`` has been reached now."""
        now = time.monotonic()
        self._reports.append((now, step))
        while now - self._reports[0][0] > self.MEMORY and len(self._reports) > 2:
            self._reports.popleft()

    @property
    def rate(self) -> float | None:
        """Steps per second; None before it is known."""
        if len(self._reports) < 2:
            return None
        (first, low), (last, high) = self._reports[0], self._reports[-1]
        return (high - low) / (last - first) if last - first >= self.LEAST and high > low else None


class TrainingJobs:
    """The trainings of this process: ``at_once`` of them run, the others wait for their turn."""

    def __init__(self, library: ModelLibrary | None = None, at_once: int = 1) -> None:
        self.library, self.at_once = library or ModelLibrary(), at_once
        self._jobs: dict[str, Job] = {}
        self._watchers: list[Watcher] = []
        self._count = 0
        self._lock = threading.RLock()

    def start(self, request: Request, name: str = "") -> Job:
        """Begin a training, or put it at the end of the queue. ``name`` is that of the model in the library.

        Without a name one is made; one that goes on keeps its own. Raises ValueError for a bad name and where too many
        wait, FileExistsError for a name that is taken.
        """
        with self._lock:
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
            job = self._jobs[str(self._count)] = Job(self, self._count, request, path)
            for old in [one.id for one in self._jobs.values() if one.over][:-KEPT]:
                del self._jobs[old]
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
                    job._begin()
                    running += not job.over


@cache
def trainings() -> TrainingJobs:
    """The trainings of this process, in the user's library."""
    jobs = TrainingJobs()
    atexit.register(jobs.close)  # before the running one is terminated, or the next would take its place
    return jobs


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    """What a process that is started here finds in its environment, unless it is set already.

    Threads of OpenMP read OMP_WAIT_POLICY when torch is loaded. They must sleep while they wait: on cores that others
    use too, a step takes a hundred times as long if they do not.
    """
    before = os.environ.get(name)
    os.environ.setdefault(name, value)
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]


def _died(code: int | None, path: Path, saved: int | None) -> str:
    how = f"by signal {-code}, as for lack of memory" if code is not None and code < 0 else f"with exit code {code}"
    kept = f"its checkpoint of step {saved} is in the library as “{path.stem}”" if saved else "nothing had been saved"
    return f"The training process has ended {how}; {kept}."
