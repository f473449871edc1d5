"""How many threads train a network quickest, measured: more are slower where cores are shared or the work is small."""

from __future__ import annotations

import time

import torch

from core.diffusion.field_baseline import Baseline, Propagators
from core.diffusion.field_data import Law
from core.diffusion.field_loss import Batch, denoising_loss
from core.diffusion.field_network import PRESETS, FieldNetwork
from core.jobs import torch_threads
from core.noise import Noise

REPEATS = 4
"""Steps that are timed, of which the quickest counts."""


def quickest_threads(law: Law, preset: str, batch: int, most: int) -> int:
    """The number of torch threads, up to ``most``, at which a gradient for ``batch`` fields of a law takes least time.

    1, 2, 4, … are tried as long as that helps.
    """
    noise = Noise(0, "threads")
    network = FieldNetwork(PRESETS[preset])
    network.initialise(noise)
    x, eta = (noise.normal(step, (batch, *law.event), torch.float32) for step in range(2))
    propagators = Propagators.of([Baseline(law.gaussian, law.kappa, law.lam)])
    tried = Batch(x, torch.ones(batch), eta, propagators)
    best, least, threads = 1, float("inf"), 1
    while True:
        with torch_threads(threads):
            seconds = min(_seconds(network, tried) for _ in range(REPEATS))
        if seconds >= least:
            return best
        best, least = threads, seconds
        if threads == most:
            return best
        threads = min(2 * threads, most)


def _seconds(network: FieldNetwork, batch: Batch) -> float:
    began = time.perf_counter()
    denoising_loss(network, batch).mean().backward()
    return time.perf_counter() - began
