"""The pictures beside the field, in groups, all on the field's play position."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from core.diffusion.field_run import FieldRun
from core.samplers.ensemble import Thermalisation
from core.schedule import Schedule
from core.statistics.format import with_error
from core.statistics.jackknife import Estimate
from dashboard.pages.clock import cumulant_axis
from dashboard.pages.diffusion.timeline import Timeline
from dashboard.stage import Band, Bars, Line, Panel, Rule
from dashboard.stage.series import Series

CHAINS = 24
"""Chains whose history is drawn."""
DECADES = 1e-6
"""The lowest value of a logarithmic axis, in units of the highest."""


def cumulants(run: FieldRun, schedule: Schedule, line: Timeline) -> list[Panel]:
    """κ₂, κ₄, κ₆ and κ₈ of a site: prediction with the ensemble's error, measurements with their own."""
    return [_cumulant(run, line, n) for n in (2, 4, 6, 8)]


def _cumulant(run: FieldRun, line: Timeline, n: int) -> Panel:
    there, back = _order(run.forward.cumulants, n), _order(run.backward.cumulants, n)
    predicted = _order(run.prediction, n)
    series = [
        *_curve(line.forward_x, predicted, line.forward_frames, "predicted", "exact", dash=True, opacity=0.15),
        *_mirrored(line, predicted),
        *_curve(line.forward_x, there, line.forward_frames, "forward", "forward"),
        *_curve(line.backward_x, back, line.backward_frames, "backward", "backward"),
    ]
    ends = with_error(there.value[0], there.error[0]), with_error(back.value[-1], back.error[-1])
    return Panel(
        f"k{n}",
        series,
        title=f"κ{'₀₁₂₃₄₅₆₇₈'[n]}",
        note=" → ".join(ends),
        clock=True,
        legend=n == 2,
        **cumulant_axis(n, predicted.value, there.value, there.error),
    )


def correlations(run: FieldRun, schedule: Schedule, line: Timeline) -> list[Panel]:
    """G(r) and structure factor at the present time, and each mode's signal against the noise."""
    r = np.arange(run.forward.correlator.value.shape[1])
    xi = np.asarray(schedule.xi(run.forward.times))
    return [
        Panel(
            "g",
            _moving(line, r, run.forward.correlator, run.backward.correlator, run.prediction_correlator.value),
            title="G(r) along an axis",
            xlabel="r",
            log_y=True,
            ylim=_log_limits(run.prediction_correlator.value[:, 1:], 2.0),
            note="noise at r = 0",
        ),
        Panel(
            "structure",
            [
                *_moving(
                    line, run.momenta, run.forward.structure, run.backward.structure, run.prediction_structure.value
                ),
                Rule(y=line.pick(xi, line.there), label="Ξ", color="noise"),
            ],
            title="Structure factor ⟨|φ_p|²⟩/V",
            note="dashed: Ξ",
            xlabel="p̂ = 2 sin(p/2)",
            log_y=True,
            legend=False,
            ylim=_log_limits(run.prediction_structure.value),
        ),
        _signals(run, schedule, line),
    ]


def _signals(run: FieldRun, schedule: Schedule, line: Timeline) -> Panel:
    """f² G_p of some modes and the noise Ξ over the axis: where they cross, the mode drowns or emerges."""
    f2, xi = np.asarray(schedule.f(run.forward.times)) ** 2, np.asarray(schedule.xi(run.forward.times))
    xi = np.where(xi > 0, xi, np.nan)
    g = run.prediction_structure.value[0]
    k = len(g) - 1
    modes = {"p = 0": (0, "k8"), "2π/L": (1, "k4"), "π/2": (k // 2, "k6"), "π": (k, "k5")}
    series = [_plain(line, f2 * g[i], name, colour) for name, (i, colour) in modes.items()]
    series.append(_plain(line, xi, "Ξ", "noise"))
    return Panel("signals", series, title="Signal f² G(p) and noise Ξ", clock=True, log_y=True)


def histograms(run: FieldRun, schedule: Schedule, line: Timeline) -> list[Panel]:
    """The laws of φ at a site and of M at the present time, and ⟨|M|⟩ over the axis."""
    there, back = run.forward.abs_m, run.backward.abs_m
    size = [
        *_curve(line.forward_x, there, line.forward_frames, "forward", "forward"),
        *_curve(line.backward_x, back, line.backward_frames, "backward", "backward"),
    ]
    ends = with_error(there.value[0], there.error[0]), with_error(back.value[-1], back.error[-1])
    return [
        _histogram(run, line, "site", "φ at a site", legend=True),
        _histogram(run, line, "m", "Magnetisation M", legend=False),
        Panel("absm", size, title="⟨|M|⟩", note=" → ".join(ends), clock=True, legend=False),
    ]


def _histogram(run: FieldRun, line: Timeline, name: str, title: str, legend: bool) -> Panel:
    edges = line.pick(getattr(run.forward, f"{name}_edges"), line.there)
    there, back = (
        Estimate(*(line.pick(part, frames) for part in getattr(leg, f"{name}_histogram")))
        for leg, frames in ((run.forward, line.there), (run.backward, line.back))
    )
    centres = (edges[:, 1:] + edges[:, :-1]) / 2
    series = [
        Bars(edges, there.value, "forward", "forward", opacity=0.4),
        Band(centres, back.value - back.error, back.value + back.error, "", "backward", opacity=0.35),
        Line(centres, back.value, "backward", "backward", width=1.8),
    ]
    top = 1.2 * np.fmax(np.nanmax(there.value, axis=1), np.nan_to_num(back.value).max(axis=1))
    return Panel(
        name, series, title=title, legend=legend,
        xlim=edges[:, [0, -1]], ylim=np.stack([0 * top, np.maximum(top, 1e-9)], axis=1),
    )  # fmt: skip


def score(run: FieldRun, schedule: Schedule, line: Timeline) -> list[Panel]:
    """How strongly each momentum is driven, against the Gaussian prediction, and the schedule."""
    predicted = np.asarray(run.score_prediction)
    values, errors = (line.pick(part, line.back) for part in run.backward.score_norm)
    x = run.momenta
    t = run.forward.times
    norm = [
        Line(x, line.pick(predicted, line.back), "Gaussian: 1/√(f²G + Ξ)", "exact", dash=True),
        Band(x, _positive(values - errors), values + errors, "", "backward", opacity=0.3),
        Line(x, values, "backward", "backward", width=1.8),
    ]
    noise = [
        _plain(line, _positive(np.sqrt(schedule.xi(t))), "√Ξ", "noise"),
        _plain(line, np.asarray(schedule.f(t)), "f", "k4"),
    ]
    return [
        Panel(
            "norm", norm, title="Score norm √(⟨|s_p|²⟩/V)", xlabel="p̂ = 2 sin(p/2)", log_y=True,
            ylim=_log_limits(predicted),
        ),
        Panel("noise", noise, title="Noise √Ξ and damping f", clock=True, log_y=True),
    ]  # fmt: skip


def thermalisation(report: Thermalisation) -> list[Panel]:
    """Histories of the chains from their ordered start."""
    step = np.arange(1, report.done + 1)
    size = np.abs(report.magnetisation)
    chains: list[Series] = [Line(step, history, "", "data", width=1.0, opacity=0.35) for history in size[:CHAINS]]
    mean = report.phi_squared.mean(axis=0)
    error = report.phi_squared.std(axis=0, ddof=1) / np.sqrt(len(report.phi_squared))
    return [
        Panel("m", chains, title="|M| of some chains", xlabel="cluster update", legend=False),
        Panel(
            "size", [Line(step, size.mean(axis=0), "⟨|M|⟩ over chains", "accent", width=2)], title="⟨|M|⟩ over chains",
            xlabel="cluster update", legend=False,
        ),
        Panel(
            "phi2",
            [
                Band(step, mean - error, mean + error, "", "data", opacity=0.35),
                Line(step, mean, "⟨φ²⟩ over chains", "data", width=2),
            ],
            title="⟨φ²⟩ over chains",
            xlabel="cluster update",
            note=f"acceptance {report.acceptance:.2f}",
            legend=False,
        ),
    ]  # fmt: skip


GROUPS: dict[str, Callable[[FieldRun, Schedule, Timeline], list[Panel]]] = {
    "cumulants": cumulants, "correlations": correlations, "histograms": histograms, "score": score,
}  # fmt: skip


def _order(estimate: Estimate, n: int) -> Estimate:
    return Estimate(estimate.value[:, n], estimate.error[:, n])


def _curve(
    x: np.ndarray, found: Estimate, frames: np.ndarray, label: str, colour: str, dash: bool = False,
    opacity: float = 0.3,
) -> list[Series]:  # fmt: skip
    value, error = found.value[frames], found.error[frames]
    return [
        Band(x, value - error, value + error, "", colour, opacity=opacity),
        Line(x, value, label, colour, width=2 if dash else 1.5, dash=dash),
    ]


def _mirrored(line: Timeline, found: Estimate) -> list[Series]:
    """What is known at the forward times, on the way back, where that has a stretch of its own."""
    if line.forward_x is line.backward_x:
        return []
    return _curve(line.backward_x, found, line.there[-len(line.backward_x) :], "", "exact", dash=True, opacity=0.15)


def _plain(line: Timeline, values: np.ndarray, label: str, colour: str) -> Line:
    """A curve without errors over the whole axis, given at the forward times."""
    return Line(line.positions, values[line.there], label, colour, width=1.8)


def _moving(line: Timeline, x: np.ndarray, there: Estimate, back: Estimate, predicted: np.ndarray) -> list[Series]:
    """Curves over r or p that change with time, with bands, on a logarithmic axis."""
    series: list[Series] = []
    for found, frames, label, colour in (
        (there, line.there, "forward", "forward"),
        (back, line.back, "backward", "backward"),
    ):
        value, error = line.pick(found.value, frames), line.pick(found.error, frames)
        series.append(Band(x, _positive(value - error), _positive(value + error), "", colour, opacity=0.3))
        series.append(Line(x, _positive(value), label, colour, width=1.8))
    series.append(Line(x, _positive(line.pick(predicted, line.there)), "predicted", "exact", width=2, dash=True))
    return series


def _positive(values: np.ndarray) -> np.ndarray:
    """What a logarithmic axis can show; errors that reach below 0 end at its lower edge."""
    values = np.asarray(values, float)
    top = np.nanmax(values, initial=1e-30)
    return np.where(values > DECADES * top, values, np.where(np.isnan(values), np.nan, DECADES * top))


def _log_limits(values: np.ndarray, margin: float = 1.5) -> tuple[float, float]:
    positive = values[np.isfinite(values) & (values > 0)]
    low, high = float(positive.min()), float(positive.max())
    return max(low, DECADES * high) / margin, margin * high
