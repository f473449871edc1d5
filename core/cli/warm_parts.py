"""What ``stoqlab warm`` calls: each compiled kernel of the engine, on systems as small as it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch

from core.diffusion.field_run import run_field
from core.diffusion.learned import pretrained
from core.diffusion.run import run_backward
from core.fokker_planck import solve_backward, solve_forward
from core.noise import Noise
from core.samplers import hmc
from core.samplers.algorithms import ALGORITHMS
from core.samplers.starts import mixed_start
from core.schedule import VE
from core.statistics.cumulants import PowerSums
from core.statistics.measure import measure
from core.statistics.scalars import scalars
from core.theories.phi4 import Phi4
from core.theories.registry import make_target

THEORY = Phi4(8, 0.27, 0.022)
PRECISIONS = (torch.float32, torch.float64)


def parts() -> Iterator[tuple[str, Callable[[], object]]]:
    """A name and a piece of work, one after the other."""
    yield "random numbers", _random_numbers
    for name, algorithm in ALGORITHMS.items():
        yield algorithm.title, partial(_algorithm, name)
    yield "observables of lattice fields", _observables
    for target in ("two-peak", "quartic", "circle"):
        yield f"backward process, {target}", partial(_backward, target)
    yield "forward and backward process of lattice fields", _fields
    yield "Fokker–Planck equations", _fokker_planck


def _random_numbers() -> None:
    for dtype in PRECISIONS:
        Noise(0).normal(0, (2, 3), dtype)
        Noise(0).uniform(0, (2, 3), dtype)


def _algorithm(name: str) -> None:
    algorithm = ALGORITHMS[name]
    kinds = ("wolff", "swendsen-wang") if "kind" in algorithm.parameters else (None,)
    for dtype in PRECISIONS:
        for kind in kinds:
            sizes = {"step_size": 0.1, "n_steps": 2, "overrelaxation": 1, "kind": kind}
            parameters = {key: value for key, value in sizes.items() if key in algorithm.parameters}
            state = algorithm.start(THEORY, mixed_start(THEORY, 2, Noise(0), dtype), **parameters)
            algorithm.step(state, Noise(0))
            if name == "hmc":
                hmc.reversibility_error(state, Noise(0))


def _observables() -> None:
    for dtype in PRECISIONS:
        fields = mixed_start(THEORY, 16, Noise(0), dtype)
        PowerSums(run=1).add(fields)
        scalars(THEORY, fields)
    fields = 3.0 + 0.1 * Noise(0).normal(0, (4, 32, *THEORY.event), torch.float32)
    fields[..., :4, :] *= -1  # walls, for the kernel that looks for them
    measure(Phi4(8, 0.4, 0.022), [fields.numpy()])


def _backward(name: str) -> None:
    target, schedule = make_target(name), VE(10.0)
    target.sample(8, Noise(0))
    run_backward(target, schedule, steps=2, paths=8)
    learned = pretrained(target)
    if learned is not None:
        run_backward(target, schedule, learned, steps=2, paths=8)


def _fields() -> None:
    run_field(mixed_start(THEORY, 16, Noise(0), torch.float32), VE(10.0), steps=2, paths=8)


def _fokker_planck() -> None:
    times = np.linspace(0.1, 0.9, 3)
    for name in ("two-peak", "three-peak"):
        target, schedule = make_target(name), VE(10.0)
        for order in (1, 2):
            solve_forward(target, schedule, times, cells=16, substeps=1, order=order)
            solve_backward(target, schedule, times[::-1], cells=16, substeps=1, order=order)
