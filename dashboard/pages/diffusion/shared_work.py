"""The work of the page for all sessions: equal settings are computed once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from functools import partial

from core.jobs import Token
from core.samplers.ensemble import Thermalisation
from dashboard.pages.diffusion import models
from dashboard.pages.diffusion.ensembles import Request
from dashboard.pages.diffusion.library import Stored
from dashboard.pages.diffusion.outcome import Outcome
from dashboard.pages.diffusion.state import DiffusionState
from dashboard.pages.diffusion.work import Correcting, Event, work
from dashboard.shared import shared


def shared_work(
    state: DiffusionState, origin: Request | Stored, token: Token, report: Callable[[Correcting], None]
) -> Iterator[Event]:
    """The events of ``work``, computed once for all sessions with these settings.

    Whoever joins late sees no more of the previews. A run with a correction, which reports to its own session, is not
    shared.
    """
    if state.correction != "none":
        return work(state, origin, token, report)
    return shared(key_of(state, origin), partial(work, state, origin), token, _is_preview)


def key_of(state: DiffusionState, origin: Request | Stored) -> Hashable:
    """Equal for settings whose results are equal, as long as no file of a model or an ensemble changes."""
    values = tuple((name, value) for name, value in sorted(state.param.values().items()) if name != "name")
    return "fields", values, origin, models.model(str(state.model)) if state.model else None


def _is_preview(event: Event) -> bool:
    return isinstance(event, Thermalisation | str) or (isinstance(event, Outcome) and not event.last)
