"""What the stage shows of a Langevin chain, and of the scan over step sizes beside it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from core.jobs import Token
from core.noise import Noise
from core.samplers.step_size import Extrapolation, StepSizeScan, extrapolate, step_size_scan
from core.statistics.format import with_error
from core.theories.base import Target
from dashboard.pages.one.chain import Chain, Statistics
from dashboard.pages.one.drawing import drawing_grid
from dashboard.stage import Band, Bars, Line, Panel, Points, Rule, Scene

Scan = tuple[StepSizeScan, Extrapolation]
RELATIVE_STEPS = (0.05, 0.1, 0.15, 0.2, 0.3)
"""Step sizes of the scan in units of the inverse curvature of the action, averaged over the law."""


def scan_step_sizes(target: Target, seed: int, token: Token) -> Iterator[Scan]:
    """⟨x²⟩ at several step sizes, started in equilibrium, and its extrapolation to ε → 0."""
    low, high = target.window()[0]
    x = torch.linspace(low, high, 401, dtype=torch.float64)[:, None]
    density = target.log_prob(x).exp()
    curvature = torch.gradient(target.force(x)[:, 0], spacing=float(x[1, 0] - x[0, 0]))[0].abs()
    typical = float((curvature * density).sum() / density.sum())
    epsilons = [e / typical for e in RELATIVE_STEPS]
    start = target.sample(4000, Noise(seed).of("scan start"))
    noise = Noise(seed).of("scan")
    scan = step_size_scan(target, epsilons, start, 60 / typical, 10 / typical, noise, token=token)
    yield scan, extrapolate(scan)


def chain_scene(chain: Chain, statistics: Statistics | None, scan: Scan | None) -> Scene:
    """The chain now: distribution, trajectories, ⟨x²⟩, autocorrelation, step-size bias."""
    second = float(chain.target.covariance[0, 0] + chain.target.mean[0] ** 2)
    return Scene(
        positions=[0.0],
        panels=[
            _histogram(chain),
            _trajectories(chain),
            _mean(chain, second),
            _autocorrelation(chain, statistics),
            _bias(scan, second, chain.state.epsilon),
        ],
        columns="1fr 1fr 1fr",
        rows="1fr 1fr",
        areas=["histogram histogram paths", "mean rho bias"],
    )


def _histogram(chain: Chain) -> Panel:
    (x,) = drawing_grid(chain.target, chain.edges[:1], chain.edges[-1:], np.ones(1), np.zeros(1), 181)
    exact = chain.target.log_prob(torch.from_numpy(x)[:, None]).exp().numpy()
    width = np.diff(chain.edges)
    series: list[Any] = []
    if chain.counts.sum():
        heights = chain.counts / (chain.counts.sum() * width)
        series.append(Bars(chain.edges, heights, "all since thermalisation", "data", opacity=0.35))
    now = np.histogram(chain.state.x.numpy(), chain.edges)[0] / (len(chain.state.x) * width)
    series += [
        Line((chain.edges[1:] + chain.edges[:-1]) / 2, now, "chains now", "forward", width=1.2, opacity=0.8),
        Line(x, exact, "exp(−S)/Z", "exact", width=2, dash=True),
    ]
    top = 1.4 * float(exact.max())
    return Panel("histogram", series, title="Distribution", xlabel="x", ylabel="P", ylim=(0, top))


def _trajectories(chain: Chain) -> Panel:
    clock = np.array([t for t, _ in chain.trace])
    x = np.array([positions for _, positions in chain.trace])
    colours = ("k1", "k2", "k4", "k6", "k8")
    return Panel(
        "paths",
        [Line(clock, x[:, i], "", colours[i % 5], width=1.3) for i in range(x.shape[1])],
        title="Trajectories",
        xlabel="Langevin time",
        ylabel="x",
        ylim=(float(chain.edges[0]), float(chain.edges[-1])),
    )


def _mean(chain: Chain, exact: float) -> Panel:
    thin = slice(None, None, max(1, len(chain.clock) // 600))
    return Panel(
        "mean",
        [
            Line(np.array(chain.clock)[thin], np.array(chain.mean)[thin], "mean over chains", "data", width=1.5),
            Rule(y=exact, label="exact", color="exact"),
        ],
        title="⟨x²⟩ against Langevin time",
        xlabel="Langevin time",
    )


def _autocorrelation(chain: Chain, statistics: Statistics | None) -> Panel:
    title, unit = "Autocorrelation", chain.pace
    if statistics is None:
        return Panel("rho", [Rule(y=0.0)], title=title, note="after thermalisation", xlabel="Langevin time")
    x2, x = statistics.x2, statistics.x
    lags = min(len(x2.rho), max(10, 5 * x2.window))
    time = np.arange(lags) * unit
    return Panel(
        "rho",
        [
            Line(time, x2.rho[:lags], "x²", "k2", width=2),
            Line(time, x.rho[:lags], "x", "k4", width=2),
            Rule(y=0.0),
            Rule(x=x2.window * unit, label="window", color="muted"),
        ],
        title=title,
        note=f"x²: τ_int = {with_error(x2.tau * unit, x2.tau_error * unit)}",
        xlabel="Langevin time",
        ylim=(-0.1, 1.05),
    )


def _bias(scan: Scan | None, exact: float, used: float) -> Panel:
    title = "⟨x²⟩ against ε"
    level = Rule(y=exact, label=f"exact {exact:.5g}", color="exact")
    if scan is None:
        return Panel("bias", [level], title=title, xlabel="ε", note="measuring …")
    measured, fit = scan
    epsilon = np.linspace(0, float(measured.epsilon.max()), 60)
    value, band = fit.band(epsilon)
    points = zip(measured.epsilon, measured.value, measured.error, strict=True)
    return Panel(
        "bias",
        [
            Band(epsilon, value - band, value + band, "fit", "learned", opacity=0.3),
            Line(epsilon, value, "", "learned", width=1.5),
            *(Line([e, e], [v - s, v + s], "", "data", width=2) for e, v, s in points),
            Points(measured.epsilon, measured.value, "data", 6, "measured", 1.0),
            level,
            Rule(x=used, label="ε in use", color="accent"),
        ],
        title=title,
        xlim=(0.0, 1.08 * max(used, float(measured.epsilon.max()))),
        xlabel="ε",
        note=f"ε → 0: {with_error(fit.value, fit.error)}",
    )
