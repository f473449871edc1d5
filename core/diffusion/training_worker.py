"""The process that trains one network for ``core.diffusion.training_jobs``, and reports while it does."""

from __future__ import annotations

import logging
import signal
import threading
import time
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

from core.contracts import Cancelled
from core.devices import cores, describe
from core.diffusion.field_data import FieldSource, open_files
from core.diffusion.field_live import LiveRequest, LiveSource
from core.diffusion.field_score import FieldScore
from core.diffusion.field_training import FieldTrainer, FieldTrainingConfig, TrainingProgress
from core.diffusion.thread_choice import quickest_threads
from core.diffusion.training_messages import (
    Begun,
    Command,
    Ended,
    Failed,
    Message,
    Paused,
    Preparing,
    Progress,
    Saved,
    Table,
)
from core.diffusion.training_request import Continuation, TrainingRequest
from core.diffusion.training_watch import Watch
from core.history import keep
from core.history_records import training_run
from core.jobs import Token
from core.noise import Noise

log = logging.getLogger(__name__)

PICTURE_EVERY = 3.0
TABLE_EVERY = 20.0
"""Seconds between looks at the network, at the least."""
SHARE = 0.1
"""Of the time at most goes into either kind of look."""
SAVE_EVERY = 60.0
"""Seconds of work that a crash may cost."""


def train(request: TrainingRequest | Continuation, path: Path, connection: Connection) -> None:
    """Train, with checkpoints at ``path``, and send messages until the last one says how it ended.

    Training ends, with a checkpoint, when the other side is gone or terminates this process.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is for the server, which then ends this process
    orders = Orders(connection)
    try:
        orders.send(_Run(request, path, orders).run())
    except Cancelled:
        orders.send(Ended("Stopped before the first step; nothing was kept."))
    except (ValueError, OSError, ArithmeticError) as error:
        text = str(error) or type(error).__name__
        orders.send(Failed(f"{text[:1].upper()}{text[1:]}."))
    except Exception as error:
        log.exception("the training of %s failed", path.stem)
        orders.send(Failed(f"Training failed: {error or type(error).__name__}; the log of the server says more."))


class Orders:
    """Listens to the other side.

    ``token`` is cancelled when the run is to end, and ``nobody`` besides where nobody is left who would look at it;
    ``going`` is cleared while it rests, ``wanted`` set when a checkpoint is asked for.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self.token, self.nobody, self.going, self.wanted = Token(), Token(), threading.Event(), threading.Event()
        self.going.set()
        threading.Thread(target=self._listen, daemon=True, name="stoqlab-orders").start()

    def send(self, message: Message) -> None:
        """Tell the other side, and end the run if it is gone."""
        try:
            with self._lock:
                self._connection.send(message)
        except OSError:
            self.leave()

    def leave(self) -> None:
        """End the run, with a checkpoint as the last thing."""
        self.nobody.cancel()
        self.end()

    def end(self) -> None:
        """End the run after the present step, and keep what was learned."""
        self.token.cancel()
        self.going.set()

    def _listen(self) -> None:
        while True:
            try:
                order: Command = self._connection.recv()
            except (EOFError, OSError):
                self.leave()
                return
            match order:
                case "pause":
                    self.going.clear()
                case "resume":
                    self.going.set()
                case "save":
                    self.wanted.set()
                case "stop":
                    self.end()


class _Run:
    """One training: the trainer, and what is looked at between its steps."""

    def __init__(self, request: TrainingRequest | Continuation, path: Path, orders: Orders) -> None:
        self.path, self.orders = path, orders
        if isinstance(request, Continuation):
            self.trainer = FieldTrainer.load(request.checkpoint)
        else:
            self.trainer = _trainer(request, orders)
        laws = self.trainer.source.laws
        law = laws[len(laws) // 2]
        if law.theory is None:
            raise ValueError("the couplings of the data are not known here; go on with stoqlab train --resume")
        self.watch = Watch(law.theory, law.series, Noise(self.trainer.seed, "training"))
        self._compared: Table | None = None
        self._due = {self._picture: _Due(PICTURE_EVERY), self._table: _Due(TABLE_EVERY), self._save: _Due(SAVE_EVERY)}

    def run(self) -> Ended:
        """Train to the end, or until that is asked for."""
        trainer, orders = self.trainer, self.orders
        parameters = sum(p.numel() for p in trainer.model().network.parameters())
        source, where = trainer.source, describe(trainer.device)
        orders.send(
            Begun(source.sentence(), trainer.levels_sentence, source.warnings, parameters, where, trainer.target)
        )
        signal.signal(signal.SIGTERM, lambda *_: orders.leave())  # from here on there is something to keep
        for validation in trainer.history:  # of a run that goes on
            orders.send(validation)
        trainer.run(callback=self._between_steps, token=orders.token)
        if trainer.step == 0:
            raise Cancelled
        asked = orders.token.cancelled
        self._save()
        with suppress(Cancelled):
            self._picture(orders.nobody)
            self._table(orders.nobody)
        keep(lambda: training_run(trainer, self.path.stem, "browser", self._compared))
        words = trainer.ended or ("All steps are done." if trainer.finished else "The time is up.")
        if asked and not trainer.finished:
            words = "Stopped on request."
        return Ended(f"{words} The network is in the library as “{self.path.stem}”.")

    def _between_steps(self, progress: TrainingProgress) -> None:
        self.orders.send(Progress(progress.step, progress.steps, progress.seconds))
        if progress.new and progress.validation is not None:
            self.orders.send(progress.validation)
        for look, due in self._due.items():
            if due.now() and not self.orders.token.cancelled:
                began = time.monotonic()
                with suppress(Cancelled):
                    look(self.orders.token)
                due.done(time.monotonic() - began)
        self._answer()
        if not self.orders.going.is_set():
            self._save()
            self.orders.send(Paused(True))
            while not self.orders.going.wait(0.05):
                self._answer()
            self.orders.send(Paused(False))

    def _answer(self) -> None:
        """Write the checkpoint that was asked for."""
        if self.orders.wanted.is_set():
            self.orders.wanted.clear()
            self._save()

    def _save(self, token: Token | None = None) -> None:
        self.trainer.save(self.path, force=True)
        self.orders.send(Saved(self.trainer.step))

    def _picture(self, token: Token) -> None:
        self.orders.send(self.watch.pictures(self._score(), self.trainer.step, token))

    def _table(self, token: Token) -> None:
        self._compared = self.watch.table(self._score(), self.trainer.step, token)
        self.orders.send(self._compared)

    def _score(self) -> FieldScore:
        theory = self.watch.theory
        return self.trainer.model().at(theory.event, theory.kappa, theory.lam)


class _Due:
    """Whether something is due that is to happen every so many seconds, and take SHARE of the time at most."""

    def __init__(self, every: float) -> None:
        self._every, self._next = every, time.monotonic() + every / 4

    def now(self) -> bool:
        return time.monotonic() >= self._next

    def done(self, seconds: float) -> None:
        """It has happened, and took so long."""
        self._next = time.monotonic() + max(self._every, seconds / SHARE)


def _trainer(request: TrainingRequest, orders: Orders) -> FieldTrainer:
    config = FieldTrainingConfig(request.steps, request.minutes, target=request.target)
    if request.batch is not None:
        config = replace(config, batch=request.batch)
    if request.rate is not None:
        config = replace(config, rate=request.rate)
    source = _source(request, orders)
    threads = request.threads or quickest_threads(source.laws[0], request.preset, config.batch, max(1, cores() - 1))
    return FieldTrainer(source, config, request.preset, request.seed, request.device, threads)


def _source(request: TrainingRequest, orders: Orders) -> FieldSource:
    if isinstance(request.data, Path):
        return open_files([request.data])
    data = request.data
    live = LiveRequest.over([data.event], data.kappas, [data.lam], request.seed)
    return LiveSource(live, report=lambda done, total: orders.send(Preparing(done, total)), token=orders.token)
