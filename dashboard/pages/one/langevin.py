"""The tab *Langevin*: the same law by stochastic quantisation, as a chain that runs while one watches."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui

from core.jobs import Token, working_for
from core.statistics.format import with_error
from core.theories.base import Target
from dashboard import style
from dashboard.faults import note, sentence
from dashboard.live import Live
from dashboard.pages.one.chain import Chain, Statistics, make_chain
from dashboard.pages.one.chain_scene import Scan, chain_scene, scan_step_sizes
from dashboard.pages.one.recipes import chain_recipe
from dashboard.pages.one.state import OneState
from dashboard.pages.one.training import ScoreTraining
from dashboard.shell import Shell
from dashboard.stage import Stage
from dashboard.widgets import control

TRIGGERS = (
    "target", "means", "stds", "weights", "mu2", "coupling", "formula",
    "epsilon", "therm", "noise_strength", "metropolis", "chains", "seed",
)  # fmt: skip
FRAME = 1 / 15  # seconds of wall clock between pictures
STATISTICS_EVERY = 0.5  # seconds between evaluations of the autocorrelation
MAX_STEPS = 200_000
HEIGHT = style.picture_height("580px", above=58)


class LangevinTab:
    """Streams a chain to the stage; the step-size scan beside it is computed once for every target."""

    title = "Langevin"

    def __init__(self, state: OneState, shell: Shell, training: ScoreTraining) -> None:
        self.state = state
        self.stage = Stage(
            height=None, min_height=300, sizing_mode="stretch_both", controls=False, dark=shell.param.dark,
            areas=shell.param.areas, label="A Langevin chain while it runs",
        )  # fmt: skip
        small: dict[str, Any] = {"size": "small", "margin": (10, 8, 6, 8)}
        self.run = pmui.Button(
            label="Pause", css_classes=["control-langevin-run"], color="primary",
            description="Pause the chain, or let it go on.", **small,
        )  # fmt: skip
        self.restart = pmui.Button(
            label="Start again", css_classes=["control-langevin-restart"], variant="outlined",
            description="A new chain from the same seed.", **small,
        )  # fmt: skip
        self.pace = control(
            state,
            "pace",
            "Steps a picture",
            css_classes=["control-langevin-pace"],
            width=140,
            sizing_mode=None,
            **small,
        )
        numerals = {"font-size": "0.875rem", "font-variant-numeric": "tabular-nums"}
        self.line = pn.pane.HTML("", margin=(14, 10), sizing_mode="stretch_width", styles=numerals)
        self.equation = pn.pane.LaTeX("", renderer="mathjax", margin=(12, 14, 4, 14), sizing_mode="stretch_width")
        picture = pn.FlexBox(self.stage, margin=0, sizing_mode="stretch_width", styles={"height": HEIGHT})
        words = pn.pane.Markdown(EXPLANATION, margin=(0, 14), sizing_mode="stretch_width")
        shell.aside(self.equation, words)
        self.content = pn.Column(
            pn.Row(self.run, self.restart, self.pace, self.line, sizing_mode="stretch_width", margin=0),
            picture, self.equation, words, sizing_mode="stretch_width", margin=0,
        )  # fmt: skip
        self.live = Live(self._deliver_scan, self._fail)
        self._token = Token()
        self._paused = threading.Event()
        self._told = threading.Event()
        self._told.set()
        self._scan: Scan | None = None
        self._scanned = ""
        self.run.on_click(lambda _: self.pause(not self._paused.is_set()))
        self.restart.on_click(lambda _: self.start())
        state.param.watch(self._changed, list(TRIGGERS))
        state.param.watch(self._left, "tab")
        shell.on_close(self.close)
        shell.on_leave(self._abandon)

    def show(self) -> None:
        """The tab has come to the front: the chain runs only while it is there."""
        self.start()

    def close(self) -> None:
        self._token.cancel()
        self.live.close()

    def _abandon(self) -> None:
        """The browser has gone: the chain rests, as nobody watches it, and the scan of step sizes ends."""
        self.live.cancel()
        if self._scan is None:
            self._scanned = ""

    def pause(self, still: bool) -> None:
        """Hold the chain, or let it go on."""
        (self._paused.set if still else self._paused.clear)()
        self.run.label = "Go on" if still else "Pause"

    def start(self) -> None:
        """A new chain with the present settings; the one that runs is dropped."""
        self._token.cancel()
        self.pause(False)
        try:
            chain = make_chain(self.state)
        except ValueError as problem:
            self._fail(problem)
            return
        self.stage.error = ""
        self.equation.object = _equation(chain.target, self.state)
        self._token = token = Token()
        self.stage.reproduces(lambda: chain_recipe(chain, self.state, TRIGGERS))
        threading.Thread(target=self._run, args=(chain, token), daemon=True, name="stoqlab-langevin").start()
        law = repr(chain.target)
        if law != self._scanned:
            self._scanned, self._scan = law, None
            self.live.submit(partial(scan_step_sizes, chain.target, int(self.state.seed)))  # type: ignore[arg-type]

    def _changed(self, *_: Any) -> None:
        if self.state.tab == "langevin":
            self.start()

    def _left(self, event: Any) -> None:
        if event.new != "langevin":
            self._token.cancel()

    def _run(self, chain: Chain, token: Token) -> None:
        with working_for(self.live.owner):
            self._loop(chain, token)

    def _loop(self, chain: Chain, token: Token) -> None:
        """The chain's own thread: steps, statistics and pictures; the session's loop only gets a finished text."""
        statistics, evaluated = None, 0.0
        try:
            while not token.cancelled:
                began = time.monotonic()
                if chain.state.count >= MAX_STEPS:
                    self.live.soon(self._say, f"{MAX_STEPS} steps: the chain ends here. Start again for more.")
                    return
                if not self._paused.is_set() and self.stage.watched:
                    chain.batch = int(self.state.pace)  # type: ignore[arg-type]
                    chain.advance(token)
                    if began - evaluated > STATISTICS_EVERY:
                        statistics, evaluated = chain.statistics(), began
                    if not token.cancelled:
                        self.stage.push(chain_scene(chain, statistics, self._scan))
                        self._tell(_summary(chain, statistics))
                time.sleep(max(0.0, FRAME - (time.monotonic() - began)))
        except Exception as error:
            if not token.cancelled:
                note(error, "a Langevin chain failed")
                self.live.soon(self._fail, error)

    def _tell(self, text: str) -> None:
        """Show a text, unless the loop has not yet come to show the last one."""
        if self._told.is_set():
            self._told.clear()
            self.live.soon(self._say, text)

    def _say(self, text: str) -> None:
        self.line.object = text
        self._told.set()

    def _deliver_scan(self, result: Scan) -> None:
        self._scan = result

    def _fail(self, error: Exception) -> None:
        self.stage.error = sentence(error)


def _summary(chain: Chain, statistics: Statistics | None) -> str:
    text = f"{chain.state.count} steps, Langevin time {chain.state.clock:.2f}"
    if np.isfinite(chain.acceptance):
        text += f", acceptance {chain.acceptance:.2f}"
    if statistics:
        x2, slow = statistics.x2, statistics.slowest
        name = "x²" if slow is x2 else "x"
        text += f", ⟨x²⟩ = {with_error(x2.mean, x2.mean_error)}"
        text += f", τ_int of {name} = {with_error(slow.tau, slow.tau_error)} steps"
        if not statistics.settled:
            text += "<br><b>Not yet in equilibrium:</b> the chains remember where they were; errors are too small."
    return text


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
