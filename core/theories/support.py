"""Where the weight exp(-S) of an arbitrary potential lives: its wells and the interval outside which it vanishes.

The search looks at the action itself on a geometric scan of both half-lines and on uniform ones of the interval
found so far, so that minima far from 0 and wells much narrower than their distance are seen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Action = Callable[[np.ndarray], np.ndarray]

LEVEL = 80.0
"""Height of S above its minimum at which the weight exp(-S) counts as zero (e^{-80} = 2e-35)."""
REACH = 1e12
"""Largest |x| that the search looks at."""
_OVERFLOW = 1e200
_MOST_WELLS = 400


@dataclass(frozen=True)
class Support:
    """The interval [low, high] where S - lowest < LEVEL, and a set of points that is dense around every well."""

    low: float
    high: float
    lowest: float
    breakpoints: np.ndarray


def find_support(action: Action) -> Support:
    """Wells and interval of exp(-S).

    Raises ValueError with the reason where exp(-S) cannot be normalised or S is not a real number.
    """
    x = _scan()
    x, s = _finite_part(x, _values(action, x))
    _require_growth(x, s)
    wells, heights = _polish(action, x, s)
    low, high, lowest = _interval(action, x, s, wells, heights)
    for _ in range(2):  # look again, closer
        x = np.unique(np.concatenate([np.linspace(low, high, 6001), wells, [low, high]]))
        wells, heights = _polish(action, x, _heights(action, x))
        outer = np.array([low - 0.1 * (high - low), high + 0.1 * (high - low)])
        x = np.unique(np.concatenate([x, outer]))
        low, high, lowest = _interval(action, x, _heights(action, x), wells, heights)
    wells = wells[heights < lowest + LEVEL]
    return Support(low, high, lowest, _breakpoints(action, wells, low, high))


def _scan() -> np.ndarray:
    half = np.geomspace(1e-9, REACH, 2500)
    return np.unique(np.concatenate([-half, [0.0], half, np.linspace(-20, 20, 4001)]))


def _values(action: Action, x: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        return np.asarray(action(x), dtype=float) + np.zeros_like(x)


def _heights(action: Action, x: np.ndarray) -> np.ndarray:
    """S(x), infinite where it is not a number: beyond a wall, once the scan has found S real inside."""
    s = _values(action, x)
    s[np.isnan(s)] = np.inf
    return s


def _finite_part(x: np.ndarray, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The scan without x = 0, should S be undefined there, and up to where S overflows on either side."""
    keep = ~(np.isnan(s) & (x == 0))
    x, s = x[keep], s[keep]
    wild = ~(np.abs(s) < _OVERFLOW)
    right, left = np.flatnonzero(wild & (x > 1)), np.flatnonzero(wild & (x < -1))
    last, first = (right[0] if len(right) else len(x) - 1), (left[-1] if len(left) else 0)
    x, s = x[first : last + 1], s[first : last + 1]
    for end, inner in ((0, 1), (-1, -2)):
        if np.isnan(s[end]) and abs(s[inner]) > 1e6:  # inf - inf: its neighbour tells the sign
            s[end] = np.copysign(np.inf, s[inner])
    if np.any(np.isnan(s)):
        raise ValueError(f"the potential is not a real number at x = {x[np.argmax(np.isnan(s))]:.6g}")
    if np.any(np.isneginf(s[1:-1])):
        raise ValueError(
            f"the potential falls to minus infinity at x = {x[1:-1][np.argmax(np.isneginf(s[1:-1]))]:.6g}, "
            "so exp(-S) cannot be normalised"
        )
    return x, s


def _require_growth(x: np.ndarray, s: np.ndarray) -> None:
    middle = np.min(s[1:-1])
    for end, side in ((0, "-∞"), (-1, "+∞")):
        if s[end] < min(middle, 0.0) - LEVEL:
            raise ValueError(f"the potential falls to minus infinity as x → {side}, so exp(-S) cannot be normalised")
        # The eighth moment must exist too, and be reached well inside the scan.
        if s[end] - middle < LEVEL + 9 * np.log(abs(x[end])):
            raise ValueError(
                f"the potential grows too slowly as x → {side}: exp(-S) and its moments to order 8 must be finite"
            )


def _polish(action: Action, x: np.ndarray, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Local minima of the scan, each narrowed down between its neighbours."""
    inside = np.flatnonzero((s[1:-1] <= s[:-2]) & (s[1:-1] < s[2:])) + 1
    if len(inside) > _MOST_WELLS:
        inside = np.sort(inside[np.argsort(s[inside])[:_MOST_WELLS]])
    a, b = x[inside - 1], x[inside + 1]

    fractions, earlier = np.linspace(0, 1, 9), np.empty(0)
    each = np.arange(len(inside))
    for step in range(26):  # each narrows the bracket to a quarter, in one call for all wells
        if step == 17:
            earlier = _heights(action, (a + b) / 2)
        points = a[:, None] + (b - a)[:, None] * fractions
        best = 1 + np.argmin(_heights(action, points[:, 1:-1].ravel()).reshape(len(inside), 7), axis=1)
        a, b = points[each, best - 1], points[each, best + 1]
    wells = (a + b) / 2
    heights = _heights(action, wells)
    falling = np.flatnonzero(~(heights > earlier - 1 - 1e-6 * np.abs(earlier)) & ~np.isposinf(heights))
    if len(falling):  # a minimum would have stood still by now
        raise ValueError(
            f"the potential falls to minus infinity near x = {wells[falling[0]]:.6g}, so exp(-S) cannot be normalised"
        )
    better = s[inside] < heights
    return np.where(better, x[inside], wells), np.where(better, s[inside], heights)


def _interval(
    action: Action, x: np.ndarray, s: np.ndarray, wells: np.ndarray, heights: np.ndarray
) -> tuple[float, float, float]:
    """[low, high] and the lowest S: outermost points with S - lowest < LEVEL, by bisection."""
    lowest = float(min(np.min(s), np.min(heights, initial=np.inf)))
    points, values = np.concatenate([x, wells]), np.concatenate([s, heights])
    order = np.argsort(points)
    points, values = points[order], values[order]
    inside = np.flatnonzero(values < lowest + LEVEL)
    first, last = inside[0], inside[-1]
    within = points[[first, last]]
    beyond = points[[max(first - 1, 0), min(last + 1, len(points) - 1)]]
    for _ in range(40):
        middle = (within + beyond) / 2
        below = _heights(action, middle) < lowest + LEVEL
        within, beyond = np.where(below, middle, within), np.where(below, beyond, middle)
    return float(beyond[0]), float(beyond[1]), lowest


def _breakpoints(action: Action, wells: np.ndarray, low: float, high: float) -> np.ndarray:
    """Points x_well ± w 3^k between each well and its neighbours, where S rises by 1 over w."""
    scales = (high - low) * 2.0 ** np.arange(-60, 1)
    bounds = np.concatenate([[low], (wells[1:] + wells[:-1]) / 2, [high]])
    points = [np.array([low, high])]
    for i, well in enumerate(wells):
        floor = _heights(action, np.array([well]))[0]
        for side, room in ((-1, well - bounds[i]), (1, bounds[i + 1] - well)):
            risen = ~(_heights(action, well + side * scales) < floor + 1)
            width = scales[np.argmax(risen)] if risen.any() else room
            steps = width * 3.0 ** np.arange(0, 1 + max(0, int(np.log(max(room / width, 1.0)) / np.log(3))))
            points.append(well + side * steps[steps < room])
    points.append(bounds)
    points.append(wells)
    return np.unique(np.clip(np.concatenate(points), low, high))
