"""What a training process and the one that started it say to each other. Plain values, so that they can be pickled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from core.diffusion.field_validation import Validation

Command = Literal["pause", "resume", "stop", "save"]
"""To the training process. ``stop`` ends the run and keeps what was learned, ``save`` writes a checkpoint now."""


@dataclass(frozen=True)
class Preparing:
    """The live sampler has thermalised ``done`` of ``total`` couplings."""

    done: int
    total: int


@dataclass(frozen=True)
class Begun:
    """Data and network are ready: what is about to be trained, for a person.

    ``data`` and ``levels`` are sentences, on where the configurations come from and on why the noise levels run over
    this range; ``warnings`` are sentences on what is wrong with the data.
    """

    data: str
    levels: str
    warnings: tuple[str, ...]
    parameters: int
    device: str
    target: str


@dataclass(frozen=True)
class Progress:
    """Steps done, of how many (None while that is not known yet), and seconds of training in all."""

    step: int
    steps: int | None
    seconds: float


@dataclass(frozen=True, eq=False)
class Pictures:
    """Fields (k, *event) float32 made by the network as it was at ``step``, and as many held-out ones."""

    step: int
    made: np.ndarray
    real: np.ndarray
    couplings: str


class Row(NamedTuple):
    """An observable with its errors: held-out data, network, and (network - data) in errors of both together."""

    name: str
    data: tuple[float, float]
    network: tuple[float, float]
    sigma: float


@dataclass(frozen=True)
class Table:
    """Observables of ``configs`` configurations made by the network as it was at ``step``."""

    step: int
    configs: int
    held_out: int
    couplings: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Paused:
    """Training rests, or goes on."""

    paused: bool


@dataclass(frozen=True)
class Saved:
    """A checkpoint has been written."""

    step: int


@dataclass(frozen=True)
class Ended:
    """The run is over and its checkpoint is written; ``why`` is a sentence."""

    why: str


@dataclass(frozen=True)
class Failed:
    """The run is over because of an error; ``sentence`` says which."""

    sentence: str


Message = Preparing | Begun | Progress | Validation | Pictures | Table | Paused | Saved | Ended | Failed
