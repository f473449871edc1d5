"""What a person asks for on the tab of ensembles, and the request that this makes."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import param

from core.ensembles.library import Library
from core.ensembles.request import EnsembleRequest
from core.samplers.algorithms import find
from core.statistics.format import NARROW_SPACE
from dashboard.pages.lattice.state import LatticeState

NAMES = {
    "called": "Name",
    "configurations": "Configurations",
    "protocol": "Published protocol",
    "flip": "Global sign flips",
    "chains": "Chains",
    "therm": "Thermalisation",
    "thin": "Thinning",
    "taken": "If the name is taken",
}


class KeepSettings(param.Parameterized):
    """What belongs to an ensemble beside couplings, algorithm, start and seed, which the page shares."""

    called = param.String("", doc="Name in the library; left empty, it is made from couplings and algorithm.")
    configurations = param.String("1000", doc="Configurations in all, over all chains; 1e4 is understood.")
    protocol = param.Boolean(
        False,
        doc="The recipe behind the published table (arXiv:2309.17082): hot start, 129 HMC trajectories of unit length, "
        "one configuration a chain. In the broken phase that is not in equilibrium.",
    )
    flip = param.Boolean(
        True, doc="After each update φ → −φ with probability ½, so that both signs are in the ensemble."
    )
    chains = param.String("auto", doc="Markov chains, a divisor of the configurations; auto shares the work well.")
    therm = param.String("auto", doc="Steps dropped by each chain; auto waits until pilots from opposite starts agree.")
    thin = param.String(
        "auto", doc="Steps between two configurations; auto takes 2 τ_int, so that they are independent."
    )
    taken = param.Selector(
        default="refuse",
        objects={"Say so": "refuse", "Go on with it": "resume", "Replace it": "force"},
        doc="Go on: finish an interrupted run, or make the ensemble longer, with the same chains.",
    )


def request_of(state: LatticeState, settings: KeepSettings) -> EnsembleRequest:
    """The ensemble that the page asks for. ValueError with a sentence, naming the field, for what cannot be."""
    configurations = _whole("Configurations", str(settings.configurations))
    if configurations is None:
        raise ValueError("Configurations must be a whole number of at least 1, got 'auto'")
    theory, seed = state.theory(), int(state.seed)  # type: ignore[arg-type]
    if settings.protocol:
        given = {} if state.auto_step else {"step_size": float(state.step_size)}  # type: ignore[arg-type]
        return EnsembleRequest(theory, "hmc", configurations, parameters=given, protocol="published", seed=seed)
    name = str(state.algorithm)
    known = set(find(name).parameters)
    given: dict[str, Any] = state.given(known - {"flip"})
    if "flip" in known:
        given["flip"] = bool(settings.flip)
    chains, therm, thin = (_whole(NAMES[key], str(getattr(settings, key))) for key in ("chains", "therm", "thin"))
    return EnsembleRequest(theory, name, configurations, chains, therm, thin, given, str(state.start), None, seed)


def name_for(library: Library, request: EnsembleRequest, wanted: str) -> str:
    """The name that was ``wanted``, or a free one that says what the ensemble is."""
    if wanted.strip():
        return wanted.strip()
    theory = request.theory
    method = request.protocol or request.sampler
    usual = theory.lam == LatticeState.param["lam"].default
    name = f"κ={theory.kappa:g} {'' if usual else f'λ={theory.lam:g} '}L={theory.event[0]} {method}"
    taken = {entry.name for entry in library.list()} | set(library.unfinished())
    number = 1
    while (free := name if number == 1 else f"{name} ({number})") in taken:
        number += 1
    return free


def _whole(field: str, text: str) -> int | None:
    """A whole number, 1e4 among them; None for auto."""
    text = text.strip()
    if text in ("", "auto"):
        return None
    with suppress(ValueError, OverflowError):
        number = float(text.replace(NARROW_SPACE, "").replace(" ", ""))
        if number == int(number):
            return int(number)
    allowed = "a whole number" if field == NAMES["configurations"] else "a whole number or auto"
    raise ValueError(f"{field} must be {allowed}, got {text!r}")
