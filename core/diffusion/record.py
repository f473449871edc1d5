"""What is kept of a process while it runs: a few frames, reduced on the spot, so that memory stays bounded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.special import ndtri

from core.contracts import Tensor
from core.schedule import Schedule
from core.statistics.cumulants import PowerSums
from core.theories.base import OUTSIDE, Target

MAX_FRAMES = 1000


@dataclass(frozen=True)
class Record:
    """What to keep. ``frames`` times, equidistant in t unless ``times`` are given (the backward process takes the
    nearest points of its grid); the positions of the first ``bundle`` paths; in one dimension also histograms, on
    ``bins`` equal bins that follow the spread of the law unless ``edges`` (bins+1,) or (frames, bins+1) are given,
    and power sums for the cumulants. Raises ValueError for counts below 1 and for edges that are not equidistant.
    """

    frames: int = 120
    bundle: int = 200
    bins: int = 120
    times: Any = None
    edges: Any = None

    def __post_init__(self) -> None:
        count = self.frames if self.times is None else len(self.times)
        if not 2 <= count <= MAX_FRAMES:
            raise ValueError(f"the number of frames must be from 2 to {MAX_FRAMES}, got {count}")
        if self.bundle < 1 or self.bins < 1:
            raise ValueError(f"bundle and bins must be at least 1, got {self.bundle} and {self.bins}")
        if self.edges is not None:
            widths = np.diff(np.asarray(self.edges, dtype=float), axis=-1)
            if widths.size == 0 or np.any(widths <= 0) or np.ptp(widths, axis=-1).max() > 1e-6 * widths.max():
                raise ValueError("edges of histograms must rise in equal steps")


@dataclass(frozen=True, eq=False)
class Frames:
    """What was kept of ``total`` paths at ``times`` (F,): rising for the forward process, falling for the backward.

    ``paths`` (F, bundle, dim) are the first paths; ``edges`` (F, bins+1) and ``counts`` (F, bins) the histograms,
    paths beyond the edges not counted; ``sums`` the power sums of x, and ``difference_sums``, of the forward process
    alone, those of x_t - n_t, path by path, where n_t is the noise that the path has received. All but ``paths`` are
    None in two dimensions.
    """

    times: np.ndarray
    total: int
    paths: np.ndarray
    edges: np.ndarray | None = None
    counts: np.ndarray | None = None
    sums: PowerSums | None = None
    difference_sums: PowerSums | None = None

    def density(self) -> np.ndarray:
        """The histograms as densities of x, (F, bins), normalised by all paths, those beyond the edges included."""
        if self.counts is None or self.edges is None:
            raise ValueError("no histograms were recorded: they are kept for targets in one dimension")
        return self.counts / (self.total * np.diff(self.edges, axis=-1))


class Recorder:
    """Reduces the paths of one chunk, from number ``first`` on, frame by frame; ``merge`` joins the chunks."""

    def __init__(self, record: Record, target: Target, schedule: Schedule, times: np.ndarray, *, noise: bool) -> None:
        self.times, self.bundle, self.flat = times, record.bundle, target.dim == 1
        self.noise = noise and self.flat
        if self.flat:
            self.edges = _edges(record, target, schedule, times)
            self.bins = self.edges.shape[1] - 1
            self.ends = [(float(a), float(b)) for a, b in self.edges[:, [0, -1]]]
            self.centre = schedule.f(times) * float(target.mean[0])

    def chunk(self, first: int) -> Chunk:
        """An empty record for the chunk of paths that begins with number ``first``."""
        return Chunk(self, first)

    def merge(self, chunks: list[Chunk], total: int) -> Frames:
        """The frames of all ``total`` paths, from the chunks in their order."""
        paths = np.concatenate([np.stack(c.paths) for c in chunks if c.paths], axis=1)
        if not self.flat:
            return Frames(self.times, total, paths)
        counts = np.sum([c.counts for c in chunks], axis=0)
        sums = _total([c.sums for c in chunks])
        differences = [c.difference_sums for c in chunks if c.difference_sums is not None]
        return Frames(self.times, total, paths, self.edges, counts, sums, _total(differences) if differences else None)


class Chunk:
    """What is kept of one chunk of paths."""

    def __init__(self, recorder: Recorder, first: int) -> None:
        self.recorder, self.first = recorder, first
        self.paths: list[np.ndarray] = []
        if recorder.flat:
            frames = len(recorder.times)
            self.counts = np.zeros((frames, recorder.bins), dtype=np.int64)
            self.sums = PowerSums(frames, shift=recorder.centre)
            self.difference_sums = PowerSums(frames, shift=recorder.centre) if recorder.noise else None

    def add(self, frame: int, x: Tensor, noise: Tensor | None = None) -> None:
        """Reduce the positions ``x`` (n, dim) of this chunk's paths, and the noise in them, at one frame."""
        x = x.cpu()
        if self.first < self.recorder.bundle:
            self.paths.append(x[: self.recorder.bundle - self.first].numpy().copy())
        if not self.recorder.flat:
            return
        self.sums.add(x, self.first, frame)
        low, high = self.recorder.ends[frame]
        self.counts[frame] = torch.histc(x, self.recorder.bins, low, high).numpy()
        if self.difference_sums is not None and noise is not None:
            self.difference_sums.add(x - noise.cpu(), self.first, frame)


def _total(parts: list[PowerSums]) -> PowerSums:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _edges(record: Record, target: Target, schedule: Schedule, times: np.ndarray) -> np.ndarray:
    if record.edges is not None:
        edges = np.asarray(record.edges, dtype=float)
        if edges.ndim == 2 and len(edges) != len(times):
            raise ValueError(f"edges must have one row for each of the {len(times)} frames, got {len(edges)}")
        return np.broadcast_to(edges, (len(times), edges.shape[-1]))
    # The data's window, shrunk by f and widened by the noise's: never smaller than the window at t, and much cheaper.
    low, high = target.window()[0]
    f, reach = schedule.f(times), -float(ndtri(OUTSIDE / 2)) * np.sqrt(schedule.xi(times))
    return np.linspace(f * low - reach, f * high + reach, record.bins + 1, axis=1)
