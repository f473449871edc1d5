"""The moving picture of the home page: two peaks that dissolve into noise and re-form, with the paths beneath."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch

from core.contracts import score_at
from core.diffusion.backward import euler
from core.diffusion.forward import transition
from core.diffusion.prior import draw_prior
from core.noise import Noise
from core.schedule import LinearVP
from core.theories.registry import make_target
from dashboard.stage import Bars, Bundle, Image, Line, Panel, Scene

SCHEDULE = LinearVP(0.1, 12.0)
PATHS, SHOWN = 20_000, 70
STEPS, EVERY = 360, 3
T_MIN = 1e-3
WINDOW = (-2.8, 2.8)
TICKS = [(0.0, "data"), (1.0, "noise"), (2.0, "samples")]


@cache
def scene() -> Scene:
    """The density of the two-peak law on one clock: forward at positions 0 to 1, backward from 1 to 2."""
    times, forward, backward = _paths()
    clock = np.concatenate([times, 2 - times[::-1]])
    clock[len(times)] += 1e-6
    half = len(times)
    x = np.linspace(*WINDOW, 161)
    exact = _densities(x, np.concatenate([times, times[::-1]]))
    edges = np.linspace(*WINDOW, 71)
    bars = np.array([np.histogram(v, edges)[0] for v in np.concatenate([forward, backward])]) / (
        PATHS * np.diff(edges)[0]
    )
    gone = np.full((half, bars.shape[1]), np.nan)
    density = Panel(
        "density",
        [
            Bars(edges, np.concatenate([bars[:half], gone]), "forward", "forward", 0.45),
            Bars(edges, np.concatenate([gone, bars[half:]]), "backward", "backward", 0.45),
            Line(x, exact, "exact", "exact"),
        ],
        title="Density P(x)",
        xlabel="x",
        xlim=WINDOW,
        ylim=(0, 0.9),
    )
    ridge = np.uint8(np.round(255 * np.minimum(_densities(x, _mirrored(200)).T / 0.8, 1)))
    paths = Panel(
        "paths",
        [
            Image(ridge, (0, 2, *WINDOW), "sequential", (0, 0.8), "P(x)", pixelated=False),
            Bundle(clock[:half], forward[:, :SHOWN].T, "forward", 0.5, "forward"),
            Bundle(clock[half:], backward[:, :SHOWN].T, "backward", 0.5, "backward"),
        ],
        title="Paths",
        ylim=WINDOW,
        clock=True,
        legend=False,
    )
    return Scene(
        clock,
        [paths, density],
        ticks=TICKS,
        columns="1fr",
        rows="1fr 1fr",
        areas=["paths", "density"],
        duration=9.0,
        smooth=True,
    )


def _mirrored(count: int) -> np.ndarray:
    return SCHEDULE.t_max * (1 - np.abs(np.linspace(-1, 1, count)))


def _paths() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rising times (F,), forward paths (F, PATHS) at these, and backward paths (F, PATHS) at these reversed."""
    target, noise = make_target("two-peak"), Noise(1)
    grid = np.linspace(T_MIN, SCHEDULE.t_max, STEPS + 1)
    x = target.sample(PATHS, noise.of("data"))
    forward, previous = [], 0.0
    for step, t in enumerate(grid[::EVERY]):
        x = transition(x, SCHEDULE, float(t), noise.of("forward"), step, previous)
        previous = float(t)
        forward.append(x[:, 0].numpy())
    backward: list[np.ndarray] = []

    def keep(step: int, _: float, x: torch.Tensor) -> None:
        if step % EVERY == 0:
            backward.append(x[:, 0].numpy().copy())

    start = draw_prior("matched", target.mean, target.covariance, SCHEDULE, SCHEDULE.t_max, PATHS, noise)
    euler(start, score_at(target, SCHEDULE), SCHEDULE, grid[::-1], noise.of("backward"), keep)
    return grid[::EVERY], np.stack(forward), np.stack(backward)


def _densities(x: np.ndarray, times: np.ndarray) -> np.ndarray:
    """P_t(x), shape (times, points)."""
    target, points = make_target("two-peak"), torch.from_numpy(x)[:, None]
    return np.stack(
        [np.exp(target.log_prob(points, float(SCHEDULE.f(t)), float(SCHEDULE.xi(t))).numpy()) for t in times]
    )
