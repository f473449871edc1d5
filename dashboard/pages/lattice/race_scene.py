"""What the race shows: a small field and the history of M of each algorithm, the table, and τ_int against L."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence

import numpy as np

from core.samplers.race import VARIANTS, Race, Standing, Variant
from core.statistics.format import thousands, with_error
from dashboard.definitions import explained
from dashboard.pages.lattice.scene import colour_limit
from dashboard.stage import Image, Line, Panel, Points, Rule, Scene, colour

COLOURS = {
    "hmc": "forward",
    "hmc-fourier": "gauss",
    "langevin": "fp",
    "mala": "k1",
    "metropolis": "backward",
    "overrelaxed": "learned",
    "cluster": "data",
    "swendsen-wang": "k7",
}
"""An algorithm keeps its colour in every race."""
SPAN = 2.0
"""Seconds of work that the histories show."""
POINTS = 700
"""Points of a history in the picture; of more, every n-th is drawn."""
Times = Mapping[str, Mapping[int, Standing]]
"""Standings by algorithm and L."""


def race_scene(race: Race, variants: Sequence[Variant], palette: str) -> Scene:
    """Fields above, histories of M against the seconds of work below, all on the same axes."""
    fields = np.stack([race.field(i) for i in range(len(variants))])
    limit = colour_limit(fields)
    scaled = np.clip(fields * (127.5 / limit) + 127.5, 0, 255).astype(np.uint8)
    length = fields.shape[-1]
    end = max(race.seconds, SPAN / 4)
    histories = [_thin(*race.history(i), end) for i in range(len(variants))]
    reach = max(0.05, 1.1 * max(float(np.abs(m).max(initial=0.0)) for _, m in histories))
    panels = []
    for i, (variant, data, (seconds, m)) in enumerate(zip(variants, scaled, histories, strict=True)):
        image = Image(data, (0, length, 0, length), palette=palette)
        panels.append(Panel(f"field{i}", [image], title=variant.title, aspect="equal", hide_axes=True))
        panels.append(
            Panel(
                f"history{i}",
                [Line(seconds, m, "M, one chain", COLOURS[variant.name], width=1.4), Rule(y=0.0)],
                title="M",
                legend=False,
                note="first chain",
                xlabel="seconds of work",
                xlim=(max(0.0, end - SPAN), end),
                ylim=(-reach, reach),
            )
        )
    count = range(len(variants))
    return Scene(
        positions=[0.0],
        panels=panels,
        columns=" ".join(["1fr"] * len(variants)),
        rows="5fr 4fr",
        areas=[" ".join(f"field{i}" for i in count), " ".join(f"history{i}" for i in count)],
    )


def _thin(seconds: np.ndarray, m: np.ndarray, end: float) -> tuple[np.ndarray, np.ndarray]:
    first = int(np.searchsorted(seconds, end - SPAN))
    every = max(1, (len(m) - first) // POINTS)
    # Counted from the end of the run and not of the window, so that the drawn points stay the same while it moves.
    return seconds[first::every], m[first::every]


def slowing_scene(times: Times, kappa: float) -> Scene:
    """τ_int of |M| against L for all races so far at these couplings, on logarithmic axes."""
    series: list[Line | Points] = []
    sizes = sorted({size for known in times.values() for size in known})
    for name, known in times.items():
        x = np.log2(sorted(known))
        tau = np.array([known[size].tau for size in sorted(known)])
        error = np.array([known[size].tau_error for size in sorted(known)])
        role = COLOURS[name]
        gap = np.full(len(x), np.nan)
        bars = np.stack([np.maximum(tau - error, tau / 10), tau + error, gap], 1).ravel()
        series += [
            Line(x, tau, VARIANTS[name].title, role, width=1.5),
            Line(np.stack([x, x, gap], 1).ravel(), bars, "", role, width=2),
            Points(x, tau, role, 8, "", opacity=1.0),
        ]
    low, high = (min(sizes), max(sizes)) if sizes else (16, 64)
    panel = Panel(
        "slowing",
        series,
        title="τ_int of |M| against L",
        note=f"κ = {kappa:g}" if sizes else "none has settled yet",
        legend=False,
        xlabel="log₂ L",
        log_y=True,
        xlim=(math.log2(min(low, 16)) - 0.2, math.log2(max(high, 64)) + 0.2),
    )
    return Scene(positions=[0.0], panels=[panel])


def standings_table(standings: Sequence[Standing], dark: bool) -> str:
    """The state of the race as an HTML table; what is not yet to be trusted is grey."""
    rows = []
    for s in standings:
        dot = f'<i style="background:{colour(COLOURS[s.variant.name], dark)}"></i>'
        unit = "" if s.settled else ' class="early"'
        cells = [
            f"<th scope=row>{dot}{html.escape(s.variant.title)}</th>",
            f"<td>{thousands(s.steps)}</td>",
            f"<td>{1e3 * s.seconds / s.steps:.3g}</td>" if s.steps else "<td>–</td>",
            f"<td>{s.acceptance:.2f}</td>" if math.isfinite(s.acceptance) else "<td>–</td>",
            f"<td>{with_error(s.abs_m, s.abs_m_error)}</td>",
            f"<td{unit}>{with_error(s.tau, s.tau_error)}</td>",
            f"<td{unit}>{with_error(1e3 * s.cost, 1e3 * s.cost_error)}</td>",
        ]
        rows.append(f"<tr>{''.join(cells)}</tr>")
    head = explained("".join(f"<th scope=col>{text}</th>" for text in HEAD))
    return f"{_STYLE}<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


HEAD = (
    "Algorithm", "steps", "ms a step", "acceptance", "⟨|M|⟩", "τ_int of |M|, steps", "ms an independent configuration",
)  # fmt: skip
_STYLE = """<style>
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; width: 100%; }
th, td { text-align: right; padding: 3px 5px; font-weight: normal; }
thead th { opacity: 0.75; vertical-align: bottom; border-bottom: 1px solid currentColor; }
th:first-child { text-align: left; white-space: nowrap; }
td.early { opacity: 0.5; }
i { display: inline-block; width: 9px; height: 9px; border-radius: 2px; margin-right: 7px; }
</style>"""
