"""Ensembles in the making: jobs, which go on when a browser leaves."""

from __future__ import annotations

import math
import shutil
import threading
import time
from pathlib import Path

from core.ensembles.library import Library
from core.ensembles.make import Progress, Result, make_ensemble
from core.ensembles.request import EnsembleRequest
from core.history import keep
from core.history_records import ensemble_run
from core.jobs.board import State, ThreadJob, board
from core.limits import limits
from core.statistics.format import thousands
from dashboard.pages.lattice.numbers import updates

TIMES_ON_DISK = 2
"""While the file is put together it takes its space twice."""
PHASES = {
    "planning": "Finding step size, thermalisation and thinning on pilot chains",
    "thermalising": "Thermalising",
    "sampling": "Sampling",
    "writing": "Writing the file",
}


class Making(ThreadJob):
    """One ensemble on its way into the library, a job in a thread of its own.

    ``progress`` is the latest; at the end there is a ``result`` or an ``error``, and ``running`` is False. One that is
    cancelled keeps the configurations that are complete.
    """

    kind = "ensemble"

    def __init__(
        self, name: str, request: EnsembleRequest, path: Path, resume: bool, force: bool, owner: str = ""
    ) -> None:
        super().__init__(name, owner)
        self.name, self.request = name, request
        self.progress = Progress("planning", 0, 1, 0, 0, math.nan)
        self.result: Result | None = None
        self._path, self._resume, self._force = path, resume, force
        self._moving: tuple[float, int, int] | None = None
        self.start()

    @property
    def running(self) -> bool:
        """Whether it is not at its end yet."""
        return not self.over

    @property
    def cancelled(self) -> bool:
        """Whether it has been asked to stop."""
        return self.token.cancelled

    @property
    def fraction(self) -> float:
        """How much of the work is done, from 0 to 1."""
        return self.progress.work / self.progress.all_work if self.progress.all_work else 0.0

    def words(self) -> str:
        """What is going on: phase, configurations, rate, time left, acceptance."""
        p = self.progress
        if self.over:
            return self._outcome()
        if self.state == "waiting":
            return "Waits until others are done."
        if self.cancelled:
            return "Stopping, and writing what is complete …"
        words = PHASES[p.phase]
        if p.phase == "thermalising":
            words += f": {thousands(p.done)} of {thousands(p.total)} {updates(self.request.sampler)}"
        if p.phase == "sampling":
            words += f": {thousands(p.done)} of {thousands(p.total)} configurations"
        parts = [words]
        if self._moving is not None and p.phase in ("thermalising", "sampling"):
            began, work, done = self._moving
            passed = time.monotonic() - began
            if passed > 0.5 and p.work > work:
                if p.phase == "sampling" and p.done > done:
                    parts.append(f"{(p.done - done) / passed:.3g} a second")
                parts.append(f"{_duration((p.all_work - p.work) * passed / (p.work - work))} left")
        if math.isfinite(p.acceptance):
            parts.append(f"acceptance {p.acceptance:.2f}")
        return ", ".join(parts) + "."

    def work(self) -> State:
        self.result = make_ensemble(
            self.request, self._path, self._resume, self._force, progress=self._tell, token=self.token
        )
        if self.result.n_configs:
            keep(lambda: ensemble_run(self._path, "browser"))
        return "finished" if self.result.complete else "cancelled"

    def _end(self, state: State) -> None:
        with _lock:
            _running.pop(self._path, None)
        super()._end(state)

    def _outcome(self) -> str:
        if self.error is not None:
            return str(self.error) or type(self.error).__name__
        kept = self.result.n_configs if self.result is not None else 0
        return f"{thousands(kept)} configurations in the library."

    def _tell(self, progress: Progress) -> None:
        if progress.phase != self.progress.phase:
            self._moving = time.monotonic(), progress.work, progress.done
        self.progress = progress


_running: dict[Path, Making] = {}
_lock = threading.Lock()


def make(
    library: Library, name: str, request: EnsembleRequest, resume: bool = False, force: bool = False, owner: str = ""
) -> Making:
    """Begin to make an ensemble of the library; ``resume`` and ``force`` as in `make_ensemble`.

    Raises ValueError for a name that is bad or taken by one in the making, where ``owner`` has too many jobs, for more
    than a visitor may ask for (`core.limits`), and for more configurations than the disk has room for.
    """
    path = library.path(name)
    limits().check("ensemble_configurations", request.configs)
    limits().check("ensemble_bytes", size_of(request))
    with board().admit(owner), _lock:
        if path in _running:
            raise ValueError(f"the ensemble {name!r} is being made already")
        _require_room(library, request)
        _running[path] = made = Making(name, request, path, resume, force, owner)
        return made


def under_way(library: Library) -> list[Making]:
    """What is being made in this library now."""
    with _lock:
        return [making for path, making in _running.items() if path.parent == library.folder]


def size_of(request: EnsembleRequest) -> int:
    """Bytes that the fields of the ensemble will take."""
    return 4 * request.configs * request.theory.volume


def in_bytes(size: float) -> str:
    """A number of bytes in words: 41 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.5:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"


def _require_room(library: Library, request: EnsembleRequest) -> None:
    folder = library.folder
    while not folder.exists():
        folder = folder.parent
    free, wanted = shutil.disk_usage(folder).free, TIMES_ON_DISK * size_of(request)
    if wanted > free:
        raise ValueError(
            f"{thousands(request.configs)} configurations need {in_bytes(wanted)} of disk while they are written, and "
            f"the library has {in_bytes(free)} free: take fewer"
        )


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{math.ceil(seconds)} s"
    return f"{math.ceil(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
