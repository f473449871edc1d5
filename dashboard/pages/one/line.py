"""The one-dimensional tab: the moving picture, the equations that it integrates and the table at its end."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from functools import partial
from typing import Any

import panel as pn

from core.contracts import ScoreModel
from core.jobs import Token
from core.statistics.format import thousands
from dashboard import style
from dashboard.live import Live, sentence
from dashboard.pages.one.deviations import deviations
from dashboard.pages.one.equations import equations
from dashboard.pages.one.order import Order, make_order
from dashboard.pages.one.picture import FRAMES, Picture, pictures, preview
from dashboard.pages.one.recipes import process_recipe
from dashboard.pages.one.scene import build_scene
from dashboard.pages.one.state import OneState
from dashboard.pages.one.table import Row, table_html, table_rows
from dashboard.pages.one.training import ScoreTraining
from dashboard.shared import known, shared
from dashboard.shell import Shell
from dashboard.stage import Stage

TRIGGERS = (
    "target", "means", "stds", "weights", "mu2", "coupling", "formula",
    "schedule", "sigma", "beta_min", "beta_max", "drawn", "keep_variance",
    "solver", "grid", "steps", "paths", "prior", "score", "seed",
)  # fmt: skip


HEIGHT = style.picture_height("780px")


class LineTab:
    """Turns the state into a picture whenever something changes: a quick one first, then the one asked for."""

    title = "One dimension"

    def __init__(self, state: OneState, shell: Shell, training: ScoreTraining) -> None:
        self.state, self.training = state, training
        self.stage = Stage(
            height=None, min_height=300, sizing_mode="stretch_both", dark=shell.param.dark, areas=shell.param.areas,
            label="One degree of freedom: density, trajectories, cumulants, score",
        )  # fmt: skip
        self.stage.reproduces(lambda: process_recipe(self.order(), state, FRAMES, TRIGGERS))
        self.note = pn.pane.Alert("", alert_type="warning", visible=False, margin=(0, 10), sizing_mode="stretch_width")
        self.equations = pn.pane.LaTeX("", renderer="mathjax", sizing_mode="stretch_width", margin=(12, 14, 4, 14))
        self.table = pn.pane.HTML("", sizing_mode="stretch_width", margin=(0, 14), stylesheets=[style.TABLE_CSS])
        self._typeset = ""
        self.picture: Picture | None = None
        self.live = Live(self._deliver, self._fail)
        shell.on_close(self.live.close)
        shell.on_leave(self.live.cancel)
        self.outcome = pn.Column(self.table, sizing_mode="stretch_width", margin=0)
        self.rows: list[Row] = []
        picture = pn.FlexBox(self.stage, margin=0, sizing_mode="stretch_width", styles={"height": HEIGHT})
        words = pn.pane.Markdown(EXPLANATION, margin=(0, 14), sizing_mode="stretch_width")
        below = self.equations, self.outcome, words
        shell.aside(*below)
        self.content = pn.Column(self.note, picture, *below, sizing_mode="stretch_width", margin=0)
        shell.param.watch(self._draw_figure, "dark")
        self._shell = shell
        state.param.watch(self.refresh, list(TRIGGERS))
        state.param.watch(self._redraw, "moments")
        training.listeners.append(self.refresh)
        self._stale = True

    def show(self) -> None:
        """The tab has come to the front: catch up with the state."""
        if self._stale:
            self.refresh()

    def refresh(self, *_: Any) -> None:
        """Compute the picture of the present state; a sentence on the stage says what is wrong with it."""
        self._stale = self.state.tab != "line"
        if self._stale:
            return
        self.live.make_way()
        try:
            order = self.order()
        except ValueError as problem:
            self.live.cancel()
            self.stage.param.update(error=sentence(problem), busy=False)
            return
        self.stage.busy = True
        self._typeset = equations(order.target, order.schedule, order.solver)
        if self.rows:
            self.outcome.styles = {"opacity": "0.35"}  # it still belongs to what was there before
        moments = bool(self.state.moments)
        self.live.submit(partial(self._stages, order, moments), at_once=partial(self._quick, order, moments))

    def order(self) -> Order:
        """What the state asks for; ValueError with a sentence where it cannot be."""
        return make_order(self.state.make_target(), self.state, self.training)

    def _key(self, order: Order, moments: bool) -> Hashable:
        return "line", order.key, moments, self.training.model_for(order.target)

    def _quick(self, order: Order, moments: bool, token: Token) -> tuple[Any, ...] | None:
        there = [result for result in known(self._key(order, moments)) if result[0] == "picture"]
        if there:
            return there[-1]
        picture = preview(order, token)
        return None if picture is None else _drawn(picture, moments)

    def _stages(self, order: Order, moments: bool, token: Token) -> Iterator[Any]:
        learned = self.training.model_for(order.target)
        make = partial(_results, order, moments, learned)
        return shared(self._key(order, moments), make, token, passing=_is_preview)

    def _deliver(self, result: tuple[Any, ...]) -> None:
        if result[0] == "table":
            self.rows, caption = result[1]
            self.table.object = table_html(self.rows, caption)
            self._draw_figure()
            self.outcome.styles = {"opacity": "1"}
            self.stage.busy = False
            return
        _, picture, scene = result
        if not picture.preview or not self.equations.object:  # typesetting would hold up a quick picture
            self.equations.object = self._typeset
        first = self.picture is None
        self.picture = picture
        with pn.io.hold():
            self.stage.show(scene)
            self.stage.status = f"{'preview · ' if picture.preview else ''}{thousands(picture.paths)} paths"
            if first:
                self.stage.playing = True
            self._warn(picture.warnings)

    def _warn(self, sentences: tuple[str, ...]) -> None:
        text = " ".join(sentences)
        self.note.param.update(object=text, visible=bool(text))

    def _draw_figure(self, *_: Any) -> None:
        if self.rows:
            figure = deviations(self.rows, self._shell.dark)
            pane = pn.pane.HoloViews(figure, sizing_mode="stretch_width", height=280, margin=(0, 14))
            self.outcome.objects = [self.table, pane]

    def _redraw(self, *_: Any) -> None:
        if self.picture is not None:
            self.stage.show(build_scene(self.picture, bool(self.state.moments)))

    def _fail(self, error: Exception) -> None:
        self.stage.param.update(error=sentence(error), busy=False)


def _drawn(picture: Picture, moments: bool) -> tuple[Any, ...]:
    scene = build_scene(picture, moments)
    scene.block  # noqa: B018  packed here, off the session's loop where there is one
    return "picture", picture, scene


def _results(order: Order, moments: bool, learned: ScoreModel | None, token: Token) -> Iterator[tuple[Any, ...]]:
    """The pictures of an order, and its table."""
    picture = None
    for picture in pictures(order, token):
        yield _drawn(picture, moments)
    assert picture is not None
    yield "table", table_rows(order, picture, learned, token)


def _is_preview(result: tuple[Any, ...]) -> bool:
    return result[0] == "picture" and result[1].preview


EXPLANATION = """
**What to look for.** Noise erases the two peaks, a drift that knows the score brings them back. κ₂ grows and shrinks
with the noise, but κ₄, κ₆ and κ₈ know nothing of it: under VE they stay where they are, and only their measurement
drowns (bands); with the noise of the same paths taken away they are seen to be conserved. Under VP they fall to zero
and rise again. Try the Gaussian score: it knows κ₂ alone.
"""
