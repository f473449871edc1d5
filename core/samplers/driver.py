"""Turns any sampler into an iterator of frames and into a record.

The chains are cut into chunks that run on the shared pool; chain i draws its noise by its own address, so neither
the chunks, nor the threads, nor the number of chains change it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from core.devices import cores
from core.jobs import Token, map_chunks
from core.noise import Noise
from core.samplers.contract import Step
from core.statistics.autocorrelation import Autocorrelation, integrated_time

Tensor = torch.Tensor
Observables = dict[str, Callable[[Tensor], Tensor]]

CHUNK = 2**16
"""Numbers that one work item carries at most: 64 chains of a 32² lattice, all chains of a toy."""


@dataclass(frozen=True)
class Frame:
    """What happened in a block of steps.

    ``state`` is the sampler's state after it, ``clock`` (steps,) the time of the process after each step,
    ``series[name]`` (chains, steps) the observables, ``trajectories`` (bundle, steps, *event) the first chains in
    full, ``acceptance`` the fraction of accepted proposals (nan for a sampler without Metropolis decision).
    """

    state: Any
    clock: np.ndarray
    series: dict[str, np.ndarray]
    trajectories: np.ndarray
    acceptance: float


@dataclass(frozen=True)
class Record(Frame):
    """Frames joined: the same fields over the whole run."""

    def autocorrelation(self, name: str) -> Autocorrelation:
        """Integrated autocorrelation time, mean and error of observable ``name``, in steps of the sampler."""
        return integrated_time(self.series[name])

    def histogram(self, name: str, edges: np.ndarray) -> np.ndarray:
        """Density of observable ``name`` in the bins between ``edges``, over all chains and steps."""
        counts, _ = np.histogram(self.series[name], edges)
        return counts / (self.series[name].size * np.diff(edges))


def frames(
    state: Any,
    step: Step,
    noise: Noise,
    steps: int,
    every: int | None = None,
    observables: Observables | None = None,
    bundle: int = 0,
    token: Token | None = None,
) -> Iterator[Frame]:
    """Take ``steps`` steps and yield a Frame after each block of ``every`` (by default one block).

    ``observables`` map a name to a function of the configurations (chains, *event) that returns one number a chain;
    they are measured after every step. The first ``bundle`` chains are recorded in full. Raises Cancelled once
    ``token`` is cancelled, and whatever the step raises.
    """
    if steps < 1:
        raise ValueError(f"steps must be at least 1, got {steps}")
    if every is not None and every < 1:
        raise ValueError(f"every must be at least 1, got {every}")
    every = min(every or steps, steps)
    for done in range(0, steps, every):
        frame = _block(state, step, noise, min(every, steps - done), observables or {}, bundle, token)
        yield frame
        state = frame.state


def join(parts: Iterable[Frame]) -> Record:
    """All frames of a run as one record."""
    parts = list(parts)
    weights = [len(p.clock) for p in parts]
    return Record(
        parts[-1].state,
        np.concatenate([p.clock for p in parts]),
        {name: np.concatenate([p.series[name] for p in parts], axis=1) for name in parts[0].series},
        np.concatenate([p.trajectories for p in parts], axis=1),
        float(np.average([p.acceptance for p in parts], weights=weights)),
    )


def record(
    state: Any,
    step: Step,
    noise: Noise,
    steps: int,
    observables: Observables,
    thermalisation: int = 0,
    bundle: int = 0,
    token: Token | None = None,
) -> Record:
    """Drop ``thermalisation`` steps, then record ``steps`` of them (see ``frames``)."""
    for frame in frames(state, step, noise, thermalisation, token=token) if thermalisation else ():
        state = frame.state
    return join(frames(state, step, noise, steps, None, observables, bundle, token))


def _block(
    state: Any, step: Step, noise: Noise, steps: int, observables: Observables, bundle: int, token: Token | None
) -> Frame:
    def work(first: int, count: int) -> tuple[Any, np.ndarray, dict[str, np.ndarray], np.ndarray, float]:
        some, own = _part(state, first, count), noise.starting_at(first)
        shown = min(max(bundle - first, 0), count)
        series = {name: np.empty((count, steps)) for name in observables}
        trajectories = np.empty((shown, steps, *some.x.shape[1:]), dtype=_numpy_dtype(some.x))
        clock = np.empty(steps)
        accepted = 0.0
        for i in range(steps):
            if token is not None:
                token.check()
            some, info = step(some, own)
            clock[i] = some.clock
            accepted += info.total_accepted()
            for name, observable in observables.items():
                series[name][:, i] = observable(some.x).cpu().numpy()
            if shown:
                trajectories[:, i] = some.x[:shown].cpu().numpy()
        return some, clock, series, trajectories, accepted

    chains = len(state.x)
    found = map_chunks(work, chains, _chains_at_a_time(state.x), token)
    states, clocks, series, trajectories, accepted = zip(*found, strict=True)
    return Frame(
        _joined(states),
        clocks[0],
        {name: np.concatenate([s[name] for s in series]) for name in observables},
        np.concatenate(trajectories),
        sum(accepted) / (chains * steps),
    )


def _chains_at_a_time(x: Tensor) -> int:
    """On the CPU a chunk that keeps a core busy, smaller where there would not be one for each; else all chains."""
    if x.device.type != "cpu":
        return len(x)
    numbers = min(CHUNK, max(CHUNK // 8, math.ceil(x.numel() / cores())))
    return max(1, numbers // max(1, x[0].numel()))


def _part(state: Any, first: int, count: int) -> Any:
    return dataclasses.replace(state, **{k: v[first : first + count] for k, v in _tensors(state).items()})


def _joined(states: tuple[Any, ...]) -> Any:
    columns = {k: torch.cat([getattr(s, k) for s in states]) for k in _tensors(states[0])}
    return dataclasses.replace(states[0], **columns)


def _tensors(state: Any) -> dict[str, Tensor]:
    values = {f.name: getattr(state, f.name) for f in dataclasses.fields(state)}
    return {k: v for k, v in values.items() if isinstance(v, Tensor)}


def _numpy_dtype(x: Tensor) -> type:
    return np.float32 if x.dtype == torch.float32 else np.float64
