"""The numbers behind the one-dimensional tab: one forward and one backward run, with everything exact beside them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from core.contracts import ScoreModel
from core.diffusion.backward import euler_warning
from core.diffusion.gaussian import GaussianScore
from core.diffusion.grids import time_grid
from core.diffusion.record import Record
from core.diffusion.run import BackwardRun, ForwardRun, run_backward, run_forward
from core.fokker_planck import solve_backward, solve_forward
from core.jobs import Token
from core.statistics.generating import measured_generating
from core.theories.mixture import GaussianMixture
from core.theories.modes import FAINT, unimodal_time
from core.theories.potential import Potential
from dashboard.pages.clock import captions, clock_positions, signal_marks
from dashboard.pages.one.curves import Curve, cumulant_curves, moment_curves
from dashboard.pages.one.drawing import drawing_grid
from dashboard.pages.one.order import Order
from dashboard.stage import Mark

BUNDLE = 32
FRAMES = 60  # of the picture that was asked for, each way


@dataclass(frozen=True)
class Quality:
    """How much work goes into a picture; ``fast`` is what a moving slider gets first."""

    frames: int
    paths: int
    steps: int
    cells: int
    points: int
    witnesses: int
    substeps: int  # of the Fokker–Planck solver
    tilts: int  # values of J in W[J]
    preview: bool = False


FAST = Quality(frames=18, paths=1200, steps=36, cells=150, points=91, witnesses=300, substeps=1, tilts=17, preview=True)
FASTER = replace(FAST, frames=16, steps=24)  # for laws without a closed form: each step costs a table


@dataclass(frozen=True, eq=False)
class Picture:
    """Arrays over the frames (F) of the clock, which runs 0 → 1 forward and 1 → 2 backward; ``turn`` is the first
    backward frame. x and everything on it is (F, points); the bundle is (paths, F)."""

    positions: np.ndarray
    t: np.ndarray
    turn: int
    captions: list[str]
    marks: list[Mark]
    x: np.ndarray
    exact: np.ndarray
    fokker_planck: np.ndarray
    edges: np.ndarray
    histogram: np.ndarray
    bundle: np.ndarray
    centre: np.ndarray
    spread: np.ndarray
    cumulants: dict[int, Curve]
    moments: dict[int, Curve]
    score_exact: np.ndarray
    score_used: np.ndarray
    score_name: str
    drift: np.ndarray
    J: np.ndarray
    w_predicted: np.ndarray
    w_value: np.ndarray
    w_error: np.ndarray
    g: np.ndarray
    f: np.ndarray
    root_xi: np.ndarray
    warnings: tuple[str, ...]
    preview: bool
    paths: int
    witnesses: int
    forward: ForwardRun
    backward: BackwardRun

    @property
    def density(self) -> np.ndarray:
        """The density that the heat map shows: exact forward, Fokker–Planck backward (it knows the wrong prior)."""
        known = (np.arange(len(self.positions))[:, None] >= self.turn) & np.isfinite(self.fokker_planck)
        return np.where(known, self.fokker_planck, self.exact)

    @property
    def peak(self) -> np.ndarray:
        return np.maximum(self.exact.max(axis=1), np.minimum(self.histogram.max(axis=1), 3 * self.exact.max(axis=1)))


def full_quality(order: Order) -> Quality:
    """The picture that was asked for."""
    return Quality(
        frames=FRAMES, paths=order.paths, steps=order.steps, cells=400, points=181, witnesses=4000, substeps=3, tilts=41
    )


def preview(order: Order, token: Token) -> Picture | None:
    """A quick picture; None where its fewer steps are too long for the solver."""
    try:
        if _closed_form(order.model):
            return paint(order, FAST, token)
        return paint(_roughly(order), FASTER, token)
    except FloatingPointError:
        return None


def pictures(order: Order, token: Token) -> Iterator[Picture]:
    """A quick picture where there can be one, then the one that was asked for."""
    quick = preview(order, token)
    if quick is not None:
        yield quick
    yield paint(order, full_quality(order), token)


def paint(order: Order, quality: Quality, token: Token) -> Picture:
    """Run both processes and put everything known exactly beside them."""
    target, schedule = order.target, order.schedule
    bundle = min(quality.paths, quality.witnesses)
    backward = run_backward(
        target,
        schedule,
        order.model,
        solver=order.solver,
        grid=order.grid,
        steps=_steps(order, quality.steps),
        paths=min(order.paths, quality.paths),
        prior=order.prior,
        seed=order.seed,
        record=Record(frames=quality.frames, bundle=bundle, bins=90),
        token=token,
    )
    assert backward.frames is not None
    mirrored = np.unique(np.concatenate([[0.0], backward.frames.times, [schedule.t_max]]))
    times = mirrored if order.grid == "uniform" else np.linspace(0.0, schedule.t_max, quality.frames)
    forward = run_forward(
        target,
        schedule,
        paths=min(order.paths, quality.paths),
        seed=order.seed,
        record=Record(times=times, bundle=bundle, bins=90),
        token=token,
    )
    t = np.concatenate([forward.times, backward.frames.times])
    turn = len(forward.times)
    positions = clock_positions(forward.times, backward.frames.times, schedule.t_max)
    f, xi = schedule.f(t), schedule.xi(t)
    centre, variance = f * target.mean[0], f**2 * target.covariance[0, 0] + xi
    edges = np.concatenate([forward.frames.edges, backward.frames.edges])  # type: ignore[list-item]
    x = drawing_grid(target, edges[:, 0], edges[:, -1], f, xi, quality.points)
    fokker_planck = _fokker_planck(order, quality, forward.times, backward.frames.times, x, token)
    exact, score_exact, score_used = _on_grid(order, x, f, xi, token)
    token.check()
    ahead = np.arange(len(t)) < turn  # the drift in units of g²: -½ k/g² x forward, ½ k/g² x + score backward
    drift = np.where(ahead, -0.5, 0.5)[:, None] * float(schedule.preserving) * x + np.where(
        ahead[:, None], 0.0, score_used
    )
    witnesses = np.concatenate([forward.frames.paths, backward.frames.paths])[..., 0]
    spread = np.sqrt(variance)
    J = np.linspace(-2, 2, quality.tilts)
    at = J / spread[:, None]
    w = [measured_generating(sample, row, blocks=16).W for sample, row in zip(witnesses, at, strict=True)]
    return Picture(
        positions=positions,
        t=t,
        turn=turn,
        captions=captions(schedule, t, turn),
        marks=_marks(order, quality, forward.times, exact[:turn]),
        x=x,
        exact=exact,
        fokker_planck=fokker_planck,
        edges=edges,
        histogram=np.concatenate([forward.frames.density(), backward.frames.density()]),
        bundle=witnesses[:, :BUNDLE].T,
        centre=centre,
        spread=spread,
        cumulants=cumulant_curves(target, schedule, forward.frames, backward.frames),
        moments=moment_curves(target, schedule, forward.frames, backward.frames),
        score_exact=score_exact,
        score_used=score_used,
        score_name=order.score_name,
        drift=drift,
        J=J,
        # ½ J² Ξ + W_0[f J], for all frames in one call: W_0 is an integral for each J where there is no formula.
        w_predicted=at**2 * xi[:, None] / 2 + target.log_generating(at * f[:, None]),
        w_value=np.array([estimate.value for estimate in w]),
        w_error=np.array([estimate.error for estimate in w]),
        g=schedule.g(t),
        f=f,
        root_xi=np.sqrt(xi),
        warnings=backward.warnings,
        preview=quality.preview,
        paths=len(backward.samples),
        witnesses=bundle,
        forward=forward,
        backward=backward,
    )


def _roughly(order: Order) -> Order:
    """The order with tables that are made sooner, where its law has any."""
    if not isinstance(order.target, Potential):
        return order
    target = order.target.rough()
    return replace(order, target=target, model=target if order.model is order.target else order.model)


def _closed_form(model: ScoreModel) -> bool:
    """Whether its score is a formula at every noise level."""
    return isinstance(model, GaussianMixture | GaussianScore)


def _steps(order: Order, wanted: int) -> int:
    """As few steps as the picture wants, doubled until Euler and Heun are stable, never more than were asked for."""
    variance = float(order.target.covariance[0, 0])
    while wanted < order.steps and order.solver in ("euler", "heun"):
        if not euler_warning(order.schedule, time_grid(order.schedule, wanted, order.grid), variance):
            break
        wanted *= 2
    return min(wanted, order.steps)


def _fokker_planck(
    order: Order, quality: Quality, rising: np.ndarray, falling: np.ndarray, x: np.ndarray, token: Token
) -> np.ndarray:
    """The density of both processes on the grid of every frame, (F, points).

    NaN in a quick picture whose score is not a closed form: it would be tabulated anew for each of a hundred steps.
    """
    if quality.preview and not _closed_form(order.model):
        return np.full(x.shape, np.nan)
    fine = {"cells": quality.cells, "substeps": quality.substeps, "token": token}
    target = order.target
    there = solve_forward(target, order.schedule, rising, **fine)
    back = solve_backward(
        order.model,
        order.schedule,
        falling,
        start=order.prior,
        mean=target.mean,
        covariance=target.covariance,
        **fine,
    )
    grids = np.concatenate([there.x, back.x])
    densities = np.concatenate([there.density, back.density])
    return np.array([np.interp(*row, 0, 0) for row in zip(x, grids, densities, strict=True)])


def _on_grid(
    order: Order, x: np.ndarray, f: np.ndarray, xi: np.ndarray, token: Token
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Exact density, exact score and the score in use on the grid of every frame, each (F, points)."""
    density, exact, used = [], [], []
    for points, a, b in zip(torch.from_numpy(x)[..., None], f, xi, strict=True):
        token.check()
        a, b = max(float(a), 1e-300), float(b)
        density.append(order.target.log_prob(points, a, b).exp())
        exact.append(order.target.score(points, a, b)[:, 0])
        used.append(exact[-1] if order.model is order.target else order.model.score(points, a, b)[:, 0])
    return tuple(torch.stack(rows).cpu().numpy() for rows in (density, exact, used))  # type: ignore[return-value]


def _marks(order: Order, quality: Quality, times: np.ndarray, exact: np.ndarray) -> list[Mark]:
    """Where noise equals signal, and where the density changes between one and several maxima."""
    target, schedule = order.target, order.schedule
    end = schedule.t_max
    marks = signal_marks(schedule, float(target.covariance[0, 0]))
    rough = quality.preview and not _closed_form(target)
    choice = _first_unimodal(times, exact) if rough else unimodal_time(target, schedule)
    if choice is not None and 0 < choice < end:
        merged = f"t = {choice:.3f}: the density has a single maximum from here on"
        chosen = f"t = {choice:.3f}: the single maximum splits; a path now picks its peak"
        marks += [Mark(choice / end, "peaks merge", merged), Mark(2 - choice / end, "peak chosen", chosen)]
    return sorted(marks, key=lambda mark: mark.position)


def _first_unimodal(times: np.ndarray, density: np.ndarray) -> float | None:
    """The time at which several maxima have become one, to within a frame; ``density`` is (F, points).

    For quick pictures of laws without a closed form, where each noise level that is looked at costs a table.
    """
    inner, highest = density[:, 1:-1], density.max(axis=1, keepdims=True)
    maxima = (inner > density[:, :-2]) & (inner > density[:, 2:]) & (inner > np.exp(-FAINT) * highest)
    several = np.flatnonzero(maxima.sum(axis=1) > 1)
    if len(several) == 0 or several[-1] == len(times) - 1:
        return None
    return float(times[several[-1] : several[-1] + 2].mean())
