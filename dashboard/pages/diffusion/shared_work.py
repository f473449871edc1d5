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
from dashboard.pages.diffusion.scene import run_scene
from dashboard.pages.diffusion.state import DiffusionState
from dashboard.pages.diffusion.work import Correcting, Event, source, work
from dashboard.shared import known, shared


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


def at_hand(state: DiffusionState, origin: Request | Stored) -> Outcome | None:
    """The best picture of these settings that is there already, perhaps a preview; nothing is computed for it."""
    if state.correction != "none":
        return None
    pictures = [event for event in known(key_of(state, origin)) if isinstance(event, Outcome)]
    return pictures[-1] if pictures else None


def prepare(state: DiffusionState) -> None:
    """Make what a visitor with these settings would wait for, and keep it: all results, and the scene of the last."""
    for event in shared_work(state, source(state), Token(), lambda _: None):
        if isinstance(event, Outcome):
            scene = run_scene(event, None, str(state.view), str(state.group), int(state.shown))  # type: ignore[arg-type]
            scene.block  # noqa: B018  packed


def key_of(state: DiffusionState, origin: Request | Stored) -> Hashable:
    """Equal for settings whose results are equal, as long as no file of a model or an ensemble changes."""
    values = tuple((name, value) for name, value in sorted(state.param.values().items()) if name != "name")
    return "fields", values, origin, models.model(str(state.model)) if state.model else None


def _is_preview(event: Event) -> bool:
    return isinstance(event, Thermalisation | str) or (isinstance(event, Outcome) and not event.last)
