"""Scans under way and those that are over: jobs, which go on when a browser leaves."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from core.history import keep
from core.history_records import scan_run
from core.jobs.board import State, ThreadJob, board
from core.limits import limits
from core.samplers.scan import ScanPoint, ScanReport, ScanRequest, scan


class Scanning(ThreadJob):
    """One scan. ``points`` are those that there are, by (L, κ); ``done`` of ``total`` counts fractions of the others.

    ``watch(call)`` has ``call()`` called from the scan's thread after every report and at the end.
    """

    kind = "scan"

    def __init__(self, request: ScanRequest, owner: str = "") -> None:
        low, high = request.kappas[0], request.kappas[-1]
        sizes = ", ".join(str(size) for size in request.sizes)
        super().__init__(f"κ from {low:g} to {high:g}, L = {sizes}", owner)
        self.request = request
        self.points: dict[tuple[int, float], ScanPoint] = {}
        self.done, self.total = 0.0, len(request.kappas) * len(request.sizes)
        self._watchers: list[Callable[[], None]] = []

    def watch(self, call: Callable[[], None]) -> None:
        """Have ``call()`` called whenever something has changed; it must be quick."""
        self._watchers.append(call)

    def unwatch(self, call: Callable[[], None]) -> None:
        """No longer."""
        with suppress(ValueError):
            self._watchers.remove(call)

    @property
    def seconds(self) -> float:
        """Since it began to run, until its end where it has one."""
        return (self.ended if self.over else time.monotonic()) - self.began

    @property
    def fraction(self) -> float:
        """How much of the work is done, from 0 to 1."""
        return self.done / self.total

    def words(self) -> str:
        """How far it is."""
        if self.error is not None:
            return str(self.error) or type(self.error).__name__
        return f"{len(self.points)} of {self.total} points"

    def work(self) -> State:
        for report in scan(self.request, self.token):
            self._take(report)
        return "finished"

    def _take(self, report: ScanReport) -> None:
        self.done = report.done
        if report.point is not None:
            self.points = {**self.points, (report.L, report.kappa): report.point}
        self._tell()

    def _end(self, state: State) -> None:
        super()._end(state)
        if self.points:
            keep(lambda: scan_run(self.request, self.points, self.seconds, "browser"))
        self._tell()

    def _tell(self) -> None:
        for call in self._watchers.copy():
            call()


def begin(request: ScanRequest, owner: str = "") -> Scanning:
    """Begin a scan, or have it wait for its turn.

    Raises ValueError where ``owner`` has too many jobs, and for more work than a visitor may ask for (`core.limits`).
    """
    updates = request.configurations * len(request.kappas) * sum(size**2 for size in request.sizes)
    limits().check("lattice_side", max(request.sizes))
    limits().check("scan_updates", updates)
    with board().admit(owner):
        job = Scanning(request, owner)
        job.start()
    return job


def latest(owner: str) -> Scanning | None:
    """The scan of this owner that is under way, else the last one that there was."""
    own = [one for one in board().jobs().values() if isinstance(one, Scanning) and one.owner == owner]
    return next((one for one in own if not one.over), own[-1] if own else None)
