"""M, V⁻¹ Σ φ² and S/V of many φ⁴ fields in one pass over memory, for chains that are measured at every step."""

from __future__ import annotations

import numba as nb
import numpy as np
import torch

from core.theories.phi4 import Phi4


def scalars(theory: Phi4, x: torch.Tensor) -> np.ndarray:
    """Of fields (chains, rows, columns) on the CPU: M, V⁻¹ Σ φ² and S/V, shape (3, chains), float64."""
    out = np.empty((3, len(x)))
    _scalars(x.contiguous().numpy(), float(theory.kappa), float(theory.lam), out)
    return out


@nb.njit(nogil=True, cache=True, fastmath=True)
def _scalars(x, kappa, lam, out):  # pragma: no cover (compiled)
    rows, columns = x.shape[1], x.shape[2]
    for chain in range(x.shape[0]):
        field = x[chain]
        m = s2 = s4 = links = 0.0
        for i in range(rows):
            row, above = field[i], field[(i + 1) % rows]
            for j in range(columns - 1):
                v = np.float64(row[j])
                m += v
                s2 += v * v
                s4 += v * v * v * v
                links += v * (np.float64(above[j]) + np.float64(row[j + 1]))
            v = np.float64(row[columns - 1])
            m += v
            s2 += v * v
            s4 += v * v * v * v
            links += v * (np.float64(above[columns - 1]) + np.float64(row[0]))
        volume = rows * columns
        out[0, chain] = m / volume
        out[1, chain] = s2 / volume
        out[2, chain] = (-2 * kappa * links + (1 - 2 * lam) * s2 + lam * s4) / volume
