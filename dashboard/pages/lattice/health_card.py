"""The health of a run on the page: a row of marks in colours, symbols and words, and a sentence below."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import param

from core.jobs import Token
from core.noise import Noise
from core.samplers.checkup import Signs, examine, reversibility_of, signs
from core.samplers.simulation import Simulation
from core.statistics.health import Check
from dashboard.live import Live
from dashboard.shell import Shell
from dashboard.stage.streamed import JS, Streamed, module

_HERE = Path(__file__).parent
EVERY = 1.5
"""Seconds between looks at a run."""
REVERSE_EVERY = 10.0
"""Seconds between trajectories there and back, unless the run has changed."""
HEIGHT = 62
"""Pixels that the card takes of the page."""


class HealthCard(Streamed):
    """Shows `core.statistics.health.Check`s; the sentence is that of the check under the pointer, else of the worst."""

    checks = param.List(default=[], doc="(name, level, sentence) of every check.")
    empty = param.String("", doc="What is said while there are no checks.")
    well = param.String("Nothing wrong was found.", doc="What is said where all checks are green.")

    _esm = module([JS / "block.js", JS / "frames.js", _HERE / "health_card.js"])
    _stylesheets = [(_HERE / "health_card.css").read_text(encoding="utf-8")]  # noqa: RUF012

    def __init__(self, **params: Any) -> None:
        super().__init__(**{"sizing_mode": "stretch_width", "margin": (6, 10, 0, 10)} | params)

    def show_checks(self, checks: Sequence[Check]) -> None:
        """Put these in the place of the last ones."""
        shown = [tuple(check) for check in checks]
        if self.streams:
            self.post(shown)
        else:
            self.checks = shown


class HealthWatch:
    """Keeps a card up to date with a simulation: looks at it now and then, and works out what it means elsewhere.

    Whoever moves the simulation calls `look` after its blocks; while nobody does, nothing is worked out.
    """

    def __init__(self, shell: Shell) -> None:
        self.card = HealthCard(empty="The health of the run appears after the first updates.")
        self._live = Live(self._deliver, self._fail)
        self._looked = self._reversed = 0.0
        self._busy = False
        self._about: tuple[Any, ...] = ()
        self._reversibility: float | None = None
        shell.on_close(self._live.close)

    def look(self, simulation: Simulation, slowness: float = 1.0) -> None:
        """Look, unless that was just done or the last look is still being worked out; in any thread.

        ``slowness`` stretches the pause between looks."""
        now = time.monotonic()
        if self._busy or now - self._looked < EVERY * slowness:
            return
        self._looked = now
        seen = signs(simulation)
        if seen is not None:
            self._busy = True
            self._live.submit(partial(self._work, seen))

    def _work(self, seen: Signs, token: Token) -> Iterator[list[Check]]:
        try:
            about = seen.theory, seen.algorithm, getattr(seen.state, "step_size", None)
            if about != self._about or time.monotonic() - self._reversed > REVERSE_EVERY:
                self._about, self._reversed = about, time.monotonic()
                self._reversibility = reversibility_of(seen, Noise(0).of("reversibility"))
            found = examine(seen, self._reversibility)
        finally:
            self._busy = False
        yield found

    def _deliver(self, checks: list[Check]) -> None:
        self.card.show_checks(checks)

    def _fail(self, error: Exception) -> None:
        self.card.show_checks([Check("health", "grey", f"The health could not be worked out: {error}")])
