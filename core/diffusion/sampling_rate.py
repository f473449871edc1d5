"""How fast a score makes configurations: batch sizes, one core and all of them, and a GPU where there is one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from core.contracts import score_at
from core.devices import cores, describe, pick_device
from core.diffusion.exponential import FIELD_SOLVERS
from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.field_generate import backward_times, baseline_of, generate_fields
from core.diffusion.field_noise import noise_range, schedule_reaching
from core.diffusion.field_source import Bound
from core.diffusion.trust import path_proposal
from core.jobs import one_thread
from core.noise import Noise
from core.theories.phi4 import Phi4

ROUNDS, LEAST_SECONDS, ENOUGH_SECONDS = 3, 0.2, 5.0
"""Measurements of which the best counts, how long each at least takes, and after how long there is no other."""
FREE_KAPPA = 0.2


@dataclass(frozen=True)
class Rate:
    """``configs_per_second`` by a ``score`` in batches of ``batch``, with ``evaluations`` of it each.

    ``method`` is 'sample', the exponential solver, or 'path', the same with the weights of the paths.
    """

    score: str
    method: str
    device: str
    threads: int
    batch: int
    evaluations: int
    configs_per_second: float
    shape: tuple[int, ...]


def free_field(event: tuple[int, ...]) -> Bound:
    """The free field with its own score: what the baseline of any model costs."""
    theory = Phi4(event, FREE_KAPPA, 0.0)
    return Bound(FieldGaussianScore(theory.free_propagator()), theory, "free field")


def measure(bound: Bound, batches: tuple[int, ...], steps: int) -> Iterator[Rate]:
    """Rates of one score: every batch on one core, then the largest on all cores and with weights, then on a GPU.

    Raises ValueError for fewer than two steps.
    """
    gaussian = baseline_of(bound.score)
    schedule = schedule_reaching("ve", noise_range(gaussian).high)
    times = backward_times(gaussian, schedule, steps=steps)
    noise, largest = Noise(0, "rate"), max(batches)
    level = float(schedule.f(times[0])), float(schedule.xi(times[0]))
    devices = [torch.device("cpu")] + [d for d in (pick_device("auto"),) if d.type != "cpu"]

    def one_core(n: int, device: torch.device) -> None:
        x = gaussian.draw_prior(n, *level, noise).to(device)
        FIELD_SOLVERS["exponential"](gaussian)(x, score_at(bound.score, schedule), schedule, times, noise)
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    def row(method: str, device: torch.device, threads: int, n: int, work: Callable[[], object]) -> Rate:
        return Rate(bound.kind, method, describe(device), threads, n, steps, n / _best(work), gaussian.event)

    with one_thread():
        for device in devices:
            for n in batches:
                yield row("sample", device, 1, n, lambda n=n, device=device: one_core(n, device))
        many = largest * cores()
        yield row(
            "sample", devices[0], cores(), many,
            lambda: generate_fields(bound.score, schedule, many, steps=steps, noise=noise),
        )  # fmt: skip
        if bound.theory is not None:
            for device in devices:
                paths = path_proposal(bound.score, bound.theory, schedule, steps=steps, device=str(device))
                threads = cores() if device.type == "cpu" else 1
                yield row("path", device, threads, many, lambda paths=paths: paths.propose(many, noise))


def _best(work: Callable[[], object]) -> float:
    """Seconds that ``work`` takes, the best of several rounds after one that does not count."""
    work()
    seconds, began = [], time.perf_counter()
    while len(seconds) < ROUNDS and (not seconds or time.perf_counter() - began < ENOUGH_SECONDS):
        start, repeats = time.perf_counter(), 0
        while repeats == 0 or time.perf_counter() - start < LEAST_SECONDS:
            work()
            repeats += 1
        seconds.append((time.perf_counter() - start) / repeats)
    return min(seconds)
