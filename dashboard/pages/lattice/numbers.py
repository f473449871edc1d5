"""The texts of the live tab: what to look for, the numbers with their errors, the settings in use."""

from __future__ import annotations

import html
import math

from core.samplers.algorithms import find
from core.samplers.simulation import Frame
from core.statistics.format import thousands, with_error
from core.statistics.running import WINDOW, Average, RunningStatistics
from dashboard.definitions import label
from dashboard.pages.lattice.state import PRESETS, LatticeState

DEEP = 2.0
"""Classical minimum from which a hot start leaves walls that stay."""
RESETS = {
    "start": "",
    "new fields": "new fields",
    "new couplings": "the couplings changed",
    "new algorithm": "the algorithm changed",
    "new step size": "the step size changed",
    "a stroke": "the field was painted on",
    "asked to forget": "the past was forgotten",
}


def updates(algorithm: str) -> str:
    """What the updates of an algorithm are called, in the plural."""
    unit = find(algorithm).unit
    return unit[:-1] + "ies" if unit.endswith("y") else unit + "s"


def below_the_field(frame: Frame, preset: str, start: str) -> str:
    """What to look for, and what has just happened."""
    if frame.problem:
        return f"<b>{html.escape(frame.problem)}</b>"
    theory = frame.theory
    if preset:
        text = PRESETS[preset].sentence
    elif theory.kappa > 0:
        text = (
            f"Own couplings: (a m₀)² = {(1 - 2 * theory.lam) / theory.kappa - 4:.4g}, "
            f"λ₀ = {6 * theory.lam / theory.kappa**2:.4g}."
        )
    else:
        text = "κ = 0: the sites know nothing of each other."
    if start == "hot" and preset != "published" and theory.classical_minimum > DEEP:
        text += (
            " <b>Not in equilibrium:</b> a hot start this deep in the broken phase leaves domain walls that stay for "
            "very long."
        )
    return text + _happened(frame)


def _happened(frame: Frame) -> str:
    if frame.warming and frame.reset != "a stroke":
        return f" <b>Warming up:</b> {frame.warming} more trajectories that are always accepted."
    reason = RESETS[frame.reset]
    since = f"Statistics of {thousands(frame.since)} {updates(frame.algorithm)}"
    return f" <span style='opacity:0.75'>{since}{f', since {reason}' if reason else ''}.</span>"


def summary(frame: Frame, statistics: RunningStatistics, group: str, unit: str) -> str:
    """A line that is always there, and the table of the group that is shown."""
    size = statistics.average("abs_m")
    parts = [f"τ_int of |M| = {_tau(size, unit)}"]
    if math.isfinite(frame.rate):
        parts.append(f"{_rate(frame.rate)} configurations/s of computing")
        if math.isfinite(size.tau) and size.settled:
            parts.append(f"<b>{_rate(frame.rate / max(1.0, 2 * size.tau))} independent/s</b>")
    if math.isfinite(frame.acceptance):
        acceptance = statistics.acceptance()
        if math.isfinite(acceptance):
            parts.insert(0, f"acceptance {acceptance:.2f}")
        boltzmann = statistics.boltzmann()
        if math.isfinite(boltzmann) and group == "history":
            parts.append(f"⟨e<sup>−ΔH</sup>⟩ = {boltzmann:.3f}")
    line = "; ".join(parts) + "."
    if group == "distribution":
        return _table(_cumulants(statistics)) + line + " Odd moments are set to 0, by symmetry."
    if group == "averages":
        return _table(_means(statistics, size)) + line + _honesty(size, unit)
    return line


def _rate(value: float) -> str:
    """Two digits."""
    return thousands(int(float(f"{value:.2g}"))) if value >= 10 else f"{value:.2g}"


def _tau(found: Average, unit: str) -> str:
    if not math.isfinite(found.tau):
        return "not yet known"
    if not found.settled:
        return f"not yet known (above {_rate(found.tau)} {unit})"
    return f"{with_error(found.tau, found.tau_error or None)} {unit}"


def _honesty(found: Average, unit: str) -> str:
    if found.settled:
        return " The first quarter of the run is left out of every average."
    return (
        f" The run is too short against its memory for an error (at least 20 τ_int are needed, of the last "
        f"{thousands(WINDOW)} {unit})."
    )


def _cumulants(statistics: RunningStatistics) -> list[tuple[str, str]]:
    value, error = statistics.cumulants()
    names = zip("₂₄₆₈", (2, 4, 6, 8), strict=True)
    return [(f"κ{digit}", with_error(float(value[n]), _known(error[n]))) for digit, n in names]


def _means(statistics: RunningStatistics, size: Average) -> list[tuple[str, str]]:
    rows = [("⟨|M|⟩", _mean(size))]
    rows += [(name, _mean(statistics.average(key))) for name, key in (("⟨φ²⟩", "phi2"), ("⟨S⟩/V", "action"))]
    for name, found in (("χ", statistics.susceptibility()), ("U_L", statistics.binder())):
        rows.append((name, with_error(float(found.value), _known(float(found.error)) if size.settled else None)))
    return rows


def _mean(found: Average) -> str:
    return with_error(found.mean, _known(found.error) if found.settled else None)


def _known(error: float) -> float | None:
    return float(error) if math.isfinite(error) else None


def _table(rows: list[tuple[str, str]]) -> str:
    cells = "".join(
        f"<span style='white-space:nowrap'><span style='opacity:0.75'>{label(name, focusable=False)}</span>"
        f"&nbsp;<b>{value}</b></span>"
        for name, value in rows
    )
    return f"<div style='display:flex;flex-wrap:wrap;gap:2px 18px;margin-bottom:4px'>{cells}</div>"


def settings(frame: Frame, state: LatticeState) -> str:
    """The algorithm's sentence and the step size in use."""
    algorithm = find(frame.algorithm)
    step = f"Step size {frame.parameters['step_size']:.3g}"
    if "n_steps" in frame.parameters:
        step += f", {frame.parameters['n_steps']} steps a trajectory on average"
    how = "tuned for these couplings" if state.auto_step else "set by hand"
    return f"{html.escape(algorithm.sentence)}<br>{step}, {how}."
