"""The moving picture of the home page: two peaks and a lattice field, dissolved into noise and re-formed.

Both run on the same schedule and the same clock, forward at positions 0 to 1 and backward from 1 to 2. They are made
once a process: the peaks at once, the field by HMC on the pool, which takes some seconds.
"""

from __future__ import annotations

from concurrent.futures import Future
from functools import cache

import numpy as np
import torch

from core.contracts import score_at
from core.diffusion.backward import euler
from core.diffusion.field_run import run_field
from core.diffusion.forward import transition
from core.diffusion.prior import draw_prior
from core.jobs import pool
from core.noise import Noise
from core.samplers.ensemble import thermalise
from core.schedule import Cosine
from core.theories.phi4 import Phi4
from core.theories.registry import make_target
from dashboard.stage import Bars, Bundle, Image, Line, Panel, Scene

SCHEDULE = Cosine(sigma_cap=30.0)
FRAMES = 90
EVERY = 4
T_MIN = 1e-3
PATHS, SHOWN = 20_000, 60
WINDOW = (-2.8, 2.8)
THEORY = Phi4(48, 0.265, 0.022)
CHAINS, TRAJECTORIES = 48, 240


@cache
def scene(with_field: bool) -> Scene:
    """The picture; with the field this waits until there is one."""
    times = _times()[::EVERY]
    clock = np.concatenate([times, 2 * SCHEDULE.t_max - times[::-1]]) / SCHEDULE.t_max
    clock[FRAMES:] += 1e-6  # both directions have a frame at the turning point, and positions must rise
    panels = [_paths(clock), _density()]
    if with_field:
        panels.append(_field(field().result()))
    return Scene(
        clock,
        panels,
        ticks=[(0.0, "data"), (1.0, "noise"), (2.0, "samples")],
        columns="3fr 2fr" if with_field else "1fr",
        rows="1fr 1fr",
        areas=["paths paths", "density field"] if with_field else ["paths", "density"],
        duration=9.0,
        smooth=True,
    )


@cache
def field() -> Future[np.ndarray]:
    """One configuration on its way into noise and another on its way back, (2 FRAMES, L, L), when it is done."""
    return pool().submit(_dissolve_field)


def _dissolve_field() -> np.ndarray:
    *_, last = thermalise(THEORY, CHAINS, Noise(5), TRAJECTORIES)
    run = run_field(
        last.fields, SCHEDULE, grid="uniform", solver="ancestral", steps=300, paths=2, frames=FRAMES, shown=1, seed=5
    )
    wanted = _times()[::EVERY]
    legs = [(run.forward, wanted), (run.backward, wanted[::-1])]
    return np.concatenate([leg.fields[_nearest(leg.times, times), 0] for leg, times in legs])


def _nearest(have: np.ndarray, want: np.ndarray) -> np.ndarray:
    return np.abs(have[:, None] - want).argmin(axis=0)


def _times() -> np.ndarray:
    return np.linspace(T_MIN, SCHEDULE.t_max, (FRAMES - 1) * EVERY + 1)


@cache
def _particles() -> tuple[np.ndarray, np.ndarray]:
    """Paths (FRAMES, PATHS) of the forward process at rising times, and of the backward process at falling ones."""
    target, noise = make_target("two-peak"), Noise(1)
    x, before = target.sample(PATHS, noise.of("data")), 0.0
    forward: list[np.ndarray] = []
    for step, t in enumerate(_times()[::EVERY]):
        x, before = transition(x, SCHEDULE, float(t), noise.of("forward"), step, before), float(t)
        forward.append(x[:, 0].numpy())
    backward: list[np.ndarray] = []

    def keep(step: int, _: float, x: torch.Tensor) -> None:
        if step % EVERY == 0:
            backward.append(x[:, 0].numpy().copy())

    start = draw_prior("matched", target.mean, target.covariance, SCHEDULE, SCHEDULE.t_max, PATHS, noise)
    euler(start, score_at(target, SCHEDULE), SCHEDULE, _times()[::-1], noise.of("backward"), keep)
    return np.stack(forward), np.stack(backward)


def _paths(clock: np.ndarray) -> Panel:
    forward, backward = _particles()
    series = [
        Bundle(clock[:FRAMES], forward[:, :SHOWN].T, "forward", 0.55, "forward"),
        Bundle(clock[FRAMES:], backward[:, :SHOWN].T, "backward", 0.55, "backward"),
    ]
    return Panel("paths", series, title="Sixty paths x(t)", ylim=WINDOW, clock=True)


def _density() -> Panel:
    target, x, edges = make_target("two-peak"), np.linspace(*WINDOW, 161), np.linspace(*WINDOW, 71)
    points, times = torch.from_numpy(x)[:, None], _times()[::EVERY]
    rising = np.stack([target.log_prob(points, float(SCHEDULE.f(t)), float(SCHEDULE.xi(t))).exp() for t in times])
    heights = [
        np.stack([np.histogram(row, edges)[0] / (PATHS * np.diff(edges)) for row in leg]) for leg in _particles()
    ]
    gone = np.full_like(heights[0], np.nan)
    series = [
        Bars(edges, np.concatenate([heights[0], gone]), "forward", "forward", 0.45),
        Bars(edges, np.concatenate([gone, heights[1]]), "backward", "backward", 0.45),
        Line(x, np.concatenate([rising, rising[::-1]]), "exact", "exact"),
    ]
    return Panel("density", series, title="Density", xlabel="x", xlim=WINDOW, ylim=(0, 0.9))


def _field(fields: np.ndarray) -> Panel:
    spread = 2.5 * np.sqrt((fields**2).mean(axis=(1, 2)))
    grey = np.clip(np.rint(127.5 * (1 + fields / spread[:, None, None])), 0, 255).astype(np.uint8)
    size = fields.shape[1]
    series = [Image(grey, (0, size, 0, size), "diverging", np.stack([-spread, spread], 1), "φ")]
    return Panel("field", series, title=f"φ⁴ on {size}²", aspect="equal", hide_axes=True, legend=False)
