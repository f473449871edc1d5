"""Makes an ensemble and its file, or goes on with one: what the command line and the page both call.

Finished blocks go into a folder beside the file, from which the file is put together at the end and takes its name
in one instant. So a process that is killed at any moment, or a disk that is full, leaves nothing half-written under
that name, and what was done is there for ``resume``. While the file is put together it takes its space twice.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from core.contracts import Cancelled
from core.ensembles.files import EnsembleReader, Piece, is_folder, open_ensemble, plan_attributes, write_ensemble
from core.ensembles.parts import SCALARS, Parts, Work
from core.ensembles.plan import Plan, describe, extended, make_plan
from core.ensembles.request import EnsembleRequest
from core.ensembles.run import Warming, draws, groups, warmed
from core.ensembles.summary import report
from core.jobs import Token
from core.store import in_bytes

CHECKPOINT_SECONDS = 5.0
"""A thermalisation that is killed loses at most so much."""
WORKING_BYTES = 128
"""Memory that a site takes while the few pilot chains of a large lattice run (measured on 2048²)."""
BYTES = 2**26
"""Fields that are held in memory at a time while the file is put together."""


class Progress(NamedTuple):
    """``phase`` is 'planning', 'thermalising', 'sampling' or 'writing'; ``done`` of ``total`` in units of it.

    ``work`` and ``all_work`` count steps of all chains over all phases, for a bar and the time left. ``acceptance``
    is the latest, nan where unknown.
    """

    phase: str
    done: int
    total: int
    work: int
    all_work: int
    acceptance: float


@dataclass(frozen=True)
class Result:
    """What was made. ``tau_int`` is that of |M|, in draws; None where it, or the acceptance, is not known.

    ``complete`` is False after an interruption: ``n_configs`` are in the file then, which may be none and no file.
    """

    path: Path
    n_configs: int
    chains: int
    sampler: str
    acceptance: float | None
    tau_int: float | None
    seconds: float
    warnings: list[str]
    notes: list[str]
    complete: bool


Report = Callable[[Progress], None]


def make_ensemble(
    request: EnsembleRequest,
    path: str | Path,
    resume: bool = False,
    force: bool = False,
    progress: Report | None = None,
    token: Token | None = None,
) -> Result:
    """Make the ensemble that ``request`` describes and write it to ``path``.

    ``resume`` goes on with an interrupted run, or makes a finished file longer, to ``request.configs`` in all; the
    chains are bit for bit those of a run without interruption. Where there is nothing to go on with it starts anew.
    ``force`` starts anew and replaces what is there. Once ``token`` is cancelled the file is put together from the
    configurations that are complete, and the result says so.

    Raises FileExistsError for a file or an interrupted run that is there without ``resume`` or ``force``, ValueError
    for a request that does not fit what it is to go on with (naming the difference), BlockingIOError while another
    process makes the same file, other OSErrors where it cannot be written, MemoryError for a lattice that does not
    fit into memory.
    """
    path = Path(path)
    if is_folder(path) or is_folder(Parts(path).folder / "lock"):  # the longest name that is needed beside it
        raise IsADirectoryError(f"{path} is a folder; name a file in it")
    began = time.monotonic()
    with _clear_errors(path):
        parts = Parts(path)
        _refuse(path, parts, resume, force)
        with parts.locked():
            _refuse(path, parts, resume, force)
            try:
                work = _work(request, path, parts, resume, progress, token)
            except Cancelled:
                return Result(path, 0, 0, request.sampler, None, None, 0.0, [], [], False)
            if work is None:
                return _result(path, complete=True)
            maker = _Maker(path, parts, work, progress, token, began)
            complete = maker.run()
            return maker.assemble(complete)


def _refuse(path: Path, parts: Parts, resume: bool, force: bool) -> None:
    if resume or force:
        return
    if path.exists():
        raise FileExistsError(f"{path} exists; overwrite it with force, or go on with it with resume")
    if parts.exists():
        raise FileExistsError(
            f"a run that was to make {path} was interrupted; go on with resume, or start anew with force"
        )


def _work(
    request: EnsembleRequest, path: Path, parts: Parts, resume: bool, progress: Report | None, token: Token | None
) -> Work | None:
    """What is to be done; None if nothing is left to do."""
    pending = parts.work() if resume else None
    if pending is not None:
        _same(request, pending.plan, parts.folder)
        plan = extended(pending.plan, request.configs)
        if pending.plan.protocol is not None and plan != pending.plan:
            raise ValueError(
                f"configs must be {pending.plan.configs}, as in the interrupted run, got {request.configs}; it can be "
                "made longer once it is complete"
            )
        work = replace(pending, plan=plan)
        _require_space(path, request, work.base)
    elif resume and path.exists():
        with open_ensemble(path) as reader:
            if reader.plan is None:
                raise ValueError(
                    f"{path} is a plain array or was generated by a diffusion model; only Markov chains made here can "
                    "be gone on with"
                )
            _same(request, reader.plan, path)
            work = Work(
                extended(reader.plan, request.configs), reader.stored, float(reader.attributes["seconds"]), True
            )
            if reader.stored == (work.plan.chains, work.plan.draws):
                return None
        _require_space(path, request, work.base)
    else:
        _require_space(path, request)
        if progress is not None:
            progress(Progress("planning", 0, 1, 0, 0, float("nan")))
        work = Work(make_plan(request, token), replaces=path.exists())
        parts.discard()
    parts.start(work)
    return work


def _require_space(path: Path, request: EnsembleRequest, base: tuple[int, int] = (0, 0)) -> None:
    """MemoryError or OSError for an ensemble that cannot fit here, before any time is spent on it.

    ``base`` (chains, draws) are in the file already, which stays until the longer one takes its place.
    """
    sites, shape = request.theory.volume, " × ".join(str(n) for n in request.theory.event)
    if hasattr(os, "sysconf"):
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        if sites * WORKING_BYTES > memory:
            raise MemoryError(
                f"chains on {shape} sites take {in_bytes(sites * WORKING_BYTES)} of memory while they run, this "
                f"computer has {in_bytes(memory)}"
            )
    size = (2 * request.configs - base[0] * base[1]) * sites * 4
    free = shutil.disk_usage(path.parent).free + sum(file.stat().st_size for file in Parts(path).folder.iterdir())
    if size > free:
        raise OSError(
            f"{request.configs} configurations on {shape} sites take {in_bytes(size)} on the disk while the file is "
            f"put together ({in_bytes(4 * request.configs * sites)} afterwards), {in_bytes(free)} are free"
        )


def _same(request: EnsembleRequest, plan: Plan, where: Path) -> None:
    """ValueError unless what is asked for fits the plan."""
    wanted: dict[str, Any] = {k: v for k, v in describe(request.theory).items() if k != "name"}
    wanted |= {"sampler": request.sampler, "start": request.start, "protocol": request.protocol, "seed": request.seed}
    has: dict[str, Any] = {**describe(plan.theory), **{k: getattr(plan, k) for k in wanted if hasattr(plan, k)}}
    for name in ("chains", "therm", "thin"):
        if getattr(request, name) is not None:
            wanted[name], has[name] = getattr(request, name), getattr(plan, name)
    wanted |= request.parameters
    has |= plan.parameters
    differences = [f"{k} = {has[k]} there, {v} asked for" for k, v in wanted.items() if has[k] != v]
    if differences:
        raise ValueError(f"{where} was begun with other parameters: {'; '.join(differences)}")


class _Maker:
    """Runs what is left of some work, block by block, and puts the file together."""

    def __init__(
        self, path: Path, parts: Parts, work: Work, progress: Report | None, token: Token | None, began: float
    ) -> None:
        self.path, self.parts, self.work, self.plan = path, parts, work, work.plan
        self.progress, self.token, self.began = progress, token, began
        chains, drawn = work.base
        old = [(first, n, drawn) for first, n in groups(self.plan, 0, chains)]
        self.groups = old + [(first, n, 0) for first, n in groups(self.plan, chains, self.plan.chains)]
        self.done = [self._stored(*group) for group in self.groups]
        plan = self.plan
        self._total = sum(
            n * ((plan.draws - drawn) * plan.thin + (0 if drawn else plan.therm)) for _, n, drawn in self.groups
        )
        self._before = sum(float(self.parts.read(file, ("seconds",))["seconds"]) for *_, file in self.parts.blocks())

    def _stored(self, first: int, chains: int, drawn: int) -> int:
        """Draws of a group that are there already, those of the earlier file included."""
        for block_first, n, draw, k, _ in self.parts.blocks():
            if (block_first, n, draw) == (first, chains, drawn):
                drawn += k
        return drawn

    def run(self) -> bool:
        """Make what is missing; returns whether it is complete, False if it was cancelled."""
        try:
            for i, (first, chains, _) in enumerate(self.groups):
                if self.done[i] < self.plan.draws:
                    self._run_group(i, first, chains)
        except Cancelled:
            return False
        return True

    def _run_group(self, i: int, first: int, chains: int) -> None:
        x = self._last(i, first, chains)
        if x is None:
            x = self._warm(i, first, chains)
        clock = time.monotonic()
        for block in draws(self.plan, x, first, self.done[i], self.token):
            self.parts.add(block, time.monotonic() - clock)
            clock = time.monotonic()
            self.done[i] += block.fields.shape[1]
            done = sum(n * d for (_, n, _), d in zip(self.groups, self.done, strict=True))
            self._tell("sampling", done, self.plan.configs, self._work_done(), float(block.acceptance.mean()))

    def _last(self, i: int, first: int, chains: int) -> torch.Tensor | None:
        """The last configurations of a group, None before the first."""
        if self.done[i] == 0:
            return None
        for block_first, n, draw, k, file in self.parts.blocks():
            if (block_first, n, draw + k) == (first, chains, self.done[i]):
                return torch.from_numpy(np.ascontiguousarray(self.parts.read(file, ("fields",))["fields"][:, -1]))
        with open_ensemble(self.path) as reader:
            return torch.from_numpy(reader.read(first, first + chains, self.done[i] - 1, self.done[i])[:, 0].copy())

    def _warm(self, i: int, first: int, chains: int) -> torch.Tensor:
        saved = time.monotonic()

        def report(warming: Warming, rate: float) -> None:
            nonlocal saved
            if time.monotonic() - saved > CHECKPOINT_SECONDS:
                self.parts.save_warming(first, warming)
                saved = time.monotonic()
            work = self._work_done() + chains * warming.done
            self._tell("thermalising", warming.done, self.plan.therm, work, rate)

        return warmed(self.plan, first, chains, self.parts.warming(first), report, self.token)

    def _work_done(self) -> int:
        plan = self.plan
        return sum(
            n * ((done - drawn) * plan.thin + (0 if drawn or not done else plan.therm))
            for (_, n, drawn), done in zip(self.groups, self.done, strict=True)
        )

    def _tell(self, phase: str, done: int, total: int, work: int, rate: float) -> None:
        if self.progress is not None:
            self.progress(Progress(phase, done, total, work, self._total, rate))

    def assemble(self, complete: bool) -> Result:
        """Put the file together from all draws that are complete."""
        shape = (self.plan.chains, self.plan.draws) if complete else self._rectangle()
        if shape[0] * shape[1] <= self.work.base[0] * self.work.base[1]:
            if self.work.base[0]:
                return replace(_result(self.path, complete=False), complete=complete)
            return Result(self.path, 0, 0, self.plan.sampler, None, None, 0.0, list(self.plan.warnings), [], False)
        self._tell("writing", 0, 1, self._total, float("nan"))
        seconds = self.work.seconds + self._before + time.monotonic() - self.began
        assembled = self.parts.folder / "assembled.nc"

        with self._old_file() as old:
            scalars = self._scalars(old, shape)
            attributes = plan_attributes(self.plan) | report(self.plan, scalars, self._last_fields(shape), seconds)
            write_ensemble(assembled, self.plan.theory, scalars, attributes, self._pieces(old))
        with assembled.open("rb") as file:  # the data must be on the disk before the name points to them
            os.fsync(file.fileno())
        if self.path.exists() and not self.work.replaces:
            raise FileExistsError(f"{self.path} has appeared meanwhile; move it away and go on with resume")
        assembled.replace(self.path)
        result = _result(self.path, complete)
        stored = sum(n * d for (_, n, _), d in zip(self.groups, self.done, strict=True))
        if stored == shape[0] * shape[1]:
            self.parts.clear()
        else:  # chains of unequal length: the parts that found no place in the file serve to go on
            self.parts.start(replace(self.work, replaces=True))
        return result

    def _rectangle(self) -> tuple[int, int]:
        """The most configurations that make (chains, draws), nothing of the earlier file lost."""
        best = self.work.base
        for i, (first, n, _) in enumerate(self.groups):
            shape = (first + n, min(self.done[: i + 1]))
            if shape[0] >= self.work.base[0] and shape[1] >= self.work.base[1] and np.prod(shape) > np.prod(best):
                best = shape
        return best

    @contextmanager
    def _old_file(self) -> Iterator[EnsembleReader | None]:
        if not self.work.base[0]:
            yield None
            return
        with open_ensemble(self.path) as reader:
            yield reader

    def _scalars(self, old: EnsembleReader | None, shape: tuple[int, int]) -> dict[str, np.ndarray]:
        """What is known of each configuration beside the field, arrays of ``shape``."""
        scalars = {name: np.empty(shape) for name in SCALARS}
        if old is not None:
            chains, drawn = self.work.base
            for name, values in old.scalars().items():
                scalars[name][:chains, :drawn] = values[:chains, :drawn]
        for first, n, draw, k, file in self.parts.blocks():
            if first < shape[0] and draw < shape[1]:
                for name, values in self.parts.read(file, SCALARS).items():
                    scalars[name][first : first + n, draw : draw + k] = values[: shape[0] - first, : shape[1] - draw]
        return scalars

    def _pieces(self, old: EnsembleReader | None) -> Iterator[Piece]:
        if old is not None:
            chains, drawn = self.work.base
            each = max(1, BYTES // (4 * chains * self.plan.theory.volume))
            for first in range(0, drawn, each):
                yield 0, first, old.read(0, chains, first, min(first + each, drawn))
        for first, _, draw, _, file in self.parts.blocks():
            yield first, draw, self.parts.read(file, ("fields",))["fields"]

    def _last_fields(self, shape: tuple[int, int]) -> np.ndarray:
        """The last configurations of the first chains, (n, *event), as many as are worth searching for walls."""
        most = max(1, BYTES // (4 * self.plan.theory.volume))
        found: list[np.ndarray] = []
        for i, (first, n, _) in enumerate(self.groups):
            if first < min(shape[0], most) and self.done[i]:
                x = self._last(i, first, n)
                assert x is not None
                found.append(x.numpy()[: most - first])
        return np.concatenate(found)


def _result(path: Path, complete: bool) -> Result:
    """What the file at ``path`` says about itself."""
    with open_ensemble(path) as reader:
        a = reader.attributes
        acceptance, tau = (None if np.isnan(a[name]) else float(a[name]) for name in ("acceptance", "tau_int"))
        chains, drawn = reader.stored
        return Result(
            path, chains * drawn, chains, a["algorithm"], acceptance, tau, float(a["seconds"]), a["warnings"],
            a["notes"], complete,
        )  # fmt: skip


@contextmanager
def _clear_errors(path: Path) -> Iterator[None]:
    """Say of a system error what it means for the ensemble."""
    try:
        yield
    except (FileExistsError, IsADirectoryError, BlockingIOError):
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        left = "; what was done is kept for resume" if Parts(path).exists() else ""
        raise OSError(f"{path} could not be written: {reason}{left}") from error
