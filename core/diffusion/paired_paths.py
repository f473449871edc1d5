"""Paths that start from configurations of an ensemble, and observables of several runs with joint errors."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence

import numpy as np
import torch

from core.contracts import Tensor
from core.diffusion.field_generate import DEVICE_CHUNK, Report, chunk_size
from core.jobs import Token, map_chunks, one_thread
from core.noise import Noise
from core.statistics.averages import OBSERVABLES, WITHOUT_ACTION, averages, observables
from core.statistics.errors import block_length, cut, mean
from core.statistics.jackknife import Estimate, Jackknifed, jackknife
from core.theories.phi4 import Phi4

LEAST = 16
"""Fewest paths, and configurations of the data, that errors can come from."""


class PairedPaths:
    """``n`` paths, each with a configuration of ``data`` to start from.

    ``data`` are independent configurations (N, *event), or Markov chains (chains, draws, *event), whose correlations
    then count in the errors. The paths' configurations are spread evenly over them; where there are more paths than
    configurations, several paths share one. ``names`` are the observables that can be known: without a ``theory`` not
    the action. Raises ValueError for too few paths or configurations, or another shape.
    """

    def __init__(self, data: Tensor, event: tuple[int, ...], n: int, theory: Phi4 | None) -> None:
        if data.ndim == len(event) + 1:
            data = data[:, None]
        if data.ndim != len(event) + 2 or tuple(data.shape[2:]) != event or data.shape[0] * data.shape[1] < LEAST:
            raise ValueError(
                f"data must be at least {LEAST} configurations of shape {event}, as (N, …) or (chains, draws, …), got "
                f"{tuple(data.shape)}"
            )
        if n < LEAST:
            raise ValueError(f"n must be at least {LEAST}, got {n}: errors come from blocks of paths")
        if theory is not None and theory.event != event:
            raise ValueError(f"the theory lives on {theory.event}, the score on {event}")
        self.n, self.theory, self.layout = n, theory, tuple(data.shape[:2])
        self.data = data.reshape(-1, *event)
        size = len(self.data)
        self.picked = np.arange(n) * size // n if n <= size else np.arange(n) % size
        self.names = WITHOUT_ACTION if theory is None else OBSERVABLES
        self.sites = math.prod(event)

    def run(
        self,
        ends: Callable[[Tensor, Noise], Sequence[Tensor]],
        noise: Noise,
        device: torch.device,
        token: Token | None = None,
        progress: Report | None = None,
    ) -> np.ndarray:
        """Averages (runs, n, averages) of the configurations that ``ends`` makes of some starts, in float32.

        ``ends(start, noise)`` gets its own part of the noise, in which path i is always the same.
        """
        lock, done = threading.Lock(), 0

        def work(first: int, count: int) -> np.ndarray:
            nonlocal done
            start = self.data[torch.from_numpy(self.picked[first : first + count])].float()
            found = np.stack([averages(x, self.theory) for x in ends(start, noise.starting_at(first))])
            with lock:
                done += count
                if progress is not None:
                    progress(done, self.n)
            return found

        if device.type == "cpu":
            with one_thread():
                return np.concatenate(map_chunks(work, self.n, chunk_size(self.n, self.sites), token), axis=1)
        size = max(1, DEVICE_CHUNK // self.sites)
        return np.concatenate([work(i, min(size, self.n - i)) for i in range(0, self.n, size)], axis=1)

    def observables(self, of_runs: np.ndarray, token: Token | None = None) -> Jackknifed:
        """The observables (1 + runs, names) of all data and of the runs, with deviations (blocks, 1 + runs, names).

        Path i stands in the block of the configuration that it started from. Blocks are longer than the data's
        autocorrelation.
        """
        with one_thread():
            parts = map_chunks(lambda i, k: averages(self.data[i : i + k], self.theory), len(self.data), 1024, token)
        of_data = np.concatenate(parts)
        width = of_data.shape[1]
        columns = np.zeros((len(of_data), len(of_runs) * width + 1))
        np.add.at(columns, self.picked, np.concatenate([*of_runs, np.ones((self.n, 1))], axis=1))
        chained = np.concatenate([of_data, columns], axis=1).reshape(*self.layout, -1)
        times = (mean(chained[..., k]).tau_int for k in (0, 1, 3))  # |M|, M² and φ²
        blocks = cut(chained, 1.0 if self.layout[1] == 1 else block_length(*times))
        counts = blocks.counts[:, None]

        def function(sums: np.ndarray) -> np.ndarray:
            data, runs = sums[..., :width] / sums[..., -1:], sums[..., width:-2] / sums[..., -2:-1]
            means = np.concatenate([data, runs], axis=-1).reshape(*sums.shape[:-1], -1, width)
            return observables(means, self.sites, self.names).reshape(*sums.shape[:-1], -1)

        found = jackknife(function, np.concatenate([blocks.sums, counts], axis=1), counts)
        shape = (1 + len(of_runs), len(self.names))
        return Jackknifed(found.value.reshape(shape), found.deviations.reshape(-1, *shape))


def difference(found: Jackknifed, a: int | np.ndarray, b: int | np.ndarray) -> Estimate:
    """Rows ``a`` minus rows ``b`` of joint observables, with the error of the paired difference."""
    return Jackknifed(found.value[a] - found.value[b], found.deviations[:, a] - found.deviations[:, b]).estimate
