"""Stochastic quantisation and diffusion as linked pictures: both fields, the drifts and the observables on one clock.

The clock is logarithmic, so that the first run of the diffusion process, the thermalisation of the chains and their
long run afterwards all have room; it begins at zero: a value v lies at log₁₀(1 + v/unit).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.diffusion.side_by_side_tracks import NAMES, SideBySide, Track
from core.statistics.format import thousands, with_error
from dashboard.pages.diffusion.scene import field_panel, largest_square
from dashboard.stage import Band, Line, Mark, Panel, Rule, Scene
from dashboard.stage.series import Series

CLOCKS = {"Drift evaluations": "evaluations", "Seconds of computing": "seconds"}
TITLES = {"phi2": "⟨φ²⟩", "abs_m": "⟨|M|⟩", "action": "⟨S⟩/V", "kappa4_ratio": "κ₄/κ₂²"}
FRAMES = 200
"""Play positions, beside those of the first run."""
MARGIN = 0.12
LANGEVIN, DIFFUSION = "forward", "backward"
"""Their colours."""


@dataclass(frozen=True, eq=False)
class Axis:
    """Where the records of both lie, ``chains`` and ``runs``, and what is written on the axis."""

    chains: np.ndarray
    runs: np.ndarray
    ticks: list[tuple[float, str]]


def axis(found: SideBySide, clock: str) -> Axis:
    """The logarithmic clock; ``clock`` is 'evaluations' or 'seconds'. Its unit is one step of all Langevin chains."""
    chains, runs = (getattr(track, clock) for track in (found.quantisation, found.diffusion))
    unit = float(chains[1])
    top = np.floor(np.log10(max(chains[-1], runs[-1])))
    values = 10.0 ** np.arange(np.ceil(np.log10(unit)), top + 1)
    ticks = [(float(np.log10(1 + v / unit)), _label(float(v), clock)) for v in values]
    return Axis(np.log10(1 + chains / unit), np.log10(1 + runs / unit), [(0.0, "0"), *ticks])


def _label(value: float, clock: str) -> str:
    if clock == "evaluations":
        return thousands(round(value))
    for unit, name in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if value >= 0.999 * unit:
            return f"{value / unit:.0f} {name}"
    return f"{value:.0e} s"


def beside_scene(found: SideBySide, clock: str, shown: int) -> Scene:
    """Left the chains, right the diffusion process, the drifts beside them, and the observables below."""
    where = axis(found, clock)
    end = max(where.chains[-1], where.runs[-1])
    first_run = where.runs[: int(found.diffusion.estimated_at[0]) + 1]
    positions = np.unique(np.concatenate([np.linspace(0, end, FRAMES), first_run]).round(6))
    q, d = found.quantisation, found.diffusion
    # What a run has made stays in sight until the next one has taken a step.
    kept = (d.step > 0) | (d.run == 1)
    left = _before(where.chains[q.shown_at], positions)
    right = np.flatnonzero(kept)[_before(where.runs[kept], positions)]
    shown = largest_square(min(shown, q.fields.shape[1]))
    spread = np.full(len(positions), np.sqrt(found.reference.value[0]))
    pictures = [
        _field(
            "chain", "Stochastic quantisation", q.fields[left][:, :shown], spread, f"ε = {q.epsilon:.3g}"
        ),
        _field(
            "process", "Diffusion", d.fields[right][:, :shown], np.sqrt(d.observables.value[right, 0]),
            f"{_times(int(d.run[-1]), 'run')} of {_times(d.steps, 'step')}",
        ),
    ]  # fmt: skip
    panels = [_drift(found, where), *(_observable(found, where, name) for name in NAMES)]
    return Scene(
        positions=positions,
        panels=[*pictures, *panels],
        captions=_captions(found, left, right),
        marks=_marks(found, where),
        ticks=where.ticks,
        columns="0px repeat(12, 1fr)",
        rows="1.3fr 1fr",
        areas=[
            # One column in, so that the fields have not the margins of the observables below.
            " ".join(["."] + ["chain"] * 4 + ["process"] * 4 + ["drift"] * 4),
            " ".join([NAMES[0], *(name for name in NAMES for _ in range(3))]),
        ],
        duration=14.0,
    )


def _field(name: str, title: str, fields: np.ndarray, spread: np.ndarray, note: str) -> Panel:
    """Fields in units of their spread (F,): both have the same colour bar, and so are drawn in the same size."""
    scaled = fields / np.maximum(spread, 1e-6)[:, None, None, None]
    return field_panel(name, title, scaled, np.ones(len(spread)), note, "φ/√⟨φ²⟩")


def _before(clock: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """The last record that is not after each position."""
    return np.maximum(np.searchsorted(clock, positions + 1e-5, side="right") - 1, 0)


def _captions(found: SideBySide, left: np.ndarray, right: np.ndarray) -> list[str]:
    q, d = found.quantisation, found.diffusion
    steps = q.evaluations[q.shown_at][left]
    return [
        f"Parisi–Wu time {q.epsilon * n:.3g}   run {r}, step {s} of {d.steps}"
        for n, r, s in zip(steps, d.run[right], d.step[right], strict=True)
    ]


def _marks(found: SideBySide, where: Axis) -> list[Mark]:
    first, last = (float(where.runs[int(found.diffusion.estimated_at[k])]) for k in (0, -1))
    n = thousands(found.n)
    marks = [Mark(first, "1 run", f"the diffusion process has made its first {n} configurations")]
    if len(found.diffusion.estimated_at) > 1:
        marks.append(Mark(last, _times(int(found.diffusion.run[-1]), "run"), "the diffusion process ends here"))
    chains = float(where.chains[-1])
    return sorted([*marks, Mark(chains, "Langevin", "the Langevin process ends here")], key=lambda m: m.position)


def _drift(found: SideBySide, where: Axis) -> Panel:
    q, d = found.quantisation, found.diffusion
    series = [
        Rule(y=found.reference_drift, color="exact"),
        Line(where.chains, q.drift, "Langevin: K", LANGEVIN, width=2),
        Line(where.runs, _cut(found, d.drift), "diffusion: ∇log Pₜ", DIFFUSION, width=2),
    ]
    return Panel("drift", series, title="Drift √(⟨K²⟩/V)", note="dashed: equilibrium", clock=True, log_y=True)


def _observable(found: SideBySide, where: Axis, name: str) -> Panel:
    k = NAMES.index(name)
    q, d = found.quantisation, found.diffusion
    value, error = float(found.reference.value[k]), float(found.reference.error[k])
    ends = np.array([0.0, max(where.chains[-1], where.runs[-1])])
    series: list[Series] = [
        Band(ends, np.full(2, value - error), np.full(2, value + error), "", "exact", opacity=0.15),
        Line(ends, np.full(2, value), "reference", "exact", width=1.5, dash=True),
        Line(where.chains, q.observables.value[:, k], "", LANGEVIN, width=1, opacity=0.5),
        Line(where.runs, _cut(found, d.observables.value[:, k]), "", DIFFUSION, width=1, opacity=0.5),
        *_estimate(q, where.chains, ends[1], k, LANGEVIN, stairs=False),
        *_estimate(d, where.runs, ends[1], k, DIFFUSION, stairs=True),
    ]
    seen = [np.array([value - error, value + error]), q.observables.value[:, k], d.estimate.value[:, k]]
    low, high = min(float(np.nanmin(a)) for a in seen), max(float(np.nanmax(a)) for a in seen)
    margin = MARGIN * max(high - low, 1e-9)
    return Panel(
        name, series, title=TITLES[name], note=with_error(value, error), clock=True, legend=k == 0,
        ylim=(low - margin, high + margin),
    )  # fmt: skip


def _estimate(track: Track, x: np.ndarray, end: float, k: int, colour: str, stairs: bool) -> list[Series]:
    """The best estimate by each time, with its error; with ``stairs`` each holds until there is a better one."""
    times = 2 if stairs else 1
    at = np.append(np.repeat(x[track.estimated_at], times)[times - 1 :], end)
    value, error = (np.append(np.repeat(part[:-1, k], times), part[[-1, -1], k]) for part in track.estimate)
    return [
        Band(at, value - error, value + error, "", colour, opacity=0.3),
        Line(at, value, "", colour, width=2.2),
    ]


def _cut(found: SideBySide, values: np.ndarray) -> np.ndarray:
    """A curve of the diffusion process that breaks off between its runs."""
    values = np.array(values, float)
    values[(found.diffusion.step == 0) & (found.diffusion.run > 1)] = np.nan
    return values


def _times(count: int, word: str) -> str:
    return f"{thousands(count)} {word}{'' if count == 1 else 's'}"
