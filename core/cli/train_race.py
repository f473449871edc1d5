"""Trains several networks on the same data against the same clock, and validates them on the way."""

from __future__ import annotations

import math
import multiprocessing
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from core.cli.held_out import Data, Examination, denoiser_of
from core.cli.published_network import PublishedTraining
from core.contracts import Tensor
from core.devices import pick_device
from core.diffusion.field_data import ArraySource
from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.field_noise import NoiseRange, noise_range
from core.diffusion.field_training import FieldTrainer, FieldTrainingConfig, TrainingProgress
from core.jobs import Token, torch_threads
from core.noise import Noise

FACTOR = 2.0
"""Between two times of validation."""
FIRST_SECONDS = 1.5
"""Earliest time of validation, about."""


@dataclass(frozen=True)
class Setting:
    """One race: what is learned, for how long, and on what."""

    data: Path
    minutes: float
    held_out: int
    bands: int
    preset: str
    device: str
    threads: int
    seed: int

    @property
    def clock(self) -> list[float]:
        """Times of validation in seconds of training, the last the end."""
        end = 60 * self.minutes
        number = max(1, round(math.log(end / FIRST_SECONDS, FACTOR))) if end > FIRST_SECONDS else 1
        return [end / FACTOR**k for k in reversed(range(number + 1))]


class Contender(Protocol):
    """Something that learns: ``advance`` trains for about so many seconds and returns how many it really took."""

    @property
    def parameters(self) -> int: ...

    @property
    def step(self) -> int: ...

    def advance(self, seconds: float) -> float: ...

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor: ...


class Ours:
    """Our network, trained as ``stoqlab train --minutes`` does it. What it spends on its own validation is left out."""

    def __init__(self, data: Data, setting: Setting) -> None:
        theory = data.theory
        source = ArraySource([(float(theory.kappa), float(theory.lam), data.train)])
        config = FieldTrainingConfig(minutes=setting.minutes)
        self._trainer = FieldTrainer(source, config, setting.preset, setting.seed, setting.device, setting.threads)

    @property
    def parameters(self) -> int:
        return sum(p.numel() for p in self._trainer.model().network.parameters())

    @property
    def step(self) -> int:
        return self._trainer.step

    def advance(self, seconds: float) -> float:
        before, token = self._trainer.seconds, Token()

        def stop(progress: TrainingProgress) -> None:
            if progress.seconds - before >= seconds:
                token.cancel()

        self._trainer.run(callback=stop, token=token)
        return self._trainer.seconds - before

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        return denoiser_of(self._trainer.model().at())(x, sigma)


class Published:
    """The published network, by its own recipe or, ``adapted``, with the noise levels of the examination."""

    def __init__(self, data: Data, levels: NoiseRange | None, setting: Setting) -> None:
        self._training = PublishedTraining(
            data.fields, Noise(setting.seed, "published"), levels, pick_device(setting.device)
        )
        self.parameters = self._training.parameters

    @property
    def step(self) -> int:
        return self._training.step

    def advance(self, seconds: float) -> float:
        begun = taken = time.perf_counter()
        while taken - begun < seconds:
            self._training.advance()
            taken = time.perf_counter()
        return taken - begun

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        return self._training.denoise(x, sigma)


@dataclass(frozen=True, eq=False)
class Point:
    """A validation: who, after how many seconds of training and steps, and the loss of each held-out field."""

    name: str
    seconds: float
    step: int
    parameters: int
    losses: np.ndarray


def contender(name: str, data: Data, exam: Examination, setting: Setting) -> Contender:
    """The contender called ``name``: ours, published or adapted."""
    if name == "ours":
        return Ours(data, setting)
    levels = NoiseRange(float(exam.edges[0]), float(exam.edges[-1])) if name == "adapted" else None
    return Published(data, levels, setting)


def prepare(setting: Setting) -> tuple[Data, FieldGaussianScore, Examination]:
    """The data, the Gaussian baseline, and the examination: the same in every process."""
    data = Data.read(setting.data)
    gaussian = FieldGaussianScore.fit(data.fields)
    noise = Noise(setting.seed, "examination")
    return data, gaussian, Examination.of(data.test, noise_range(gaussian), setting.bands, setting.held_out, noise)


def points(name: str, setting: Setting) -> Iterator[Point]:
    """Train one contender against the clock and validate it: before its first step, and at each time of the clock.

    The clock runs while the contender is set up and trained, and stands while it is validated.
    """
    data, _, exam = prepare(setting)
    with torch_threads(setting.threads):
        torch.optim.Adam([torch.zeros(1, requires_grad=True)])  # what torch loads for its first optimiser
        begun = time.perf_counter()
        who = contender(name, data, exam, setting)
        seconds = time.perf_counter() - begun
        yield Point(name, seconds, who.step, who.parameters, exam.losses(who.denoise))
        for until in setting.clock:
            if seconds < until:
                seconds += who.advance(until - seconds)
                yield Point(name, seconds, who.step, who.parameters, exam.losses(who.denoise))


def share(setting: Setting, contenders: int) -> int:
    """Threads of each contender where all run at once."""
    return max(1, setting.threads // contenders)


def race(names: Sequence[str], setting: Setting, concurrent: bool) -> Iterator[Point]:
    """The points of all contenders, one after the other on all threads, or at once with a share of them each.

    Raises ArithmeticError for one that diverged or whose process died.
    """
    if not concurrent:
        for name in names:
            yield from points(name, setting)
        return
    context = multiprocessing.get_context("spawn")
    own = replace(setting, threads=share(setting, len(names)))
    runners: dict[Any, Any] = {}
    try:
        for name in names:
            here, there = context.Pipe(duplex=False)
            process = context.Process(target=_run, args=(name, own, there), daemon=True)
            process.start()
            there.close()
            runners[here] = process
        while runners:
            for pipe in wait(list(runners)):
                try:
                    message = pipe.recv()  # type: ignore[union-attr]
                except EOFError:
                    process = runners.pop(pipe)
                    process.join()
                    if process.exitcode:
                        raise ArithmeticError(f"a training process ended with status {process.exitcode}") from None
                    continue
                if isinstance(message, str):
                    raise ArithmeticError(message)
                yield message
    finally:
        for process in runners.values():
            process.terminate()


def _run(name: str, setting: Setting, pipe: Connection) -> None:
    """One contender in a process of its own; an error that has a sentence goes through the pipe too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # at Ctrl-C the first process ends this one
    try:
        for point in points(name, setting):
            pipe.send(point)
    except (ValueError, ArithmeticError, OSError, MemoryError) as error:
        pipe.send(str(error) or "not enough memory")
    finally:
        pipe.close()
