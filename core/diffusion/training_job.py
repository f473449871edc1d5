"""One training that belongs to the process, not to whoever started it.

It runs in a process of its own, so that it delays nothing here, and writes its checkpoint into the library of models
every minute. It ends with this process; should either be killed, the last checkpoint is there.
"""

from __future__ import annotations

import glob
import multiprocessing
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Literal, Protocol

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
from core.diffusion.training_pace import Pace
from core.diffusion.training_request import Continuation, TrainingRequest
from core.diffusion.training_worker import train
from core.jobs.board import State as Status
from core.statistics.format import thousands
from core.store import atomic_path

State = Literal["waiting", "preparing", "training", "paused", "stopping", "finished", "failed", "cancelled"]
OVER: tuple[State, ...] = ("finished", "failed", "cancelled")
Request = TrainingRequest | Continuation
PATIENCE = 60.0
"""Seconds that a checkpoint may take."""


class Queue(Protocol):
    """What a training needs of those that it is one of."""

    library: ModelLibrary

    def tell(self, job: Job) -> None:
        """Something about it has changed."""
        ...

    def advance(self) -> None:
        """It has ended: the next may begin."""
        ...


class Job:
    """One training. Its attributes are replaced, never changed, so any thread may read them at any time.

    ``begun`` is None until data and network are ready, ``history`` the loss by band of σ̃, ``pictures`` and ``table``
    the latest of the network. ``why`` says in a sentence how it ended, ``error`` what went wrong. ``path`` is the
    checkpoint in the library, ``owner`` the one who may end it (see `core.jobs.board`).
    """

    kind = "training"

    def __init__(self, queue: Queue, number: int, request: Request, path: Path, owner: str = "") -> None:
        self.id, self.request, self.path, self.owner = str(number), request, path, owner
        self.state: State = "waiting"
        self.preparing = Preparing(0, 1)
        self.begun: Begun | None = None
        self.progress = Progress(0, None, 0.0)
        self.history: tuple[Validation, ...] = ()
        self.pictures: Pictures | None = None
        self.table: Table | None = None
        self.saved: int | None = None
        self.why = self.error = ""
        self._queue, self._pace = queue, Pace()
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

    @property
    def status(self) -> Status:
        """The state as the list of all jobs has it."""
        return "running" if self.state in ("preparing", "training") else self.state

    @property
    def fraction(self) -> float | None:
        """How much is done, from 0 to 1; None where that is not known."""
        steps = self.progress.steps
        return min(1.0, self.progress.step / steps) if steps else None

    def words(self) -> str:
        """How far it is or how it ended."""
        if self.over:
            return self.error or self.why
        if self.state == "preparing":
            return "prepares"
        p = self.progress
        return f"step {thousands(p.step)}{f' of {thousands(p.steps)}' if p.steps else ''}" if p.step else ""

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
            self._queue.advance()

    def save(self, to: str | Path, force: bool = False) -> Path:
        """Write the network as it is now to a file (a Path), or into the library under a name (a string).

        Raises ValueError for a bad name or while there is nothing to save, FileExistsError for one that is taken,
        unless ``force``, and TimeoutError.
        """
        target = to if isinstance(to, Path) else self._queue.library.path(to)
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

    def begin(self) -> None:
        """Start its process, unless it has been cancelled meanwhile."""
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
        self._queue.advance()

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
        self._queue.tell(self)


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
