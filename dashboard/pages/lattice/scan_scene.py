"""What the scan shows: ⟨|M|⟩, χ and U_L against κ with error bars, one colour for each lattice."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from core.samplers.scan import Crossing, ScanPoint, ScanRequest, crossing
from core.statistics.errors import Measured
from core.statistics.format import with_error
from dashboard.stage import Band, Line, Panel, Points, Rule, Scene

Known = Mapping[tuple[int, float], ScanPoint]
COLOURS = ("forward", "backward", "data", "fp", "learned")
"""Of the lattices, from the smallest."""
KAPPA_C, LAM_OF_KAPPA_C = 0.2709, 0.022
"""The critical point in infinite volume (arXiv:2309.17082, section 6), at the papers' λ."""
CONFIDENT = 2.0
"""A difference from the infinite volume beyond so many errors is called one."""


def scan_scene(request: ScanRequest, points: Known, crossings: Sequence[Crossing]) -> Scene:
    """Three panels side by side; lattices without points yet are left out."""
    low, high = request.kappas[0], request.kappas[-1]
    margin = 0.02 * (high - low)
    quantities = (
        ("abs_m", "⟨|M|⟩", "abs_m"),
        ("chi", "χ = V(⟨M²⟩ − ⟨|M|⟩²)", "chi"),
        ("binder", "U_L = 1 − ⟨M⁴⟩ / 3⟨M²⟩²", "binder"),
    )
    known = request.lam == LAM_OF_KAPPA_C and low < KAPPA_C < high
    panels = []
    for name, title, attribute in quantities:
        series: list[Line | Points | Rule | Band] = []
        if known:
            series.append(Rule(x=KAPPA_C, label="κ_c" if name == "abs_m" else ""))
        if name == "binder":
            series += [_crossing(found) for found in crossings]
        for i, size in enumerate(sorted(request.sizes)):
            series += _curve(points, size, attribute, COLOURS[i % len(COLOURS)])
        panels.append(
            Panel(
                name, series, title=title, xlabel="κ", xlim=(low - margin, high + margin),
                ylim=(min(0.0, _lowest(points, attribute)), 0.7 if name == "binder" else None),
            )
        )  # fmt: skip
    return Scene(positions=[0.0], panels=panels, columns="1fr 1fr 1fr", areas=["abs_m chi binder"])


def _curve(points: Known, size: int, attribute: str, role: str) -> list[Line | Points | Rule | Band]:
    row = [(kappa, _value(point, attribute)) for (s, kappa), point in sorted(points.items()) if s == size]
    if not row:
        return []
    x = np.array([kappa for kappa, _ in row])
    y = np.array([measured.value for _, measured in row])
    error = np.array([measured.error for _, measured in row])
    gap = np.full(len(x), np.nan)
    bars = Line(np.stack([x, x, gap], 1).ravel(), np.stack([y - error, y + error, gap], 1).ravel(), "", role, width=2)
    return [Line(x, y, f"L = {size}", role, width=1.2, opacity=0.75), bars, Points(x, y, role, 6, opacity=1.0)]


def _crossing(found: Crossing) -> Band:
    """The interval of one standard deviation around a crossing."""
    ends = np.array([found.kappa - found.error, found.kappa + found.error])
    return Band(ends, [-1.0, -1.0], [1.0, 1.0], "", "accent", opacity=0.25)


def _value(point: ScanPoint, attribute: str) -> Measured:
    return getattr(point, attribute)


def _lowest(points: Known, attribute: str) -> float:
    return min((_value(p, attribute).value - _value(p, attribute).error for p in points.values()), default=0.0)


def crossings_of(request: ScanRequest, points: Known) -> list[Crossing]:
    """The crossings of each lattice with the next larger one, where there are any yet."""
    sizes = sorted(request.sizes)
    found = (crossing(points, a, b) for a, b in pairwise(sizes))
    return [c for c in found if c is not None]


def report(request: ScanRequest, points: Known, crossings: Sequence[Crossing]) -> str:
    """What the scan has found so far, in plain words."""
    lines = []
    for c in crossings:
        text = f"U_L of L = {c.small} and {c.large} cross at κ = {with_error(c.kappa, c.error)}"
        if request.lam == LAM_OF_KAPPA_C:
            far = abs(c.kappa - KAPPA_C) / c.error
            text += (
                f", {far:.1f} errors from the known κ_c = {KAPPA_C}"
                + (": on small lattices the crossing is shifted" if far > CONFIDENT and c.small < 16 else "")
            )  # fmt: skip
        lines.append(text + ".")
    if not crossings and len(request.sizes) > 1 and points:
        lines.append("No clear crossing of two U_L among the points so far.")
    if len(request.sizes) == 1:
        lines.append("A crossing needs a second lattice.")
    late = [p for p in points.values() if not p.settled]
    if late:
        names = ", ".join(f"L = {p.L} at κ = {p.kappa:.4g}" for p in sorted(late, key=lambda p: (p.L, p.kappa))[:4])
        more = f" and {len(late) - 4} more" if len(late) > 4 else ""
        lines.append(
            f"<b>Too short against their memory, so that errors are too small:</b> {names}{more}. "
            "Take more configurations."
        )
    return "<br>".join(lines)


def progress_text(done: float, total: int, points: int, seconds: float, state: str) -> str:
    """One line on how far the scan is; ``state`` is running, cancelled or finished."""
    if state == "finished":
        return f"All {total} points in {seconds:.0f} s."
    if state == "cancelled":
        return f"Cancelled; {points} of {total} points are kept."
    left = seconds / done * (total - done) if done > 0.5 else math.nan
    rest = f", about {max(1, round(left))} s left" if math.isfinite(left) else ""
    return f"{points} of {total} points{rest}"
