"""Ensembles in the making: they belong to the server, not to a session, so that they go on when a browser leaves."""

from __future__ import annotations

import logging
import math
import shutil
import threading
import time
from pathlib import Path

import torch

from core.ensembles.library import Library
from core.ensembles.make import Progress, Result, make_ensemble
from core.ensembles.request import EnsembleRequest
from core.jobs import Token
from core.statistics.format import thousands
from dashboard.pages.lattice.numbers import updates

log = logging.getLogger(__name__)

MOST_AT_ONCE = 2
"""Ensembles that are made at the same time; each takes all cores."""
TIMES_ON_DISK = 2
"""While the file is put together it takes its space twice."""
PHASES = {
    "planning": "Finding step size, thermalisation and thinning on pilot chains",
    "thermalising": "Thermalising",
    "sampling": "Sampling",
    "writing": "Writing the file",
}


class Making:
    """One ensemble on its way into the library, in a thread of its own.

    ``progress`` is the latest; at the end there is a ``result`` or an ``error``, and ``running`` is False.
    """

    def __init__(self, name: str, request: EnsembleRequest, path: Path, resume: bool, force: bool) -> None:
        self.name, self.request = name, request
        self.progress = Progress("planning", 0, 1, 0, 0, math.nan)
        self.result: Result | None = None
        self.error: Exception | None = None
        self.running = True
        self._path, self._resume, self._force = path, resume, force
        self._token = Token()
        self._moving: tuple[float, int, int] | None = None
        threading.Thread(target=self._run, daemon=True, name="stoqlab-ensemble").start()

    def cancel(self) -> None:
        """Stop, and keep the configurations that are complete."""
        self._token.cancel()

    @property
    def cancelled(self) -> bool:
        """Whether it has been asked to stop."""
        return self._token.cancelled

    @property
    def fraction(self) -> float:
        """How much of the work is done, from 0 to 1."""
        return self.progress.work / self.progress.all_work if self.progress.all_work else 0.0

    def words(self) -> str:
        """What is going on: phase, configurations, rate, time left, acceptance."""
        p = self.progress
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

    def _run(self) -> None:
        torch.set_num_threads(1)
        try:
            self.result = make_ensemble(
                self.request, self._path, self._resume, self._force, progress=self._tell, token=self._token
            )
        except (ValueError, OSError, FloatingPointError) as error:
            self.error = error
        except Exception as error:
            log.exception("the ensemble %s could not be made", self.name)
            self.error = error
        finally:
            with _lock:
                _running.pop(self._path, None)
            self.running = False

    def _tell(self, progress: Progress) -> None:
        if progress.phase != self.progress.phase:
            self._moving = time.monotonic(), progress.work, progress.done
        self.progress = progress


_running: dict[Path, Making] = {}
_lock = threading.Lock()


def make(library: Library, name: str, request: EnsembleRequest, resume: bool = False, force: bool = False) -> Making:
    """Begin to make an ensemble of the library; ``resume`` and ``force`` as in `make_ensemble`.

    Raises ValueError for a name that is bad or taken by one in the making, where too many are being made, and for more
    configurations than the disk has room for.
    """
    path = library.path(name)
    with _lock:
        if path in _running:
            raise ValueError(f"the ensemble {name!r} is being made already")
        if len(_running) >= MOST_AT_ONCE:
            raise ValueError(f"{MOST_AT_ONCE} ensembles are being made already; wait for one of them, or cancel it")
        _require_room(library, request)
        _running[path] = made = Making(name, request, path, resume, force)
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
