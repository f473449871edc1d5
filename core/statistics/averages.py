"""The numbers of a configuration from which the observables of an ensemble follow, and the observables.

Rows of ``averages`` are averaged over configurations, in blocks or paths as the caller needs it, and ``observables``
takes the averages. So differences between ensembles that share their random numbers get their joint errors.
"""

from __future__ import annotations

import numpy as np
import torch

from core.statistics.cumulants import cumulants_from_moments
from core.theories.phi4 import Phi4

Tensor = torch.Tensor

OBSERVABLES = ("phi2", "action", "abs_m", "chi", "binder", "kappa4_ratio", "kappa6_ratio", "kappa8_ratio")
"""⟨φ²⟩, S/V, ⟨|M|⟩, χ, U_L, κ4/κ2², κ6/κ2³ and κ8/κ2⁴, by the names and conventions of ``core.statistics.measure``."""
WITHOUT_ACTION = tuple(name for name in OBSERVABLES if name != "action")


def averages(x: Tensor, theory: Phi4 | None = None) -> np.ndarray:
    """|M|, M², M⁴, φ², φ⁴, φ⁶, φ⁸ (of the site) and S/V of configurations (n, *event): shape (n, 8), float64.

    Without a theory S/V is 0.
    """
    y = x.detach().cpu().double().flatten(1)
    m, squares = y.mean(1), y.square()
    fourth = squares.square()
    action = torch.zeros_like(m) if theory is None else theory.action(x.detach().cpu()) / theory.volume
    columns = [m.abs(), m**2, m**4, squares.mean(1), fourth.mean(1)]
    columns += [(squares * fourth).mean(1), fourth.square().mean(1), action]
    return torch.stack(columns, dim=1).numpy()


def observables(means: np.ndarray, volume: int, names: tuple[str, ...] = OBSERVABLES) -> np.ndarray:
    """The observables ``names`` of averages (..., 8): shape (..., len(names)). Odd moments count as 0."""
    abs_m, m2, m4, phi2, phi4, phi6, phi8, action = np.moveaxis(means, -1, 0)
    moments = np.zeros((*phi2.shape, 9))
    moments[..., 0] = 1.0
    moments[..., 2::2] = np.stack([phi2, phi4, phi6, phi8], axis=-1)
    kappa = cumulants_from_moments(moments)
    with np.errstate(divide="ignore", invalid="ignore"):
        known = {
            "phi2": phi2, "action": action, "abs_m": abs_m, "chi": volume * (m2 - abs_m**2),
            "binder": 1 - m4 / (3 * m2**2),
            **{f"kappa{n}_ratio": kappa[..., n] / phi2 ** (n // 2) for n in (4, 6, 8)},
        }  # fmt: skip
        return np.stack([known[name] for name in names], axis=-1)
