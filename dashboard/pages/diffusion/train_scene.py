"""The pictures of a training: loss by band of σ̃, and fields of the network beside real ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from core.diffusion.field_validation import Validation
from core.diffusion.training_jobs import Job
from core.diffusion.training_messages import Pictures
from core.statistics.format import thousands
from dashboard.stage import Image, Line, Panel, Rule, Scene

COLOURS = ("k1", "k2", "k3", "k6", "k5", "k4", "k8", "exact")
"""Of the bands, in the order of the rainbow from the lowest noise to the highest."""
NOTHING = 1e-4
"""Nats around 0 in which the axis is linear at least."""
ACROSS = 4
"""Fields side by side."""
GAP = 1 / 16
INSIDE = 0.995
"""Fraction of the real fields' sites whose value the colours reach."""


def training_scene(job: Job) -> Scene:
    """Loss curves on the left; on the right what the network makes now, above real fields."""
    panels = [loss_panel(job.history, job.progress.seconds)]
    if job.pictures is None:
        return Scene(positions=[0.0], panels=panels)
    panels += _fields(job.pictures)
    return Scene(positions=[0.0], panels=panels, columns="3fr 2fr", rows="1fr 1fr", areas=["loss made", "loss real"])


def loss_panel(history: Sequence[Validation], passed: float = 0.0) -> Panel:
    """The loss above the baseline, band by band, over the time of training, of which ``passed`` seconds are over."""
    edges = history[0].edges if history else []
    bands = list(pairwise(edges))
    seconds = np.array([point.seconds for point in history])
    excess = np.array([point.excess for point in history]).reshape(len(history), len(bands))
    series: list[Line | Rule] = [Rule(y=0.0, label="Gaussian baseline", color="gauss")]
    for i, (low, high) in enumerate(bands):
        label = f"{'' if i else 'σ̃ '}{low:.2g}–{high:.2g}"
        series.append(Line(seconds, excess[:, i], label, COLOURS[i % len(COLOURS)], width=1.8))
    if len(history) < 2:
        series = series[:1]
    end = max(float(seconds[-1]) if len(seconds) else 0.0, passed, 1.0)
    minutes = end > 180
    linear = _threshold(history)
    if minutes:
        series = [_in_minutes(one) for one in series]
    return Panel(
        "loss", series, title="Loss above the Gaussian baseline, nats", note="held out; below 0 is better",
        xlabel="minutes of training" if minutes else "seconds of training", xlim=(0.0, end / 60 if minutes else end),
        ylim=_reach(excess, linear), symlog_y=True, linthresh=linear,
    )  # fmt: skip


def _in_minutes(series: Line | Rule) -> Line | Rule:
    if isinstance(series, Rule):
        return series
    return Line(np.asarray(series.x) / 60, series.y, series.label, series.color, series.width)


def _threshold(history: Sequence[Validation]) -> float:
    """Where the axis turns logarithmic: at the statistical error, below which there is nothing to be seen."""
    error = float(np.median(history[-1].error)) if history else 0.0
    return 10.0 ** math.ceil(math.log10(max(error, NOTHING)))


def _reach(excess: np.ndarray, linear: float) -> tuple[float, float]:
    low, high = float(excess.min(initial=0.0)), float(excess.max(initial=0.0))
    return min(1.5 * low, -2 * linear), max(1.5 * high, 2 * linear)


def _fields(pictures: Pictures) -> list[Panel]:
    limit = max(float(np.quantile(np.abs(pictures.real), INSIDE)), 1e-3)
    made = f"after {thousands(pictures.step)} steps"
    return [
        _montage("made", "Network now", pictures.made, limit, made),
        _montage("real", "Held-out configurations", pictures.real, limit, pictures.couplings),
    ]


def _montage(id: str, title: str, fields: np.ndarray, limit: float, note: str) -> Panel:
    """Fields in rows of ACROSS, all with the colours of −limit … +limit."""
    scaled = np.clip(fields * (127.5 / limit) + 127.5, 0, 255).astype(np.uint8)
    rows = -(-len(fields) // ACROSS)
    length, images = fields.shape[-1], []
    for i, data in enumerate(scaled):
        x, y = (i % ACROSS) * length * (1 + GAP), (rows - 1 - i // ACROSS) * length * (1 + GAP)
        images.append(Image(data, (x, x + length, y, y + length), limits=np.array([-limit, limit])))
    return Panel(id, images, title=title, aspect="equal", hide_axes=True, note=note, legend=False)
