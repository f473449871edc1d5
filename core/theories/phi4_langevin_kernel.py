"""Compiled Langevin step for φ⁴ on any hypercubic lattice: noise, force and new field of one chain in the cache."""

from __future__ import annotations

import numba as nb
import numpy as np
import torch

from core.noise import Noise, fill_normal
from core.theories.phi4 import Phi4
from core.theories.phi4_kernel import MATHS, frame, kick_across, kick_and_drift, layout, load, store

Tensor = torch.Tensor


def langevin_step(theory: Phi4, x: Tensor, epsilon: float, noise: Noise, count: int) -> tuple[Tensor, bool]:
    """``x + ε K(x) + √(2ε) η`` with η = ``noise.normal(count, x.shape)``, and whether all of it is finite.

    ``x`` (chains, *event) is on the CPU, float32 or float64.
    """
    x = x.contiguous()
    y = torch.empty_like(x)
    planes = layout(theory.event)
    finite = _step(
        x.numpy().reshape(len(x), -1), y.numpy().reshape(len(x), -1), planes.table, planes.rows, planes.columns,
        planes.wrap, float(theory.kappa), float(theory.lam), float(epsilon), *noise.address(count),
    )  # fmt: skip
    return y, bool(finite)


@nb.njit(nogil=True, cache=True, fastmath=MATHS, error_model="numpy")
def _step(x, y, table, rows, columns, wrap, kappa, lam, epsilon, first, count, k0, k1):  # pragma: no cover (compiled)
    # With δ = √(2ε) the step is a kick of η by δ/2 and a drift by δ: x + δ (η + δ/2 K).
    work = np.zeros((3, table.shape[0], (rows + 2) * (columns + 2)), dtype=x.dtype)
    old, new, momentum = work[0], work[1], work[2]
    eta = np.empty(x.shape[1], dtype=x.dtype)
    size = (rows - 1) * (columns + 2) + columns
    drift = np.sqrt(2 * epsilon)
    c = np.empty(4, dtype=x.dtype)  # coefficients in the precision of the field, so that loops stay in it
    c[0], c[1], c[2], c[3] = kappa * drift, (1 - 2 * lam) * drift, 2 * lam * drift, drift
    finite = True
    for chain in range(x.shape[0]):
        fill_normal(eta, (first + chain) * x.shape[1], count, k0, k1)
        load(x[chain], old, rows, columns)
        load(eta, momentum, rows, columns)
        for plane in range(old.shape[0]):
            frame(old[plane], rows, columns, wrap)
        for plane in range(old.shape[0]):
            for k in range(table.shape[1]):
                kick_across(old[table[plane, k]], momentum[plane], columns, size, c[0])
            kick_and_drift(old[plane], new[plane], momentum[plane], columns, size, c[0], c[1], c[2], c[3])
        store(new, y[chain], rows, columns)
        total = np.float64(0)
        for j in range(x.shape[1]):
            total += np.float64(0) * np.float64(y[chain, j])
        finite = finite and total == 0
    return finite
