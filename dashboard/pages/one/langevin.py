"""The tab *Langevin*: the same law by stochastic quantisation, as a chain that runs while one watches."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
import torch

from core.jobs import Token
from core.noise import Noise
from core.samplers import langevin, mala
from core.samplers.driver import frames
from core.samplers.step_size import Extrapolation, StepSizeScan, extrapolate, mean_square, step_size_scan
from core.statistics.autocorrelation import integrated_time
from core.statistics.format import with_error
from core.theories.base import Target
from dashboard.live import Live
from dashboard.pages.one.state import OneState
from dashboard.pages.one.training import ScoreTraining
from dashboard.shell import Shell
from dashboard.stage import Band, Bars, Line, Panel, Points, Rule, Scene, Stage

TRIGGERS = (
    "target", "means", "stds", "weights", "mu2", "coupling", "formula",
    "epsilon", "therm", "noise_strength", "metropolis", "chains", "seed",
)  # fmt: skip
STRENGTHS: dict[str, Callable[[float], float] | None] = {
    "constant": None,
    "growing": lambda t: 2**0.5 * (0.5 + 0.5 * min(t / 5, 3.0)),
    "falling": lambda t: 2**0.5 * (0.5 + 1.5 / (1 + t / 5)),
}
FRAME = 1 / 15  # seconds of wall clock between pictures
LINES = 5  # trajectories in the picture
WINDOW = 400  # steps of them
KEEP = 4000  # steps of the time series that statistics look back on
MAX_STEPS = 200_000
OBSERVABLES = {"x2": mean_square, "x": lambda x: x[:, 0]}


@dataclass
class Chain:
    """A running chain: its state, the histories that the picture shows, and the sums behind the histogram."""

    target: Target
    state: Any
    step: Any
    noise: Noise
    therm: int
    edges: np.ndarray
    counts: np.ndarray
    clock: list[float] = field(default_factory=list)
    mean: list[float] = field(default_factory=list)
    trace: list[np.ndarray] = field(default_factory=list)
    series: list[np.ndarray] = field(default_factory=list)
    positions: list[np.ndarray] = field(default_factory=list)
    acceptance: float = float("nan")
    batch: int = 1

    def advance(self, token: Token) -> None:
        """Take ``batch`` steps and add what happened."""
        (frame,) = frames(self.state, self.step, self.noise, self.batch, None, OBSERVABLES, LINES, token)
        self.state, self.acceptance = frame.state, frame.acceptance
        self.clock += frame.clock.tolist()
        self.mean += frame.series["x2"].mean(axis=0).tolist()
        self.trace = (self.trace + list(frame.trajectories[..., 0].T))[-WINDOW:]
        if self.state.count > self.therm:
            self.series = (self.series + list(frame.series["x2"].T))[-KEEP:]
            self.positions = (self.positions + list(frame.series["x"].T))[-KEEP:]
            self.counts = self.counts + np.histogram(self.state.x.numpy(), self.edges)[0]


class LangevinTab:
    """Streams a chain to the stage; the step-size scan beside it is computed once for every target."""

    title = "Langevin"

    def __init__(self, state: OneState, shell: Shell, training: ScoreTraining) -> None:
        self.state = state
        self.stage = Stage(height=580, controls=False, dark=shell.param.dark, label="A Langevin chain while it runs")
        small: dict[str, Any] = {"size": "small", "margin": (10, 8, 6, 8)}
        self.run = pmui.Button(
            label="Pause",
            css_classes=["control-langevin-run"],
            color="primary",
            description="Pause the chain, or let it go on.",
            **small,
        )
        self.restart = pmui.Button(
            label="Start again", css_classes=["control-langevin-restart"], variant="outlined",
            description="A new chain from the same seed.", **small,
        )  # fmt: skip
        self.pace = pmui.Select(
            label="Steps a picture", css_classes=["control-langevin-pace"], options=[1, 5, 20, 100], value=5, width=140,
            description="How many steps the chain takes between two pictures.", **small,
        )  # fmt: skip
        self.line = pn.pane.HTML(
            "",
            margin=(14, 10),
            sizing_mode="stretch_width",
            styles={"font-size": "14px", "font-variant-numeric": "tabular-nums"},
        )
        self.equation = pn.pane.LaTeX("", renderer="mathjax", margin=(0, 14), sizing_mode="stretch_width")
        self.content = pn.Column(
            pn.Row(self.run, self.restart, self.pace, self.line, sizing_mode="stretch_width", margin=0),
            self.stage, self.equation, pn.pane.Markdown(EXPLANATION, margin=(0, 14), sizing_mode="stretch_width"),
            sizing_mode="stretch_width", margin=0,
        )  # fmt: skip
        self.live = Live(self._deliver_scan, self._fail)
        self._token = Token()
        self._paused = threading.Event()
        self._scan: tuple[StepSizeScan, Extrapolation] | None = None
        self._scanned = ""
        self.run.on_click(self._toggle)
        self.restart.on_click(lambda _: self.start())
        state.param.watch(self._changed, list(TRIGGERS))
        state.param.watch(
            lambda event: self._paused.clear() if event.new == "langevin" else self._token.cancel(), "tab"
        )
        shell.on_close(self.close)

    def show(self) -> None:
        """The tab has come to the front: the chain runs only while it is there."""
        self.start()

    def close(self) -> None:
        self._token.cancel()
        self.live.close()

    def _changed(self, *_: Any) -> None:
        if self.state.tab == "langevin":
            self.start()

    def _toggle(self, _: Any) -> None:
        (self._paused.clear if self._paused.is_set() else self._paused.set)()
        self.run.label = "Go on" if self._paused.is_set() else "Pause"

    def start(self) -> None:
        """A new chain with the present settings; the one that runs is dropped."""
        self._token.cancel()
        try:
            chain = self.make_chain()
        except ValueError as problem:
            self.stage.error = str(problem)
            return
        self.stage.error = ""
        self.equation.object = _equation(chain.target, self.state)
        self._token = token = Token()
        threading.Thread(target=self._loop, args=(chain, token), daemon=True, name="stoqlab-langevin").start()
        law = repr(chain.target)
        if law != self._scanned:
            self._scanned, self._scan = law, None
            self.live.submit(partial(_scan, chain.target, int(self.state.seed)))  # type: ignore[arg-type]

    def make_chain(self) -> Chain:
        """The chain that the state asks for, started far out on one side so that one sees it thermalise."""
        state = self.state
        target = state.make_target()
        low, high = target.window()[0]
        x = torch.full((int(state.chains), 1), float(high), dtype=torch.float64)  # type: ignore[arg-type]
        edges = np.linspace(low - 0.15 * (high - low), high + 0.15 * (high - low), 91)
        noise = Noise(int(state.seed)).of("langevin")  # type: ignore[arg-type]
        epsilon, therm = float(state.epsilon), int(state.therm)  # type: ignore[arg-type]
        if state.metropolis:
            start, step = mala.init(target, x, epsilon), mala.step
        else:
            start, step = langevin.init(target, x, epsilon, STRENGTHS[str(state.noise_strength)]), langevin.step
        return Chain(target, start, step, noise, therm, edges, np.zeros(90))

    def _loop(self, chain: Chain, token: Token) -> None:
        try:
            while not token.cancelled and chain.state.count < MAX_STEPS:
                if self._paused.is_set() or not self.stage.watched:
                    time.sleep(FRAME)
                    continue
                began = time.monotonic()
                chain.batch = int(self.pace.value)  # type: ignore[arg-type]
                chain.advance(token)
                if token.cancelled:
                    return
                self.stage.push(chain_scene(chain, self._scan))
                self.live.soon(self._say, chain)
                time.sleep(max(0.0, FRAME - (time.monotonic() - began)))
        except Exception as error:
            if not token.cancelled:
                self.live.soon(self._fail, error)

    def _say(self, chain: Chain) -> None:
        text = f"{chain.state.count} steps, Langevin time {chain.state.clock:.2f}"
        if np.isfinite(chain.acceptance):
            text += f", acceptance {chain.acceptance:.2f}"
        if len(chain.series) >= 20:
            found = integrated_time(np.array(chain.series).T)
            tau = with_error(found.tau, found.tau_error)
            text += f", ⟨x²⟩ = {with_error(found.mean, found.mean_error)}, τ_int = {tau} steps"
        self.line.object = text

    def _deliver_scan(self, result: tuple[StepSizeScan, Extrapolation]) -> None:
        self._scan = result

    def _fail(self, error: Exception) -> None:
        self.stage.error = str(error) or type(error).__name__


def _scan(target: Target, seed: int, token: Token) -> Iterator[tuple[StepSizeScan, Extrapolation]]:
    """⟨x²⟩ at several step sizes up to the largest that is stable for the stiffest place of the law."""
    low, high = target.window()[0]
    x = torch.linspace(low, high, 401, dtype=torch.float64)[:, None]
    density = target.log_prob(x).exp()
    force = target.force(x)[:, 0]
    stiffness = torch.gradient(force, spacing=float(x[1, 0] - x[0, 0]))[0].abs()
    typical = float((stiffness * density).sum() / density.sum())
    epsilons = np.array([0.05, 0.1, 0.15, 0.2, 0.3]) / typical
    start = target.sample(4000, Noise(seed).of("scan start"))
    scan = step_size_scan(
        target, epsilons.tolist(), start, 60 / typical, 10 / typical, Noise(seed).of("scan"), token=token
    )
    yield scan, extrapolate(scan)


def chain_scene(chain: Chain, scan: tuple[StepSizeScan, Extrapolation] | None) -> Scene:
    """What the stage shows of a chain now."""
    target = chain.target
    x = np.linspace(chain.edges[0], chain.edges[-1], 181)
    points = torch.from_numpy(x)[:, None]
    exact = target.log_prob(points).exp().numpy()
    width = np.diff(chain.edges)
    total = chain.counts.sum()
    series: list[Any] = []
    if total:
        series.append(
            Bars(chain.edges, chain.counts / (total * width), "all since thermalisation", "data", opacity=0.35)
        )
    now = np.histogram(chain.state.x.numpy(), chain.edges)[0] / (len(chain.state.x) * width)
    series += [
        Line(0.5 * (chain.edges[1:] + chain.edges[:-1]), now, "chains now", "forward", width=1.2, opacity=0.8),
        Line(x, exact, "exp(−S)/Z", "exact", width=2, dash=True),
    ]
    histogram = Panel(
        "histogram", series, title="Distribution", xlabel="x", ylabel="P", ylim=(0, 1.4 * float(exact.max()))
    )
    trace = np.array(chain.trace)
    clock = np.array(chain.clock)
    paths = Panel(
        "paths",
        [
            Line(clock[-len(trace) :], trace[:, i], "", f"k{(1, 2, 4, 6, 8)[i]}", width=1.3)
            for i in range(trace.shape[1])
        ],
        title="Trajectories",
        xlabel="Langevin time",
        ylabel="x",
        ylim=(float(chain.edges[0]), float(chain.edges[-1])),
    )
    thin = slice(None, None, max(1, len(clock) // 600))
    second = float(target.covariance[0, 0] + target.mean[0] ** 2)
    mean = Panel(
        "mean",
        [
            Line(clock[thin], np.array(chain.mean)[thin], "mean over chains", "data", width=1.5),
            Rule(y=second, label="exact", color="exact"),
        ],
        title="⟨x²⟩ against Langevin time",
        xlabel="Langevin time",
    )
    return Scene(
        positions=[0.0],
        panels=[histogram, paths, mean, _autocorrelation(chain), _bias(chain, scan, second)],
        columns="1fr 1fr 1fr",
        rows="1fr 1fr",
        areas=["histogram histogram paths", "mean rho bias"],
    )


def _autocorrelation(chain: Chain) -> Panel:
    if len(chain.series) < 20:
        return Panel(
            "rho", [Rule(y=0.0)], title="Autocorrelation of x²", note="after thermalisation", xlabel="Langevin time"
        )
    found = integrated_time(np.array(chain.series).T)
    slow = integrated_time(np.array(chain.positions).T)
    lags = min(len(found.rho), max(10, 5 * found.window))
    unit = chain.clock[-1] / len(chain.clock)
    return Panel(
        "rho",
        [
            Line(np.arange(lags) * unit, found.rho[:lags], "x²", "k2", width=2),
            Line(np.arange(lags) * unit, slow.rho[:lags], "x", "k4", width=2),
            Rule(y=0.0),
            Rule(x=found.window * unit, label="window", color="muted"),
        ],
        title="Autocorrelation",
        note=f"x²: τ_int = {with_error(found.tau * unit, found.tau_error * unit)}",
        xlabel="Langevin time",
        ylim=(-0.1, 1.05),
    )


def _bias(chain: Chain, scan: tuple[StepSizeScan, Extrapolation] | None, exact: float) -> Panel:
    title = "⟨x²⟩ against ε"
    if scan is None:
        return Panel("bias", [Rule(y=exact, label="exact", color="exact")], title=title, xlabel="ε", note="measuring …")
    measured, fit = scan
    epsilon = np.linspace(0, float(measured.epsilon.max()), 60)
    value, band = fit.band(epsilon)
    return Panel(
        "bias",
        [
            Band(epsilon, value - band, value + band, "fit", "learned", opacity=0.3),
            Line(epsilon, value, "", "learned", width=1.5),
            *(
                Line([e, e], [v - s, v + s], "", "data", width=2)
                for e, v, s in zip(measured.epsilon, measured.value, measured.error, strict=True)
            ),
            Points(measured.epsilon, measured.value, "data", 6, "measured", 1.0),
            Rule(y=exact, label=f"exact {exact:.5g}", color="exact"),
        ],
        title=title,
        xlabel="ε",
        note=f"ε → 0: {with_error(fit.value, fit.error)}",
    )


def _equation(target: Target, state: OneState) -> str:
    h = rf"{float(state.epsilon):g}"  # type: ignore[arg-type]
    if state.metropolis:
        step = rf"x' = x + {h}\,K(x) + \sqrt{{2\cdot {h}}}\,\eta,\quad \text{{accepted with probability }} \min(1, A)"
    elif state.noise_strength == "constant":
        step = rf"x \leftarrow x + {h}\,K(x) + \sqrt{{2\cdot {h}}}\,\eta"
    else:
        step = (
            rf"x \leftarrow x + \tfrac12 g^2 {h}\,K(x) + g\sqrt{{{h}}}\,\eta,"
            r"\quad \text{clock } \tau = \tfrac12\int g^2 dt"
        )
    return rf"$$\begin{{aligned}} & {target.latex()} \\ & {step},\qquad K = -\partial S/\partial x \end{{aligned}}$$"


EXPLANATION = """
**What to look for.** The chains start far out on one side and find the law by themselves; only what comes after
thermalisation counts. A finite step ε samples a law that is wrong by order ε: the picture at the lower right measures
it and extrapolates to ε → 0, and the Metropolis-adjusted step has no such bias. A noise strength g(t) that changes with
time changes the clock, ∫ ½ g² dt, and nothing else: all curves are drawn against that clock.
"""
