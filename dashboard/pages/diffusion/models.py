"""The trained networks that the page offers: the shipped ones and those of the library."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from core.diffusion.field_model import FieldModel, load_cached, shipped
from core.diffusion.model_library import ModelLibrary
from dashboard.pages.diffusion.state import NO_MODEL

OWN = "library:"
"""How the names of models of the library begin, so that they differ from those of the shipped ones."""
FAVOURITES = ("conditioned", "k0.27")
"""What the name of the model that a visitor meets ends with, the first that there is."""


def _files() -> dict[str, Path]:
    return shipped() | {OWN + path.stem: path for path in ModelLibrary().list()}


def choices() -> dict[str, str]:
    """Titles and names of the models, and of none."""
    return {**{_title(name): name for name in _files()}, NO_MODEL: ""}


def default() -> str:
    """The name of the model that a visitor meets; empty where nothing is shipped."""
    names = list(_files())
    return next((n for end in FAVOURITES for n in names if n.endswith(end) and not n.startswith(OWN)), "")


def at_home(name: str, kappa: float) -> str:
    """The shipped model that was trained at this κ alone in place of one trained at another; else the same one."""
    single, own = "phi4_L32_k", f"phi4_L32_k{kappa:.2f}"
    return own if name.startswith(single) and own in shipped() else name


def path(name: str) -> Path | None:
    """The file of a model, None for one that is gone."""
    return _files().get(name)


def model(name: str) -> FieldModel:
    """A model by its name. ValueError with a sentence for one that is gone or damaged."""
    path = _files().get(name)
    if path is None:
        titles = [title for title, key in choices().items() if key]
        raise ValueError(
            f"there is no model “{name.removeprefix(OWN)}”; choose one of those there are: {listed(titles)}"
        )
    try:
        return load_cached(path)
    except OSError as problem:
        raise ValueError(f"the model “{name.removeprefix(OWN)}” cannot be read: {problem}") from None


def listed(names: Sequence[str], most: int = 6) -> str:
    """Names in a sentence, the first ones of many."""
    some, more = [f"“{name}”" for name in names[:most]], len(names) - most
    return f"{', '.join(some)} and {more} more" if more > 0 else ", ".join(some) or "none yet"


def _title(name: str) -> str:
    if name.startswith(OWN):
        return f"Trained here: {name.removeprefix(OWN)}"
    found = re.fullmatch(r"phi4_L(\d+)_(?:k([\d.]+)|conditioned)", name)
    if found is None:
        return f"Shipped: {name}"
    size, kappa = found.groups()
    return f"Shipped: {f'κ = {kappa}' if kappa else 'conditioned on κ'}, {size} × {size}"
