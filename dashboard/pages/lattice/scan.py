"""The tab *Scan*: a job of the server that measures ⟨|M|⟩, χ and U_L over a range of κ on several lattices."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import panel as pn
import panel_material_ui as pmui
import param

from core.jobs import Token
from core.samplers.scan import ScanPoint, ScanRequest, kappa_range
from dashboard.live import Live, sentence
from dashboard.pages.lattice.scan_scene import crossings_of, progress_text, report, scan_scene
from dashboard.pages.lattice.scanning import Scanning, begin, latest
from dashboard.pages.lattice.state import LABELS, SCAN_KEYS, LatticeState
from dashboard.shell import Shell
from dashboard.stage import Scene, Stage
from dashboard.widgets import choices, controls

SIZES = (8, 16, 32, 64)
HEIGHT = "max(340px, calc(100vh - 330px))"
TELL_EVERY = 0.2
"""Seconds between reports of progress, at most."""


class ScanSettings(param.Parameterized):
    """What a person can set here beside λ and the seed, which the page shares."""

    low = param.Number(0.25, bounds=(0.0, 0.6), step=0.001, doc="Smallest κ of the scan.")
    high = param.Number(0.29, bounds=(0.0, 0.6), step=0.001, doc="Largest κ of the scan.")
    points = param.Integer(13, bounds=(3, 60), doc="Values of κ, evenly spaced.")
    configurations = param.Integer(
        8000, bounds=(200, 200_000), doc="Configurations of each point, over 16 chains; errors shrink as 1/√N."
    )
    algorithm = param.Selector(
        default="cluster",
        objects={"Cluster (Wolff)": "cluster", "HMC with sign flips": "hmc"},
        doc="How the chains move; step sizes are tuned for every point.",
    )
    sizes = param.ListSelector(
        default=[8, 16, 32], objects={f"{n} × {n}": n for n in SIZES}, doc="Lattices that are scanned, side by side."
    )


NAMES = {
    "low": "κ from", "high": "κ to", "points": "Points", "configurations": "Configurations a point",
    "algorithm": "Algorithm",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Look:
    """What is seen of a scan at one moment; ``scene`` and ``text`` where there is a new point."""

    job: Scanning
    over: bool
    points: dict[tuple[int, float], ScanPoint]
    line: str
    scene: Scene | None = None
    text: str = ""


def progress_of(job: Scanning) -> str:
    """One line on how far a scan is."""
    if job.state == "waiting":
        return "Waits until others are done."
    state = job.state if job.state in ("finished", "cancelled") else "running"
    return progress_text(job.done, job.total, len(job.points), job.seconds, state)


class ScanView:
    """One session's look at a scan of its browser, a job of the server, and what it asks to be scanned."""

    def __init__(self, shell: Shell, state: LatticeState) -> None:
        self.state = state
        self.settings = ScanSettings()
        shell.sync(self.settings, SCAN_KEYS)
        self.stage = Stage(
            height=None, sizing_mode="stretch_both", controls=False, dark=shell.param.dark,
            label="Magnetisation, susceptibility and Binder cumulant against κ", margin=(0, 4),
        )  # fmt: skip
        self.text = pn.pane.HTML(
            "", css_classes=["scan-report"], margin=(6, 12), sizing_mode="stretch_width",
            styles={"font-size": "14px", "line-height": "1.45"},
        )  # fmt: skip
        small: dict[str, Any] = {"size": "small", "margin": (6, 4, 4, 8)}
        self.start = pmui.Button(
            label="Start", css_classes=["control-scan-start"], color="primary",
            description="Measure all points; those of the last scan go.", **small,
        )  # fmt: skip
        self.cancel = pmui.Button(
            label="Cancel", css_classes=["control-scan-cancel"], variant="outlined", disabled=True,
            description="Stop here and keep the points that there are.", **small,
        )  # fmt: skip
        self.bar = pmui.LinearProgress(value=0, margin=(18, 12), sizing_mode="stretch_width", visible=False)
        self.line = pn.pane.HTML(
            "", css_classes=["scan-progress"], margin=(12, 8), min_width=230,
            styles={"font-size": "13.5px", "font-variant-numeric": "tabular-nums"},
        )  # fmt: skip
        self.sizes = choices(self.settings, "sizes", "Lattices", inline=True, css_classes=["control-scan-sizes"])
        self.sidebar = self._sidebar()
        self.main = [self._layout()]
        self.live = Live(self._deliver, self._fail)
        self._shell = shell
        self.job: Scanning | None = None
        self.points: dict[tuple[int, float], ScanPoint] = {}
        self.start.on_click(lambda _: self.begin())
        self.cancel.on_click(lambda _: self.stop())
        shell.on_close(self.live.close)
        self._empty()

    def open(self) -> None:
        """The tab has come to the front: look at the scan of this browser, also one that another tab has begun."""
        if self.job is None or self.job.over:
            job = latest(self._shell.owner)
            if job is not None and job is not self.job:
                self.follow(job)

    def rest(self) -> None:
        """The tab is hidden; the scan goes on."""

    def begin(self) -> None:
        """Measure what is asked for, from the first point on."""
        s = self.settings
        try:
            request = ScanRequest(
                kappa_range(float(s.low), float(s.high), int(s.points)),  # type: ignore[arg-type]
                tuple(sorted(s.sizes or [])),  # type: ignore[type-var]
                float(self.state.lam),  # type: ignore[arg-type]
                int(s.configurations),  # type: ignore[arg-type]
                str(s.algorithm),
                int(self.state.seed),  # type: ignore[arg-type]
            )
            job = begin(request, self._shell.owner)
        except ValueError as problem:
            self._fail(problem)
            return
        self.follow(job)

    def follow(self, job: Scanning) -> None:
        """Show this scan from now on."""
        self.job, self.points = job, {}
        self.stage.error = ""
        self._running(True)
        self.live.submit(partial(self._stages, job))

    def stop(self) -> None:
        """End the scan and keep its points."""
        if self.job is not None:
            self.job.cancel()

    def _sidebar(self) -> list[Any]:
        w = controls(self.settings, list(NAMES), NAMES)
        shared = controls(self.state, ["lam", "seed"], LABELS)
        sections = {
            "Range": [w["low"], w["high"], w["points"]],
            "Lattices": [self.sizes, shared["lam"]],
            "Sampling": [w["configurations"], w["algorithm"], shared["seed"]],
        }
        return [
            pmui.Card(
                *items, title=title, collapsible=True, margin=(4, 6), sizing_mode="stretch_width", variant="outlined",
                title_variant="subtitle2",
            )
            for title, items in sections.items()
        ]  # fmt: skip

    def _layout(self) -> Any:
        top = pn.Row(self.start, self.cancel, self.line, self.bar, margin=0, sizing_mode="stretch_width")
        explanation = pn.pane.Markdown(EXPLANATION, margin=(0, 14), sizing_mode="stretch_width")
        picture = pn.FlexBox(
            self.stage, margin=0, sizing_mode="stretch_width", styles={"height": HEIGHT, "flex": "none"}
        )
        return pn.Column(top, picture, self.text, explanation, sizing_mode="stretch_width", margin=0)

    def _stages(self, job: Scanning, token: Token) -> Iterator[Look]:
        """What is seen of a scan, again and again until it has ended; drawn here, off the session's loop."""
        changed, drawn = threading.Event(), None
        job.watch(changed.set)
        try:
            while True:
                over, points = job.over, job.points
                look = Look(job, over, points, progress_of(job))
                if points is not drawn:
                    found = crossings_of(job.request, points)
                    scene = scan_scene(job.request, points, found)
                    scene.block  # noqa: B018  packed here
                    look = replace(look, scene=scene, text=report(job.request, points, found))
                    drawn = points
                yield look
                if over:
                    return
                token.check()
                changed.clear()
                changed.wait(TELL_EVERY)
        finally:
            job.unwatch(changed.set)

    def _deliver(self, look: Look) -> None:
        if look.job is not self.job:
            return
        with pn.io.hold():
            self.points = look.points
            if look.scene is not None:
                self.stage.show(look.scene)
                self.text.object = look.text
            self._running(not look.over)
            self.bar.value = round(100 * look.job.fraction)
            self.line.object = look.line
            if look.over and look.job.error is not None:
                self._fail(look.job.error)

    def _empty(self) -> None:
        """Axes before the first scan."""
        s = self.settings
        kappas = kappa_range(float(s.low), float(s.high), int(s.points))  # type: ignore[arg-type]
        self.stage.show(scan_scene(ScanRequest(kappas, (8, 16, 32)), {}, []))
        self.line.object = "Press Start."

    def _running(self, running: bool) -> None:
        self.start.disabled = running
        self.cancel.disabled = not running
        self.bar.visible = running
        self.stage.busy = running

    def _fail(self, error: Exception) -> None:
        self._running(False)
        self.stage.error = sentence(error)


EXPLANATION = """
**What to look for.** ⟨|M|⟩ rises at the transition, the steeper the larger the lattice; χ peaks there; and the curves
of U_L, which runs from 0 (symmetric) to 2/3 (broken), cross close to κ_c whatever their sizes. The vertical line is
κ_c = 0.2709 of the infinite lattice at λ = 0.022, the coloured band a crossing with its error. All errors contain the
autocorrelation of the chains (Γ method); χ and U_L are even in M, so no sign of M is preferred.
"""
