"""What a person asks for on the tab *Train*, and the request that this makes."""

from __future__ import annotations

from contextlib import suppress

import param

from core.diffusion.model_library import ModelLibrary
from core.diffusion.training_jobs import trainings
from core.diffusion.training_request import Continuation, LiveSampler, TrainingRequest
from core.ensembles.library import Library
from core.limits import limits
from core.statistics.format import NARROW_SPACE, thousands

LIVE = "Live sampler, always fresh"
GO_ON = "model:"
"""How the choice of an interrupted training begins; no name of an ensemble holds a colon."""
NAMES = {
    "data": "Data",
    "low": "κ from",
    "high": "κ to",
    "lam": "λ",
    "L": "Lattice",
    "preset": "Network",
    "target": "Target",
    "length": "Train for",
    "minutes": "Minutes",
    "steps": "Steps",
    "batch": "Batch",
    "rate": "Learning rate",
    "seed": "Seed",
    "called": "Name",
}
OF_THE_SAMPLER = ("low", "high", "lam", "L")
SEEDS = 2**31 - 1
"""The largest seed."""


class TrainSettings(param.Parameterized):
    """What is to be trained, on what, for how long."""

    data = param.Selector(
        default="",
        objects={LIVE: ""},
        check_on_set=False,
        doc="An ensemble of the library, of which a tenth is held out; or a cluster sampler that runs along and makes "
        "fresh configurations for every step.",
    )
    low = param.Number(
        0.27, bounds=(0.05, 0.5), step=0.005, doc="Smallest κ that the sampler runs at. One κ, or a range."
    )
    high = param.Number(
        0.27,
        bounds=(0.05, 0.5),
        step=0.005,
        doc="Largest κ. Above the smallest, one network learns the whole range, and is told κ.",
    )
    lam = param.Number(0.022, bounds=(0.001, 0.2), step=0.001, doc="Self-coupling λ of the term λ φ⁴.")
    L = param.Selector(
        default=16,
        objects={"8 × 8": 8, "16 × 16": 16, "32 × 32": 32, "64 × 64": 64},
        doc="Sites of the lattice. The network can be used on other lattices afterwards.",
    )
    preset = param.Selector(
        default="small", objects={"Small": "small", "Large, for a GPU": "large"}, doc="Size of the network."
    )
    target = param.Selector(
        default="auto",
        objects={"With the known action": "auto", "Samples alone": "dsm"},
        doc="What is regressed on. Denoising score matching sees samples alone. With the action, its force makes the "
        "noise of the target vanish for the Gaussian part; the minimum is the same, and is found sooner.",
    )
    length = param.Selector(
        default="minutes",
        objects={"Minutes": "minutes", "Steps": "steps"},
        doc="What ends the run. The learning rate falls towards that end.",
    )
    minutes = param.Number(5.0, bounds=(0.1, 600.0), doc="Minutes of training.")
    steps = param.Integer(2000, bounds=(10, 200_000), doc="Training steps, each with one batch.")
    batch = param.String("auto", doc="Configurations a step; auto is the trainer's choice.")
    rate = param.String("auto", doc="Largest learning rate; auto is the trainer's choice.")
    seed = param.Integer(0, allow_None=True, doc="Fixes weights, noise and the sampler's chains.")
    called = param.String("", doc="Name of the model in the library; left empty, one is made.")


def choices() -> dict[str, str]:
    """What can be learned from: the sampler, or an ensemble of the library on a lattice in two dimensions; or a
    training that was interrupted."""
    entries = (entry for entry in Library().list() if not entry.problem and len(entry.shape) == 2)
    under_way = {job.title for job in trainings().jobs() if not job.over}
    begun = {
        f"Go on with {name}, step {thousands(step)} of {thousands(steps)}": GO_ON + name
        for name, (step, steps) in ModelLibrary().unfinished().items()
        if name not in under_way
    }
    return {LIVE: ""} | {entry.name: entry.name for entry in entries} | begun


def request_of(settings: TrainSettings, device: str = "auto") -> TrainingRequest | Continuation:
    """The training that is asked for. ValueError with a sentence, naming the field, for what cannot be, and for more
    than a visitor may ask for (`core.limits`)."""
    s = settings
    if goes_on(s):
        checkpoint = ModelLibrary().path(str(s.data).removeprefix(GO_ON))
        if not checkpoint.exists():
            raise ValueError(f"the library has no model {checkpoint.stem!r} any more")
        return Continuation(checkpoint)
    if s.data:
        data = Library().path(str(s.data))
        if not data.exists():
            raise ValueError(f"the library has no ensemble {s.data!r} any more; choose another one")
    else:
        data = LiveSampler(int(s.L), float(s.low), float(s.high), float(s.lam))  # type: ignore[arg-type]
        limits().check("lattice_side", int(s.L))  # type: ignore[arg-type]
    by_time = s.length == "minutes"
    limits().check(*(("training_minutes", float(s.minutes)) if by_time else ("training_steps", int(s.steps))))  # type: ignore[arg-type]
    batch = _number("batch", str(s.batch))
    if batch is not None and not batch.is_integer():
        raise ValueError(f"Batch must be a whole number or auto, got {s.batch!r}")
    rate = _number("rate", str(s.rate))
    if rate is not None and not 0 < rate < 1:
        raise ValueError(f"Learning rate must be above 0 and below 1, got {rate:g}")
    if s.seed is None or not 0 <= int(s.seed) <= SEEDS:  # type: ignore[arg-type]
        got = "nothing" if s.seed is None else s.seed
        raise ValueError(f"Seed must be a whole number from 0 to {SEEDS}, got {got}")
    return TrainingRequest(
        data,
        preset=str(s.preset),
        minutes=float(s.minutes) if by_time else None,  # type: ignore[arg-type]
        steps=None if by_time else int(s.steps),  # type: ignore[arg-type]
        target=str(s.target),
        batch=None if batch is None else int(batch),
        rate=rate,
        seed=int(s.seed),  # type: ignore[arg-type]
        device=device,
    )


def goes_on(settings: TrainSettings) -> bool:
    """Whether a training that was interrupted is to be taken up again."""
    return str(settings.data).startswith(GO_ON)


def _number(field: str, text: str) -> float | None:
    """A number; None for auto."""
    text = text.strip()
    if text in ("", "auto"):
        return None
    with suppress(ValueError):
        return float(text.replace(NARROW_SPACE, "").replace(" ", ""))
    raise ValueError(f"{NAMES[field]} must be a number or auto, got {text!r}")
