"""Where the frames of both processes lie on the play position: one after the other, or side by side at equal noise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from core.diffusion.field_run import FieldRun
from core.schedule import Schedule
from dashboard.pages.clock import TICKS, captions, clock_positions
from dashboard.stage import Mark

LEVELS = (300, 100, 30, 10, 3, 1, 0.3, 0.1, 0.03)
"""Noise levels that are named on the axis."""
SIGN = "here the sign of M is decided"


def marked(run: FieldRun) -> dict[str, float]:
    """The crossings that get a mark: the zero mode and k = 1, 4 and L/2, where p = 2πk/L."""
    names = {"zero mode", "k = 1", "k = 4", f"k = {len(run.momenta) - 1}"}
    return {name: t for name, t in run.crossing.items() if name in names}


Places = list[tuple[np.ndarray, np.ndarray]]
"""Of a curve given at rising times: its rising positions, and which of the times are there; once or twice."""


@dataclass(frozen=True, eq=False)
class Timeline:
    """``positions`` (P,) of the scene; ``there`` and ``back`` (P,) are the frames of the forward and of the backward
    process that belong there, -1 for none. ``forward_x`` and ``backward_x`` are the positions of the frames
    ``forward_frames`` and ``backward_frames``, for curves over the axis; ``places`` tells where other times lie."""

    positions: np.ndarray
    there: np.ndarray
    back: np.ndarray
    forward_x: np.ndarray
    forward_frames: np.ndarray
    backward_x: np.ndarray
    backward_frames: np.ndarray
    captions: list[str]
    marks: list[Mark]
    ticks: list[tuple[float, str]]
    places: Callable[[np.ndarray], Places]

    def pick(self, leg_values: np.ndarray, frames: np.ndarray) -> np.ndarray:
        """Values (F, …) of a leg at every position, by its frames ``there`` or ``back``; nan where it has none."""
        values = np.asarray(leg_values, float)[np.maximum(frames, 0)]
        values[frames < 0] = np.nan
        return values


def clock(run: FieldRun, schedule: Schedule) -> Timeline:
    """Data → noise → new field. On the way back the forward frame of the same time stays for comparison."""
    up, down = run.forward.times, run.backward.times
    turn, end = len(up), schedule.t_max
    positions = clock_positions(up, down, end)
    same = _nearest(up, down)
    return Timeline(
        positions,
        there=np.concatenate([np.arange(turn), same]),
        back=np.concatenate([np.full(turn, -1), np.arange(len(down))]),
        forward_x=positions[:turn],
        forward_frames=np.arange(turn),
        backward_x=positions[turn:],
        backward_frames=np.arange(len(down)),
        captions=captions(schedule, np.concatenate([up, down]), turn),
        marks=_clock_marks(run, end),
        ticks=_clock_ticks(run, end),
        places=lambda t: [(t / end, np.arange(len(t))), (2 - t[::-1] / end, np.arange(len(t))[::-1])],
    )


def level(run: FieldRun, schedule: Schedule) -> Timeline:
    """Both at one noise level σ̃, which falls from 1 to 0 on an axis of log σ̃: what emerges, and what had dissolved."""
    down = run.backward.times
    same = _nearest(run.forward.times, down)
    log = schedule.log_sigma(down)
    known = np.isfinite(log)
    low, high = float(log[known].min()), float(log[known].max())
    step = (high - low) / max(1, known.sum() - 1)
    log = np.where(known, log, low - step)  # t = 0, where σ̃ = 0
    low = float(log.min())

    def place(value: float | np.ndarray) -> np.ndarray:
        return (high - np.asarray(value)) / (high - low)

    positions = place(log)
    frames = np.arange(len(down))
    inside = [s for s in LEVELS if low + step / 2 < np.log(s) < high - step / 2]
    marks = [
        Mark(
            float(place(schedule.log_sigma(t))), name, f"σ̃ = {float(schedule.sigma(t)):.3g}, f² G(p) = Ξ" + _sign(name)
        )
        for name, t in marked(run).items()
        if low < float(schedule.log_sigma(t)) < high
    ]
    texts = [f"σ̃ = {np.exp(s):.3g}" if k else "σ̃ = 0" for s, k in zip(log, known, strict=True)]
    return Timeline(
        positions, same, frames, positions, same, positions, frames,
        captions=[f"{text}   t = {t:.3f}" for text, t in zip(texts, down, strict=True)],
        marks=sorted(marks, key=lambda mark: mark.position),
        ticks=[(0.0, "noise"), *((float(place(np.log(s))), f"σ̃ = {s:g}") for s in inside), (1.0, "data")],
        places=lambda t: [(place(schedule.log_sigma(t))[::-1], np.arange(len(t))[::-1])],
    )  # fmt: skip


def _nearest(times: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    return np.abs(times[None, :] - wanted[:, None]).argmin(axis=1)


def _sign(name: str) -> str:
    return f"; {SIGN}" if name == "zero mode" else ""


def _clock_ticks(run: FieldRun, end: float) -> list[tuple[float, str]]:
    """Both ends, the turn, and where the zero mode crosses, on either side."""
    t = run.crossing.get("zero mode")
    if t is None:
        return TICKS
    ends = [(position, text) for position, text in TICKS if position == round(position)]
    return sorted([*ends, (t / end, "zero mode"), (2 - t / end, "sign of M")])


def _clock_marks(run: FieldRun, end: float) -> list[Mark]:
    """Where modes drown in noise on the way up, and emerge on the way back."""
    marks = []
    for name, t in marked(run).items():
        marks.append(Mark(t / end, name, f"t = {t:.3f}: it drowns, f² G(p) = Ξ"))
        words = "sign of M" if name == "zero mode" else name
        marks.append(Mark(2 - t / end, words, f"t = {t:.3f}: it emerges from the noise" + _sign(name)))
    return sorted(marks, key=lambda mark: mark.position)
