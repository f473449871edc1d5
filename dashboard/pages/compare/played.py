"""A comparison of two processes that are computed once and played: one stage, one play position, one table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import panel as pn

from core.jobs import Token
from dashboard.live import Live, sentence
from dashboard.pages.compare.kind import Kind, Table
from dashboard.pages.compare.layout import Layout
from dashboard.pages.compare.pair_scene import axis_of, curves, together
from dashboard.pages.compare.sides import Sides
from dashboard.pages.compare.state import CompareState
from dashboard.pages.compare.table import table_html
from dashboard.shared import shared
from dashboard.shell import Shell
from dashboard.stage import Scene, Stage


@dataclass(frozen=True, eq=False)
class Outcome:
    """Both runs; ``last`` where there is nothing better to come."""

    a: Any
    b: Any
    last: bool


class PlayedView:
    """One session's pair of runs."""

    def __init__(self, shell: Shell, state: CompareState, sides: Sides, kind: Kind) -> None:
        self.shell, self.state, self.sides, self.kind = shell, state, sides, kind
        self.stage = Stage(
            height=None, sizing_mode="stretch_both", min_height=400, margin=(0, 4), dark=shell.param.dark,
            label=kind.label,
        )  # fmt: skip
        self.layout = Layout(shell, state, sides, kind.settings, self.stage, kind.note)
        self.sidebar, self.main = self.layout.sidebar.cards, self.layout.main
        self.outcome: Outcome | None = None
        self.numbers: Table | None = None
        self._known: dict[str, Any] = {}  # the last runs of both, by their settings
        self._played = False
        self.live = Live(self._deliver, self._fail)
        shell.on_close(self.live.close)
        shell.on_leave(self.live.cancel)
        sides.watch(self.refresh)
        state.param.watch(lambda _: self.refresh(), "seed")
        state.param.watch(self._redraw, ["clock", "shown"])
        shell.param.watch(self._write, "dark")
        self.refresh()

    def refresh(self) -> None:
        """Run what the settings ask for; a sentence on the stage says what is wrong with them."""
        self.live.make_way()
        seed, keys, orders = int(self.state.seed), [], []  # type: ignore[arg-type]
        for which, side in (("A", self.sides.a), ("B", self.sides.b)):
            try:
                orders.append(self.kind.order(side, seed))
            except (ValueError, OSError) as problem:
                self.live.cancel()
                self.stage.param.update(error=f"{which}: {sentence(problem)}", busy=False)
                return
            keys.append(repr([seed, *(getattr(side, name) for name in self.kind.settings.names)]))
        self.stage.busy = True
        self.layout.fade(True)
        self.live.submit(partial(self._stages, list(zip(keys, orders, strict=True))))

    def _stages(self, asked: list[tuple[str, Any]], token: Token) -> Iterator[tuple[str, Any]]:
        """A pair of quick runs, the pair that was asked for, and its numbers; ``asked`` has key and order of A and B.
        A run whose settings have not changed is not run again, and equal settings run once."""
        keys = [key for key, _ in asked]
        runs = {k: iter([self._known[k]]) if k in self._known else self._runs(order, token) for k, order in asked}
        newest: dict[str, Any] = {}
        for full in (False, True):
            if full and all(map(self.kind.last, newest.values())):
                break
            for key, found in runs.items():
                while key not in newest or (full and not self.kind.last(newest[key])):
                    run = next(found)
                    if isinstance(run, str):
                        yield "status", run if len(runs) == 1 else f"{'AB'[keys.index(key)]}: {run}"
                    else:
                        newest[key] = run
            outcome = Outcome(newest[keys[0]], newest[keys[1]], all(map(self.kind.last, newest.values())))
            yield "picture", (outcome, self._scene(outcome))
        self._known = newest
        yield "table", self.kind.table(newest[keys[0]], newest[keys[1]], token)

    def _runs(self, order: Any, token: Token) -> Iterator[Any]:
        """The runs of an order, computed once for all sessions."""
        key = "compare", str(self.state.room), self.kind.key(order)
        return shared(key, partial(self.kind.runs, order), token, self._passing)

    def _passing(self, run: Any) -> bool:
        return isinstance(run, str) or not self.kind.last(run)

    def _scene(self, outcome: Outcome) -> Scene:
        kind, a, b = self.kind, outcome.a, outcome.b
        left = kind.side(a)
        sides = left, left if b is a else kind.side(b)
        axis = axis_of(*sides, str(self.state.clock))
        above = kind.pictures(a, b, sides, axis, int(self.state.shown))  # type: ignore[arg-type]
        scene = together(axis, above, curves(*sides, axis, kind.curves(a, b)), *sides)
        scene.block  # noqa: B018  packed here, off the session's loop where there is one
        return scene

    def _deliver(self, result: tuple[str, Any]) -> None:
        what, found = result
        with pn.io.hold():
            if what == "status":
                self.stage.status = found
            elif what == "picture":
                self._show(*found)
            else:
                self.numbers = found
                self._write()
                self.layout.fade(False)

    def _show(self, outcome: Outcome, scene: Scene) -> None:
        self.outcome = outcome
        self.stage.show(scene)
        sizes = [self.kind.size(run) for run in (outcome.a, outcome.b)]
        size = sizes[0] if sizes[0] == sizes[1] else " | ".join(sizes)
        self.stage.param.update(status=size if outcome.last else f"preview · {size}", busy=not outcome.last)
        if not self._played:
            self._played = self.stage.playing = True
        words = [(w, x) for w, run in (("A", outcome.a), ("B", outcome.b)) for x in self.kind.warnings(run)]
        shared = {text for _, text in words if sum(other == text for _, other in words) > 1}
        texts = [
            *dict.fromkeys(t for _, t in words if t in shared),
            *(f"{w}: {t}" for w, t in words if t not in shared),
        ]
        self.layout.warn(" ".join(texts))

    def _redraw(self, *_: Any) -> None:
        if self.outcome is not None:
            self.stage.show(self._scene(self.outcome))

    def _write(self, *_: Any) -> None:
        if self.numbers is not None:
            self.layout.table.object = table_html(self.numbers, self.shell.dark)

    def _fail(self, error: Exception) -> None:
        self.stage.param.update(error=sentence(error), busy=False)
