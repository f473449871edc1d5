"""Ensembles made on the spot, kept for all sessions, so that one of them waits and the others do not."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from core.contracts import Cancelled
from core.jobs import Token
from core.noise import Noise
from core.samplers.ensemble import Thermalisation, thermalise_by_clusters
from core.theories.phi4 import Phi4

KEPT = 16
"""Ensembles in memory, the longest unused dropped first (4 MB each at 1024 × 32²)."""
EVERY = 10
"""Cluster updates between reports."""
POLL = 0.1
"""Seconds after which a session that waits for another's turn looks whether it is still wanted, and what is new."""
DRIFTING = 4.0
"""Change of ⟨φ²⟩ or ⟨|M|⟩ late in the run, in standard errors, from which the ensemble counts as not in equilibrium."""


@dataclass(frozen=True)
class Request:
    """What fixes an ensemble."""

    theory: Phi4
    configurations: int
    sweeps: int
    seed: int


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Configurations (n, L, L) and how they were reached."""

    request: Request
    fields: torch.Tensor
    report: Thermalisation

    @property
    def theory(self) -> Phi4:
        """The theory that it belongs to."""
        return self.request.theory

    @property
    def series(self) -> torch.Tensor:
        """The configurations, which are independent: one of each chain."""
        return self.fields

    @property
    def warning(self) -> str | None:
        """A sentence where the chains had not settled, else None."""
        drift = self.report.drift()
        if drift < DRIFTING:
            return None
        return (
            f"The chains still move as a body ({drift:.1f} standard errors between the last two quarters of the run): "
            "this ensemble is not in equilibrium. Take more cluster updates."
        )


class _Making:
    """An ensemble under way, for all sessions that wait for it: whoever has the turn takes it one report further.

    So it goes on when a session leaves, and stops when the last one has.
    """

    def __init__(self, request: Request) -> None:
        self.turn = threading.Lock()
        self.wanted = _AnyOf()
        self.report: Thermalisation | None = None
        self.reports = thermalise_by_clusters(
            request.theory,
            request.configurations,
            Noise(request.seed).of("ensemble"),
            request.sweeps,
            every=EVERY,
            token=self.wanted,
        )


class _AnyOf(Token):
    """Cancelled once all of its tokens are."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens: list[Token] = []

    @property
    def cancelled(self) -> bool:
        return all(token.cancelled for token in self.tokens.copy())

    def check(self) -> None:
        if self.cancelled:
            raise Cancelled


_kept: OrderedDict[Request, Ensemble] = OrderedDict()
_making: dict[Request, _Making] = {}
_lock = threading.Lock()


def make(request: Request, token: Token) -> Iterator[Thermalisation | Ensemble]:
    """Reports while the chains thermalise, then the ensemble; at once the ensemble where it is known.

    Sessions that ask for the same ensemble share one computation and see the same reports, each perhaps not all of
    them. Raises Cancelled once ``token`` is cancelled; the others' computation goes on.
    """
    shown = None
    try:
        while True:
            found = _find(request, token)
            if isinstance(found, Ensemble):
                yield found
                return
            if found.turn.acquire(timeout=POLL):
                try:
                    _advance(request, found, token)
                finally:
                    found.turn.release()
            token.check()
            report = found.report
            if report is not None and report is not shown:
                shown = report
                yield report
    finally:
        _leave(request, token)


def _find(request: Request, token: Token) -> Ensemble | _Making:
    """The ensemble, or its computation, in which ``token`` takes part from now on."""
    with _lock:
        known = _kept.get(request)
        if known is not None:
            _kept.move_to_end(request)
            return known
        making = _making.get(request)
        if making is None:
            making = _making[request] = _Making(request)
        if token not in making.wanted.tokens:
            making.wanted.tokens.append(token)
        return making


def _advance(request: Request, making: _Making, token: Token) -> None:
    """One report further; a computation that has ended, whatever its end, is no longer under way."""
    try:
        report = next(making.reports, None)
    except BaseException as error:
        _end(request, making)
        if isinstance(error, Cancelled) and not token.cancelled:
            return  # all had left just before this session came: it begins again
        raise
    if report is None:
        return  # another session has taken it to its end meanwhile
    making.report = report
    if report.finished:
        _end(request, making, Ensemble(request, report.fields, report))


def _end(request: Request, making: _Making, ensemble: Ensemble | None = None) -> None:
    with _lock:
        if _making.get(request) is making:
            del _making[request]
        if ensemble is not None:
            _kept[request] = ensemble
            while len(_kept) > KEPT:
                _kept.popitem(last=False)


def _leave(request: Request, token: Token) -> None:
    with _lock:
        making = _making.get(request)
        if making is not None and token in making.wanted.tokens:
            making.wanted.tokens.remove(token)
            if not making.wanted.tokens:
                del _making[request]
