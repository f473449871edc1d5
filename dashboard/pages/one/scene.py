"""From the numbers of a run to the linked pictures of the one-dimensional tab."""

from __future__ import annotations

import numpy as np

from core.statistics.format import thousands, with_error
from dashboard.pages.clock import TICKS, cumulant_axis
from dashboard.pages.one.picture import Picture
from dashboard.stage import Band, Bars, Bundle, Image, Line, Panel, Rule, Scene

ROW = 4


def heat_map(
    picture: Picture, rows: int = 120, reach: float = 3.2
) -> tuple[np.ndarray, tuple[float, float, float, float]]:
    """P(x, t) in units of its own spread, over the clock: each column is a frame, scaled to its maximum.

    Each row is the mean over ROW points, so that a narrow peak does not fall between two rows.
    """
    y = (np.arange(ROW * rows) + 0.5) / (ROW * rows) * 2 * reach - reach
    positions = np.linspace(0, 2, 240)
    frame = np.clip(np.searchsorted(picture.positions, positions), 0, len(picture.positions) - 1)
    columns = []
    for i in frame:
        density = np.interp(picture.centre[i] + y * picture.spread[i], picture.x[i], picture.density[i], 0, 0)
        density = density.reshape(rows, ROW).mean(axis=1)
        columns.append(density / max(density.max(), 1e-300))
    image = np.round(255 * np.sqrt(np.array(columns).T)).astype(np.uint8)
    return image, (0.0, 2.0, -reach, reach)


def cumulant_panel(picture: Picture, n: int, moments: bool) -> Panel:
    """κₙ (or μₙ) against the clock: prediction, measurement with band, and with the noise of the same paths removed."""
    curve = picture.moments[n] if moments else picture.cumulants[n]
    half = picture.turn
    symbol = f"{'μ' if moments else 'κ'}{'₀₁₂₃₄₅₆₇₈'[n]}"
    forward = np.where(np.arange(len(picture.positions)) < half, curve.value, np.nan)
    backward = np.where(np.arange(len(picture.positions)) >= half, curve.value, np.nan)
    series: list = [
        Band(picture.positions, forward - curve.error, forward + curve.error, "", "forward", opacity=0.3),
        Band(picture.positions, backward - curve.error, backward + curve.error, "", "backward", opacity=0.3),
        Line(picture.positions, forward, "forward", "forward", width=1.5),
        Line(picture.positions, backward, "backward", "backward", width=1.5),
    ]
    if curve.variate is not None:
        series.append(Line(picture.positions, curve.variate, "noise removed", "k1", width=3.5, opacity=0.7))
    series.append(Line(picture.positions, curve.predicted, "predicted", "exact", width=2, dash=True))
    return Panel(
        f"k{n}",
        series,
        title=symbol,
        clock=True,
        legend=n == 2,
        note=f"exact {with_error(float(f'{curve.predicted[0]:.4g}'))}" + (f"; {curve.note}" if curve.note else ""),
        **cumulant_axis(n, curve.predicted, curve.value, curve.error),
    )


def build_scene(picture: Picture, moments: bool = False) -> Scene:
    """The whole stage of the tab: density, trajectories, cumulants, score, W[J] and the schedule."""
    orders = sorted(picture.moments if moments else picture.cumulants)
    image, extent = heat_map(picture)
    reach = extent[3]
    limits = np.stack([picture.x[:, 0], picture.x[:, -1]], axis=1)
    density = Panel(
        "density",
        [
            Bars(picture.edges, picture.histogram, "particles", "data", opacity=0.35),
            Line(picture.x, picture.fokker_planck, "Fokker–Planck", "fp", width=2.5),
            Line(picture.x, picture.exact, "exact", "exact", width=2, dash=True),
        ],
        title="Distribution P(x, t)",
        xlabel="x",
        ylabel="P",
        xlim=limits,
        ylim=np.stack([0 * picture.peak, 1.12 * picture.peak], axis=1),
        note="follows the spread",
    )
    scaled = (picture.bundle - picture.centre) / picture.spread
    trajectories = Panel(
        "bundle",
        [
            Image(image, extent, palette="sequential", limits=None, pixelated=False),
            Bundle(picture.positions, np.clip(scaled, -1.5 * reach, 1.5 * reach), "data", opacity=0.8),
        ],
        title="Trajectories",
        note="over √P(x, t)",
        ylabel="(x − mean) / spread",
        ylim=(-reach, reach),
        clock=True,
        legend=False,
    )
    unit = picture.spread[:, None]
    near = np.where(picture.exact > 0.02 * picture.peak[:, None], np.abs(picture.score_exact * unit), 0.0)
    steepest = 1.6 * np.maximum(near.max(axis=1), 1.0)
    own = picture.score_name != "exact"
    used = (
        [Line(picture.x, picture.score_used * unit, f"{picture.score_name} score", "backward", width=2)] if own else []
    )
    score = Panel(
        "score",
        [
            *used,
            Line(picture.x, picture.score_exact * unit, "exact score", "exact", width=2, dash=True),
            Line(picture.x, picture.drift * unit, "drift / g²", "forward", width=2),
            Rule(y=0.0, color="muted"),
        ],
        title="Score and drift",
        note="× spread",
        xlabel="x",
        xlim=limits,
        ylim=np.stack([-steepest, steepest], axis=1),
    )
    generating = Panel(
        "w",
        [
            Band(
                picture.J,
                picture.w_value - picture.w_error,
                picture.w_value + picture.w_error,
                "measured",
                "data",
                opacity=0.35,
            ),
            Line(picture.J, picture.w_predicted, "predicted", "exact", width=2, dash=True),
        ],
        title="W[J] = log⟨exp(Jx)⟩",
        note=f"{thousands(picture.witnesses)} paths",
        xlabel="J × spread",
    )
    schedule = Panel(
        "schedule",
        [
            Line(picture.positions, picture.g, "g", "k2", width=2),
            Line(picture.positions, picture.f, "f", "k4", width=2),
            Line(picture.positions, picture.root_xi, "√Ξ", "k6", width=2),
        ],
        title="Noise schedule",
        clock=True,
        log_y=True,
    )
    kappas = [cumulant_panel(picture, n, moments) for n in orders]
    if len(orders) == 4:
        columns, areas = "1.35fr 1fr 1fr", ["density k2 k4", "bundle k6 k8", "score w schedule"]
    else:
        columns = "1.5fr 1fr 1fr 1fr"
        areas = ["density k1 k2 k3", "bundle k4 k6 k8", "score w schedule schedule"]
    return Scene(
        positions=picture.positions,
        panels=[density, trajectories, *kappas, score, generating, schedule],
        captions=picture.captions,
        marks=picture.marks,
        ticks=TICKS,
        columns=columns,
        rows="1.15fr 1.15fr 1fr",
        areas=areas,
        duration=10.0,
    )
