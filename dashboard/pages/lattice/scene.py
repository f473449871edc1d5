"""What the stages of the live tab show: the field, and beside it one group of observables."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from core.samplers.simulation import Frame
from core.statistics.format import with_error
from core.statistics.free_field import effective_mass, free_correlators, free_mass
from core.statistics.jackknife import Estimate
from core.statistics.running import Average, RunningStatistics
from core.theories.phi4 import Phi4
from dashboard.stage import Band, Bars, Image, Line, Panel, Points, Rule, Scene

WINDOW = 600
"""Updates that the histories show."""
GAP = 1 / 40
"""Between the fields of a montage, as a fraction of their size."""
INSIDE = 0.99
"""Fraction of the sites whose value the colours reach."""
ORDERED = 0.5
"""Binder cumulant from which correlations are connected: ⟨|M|⟩² is subtracted. It is 0 deep in the symmetric phase,
2/3 deep in the broken one."""
FAINT = 6
"""Other chains whose history is drawn, faintly."""


def colour_limit(fields: np.ndarray) -> float:
    """The value at the ends of the palette, which few sites of the fields (n, L, L) exceed."""
    thin = max(1, fields.shape[-1] // 64)
    sizes = np.abs(fields[:, ::thin, ::thin]).ravel()
    place = int(INSIDE * (sizes.size - 1))  # np.quantile, which would interpolate, takes five times as long
    return max(float(np.partition(sizes, place)[place]), 1e-3)


def tile_extent(tile: int, shown: int, length: int) -> tuple[float, float, float, float]:
    """Where field number ``tile`` of a square montage lies, (x0, x1, y0, y1) in sites; the first is at the top left."""
    side = math.isqrt(shown)
    pitch = length * (1 + GAP)
    x0, y0 = (tile % side) * pitch, (side - 1 - tile // side) * pitch
    return x0, x0 + length, y0, y0 + length


def tile_at(x: float, y: float, shown: int, length: int) -> int | None:
    """The field of the montage at a point, None in a gap or outside."""
    for tile in range(shown):
        x0, x1, y0, y1 = tile_extent(tile, shown, length)
        if x0 <= x < x1 and y0 <= y < y1:
            return tile
    return None


def field_scene(frame: Frame, shown: int, palette: str, limit: float) -> Scene:
    """The first ``shown`` chains (a square number), colours from −limit to +limit."""
    fields = frame.fields[:shown]
    scaled = np.clip(fields * (127.5 / limit) + 127.5, 0, 255).astype(np.uint8)
    limits = np.array([-limit, limit])
    length = fields.shape[1]
    images = [
        Image(data, tile_extent(i, shown, length), palette=palette, limits=limits) for i, data in enumerate(scaled)
    ]
    note = f"{length} × {length}" + (f", {shown} of {len(frame.fields)} chains" if len(frame.fields) > 1 else "")
    panel = Panel("field", images, title="φ", aspect="equal", hide_axes=True, note=note, legend=False)
    return Scene(positions=[0.0], panels=[panel])


def observables_scene(group: str, frame: Frame, statistics: RunningStatistics, unit: str) -> Scene:
    """One of the groups of observables, two or three panels; ``unit`` is what updates are called."""
    panels = {
        "history": _history, "distribution": _distribution, "correlation": _correlation, "averages": _averages,
    }[group](frame, statistics, unit)  # fmt: skip
    return Scene(
        positions=[0.0],
        panels=panels,
        columns="1fr",
        rows=" ".join(["1fr"] * len(panels)),
        areas=[panel.id for panel in panels],
    )


def _history(frame: Frame, statistics: RunningStatistics, unit: str) -> list[Panel]:
    number, m = statistics.recent("m", WINDOW)
    _, action = statistics.recent("action", WINDOW)
    _, rate, error = statistics.decisions(WINDOW)
    last = max(statistics.steps, WINDOW // 4)
    axis: dict[str, Any] = {"xlim": (max(0, last - WINDOW), last)}
    reach = max(1.05 * float(np.abs(m).max(initial=0.0)), 0.05)
    chains = [Line(number, row, "", "muted", width=0.8, opacity=0.4) for row in m[1 : FAINT + 1]]
    sizes = [
        *chains,
        Line(number, np.abs(m).mean(0), "|M|, all chains", "k2", width=2),
        Line(number, m[0], "M, first chain", "k4", width=2),
        Rule(y=0.0),
    ]
    actions = [
        Line(number, action[0], "first chain", "k4", width=1.2),
        Line(number, action.mean(0), "all chains", "k2", width=2),
    ]
    return [
        Panel("m", sizes, title="Magnetisation", ylim=(-reach, reach), **axis),
        Panel("action", actions, title="Action S/V", **axis),
        Panel(
            "decision",
            _decisions(number, rate, error),
            title=_decision_title(frame),
            xlabel=unit,
            ylim=(0.0, 1.05 * max(1.0, float(np.nanmax(_smooth(error), initial=0.0)))),
            **axis,
        ),
    ]


def _decision_title(frame: Frame) -> str:
    return "No accept or reject step" if frame.algorithm == "langevin" else "Acceptance"


def _decisions(number: np.ndarray, rate: np.ndarray, error: np.ndarray) -> list[Any]:
    series: list[Any] = [Rule(y=0.0)]
    if np.isfinite(rate).any():
        series.append(Line(number, _smooth(rate), "acceptance", "k6", width=2))
    if np.isfinite(error).any():
        series.append(Line(number, _smooth(error), "mean |ΔH|", "k5", width=1.5))
    return series


def _smooth(values: np.ndarray, width: int = 15) -> np.ndarray:
    """Mean over the last ``width`` values; NaN is left out."""
    known = np.isfinite(values)
    sums = np.cumsum(np.concatenate([[0.0], np.where(known, values, 0.0)]))
    counts = np.cumsum(np.concatenate([[0], known]))
    first = np.maximum(0, np.arange(1, len(values) + 1) - width)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (sums[1:] - sums[first]) / (counts[1:] - counts[first])


def _distribution(frame: Frame, statistics: RunningStatistics, unit: str) -> list[Panel]:
    m = statistics.magnetisations()
    reach = max(1.15 * float(np.abs(m).max(initial=0.0)), 0.05)
    edges = np.linspace(-reach, reach, 62)
    density = np.histogram(m, edges)[0] / max(1, m.size) / np.diff(edges)
    top = max(1.2 * float(density.max()), 1e-6)
    now = frame.fields.mean((1, 2), dtype=float)
    sizes = [
        Bars(edges, density, "all chains, all times", "k2", opacity=0.4),
        Points(now, np.full(len(now), 0.04 * top), "k4", 7, "chains now", 0.9),
    ]
    histogram = np.histogram(frame.fields[0], statistics.edges)[0] / frame.fields[0].size / np.diff(statistics.edges)
    centres = (statistics.edges[1:] + statistics.edges[:-1]) / 2
    sites = [
        Bars(statistics.edges, statistics.sites(), "all chains, all times", "k2", opacity=0.4),
        Line(centres, histogram, "first chain now", "k4", width=1.2),
    ]
    return [
        Panel("mhist", sizes, title="Histogram of M", ylim=(0.0, top), note=f"{m.size} values"),
        Panel("sites", sites, title="Histogram of φ at a site"),
    ]


def is_ordered(statistics: RunningStatistics) -> bool:
    """Whether the Binder cumulant says that the field is ordered."""
    return float(statistics.binder().value) > ORDERED


def _correlation(frame: Frame, statistics: RunningStatistics, unit: str) -> list[Panel]:
    ordered = is_ordered(statistics)
    points, _ = statistics.correlators(ordered)
    mass = statistics.effective_mass(ordered)
    free = _free(frame.theory, statistics, ordered)
    note = "connected: ⟨|M|⟩² is subtracted" if ordered else ""
    r = np.arange(len(points.value))
    series: list[Any] = [*_errors(r, points, "data"), Points(r, points.value, "data", 6, "measured", 1.0), Rule(y=0.0)]
    masses: list[Any] = []
    if free is not None:
        label, g, c, energy = free
        series.append(Line(r, g, label, "exact", width=1.8, dash=True))
        masses.append(Line(np.arange(1, len(c) - 1), effective_mass(c), label, "exact", width=1.8, dash=True))
        masses.append(Rule(y=energy, color="muted"))
    t = np.arange(1, len(mass.value) + 1)
    known = np.isfinite(mass.value) & (mass.error < np.maximum(0.5 * mass.value, 0.02))
    good = Estimate(np.where(known, mass.value, np.nan), np.where(known, mass.error, np.nan))
    masses += [*_errors(t, good, "data"), Points(t, good.value, "data", 6, "measured", 1.0)]
    top = float(np.nanmax(good.value + good.error)) if known.any() else (free[3] if free else 1.0)
    return [
        Panel("g", series, title="G(r) along an axis", note=note),
        Panel(
            "mass", masses, title="Effective mass m(t)", ylim=(0.0, 1.3 * top), legend=False, note="dashed: free field"
        ),
        Panel("rho", _memory(statistics), title="Autocorrelation ρ", xlabel=unit),
    ]


Free = tuple[str, np.ndarray, np.ndarray, float]
"""What to call a free field, its G(r) and C(t), and the mass at which C(t) falls."""


def _free(theory: Phi4, statistics: RunningStatistics, ordered: bool) -> Free | None:
    """The free field to compare with: exact at λ = 0, else the one with the measured second moment."""
    length = theory.event[0]
    if theory.lam == 0 and theory.kappa > 0:
        mass2 = 1 / theory.kappa - 4
        return "exact", *free_correlators(length, mass2, 1 / (2 * theory.kappa)), free_mass(mass2)
    found = statistics.propagator(ordered)
    mass2, strength = found.value
    if not (np.isfinite(mass2) and mass2 > 0):
        return None
    error = found.error[0] / (2 * math.sqrt(mass2))
    label = f"free, measured m = {with_error(math.sqrt(mass2), error)}"
    return label, *free_correlators(length, float(mass2), float(strength)), free_mass(float(mass2))


def _errors(x: np.ndarray, found: Estimate, colour: str) -> list[Any]:
    """Error bars, as one broken line."""
    gap = np.full(len(x), np.nan)
    xs = np.stack([x, x, gap], axis=1).ravel()
    ys = np.stack([found.value - found.error, found.value + found.error, gap], axis=1).ravel()
    return [Line(xs, ys, "", colour, width=1.5)]


def _memory(statistics: RunningStatistics) -> list[Any]:
    series: list[Any] = [Rule(y=0.0)]
    for name, label, colour in (("abs_m", "|M|", "k2"), ("phi2", "φ²", "k4")):
        found = statistics.autocorrelation(name)
        if found is not None:
            lags = np.arange(min(len(found.rho), max(10, 5 * found.window)))
            series += [Line(lags, found.rho[lags], label, colour, width=2)]
            series += [Rule(x=found.window, color=colour)]
    return series


def _averages(frame: Frame, statistics: RunningStatistics, unit: str) -> list[Panel]:
    size, square = statistics.average("abs_m"), statistics.average("phi2")
    return [
        Panel("abs_m", _running(size, "k2"), title="Running mean of |M|", note=_value(size)),
        Panel("phi2", _running(square, "k4"), title="Running mean of φ²", note=_value(square), xlabel=unit),
    ]


def _running(found: Average, colour: str) -> list[Any]:
    low, high = found.running - found.running_error, found.running + found.running_error
    return [
        Band(found.steps, low, high, "", colour, opacity=0.3), Line(found.steps, found.running, "", colour, width=2),
    ]  # fmt: skip


def _value(found: Average) -> str:
    return with_error(found.mean, found.error if found.settled else None) + ("" if found.settled else ", no error yet")
