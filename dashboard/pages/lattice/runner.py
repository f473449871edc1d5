"""The thread that advances a simulation at the pace somebody asked for, and rests when nobody looks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from core.contracts import Cancelled
from core.devices import cores
from core.jobs import Token
from core.samplers.simulation import Frame, Simulation
from dashboard.pages.lattice.lanes import Lanes

PICTURES = 25
"""Pictures a second, at most."""
LEAST = 12
"""Pictures a second that long blocks leave everybody."""
TOGETHER = 330
"""Pictures a second of all runs together, at most: beyond it controls wait for pictures."""
BUSY = 0.06
"""Seconds that a block may compute, so that commands and pictures do not wait long."""
BRIEF = 0.004
"""Seconds that a block may compute however many runs there are."""
MEASURE_EVERY = 0.2
"""Seconds between measurements of what costs more than a step of a fast algorithm."""
REST = 0.5
"""Seconds between looks whether there is anything to do."""
BREATH = 0.002
"""Seconds that even the fastest run leaves to others after every block."""
LAG = 1.0
"""Seconds that a run waits, at most, for a viewer who has not yet seen its last pictures."""
LANES = max(1, cores() - 2)
"""Runs that compute at the same time. More would not be faster: they would take turns with the interpreter's lock, and
keep it from the server's loop, which needs it many times a picture."""
MOST = 8.0
"""Largest `Runner.slowness`."""
_lanes = Lanes(LANES)
_moving: set[Runner] = set()


class Runner:
    """Calls ``show(frame)`` after every block, in a thread of its own.

    ``simulation`` may be replaced at any time. It rests while ``watched()`` is False, while it is hidden, and, but for
    commands, while it is paused. Where there are many runs all get slower together, with equal shares of the time
    whatever their speeds: before every block each calls ``wait(seconds)``, which returns early once its viewer can take
    another picture, and waits for its turn.
    """

    def __init__(
        self, simulation: Simulation, show: Callable[[Frame], None], fail: Callable[[Exception], None],
        watched: Callable[[], bool], wait: Callable[[float], None] = lambda seconds: None,
    ) -> None:  # fmt: skip
        self.simulation = simulation
        self.speed = float(PICTURES)
        self._show, self._fail, self._watched, self._wait = show, fail, watched, wait
        self._wake = threading.Event()
        self._paused = self._hidden = False
        self._single = 0
        self._measured = 0.0
        self._token: Token | None = None
        self._began = 0.0
        self.slowness = 1.0
        """How many times longer than asked for a block takes of late, 1 to `MOST`: what comes with the pictures, but
        less often, should come less often still in this ratio."""

    @property
    def paused(self) -> bool:
        return self._paused

    def start(self) -> None:
        """Begin, or go on after ``hide``."""
        self._hidden = False
        self.nudge()
        if self._token is None or self._token.cancelled:
            self._token = Token()
            threading.Thread(target=self._loop, args=(self._token,), daemon=True, name="stoqlab-lattice").start()

    def hide(self) -> None:
        """Rest until ``start``."""
        self._hidden = True

    def pause(self, still: bool) -> None:
        """Hold the chains, or let them go on."""
        self._paused = still
        self.nudge()

    def step(self) -> None:
        """One update while paused."""
        self._single += 1
        self.nudge()

    def nudge(self) -> None:
        """There is something to do: a command, or a change of what is shown."""
        self._wake.set()

    def stop(self) -> None:
        """For good."""
        if self._token is not None:
            self._token.cancel()
        self.nudge()

    def _loop(self, token: Token) -> None:
        try:
            while not token.cancelled:
                resting = self._hidden or not self._watched()
                if resting or self._paused:
                    _moving.discard(self)
                if (resting or self._paused) and not self._wake.wait(REST):
                    continue
                self._wake.clear()
                if self._hidden or token.cancelled:
                    continue
                _moving.add(self)
                if len(_moving) > LANES:
                    self._wait(LAG)
                with _lanes.turn(self):
                    delay = self._block(token)
                self._rest(delay)
        except Cancelled:
            pass
        except Exception as error:
            if not token.cancelled:
                self._fail(error)
        finally:
            _moving.discard(self)

    def _block(self, token: Token) -> float:
        """Advance and show; the seconds that are left until the next block is due."""
        began = time.monotonic()
        simulation = self.simulation
        asked = 1 / min(self.speed, PICTURES)
        period = max(asked, len(_moving) / TOGETHER)
        took = min(MOST, max(1.0, (began - self._began) / asked))
        self._began = began
        self.slowness += 0.1 * (took - self.slowness)
        updates = max(1, round(self.speed * period))
        if self._paused:
            updates, self._single = self._single, 0
        measure = began - self._measured >= MEASURE_EVERY * self.slowness
        frame = self._within(simulation, updates, measure, token)
        if measure and frame.since:
            self._measured = began
        if not token.cancelled:
            self._show(frame)
        return began + period - time.monotonic()

    def _rest(self, wait: float) -> None:
        if not self._paused and self._wake.wait(max(wait, BREATH)):
            # A command came: answer it at once, but keep the pace when many come.
            time.sleep(max(BREATH, min(wait, 1 / PICTURES) / 2))

    @staticmethod
    def _within(simulation: Simulation, updates: int, measure: bool, token: Token) -> Frame:
        """Up to ``updates``, as many as the time allows: a share of the lanes if there are many runs."""
        share = LANES / max(1, len(_moving)) / LEAST
        end = time.monotonic() + min(BUSY, max(BRIEF, share))
        left, batch = updates, 1
        while True:
            batch = min(left, batch)
            left -= batch
            frame = simulation.advance(batch, measure=measure, token=token)
            if left == 0 or frame.problem or time.monotonic() > end:
                return frame
            measure, batch = False, 2 * batch
