"""The tab *The plane*: peaks or data on a curve in two dimensions, and how much of the plane the noise reaches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import panel as pn
import torch

from core.diffusion.record import Record
from core.diffusion.run import run_backward, run_forward
from core.jobs import Token
from core.statistics.format import thousands
from core.statistics.highest_density import highest_density_fraction
from dashboard import style
from dashboard.live import Live, sentence
from dashboard.pages.clock import TICKS, captions, clock_positions, signal_marks
from dashboard.pages.one.equations import equations
from dashboard.pages.one.order import Order, make_order
from dashboard.pages.one.recipes import process_recipe
from dashboard.pages.one.state import OneState
from dashboard.pages.one.training import ScoreTraining
from dashboard.shared import known, shared
from dashboard.shell import Shell
from dashboard.stage import Arrows, Band, Image, Line, Panel, Points, Scene, Stage

TRIGGERS = (
    "plane_target", "thickness", "schedule", "sigma", "beta_min", "beta_max", "drawn", "keep_variance",
    "solver", "grid", "steps", "paths", "prior", "score", "seed",
)  # fmt: skip
DARKEST = 170
"""Of the palette's 255 colours: particles stay visible where the density is highest."""
REACH = 3.0
"""Half width of the frame in units of the spread √(f² κ₂ + Ξ)."""
SHOWN = 1500
MOST_PATHS = 20_000
INSIDE = 0.95
HEIGHT = style.picture_height("600px")


@dataclass(frozen=True)
class Fineness:
    """Work that goes into a picture: frames each way, pixels of the density, paths, steps."""

    frames: int
    pixels: int
    paths: int
    steps: int


FAST, FULL = Fineness(16, 40, 800, 32), Fineness(50, 90, MOST_PATHS, 2000)


class PlaneTab:
    """Particles over the density with the score's arrows, and the area that holds 95 % of the probability."""

    title = "The plane"

    def __init__(self, state: OneState, shell: Shell, training: ScoreTraining) -> None:
        self.state, self.training = state, training
        self.stage = Stage(
            height=None, min_height=300, sizing_mode="stretch_both", dark=shell.param.dark, areas=shell.param.areas,
            label="Particles in the plane, their density and score",
        )  # fmt: skip
        self.stage.reproduces(lambda: process_recipe(_enough(self.order()), state, FULL.frames, TRIGGERS))
        self.live = Live(self._deliver, self._fail)
        shell.on_close(self.live.close)
        shell.on_leave(self.live.cancel)
        self.text = pn.pane.Markdown(EXPLANATION, margin=(0, 14), sizing_mode="stretch_width")
        self.equations = pn.pane.LaTeX("", renderer="mathjax", sizing_mode="stretch_width", margin=(12, 14, 4, 14))
        picture = pn.FlexBox(self.stage, margin=0, sizing_mode="stretch_width", styles={"height": HEIGHT})
        shell.aside(self.equations, self.text)
        self.content = pn.Column(picture, self.equations, self.text, sizing_mode="stretch_width", margin=0)
        self._stale = True
        self._typeset = ""
        state.param.watch(self._changed, list(TRIGGERS))
        training.listeners.append(self._changed)

    def show(self) -> None:
        """The tab has come to the front: catch up with the state."""
        if self._stale:
            self.refresh()

    def _changed(self, *_: Any) -> None:
        self._stale = True
        if self.state.tab == "plane":
            self.refresh()

    def refresh(self) -> None:
        """Compute the picture of the present state."""
        self._stale = False
        self.live.make_way()
        try:
            order = self.order()
        except ValueError as problem:
            self.live.cancel()
            self.stage.param.update(error=sentence(problem), busy=False)
            return
        self.stage.busy = True
        self._typeset = equations(order.target, order.schedule, order.solver)
        key = "plane", order.key
        stages = partial(shared, key, partial(_stages, order), passing=_is_preview)
        self.live.submit(stages, at_once=lambda token: (known(key) or [_preview(order, token)])[-1])

    def order(self) -> Order:
        """What the state asks for; ValueError with a sentence where it cannot be."""
        order = make_order(self.state.make_plane_target(), self.state, self.training)
        return replace(order, paths=min(order.paths, MOST_PATHS))

    def _deliver(self, result: Result) -> None:
        scene, paths, last = result
        if last or not self.equations.object:  # typesetting would hold up a quick picture
            self.equations.object = self._typeset
        first = self.stage.scene is None
        with pn.io.hold():
            self.stage.show(scene)
            self.stage.status = f"{'' if last else 'preview · '}{thousands(paths)} paths"
            self.stage.busy = not last
            if first:
                self.stage.playing = True

    def _fail(self, error: Exception) -> None:
        self.stage.param.update(error=sentence(error), busy=False)


def _enough(order: Order) -> Order:
    """What the full picture takes of it."""
    return replace(order, steps=min(order.steps, FULL.steps), paths=min(order.paths, FULL.paths))


Result = tuple[Scene, int, bool]
"""The picture, the paths in it, and whether it is the last."""


def _is_preview(result: Result) -> bool:
    return not result[2]


def _preview(order: Order, token: Token) -> Result | None:
    """A quick picture; None where its fewer steps are too long for the solver."""
    try:
        return paint(order, FAST, token), min(order.paths, FAST.paths), False
    except FloatingPointError:
        return None


def _stages(order: Order, token: Token) -> Iterator[Result]:
    quick = _preview(order, token)
    if quick is not None:
        yield quick
    yield paint(order, FULL, token), min(order.paths, FULL.paths), True


def paint(order: Order, fineness: Fineness, token: Token) -> Scene:
    """Both processes, in coordinates that follow the mean and the spread of the law."""
    target, schedule = order.target, order.schedule
    order = replace(order, steps=min(order.steps, fineness.steps), paths=min(order.paths, fineness.paths))
    record = Record(frames=fineness.frames, bundle=order.paths)
    backward = run_backward(
        target, schedule, order.model, solver=order.solver, grid=order.grid, steps=order.steps, paths=order.paths,
        prior=order.prior, seed=order.seed, record=record, token=token,
    )  # fmt: skip
    assert backward.frames is not None
    forward = run_forward(target, schedule, paths=order.paths, seed=order.seed, record=record, token=token)
    t = np.concatenate([forward.times, backward.frames.times])
    turn = len(forward.times)
    positions = clock_positions(forward.times, backward.frames.times, schedule.t_max)
    f, xi = schedule.f(t), schedule.xi(t)
    kappa2 = float(np.trace(target.covariance)) / 2
    spread = np.sqrt(f**2 * kappa2 + xi)
    centre = f[:, None] * target.mean
    particles = (np.concatenate([forward.frames.paths, backward.frames.paths]) - centre[:, None]) / spread[
        :, None, None
    ]
    density, arrows = _fields(order, fineness.pixels, t, f, xi, spread, centre, token)
    measured = np.mean(np.var(particles, axis=1), axis=1) * spread**2
    error = measured / np.sqrt(order.paths)
    area = highest_density_fraction(density, INSIDE)
    shown = particles[:, :SHOWN]
    side = np.linspace(-REACH, REACH, 15)
    ax, ay = (a.ravel() for a in np.meshgrid(side, side))
    plane = Panel(
        "plane",
        [
            Image(_bytes(density), (-REACH, REACH, -REACH, REACH), palette="sequential", pixelated=False),
            Arrows(ax, ay, arrows[..., 0], arrows[..., 1], color="muted", label="score"),
            Points(shown[..., 0], shown[..., 1], color="accent", size=2.5, opacity=0.75, label="particles"),
        ],
        title="Particles, density and score",
        xlabel="x₁ / spread",
        ylabel="x₂ / spread",
        xlim=(-REACH, REACH),
        ylim=(-REACH, REACH),
        aspect="equal",
    )
    areas = Panel(
        "area",
        [Line(positions, area, "95 % of the probability", "accent", width=2.5)],
        title="Area that holds 95 %, as a fraction of the frame",
        ylim=(0, None),
        clock=True,
        legend=False,
    )
    predicted = f**2 * kappa2 + xi
    variance = Panel(
        "variance",
        [
            Band(positions, measured - error, measured + error, "measured", "data", opacity=0.35),
            Line(positions, measured, "", "data", width=1.5),
            Line(positions, predicted, "predicted", "exact", width=2, dash=True),
        ],
        title="Variance κ₂ per direction",
        clock=True,
        log_y=True,
    )
    return Scene(
        positions=positions,
        panels=[plane, areas, variance],
        captions=captions(schedule, t, turn),
        marks=signal_marks(schedule, kappa2),
        ticks=TICKS,
        columns="1.25fr 1fr",
        rows="1fr 1fr",
        areas=["plane area", "plane variance"],
        duration=10.0,
    )


def _fields(
    order: Order, pixels: int, t: np.ndarray, f: np.ndarray, xi: np.ndarray, spread: np.ndarray, centre: np.ndarray,
    token: Token,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Exact density per unit of the scaled plane, (F, pixels, pixels), and the score in use, scaled, (F, 225, 2)."""
    side = (np.arange(pixels) + 0.5) / pixels * 2 * REACH - REACH
    points = torch.from_numpy(np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2))
    coarse = np.linspace(-REACH, REACH, 15)
    sites = torch.from_numpy(np.stack(np.meshgrid(coarse, coarse), axis=-1).reshape(-1, 2))
    density, arrows = [], []
    for i in range(len(t)):
        token.check()
        a, b, scale, shift = max(float(f[i]), 1e-300), float(xi[i]), float(spread[i]), torch.from_numpy(centre[i])
        density.append(
            order.target.log_prob(points * scale + shift, a, b).exp().numpy().reshape(pixels, pixels) * scale**2
        )
        arrows.append(order.model.score(sites * scale + shift, a, b).numpy() * scale)
    score = np.array(arrows)
    length = np.linalg.norm(score, axis=-1, keepdims=True)
    # A thin curve has scores that differ by orders of magnitude: the square root keeps the small ones visible.
    return np.array(density), score / np.sqrt(np.maximum(length, 1e-12))


def _bytes(density: np.ndarray) -> np.ndarray:
    peak = density.max(axis=(1, 2), keepdims=True)
    return np.round(DARKEST * np.sqrt(density / np.maximum(peak, 1e-300))).astype(np.uint8)


EXPLANATION = """
**What to look for.** Choose the spiral: data near a curve fill almost none of the plane; noise makes the whole plane
reachable, and the score (arrows, length as the square root of its size) points back to where the data were. The curve
on the upper right is the manifold hypothesis as a number: the area that holds 95 % of the probability, as a fraction of
the frame, which follows the spread.
"""
