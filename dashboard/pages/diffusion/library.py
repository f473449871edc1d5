"""Ensembles of the library as the page's data."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch

from core.ensembles.library import Library
from core.ensembles.spread import MOST, spread_configurations
from core.theories.phi4 import Phi4
from dashboard.pages.diffusion.models import listed
from dashboard.pages.diffusion.state import MADE_HERE


@dataclass(frozen=True)
class Stored:
    """One ensemble of the library as its file is now."""

    name: str
    theory: Phi4
    modified: float


@dataclass(frozen=True, eq=False)
class StoredEnsemble:
    """Configurations (n, L, L) from a file, one draw of all ``chains`` after the other, or independent ones (0 chains);
    ``warning`` where it has one."""

    name: str
    theory: Phi4
    fields: torch.Tensor
    warning: str | None
    chains: int = 0

    @property
    def series(self) -> torch.Tensor:
        """The configurations (n, L, L) where they are independent, else as chains (chains, draws, L, L)."""
        return self.fields.unflatten(0, (-1, self.chains)).swapaxes(0, 1) if self.chains else self.fields

    def describe(self) -> str:
        """In Markdown, where the configurations come from."""
        rows, columns = self.theory.event
        return (
            f"**Data.** {len(self.fields)} configurations of “{self.name}” from the library: φ⁴ on {rows} × {columns}, "
            f"κ = {self.theory.kappa:g}, λ = {self.theory.lam:g}."
        )


def choices() -> dict[str, str]:
    """What the page offers: made on the spot, or an ensemble of the library on a lattice in two dimensions."""
    entries = (entry for entry in Library().list() if not entry.problem and len(entry.shape) == 2)
    return {MADE_HERE: ""} | {entry.name: entry.name for entry in entries}


def stored(name: str) -> Stored:
    """An ensemble by its name. ValueError with a sentence for one that is gone, damaged or of another dimension."""
    try:
        entry = Library()[name]
    except KeyError:
        there = listed([title for title, key in choices().items() if key])
        raise ValueError(
            f"the library has no ensemble “{name}”; choose “{MADE_HERE}” or one of those there are: {there}"
        ) from None
    if entry.problem:
        raise ValueError(f"the ensemble “{name}” cannot be read: {entry.problem}")
    if len(entry.shape) != 2 or entry.kappa is None or entry.lam is None:
        shape = " × ".join(map(str, entry.shape))
        raise ValueError(f"the page shows lattices in two dimensions, and “{name}” has the shape {shape}")
    return Stored(name, Phi4(entry.shape, entry.kappa, entry.lam), entry.modified)


@lru_cache(maxsize=4)
def load(ensemble: Stored) -> StoredEnsemble:
    """Configurations spread over the file, as many as the page can use."""
    found = spread_configurations(Library().path(ensemble.name), MOST)
    fields = found.fields
    if len(fields) < 2:
        raise ValueError(f"the ensemble “{ensemble.name}” has a single configuration; the page needs two at least")
    return StoredEnsemble(
        ensemble.name,
        ensemble.theory,
        fields,
        " ".join(w[:1].upper() + w[1:] for w in found.warnings) or None,
        found.chains,
    )
