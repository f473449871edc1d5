"""Cluster algorithm for φ⁴: the signs of the field as an embedded Ising model, alternated with local sweeps.

At fixed |φ| the action in the signs s_x is ``-2κ Σ_links |φ_x φ_y| s_x s_y``. A link between equal signs is bound
with probability ``p = 1 - exp(-4κ |φ_x φ_y|)``, and clusters of bound sites flip as a whole: that of a random site
(Wolff, Phys. Rev. Lett. 62 (1989) 361) or each with probability ½ (Swendsen and Wang, Phys. Rev. Lett. 58 (1987) 86).
The embedding is that of Brower and Tamayo, Phys. Rev. Lett. 62 (1989) 1087. The moduli are moved by Metropolis
sweeps, without which the algorithm would not be ergodic, and by overrelaxation: at the small λ of the papers their
collective motion is what is left to wait for once clusters take care of the signs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from core.noise import Noise
from core.samplers.contract import Info, require_positive
from core.samplers.metropolis import require_fields, require_reflections, require_sweepable, sweep
from core.theories.phi4 import Phi4
from core.theories.phi4_cluster_kernel import site_neighbours, swendsen_wang, wolff

Tensor = torch.Tensor

KINDS = {"wolff": wolff, "swendsen-wang": swendsen_wang}


@dataclass(frozen=True)
class ClusterState:
    """Chains after a whole number of steps; ``clock`` counts Metropolis sweeps, ``sweeps`` to a step."""

    theory: Phi4
    x: Tensor
    step_size: float
    kind: str = "wolff"
    sweeps: int = 1
    overrelaxation: int = 1
    count: int = 0
    clock: float = 0.0


def init(
    theory: Phi4, x: Tensor, step_size: float, kind: str = "wolff", sweeps: int = 1, overrelaxation: int = 1
) -> ClusterState:
    """Chains that start at ``x`` (chains, *event).

    A step is one cluster update, ``kind`` 'wolff' or 'swendsen-wang', followed by ``sweeps`` Metropolis sweeps of
    half-width ``step_size``, each with ``overrelaxation`` sweeps of reflections after it. Raises ValueError for
    another kind, a step size that is not positive, fewer than one sweep, a negative or fractional number of either
    kind of sweep, an odd extent, and a theory or field that the compiled updates cannot take.
    """
    require_kind(kind)
    require_sweepable(theory, x, "the local sweeps of the cluster algorithm")
    require_positive("step_size", step_size)
    require_reflections(overrelaxation)
    if isinstance(sweeps, bool) or not isinstance(sweeps, int | np.integer) or sweeps < 1:
        raise ValueError(
            f"sweeps must be a whole number of at least 1, got {sweeps!r}: cluster updates alone keep every |φ|"
        )
    return ClusterState(theory, x, float(step_size), kind, int(sweeps), int(overrelaxation))


def step(state: ClusterState, noise: Noise) -> tuple[ClusterState, Info]:
    """One cluster update and the sweeps after it; ``Info.rate`` is the acceptance of the local proposals."""
    x = flip_clusters(state.theory, state.x, state.kind, noise, state.count)
    x, rate = sweep(state.theory, x, state.step_size, noise, state.count, state.sweeps, state.overrelaxation)
    return replace(state, x=x, count=state.count + 1, clock=state.clock + state.sweeps), Info(rate=rate)


def flip_clusters(theory: Phi4, x: Tensor, kind: str, noise: Noise, count: int) -> Tensor:
    """One cluster update alone, which changes signs only, on a lattice of any extents.

    ``count`` is the address of the noise, which is taken from the stream ``noise.of("cluster")``. Raises ValueError
    for an unknown ``kind`` and for fields that are not on the CPU, float32 or float64, and of the theory's shape.
    """
    require_kind(kind)
    require_fields(theory, x)
    x = x.clone(memory_format=torch.contiguous_format)
    table = site_neighbours(theory.event)
    KINDS[kind](x.numpy().reshape(len(x), -1), table, float(theory.kappa), *noise.of("cluster").address(count))
    return x


def require_kind(kind: str) -> None:
    """ValueError unless ``kind`` names a cluster update."""
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(map(repr, KINDS))}, got {kind!r}")
