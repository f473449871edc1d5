"""The play position of both runs: where the frames of each lie, at equal time or at equal noise level."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.schedule import Schedule

LEVELS = (0.01, 0.1, 1, 10, 100, 1000)
"""Noise levels that are named on the axis."""
CLEAR = 0.14
"""Of the axis, without names at either end."""
TURN = 1e-4
"""Between the end of the forward process and the beginning of the backward one."""
BEYOND = np.log(10.0)
"""Of log σ̃, that is shown beyond the run that ends at less noise: under VP there can be hundreds of decades."""
MOST = 130
"""Positions, about: each costs a picture of both."""
ROOM = 0.02
"""Of the axis, between the data (σ̃ = 0) and the first noise level."""


@dataclass(frozen=True, eq=False)
class Leg:
    """One run on the common axis: ``clock`` (F,) are the positions of its frames in its own scene, from 0 forward to 1
    and backward to 2, and ``places`` (F,) those on the common axis; ``frames`` (P,) is the frame that belongs to each
    common position; ``times`` and ``sigma`` (F,) are its times and noise levels σ̃."""

    clock: np.ndarray
    places: np.ndarray
    frames: np.ndarray
    times: np.ndarray
    sigma: np.ndarray


@dataclass(frozen=True, eq=False)
class Axis:
    """``positions`` (P,) of both, from 0 (data) over 1 (noise) to 2 (samples)."""

    positions: np.ndarray
    a: Leg
    b: Leg
    ticks: list[tuple[float, str]]
    captions: list[str]


def common_axis(a: np.ndarray, of_a: Schedule, b: np.ndarray, of_b: Schedule, clock: str) -> Axis:
    """The axis of two runs whose frames lie at ``a`` and ``b`` on their own clocks; ``clock`` is 't' or 'level'.

    Where one schedule ends before the other, its run holds its last picture until the other comes back.
    """
    clocks, schedules = (np.asarray(a, float), np.asarray(b, float)), (of_a, of_b)
    times = [s.t_max * np.minimum(c, 2 - c).clip(0) for c, s in zip(clocks, schedules, strict=True)]
    if clock == "t":
        end = max(s.t_max for s in schedules)
        shares = [t / end for t in times]
        ticks = [(0.0, "data"), (0.5, "t = ½"), (1.0, "noise"), (1.5, "t = ½"), (2.0, "samples")]
    else:
        shares, ticks = _levels([np.asarray(s.log_sigma(t)) for s, t in zip(schedules, times, strict=True)])
    places = [_both_ways(share, c) for share, c in zip(shares, clocks, strict=True)]
    positions = _thinned(np.unique(np.concatenate(places).round(7)))
    legs = [
        Leg(c, p, _frames(p, positions), t, np.asarray(s.sigma(t)))
        for c, p, t, s in zip(clocks, places, times, schedules, strict=True)
    ]
    left, right = legs
    return Axis(positions, left, right, ticks, _captions(positions, left, right))


def _levels(logs: list[np.ndarray]) -> tuple[list[np.ndarray], list[tuple[float, str]]]:
    """Shares of the axis for values of log σ̃, −∞ at its beginning, and names of some noise levels."""
    ends = sorted(float(log.max()) for log in logs)
    low = min(float(log[np.isfinite(log)].min()) for log in logs)
    high = min(ends[1], ends[0] + BEYOND)

    def share(log: np.ndarray) -> np.ndarray:
        inside = ROOM + (1 - ROOM) * (np.clip(log, low, high) - low) / (high - low)
        return np.where(np.isfinite(log), inside, 0.0)

    every = [(float(share(np.log(np.array(s)))), f"σ̃ = {s:g}") for s in LEVELS]
    rising = [(place, text) for place, text in every if CLEAR < place < 1 - CLEAR]
    ticks = [(0.0, "data"), *rising, (1.0, "noise"), *((2 - p, text) for p, text in rising), (2.0, "samples")]
    return [share(log) for log in logs], sorted(ticks)


def _both_ways(share: np.ndarray, clock: np.ndarray) -> np.ndarray:
    """Positions of the frames from their shares of the way to noise."""
    return np.where(clock > 1, np.maximum(2 - share, 1 + TURN), np.minimum(share, 1.0))


def _thinned(positions: np.ndarray) -> np.ndarray:
    """At most about MOST of them, the ends and the turn included."""
    if len(positions) <= MOST:
        return positions
    _, first = np.unique(np.floor(positions * (MOST // 2)), return_index=True)
    turn = int(np.searchsorted(positions, 1.0, side="right")) - 1
    return positions[np.unique([*first, 0, turn, min(turn + 1, len(positions) - 1), len(positions) - 1])]


def _frames(places: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """The nearest frame of the same direction for every position."""
    turn = int(np.searchsorted(places, 1 + TURN / 2))
    forward, backward = places[:turn], places[turn:]
    ahead = np.abs(forward[None, :] - positions[:, None]).argmin(axis=1)
    back = turn + np.abs(backward[None, :] - positions[:, None]).argmin(axis=1)
    return np.where(positions <= 1, ahead, back)


def _captions(positions: np.ndarray, a: Leg, b: Leg) -> list[str]:
    texts = []
    for position, i, j in zip(positions, a.frames, b.frames, strict=True):
        t = _one_or_both(f"{a.times[i]:.3f}", f"{b.times[j]:.3f}")
        level = _one_or_both(_level(float(a.sigma[i])), _level(float(b.sigma[j])))
        texts.append(f"{'forward' if position <= 1 else 'backward'}   t = {t}   σ̃ = {level}")
    return texts


def _one_or_both(a: str, b: str) -> str:
    return a if a == b else f"{a} | {b}"


def _level(sigma: float) -> str:
    return f"{sigma:.3g}" if sigma < 1e4 else f"{sigma:.0e}" if np.isfinite(sigma) else "∞"
