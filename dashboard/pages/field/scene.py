"""From a lattice ensemble and its run to linked pictures."""

from __future__ import annotations

import numpy as np

from core.diffusion.field_run import FieldRun
from core.samplers.ensemble import Thermalisation
from core.schedule import Schedule
from core.statistics.format import with_error
from dashboard.pages.clock import TICKS, captions, clock_positions, cumulant_axis
from dashboard.stage import Band, Image, Line, Mark, Panel, Scene

CHAINS = 24
"""Chains whose history is drawn."""
RANGE = 2.5
"""Half range of the colours in units of the root mean square of the field."""


def _bytes(fields: np.ndarray, limit: np.ndarray) -> np.ndarray:
    """Fields (F, L, L) as bytes, −limit … +limit (F,) to 0 … 255."""
    scaled = fields / limit[:, None, None]
    return np.round(127.5 * (1 + np.clip(scaled, -1, 1))).astype(np.uint8)


def field_panel(fields: np.ndarray, rms: np.ndarray, note: str) -> Panel:
    """The field, large; colours symmetric about 0 and scaled to the field's own size at each time."""
    limit = RANGE * np.maximum(rms, 1e-6)
    height, width = fields.shape[1:]
    image = Image(
        _bytes(fields, limit), (0, width, 0, height), palette="diverging", limits=np.stack([-limit, limit], axis=1)
    )
    return Panel("field", [image], title="Field φ", aspect="equal", hide_axes=True, note=note, legend=False)


def thermalising_scene(report: Thermalisation, index: int) -> Scene:
    """One configuration and the histories of the chains while they thermalise."""
    fields = report.fields[index : index + 1].numpy()
    step = np.arange(1, report.done + 1)
    size = np.abs(report.magnetisation)
    chains = [Line(step, history, "", "data", width=1.0, opacity=0.35) for history in size[:CHAINS]]
    rms = np.sqrt(report.phi_squared[index : index + 1, -1])
    mean = report.phi_squared.mean(axis=0)
    error = report.phi_squared.std(axis=0, ddof=1) / np.sqrt(len(report.phi_squared))
    return Scene(
        positions=[0.0],
        panels=[
            field_panel(fields, rms, f"thermalising: trajectory {report.done} of {report.total}"),
            Panel("m", chains, title="|M| of some chains", xlabel="HMC trajectory", legend=False),
            Panel(
                "size",
                [Line(step, size.mean(axis=0), "⟨|M|⟩ over chains", "accent", width=2)],
                title="⟨|M|⟩",
                xlabel="HMC trajectory",
                legend=False,
            ),
            Panel(
                "phi2",
                [
                    Band(step, mean - error, mean + error, "", "data", opacity=0.35),
                    Line(step, mean, "⟨φ²⟩ over chains", "data", width=2),
                ],
                title="⟨φ²⟩",
                xlabel="HMC trajectory",
                note=f"acceptance {report.acceptance:.2f}",
                legend=False,
            ),
        ],
        columns="1.25fr 1fr",
        rows="1fr 1fr 1fr",
        areas=["field m", "field size", "field phi2"],
    )


def cumulant_panel(run: FieldRun, positions: np.ndarray, turn: int, n: int) -> Panel:
    """κₙ of a site against the clock: prediction with the ensemble's error, measurement with its own."""
    forward, backward = run.forward.cumulants, run.backward.cumulants
    f_value, f_error, b_value, b_error = (
        forward.value[:, n],
        forward.error[:, n],
        backward.value[:, n],
        backward.error[:, n],
    )
    there, back = positions[:turn], positions[turn:]
    predicted, unsure = run.prediction.value[:, n], run.prediction.error[:, n]
    mirrored = 2 - there[::-1]
    return Panel(
        f"k{n}",
        [
            Band(there, predicted - unsure, predicted + unsure, "", "exact", opacity=0.15),
            Band(mirrored, (predicted - unsure)[::-1], (predicted + unsure)[::-1], "", "exact", opacity=0.15),
            Band(there, f_value - f_error, f_value + f_error, "", "forward", opacity=0.3),
            Band(back, b_value - b_error, b_value + b_error, "", "backward", opacity=0.3),
            Line(there, f_value, "forward", "forward", width=1.5),
            Line(back, b_value, "backward", "backward", width=1.5),
            Line(there, predicted, "predicted", "exact", width=2, dash=True),
            Line(mirrored, predicted[::-1], "", "exact", width=2, dash=True),
        ],
        title=f"κ{'₀₁₂₃₄₅₆₇₈'[n]}",
        note=f"{with_error(f_value[0], f_error[0])} → {with_error(b_value[-1], b_error[-1])}",
        clock=True,
        legend=n == 2,
        **cumulant_axis(n, predicted, f_value, f_error),
    )


def run_scene(run: FieldRun, schedule: Schedule, index: int) -> Scene:
    """The field in the middle, forward then backward on one clock, and its cumulants beside it."""
    forward, backward = run.forward, run.backward
    t = np.concatenate([forward.times, backward.times])
    turn = len(forward.times)
    end = schedule.t_max
    positions = clock_positions(forward.times, backward.times, end)
    fields = np.concatenate([forward.fields[:, index], backward.fields[:, index]])
    kappa2 = np.concatenate(
        [run.prediction.value[:, 2], np.interp(-backward.times, -forward.times[::-1], run.prediction.value[::-1, 2])]
    )
    m_value = np.concatenate([forward.abs_m.value, backward.abs_m.value])
    m_error = np.concatenate([forward.abs_m.error, backward.abs_m.error])
    size = Panel(
        "m",
        [
            Band(positions[:turn], (m_value - m_error)[:turn], (m_value + m_error)[:turn], "", "forward", opacity=0.3),
            Band(positions[turn:], (m_value - m_error)[turn:], (m_value + m_error)[turn:], "", "backward", opacity=0.3),
            Line(positions[:turn], m_value[:turn], "forward", "forward", width=1.5),
            Line(positions[turn:], m_value[turn:], "backward", "backward", width=1.5),
        ],
        title="⟨|M|⟩",
        note=f"{with_error(m_value[0], m_error[0])} → {with_error(m_value[-1], m_error[-1])}",
        clock=True,
        legend=False,
    )
    noise = Panel(
        "noise",
        [
            Line(positions, np.sqrt(schedule.xi(t)), "√Ξ", "k6", width=2),
            Line(positions, schedule.f(t), "f", "k4", width=2),
        ],
        title="Noise √Ξ and damping f",
        clock=True,
        log_y=True,
    )
    return Scene(
        positions=positions,
        panels=[
            field_panel(fields, np.sqrt(kappa2), "colours follow the spread"),
            *(cumulant_panel(run, positions, turn, n) for n in (2, 4, 6, 8)),
            size,
            noise,
        ],
        captions=captions(schedule, t, turn),
        marks=crossing_marks(run, end),
        ticks=TICKS,
        columns="1.9fr 1fr 1fr",
        rows="1fr 1fr 0.9fr",
        areas=["field k2 k4", "field k6 k8", "field m noise"],
        duration=10.0,
    )


def crossing_marks(run: FieldRun, end: float) -> list[Mark]:
    """Where modes drown in noise on the way up, and emerge on the way back."""
    words = {"zero mode": "sign of M", "longest wave": "longest wave", "site": "site", "shortest wave": "shortest wave"}
    marks = []
    for name, t in run.crossing.items():
        if name in ("longest wave", "site"):
            continue
        marks.append(Mark(t / end, name, f"t = {t:.3f}: the {name} drowns, f² G(p) = Ξ"))
        back = f"t = {t:.3f}: the {name} emerges from the noise" + (
            "; here the sign of M is decided" if name == "zero mode" else ""
        )
        marks.append(Mark(2 - t / end, words[name], back))
    return sorted(marks, key=lambda mark: mark.position)
