"""Some configurations of an ensemble file, as different from each other as the file has them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from core.ensembles.files import open_ensemble

MOST = 1024
"""Configurations that are read, as many as can be dissolved."""
SITES = 2**24
"""Most sites that they have together (64 MB)."""


@dataclass(frozen=True, eq=False)
class Spread:
    """``fields`` (n, *event), one draw of all ``chains`` after the other, or independent ones (0 chains)."""

    fields: torch.Tensor
    chains: int
    warnings: tuple[str, ...]


def spread_configurations(path: str | Path, most: int = MOST, sites: int = SITES) -> Spread:
    """At most ``most`` configurations with ``sites`` sites together: of all chains, at draws spread over the
    file, the last among them. Raises what ``open_ensemble`` raises."""
    with open_ensemble(path) as reader:
        chains, draws = reader.stored
        wanted = max(2, min(most, chains * draws, sites // reader.theory.volume))
        chains = min(chains, wanted)
        picked = np.unique(np.linspace(draws - 1, 0, min(draws, wanted // chains)).round().astype(int))
        blocks = [reader.read(0, chains, int(draw), int(draw) + 1)[:, 0] for draw in picked]
        independent, warnings = reader.independent, reader.attributes["warnings"]
    return Spread(torch.from_numpy(np.concatenate(blocks)), 0 if independent else chains, tuple(warnings))
