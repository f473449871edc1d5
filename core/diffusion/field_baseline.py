"""Gaussian baselines of a field network: where they come from, and as tensors for a batch of mixed couplings.

A network adds to the Gaussian denoiser what the interaction adds; so it needs the propagator G(p) and the expectation
value m of whatever it is used for. Between couplings of the training both are interpolated, where the quantities that
are smooth through the transition are ``log G_p`` (with the disconnected part) and ``m⁴ = (3⟨M²⟩² - ⟨M⁴⟩)/2``. On
another lattice 1/G is the same short-ranged kernel in space.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from scipy.interpolate import PchipInterpolator

from core.contracts import Tensor
from core.diffusion.field_gaussian import FieldGaussianScore

SOURCES = ("fitted", "refitted", "interpolated", "extrapolated")
"""``fitted`` to the training ensemble, ``refitted`` to a short run, ``interpolated`` between couplings of the
training, ``extrapolated`` to another lattice."""


@dataclass(frozen=True, eq=False)
class Baseline:
    """A Gaussian score, the couplings it belongs to (None where unknown), and its ``source``, one of SOURCES."""

    gaussian: FieldGaussianScore
    kappa: float | None = None
    lam: float | None = None
    source: str = "fitted"

    @property
    def event(self) -> tuple[int, ...]:
        """Shape of one configuration."""
        return self.gaussian.event


@dataclass(frozen=True, eq=False)
class Propagators:
    """Baselines as float32 tensors, one row a baseline or, after ``pick``, one a configuration.

    ``connected`` (c, *half) is G_c on the momenta that a real FFT keeps, ``m`` (c,), ``spread`` (c,) the root mean
    square of φ, ``strength`` (c,) that of the Gaussian force G⁻¹φ, ``couplings`` (c, 2) κ and λ, 0 where unknown.
    ``weight`` (1, *half) counts each momentum and its mirror image, normalised to 1 in total; ``neighbour`` (1, *half)
    is the mean of cos p_μ, the average over nearest neighbours. ``event`` is the lattice.
    """

    connected: Tensor
    m: Tensor
    spread: Tensor
    strength: Tensor
    couplings: Tensor
    weight: Tensor
    neighbour: Tensor
    event: tuple[int, ...]

    @classmethod
    def of(cls, baselines: Sequence[Baseline]) -> Propagators:
        """From baselines on one lattice. Raises ValueError for none, or for different lattices."""
        if not baselines:
            raise ValueError("there must be at least one baseline, got none")
        event = baselines[0].event
        for baseline in baselines:
            if baseline.event != event:
                raise ValueError(f"baselines must live on one lattice, got {event} and {baseline.event}")
        last = event[-1]
        full = np.stack([b.gaussian.connected for b in baselines])
        m = np.array([b.gaussian.m for b in baselines])
        axes = tuple(range(1, full.ndim))
        weight = np.full((*event[:-1], last // 2 + 1), 2.0)
        weight[..., 0] = 1.0
        if last % 2 == 0:
            weight[..., -1] = 1.0
        grids = np.meshgrid(*(2 * np.pi * np.arange(n) / n for n in event), indexing="ij")
        cosine = np.mean([np.cos(p) for p in grids], axis=0)[..., : last // 2 + 1]
        couplings = np.array([[b.kappa or 0.0, b.lam or 0.0] for b in baselines])
        return cls(
            _tensor(full[..., : last // 2 + 1]),
            _tensor(m),
            _tensor(np.sqrt(full.mean(axes) + m**2)),
            _tensor(np.sqrt((1 / full).mean(axes))),
            _tensor(couplings),
            _tensor((weight / weight.sum())[None]),
            _tensor(cosine[None]),
            event,
        )

    def pick(self, index: Tensor) -> Propagators:
        """Row ``index[i]`` (n,) for configuration i. A single row stays one and serves all."""
        if len(self.m) == 1:
            return self
        index = index.to(self.m.device)
        names = ("connected", "m", "spread", "strength", "couplings")
        return replace(self, **{name: getattr(self, name)[index] for name in names})

    def to(self, where: str | torch.device | torch.dtype) -> Propagators:
        """The same on another device, or in another precision."""
        moved = {f.name: getattr(self, f.name).to(where) for f in fields(self) if f.name != "event"}
        return replace(self, **moved)

    def curvature(self) -> Tensor:
        """⟨|K_p|²⟩/V of φ⁴, (c, *half): by parts ⟨∂²S⟩ = 2(1 - 2λ) - 4κ Σ_μ cos p_μ + 12λ⟨φ²⟩, at least 1/G_p."""
        kappa, lam = (c.reshape(-1, *[1] * len(self.event)) for c in self.couplings.unbind(1))
        site = self.spread.reshape(kappa.shape) ** 2
        bare = 2 * (1 - 2 * lam) - 4 * kappa * len(self.event) * self.neighbour
        return (bare + 12 * lam * site).clamp_min(1e-6)

    def mean(self, values: Tensor) -> Tensor:
        """Mean over all momenta of ``values`` (n, *half), shape (n,): the value on one site of Σ_p values |φ_p|²."""
        return (values * self.weight).flatten(1).sum(1)


def on_lattice(gaussian: FieldGaussianScore, event: tuple[int, ...]) -> FieldGaussianScore:
    """The same propagator as a function of p, and the same m, on a lattice of shape ``event``.

    1/G_c is taken to space, where it has a short range, and back on the new lattice, so that it is exact for a free
    field. Its zero mode, which alone feels the finite box and the tunnelling between ±m, is first replaced by what the
    two longest waves along an axis extrapolate to, where that is positive. Raises ValueError for another dimension.
    """
    if len(event) != len(gaussian.event):
        raise ValueError(f"the lattice must have {len(gaussian.event)} dimensions, got {tuple(event)}")
    if tuple(event) == gaussian.event:
        return gaussian
    inverse = 1 / gaussian.connected
    zero = (0,) * inverse.ndim
    inverse[zero] = _smooth_zero(inverse)
    kernel = np.fft.fftn(inverse).real / inverse.size
    for axis, extent in enumerate(event):
        kernel = _on_extent(kernel, axis, extent)
    made = np.fft.fftn(kernel).real
    return FieldGaussianScore(1 / np.maximum(made, 0.5 * inverse.min()), gaussian.m)


def _smooth_zero(inverse: np.ndarray) -> float:
    """1/G at p = 0 from p̂² = 4 sin²(p/2) of the first two waves along the last axis."""
    rest = (0,) * (inverse.ndim - 1)
    n = inverse.shape[-1]
    if n < 4:
        return float(inverse.flat[0])
    one, two = (4 * math.sin(math.pi * k / n) ** 2 for k in (1, 2))
    first, second = float(inverse[(*rest, 1)]), float(inverse[(*rest, 2)])
    value = first - (second - first) * one / (two - one)
    return value if value > 0 else float(inverse.flat[0])


def _on_extent(kernel: np.ndarray, axis: int, extent: int) -> np.ndarray:
    """An even function of the distance along ``axis`` on a circle of ``extent``; opposite points are shared."""
    n = kernel.shape[axis]
    shape = list(kernel.shape)
    shape[axis] = extent
    out = np.zeros(shape)
    target, source = np.moveaxis(out, axis, 0), np.moveaxis(kernel, axis, 0)
    for r in range(n):
        if 2 * r == n:
            target[r % extent] += source[r] / 2
            target[-r % extent] += source[r] / 2
        else:
            target[(r if 2 * r < n else r - n) % extent] += source[r]
    return out


def between(baselines: Sequence[Baseline], kappa: float, lam: float) -> Baseline:
    """The baseline at couplings inside a full grid of them, on one lattice.

    Monotone cubics first in κ, then in λ. Raises ValueError for couplings outside, or for no such grid.
    """
    kappas = sorted({_known(b.kappa) for b in baselines})
    lams = sorted({_known(b.lam) for b in baselines})
    table = {(_known(b.kappa), _known(b.lam)): b for b in baselines}
    if (kappa, lam) in table:
        return table[kappa, lam]
    if len(table) != len(kappas) * len(lams):
        raise ValueError("couplings of the training must fill a grid in κ and λ to be interpolated between")
    for name, value, nodes in (("kappa", kappa, kappas), ("lam", lam, lams)):
        if not nodes[0] <= value <= nodes[-1]:
            allowed = f"{nodes[0]:g}" if len(nodes) == 1 else f"from {nodes[0]:g} to {nodes[-1]:g}"
            raise ValueError(f"{name} must be {allowed}, the couplings of the training, got {value:g}")
    first = table[kappas[0], lams[0]].gaussian
    grid = np.empty((len(kappas), len(lams), first.connected.size + 1))
    for (i, k), (j, g) in itertools.product(enumerate(kappas), enumerate(lams)):
        gaussian = table[k, g].gaussian
        grid[i, j] = np.append(np.log(gaussian.full).ravel(), gaussian.m**4)
    row = _interpolate(kappas, grid, kappa)
    values = _interpolate(lams, row, lam)
    full, m = np.exp(values[:-1]).reshape(first.event), max(float(values[-1]), 0.0) ** 0.25
    # The zero mode must keep a spread of its own, whatever the interpolation does to the difference.
    m = min(m, math.sqrt(0.999 * full.flat[0] / full.size))
    full.flat[0] -= full.size * m**2
    return Baseline(FieldGaussianScore(full, m), kappa, lam, "interpolated")


def _interpolate(nodes: list[float], values: np.ndarray, at: float) -> np.ndarray:
    return values[0] if len(nodes) == 1 else PchipInterpolator(nodes, values, axis=0)(at)


def _tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values)).float()


def _known(coupling: float | None) -> float:
    if coupling is None:
        raise ValueError("the couplings of this model are not known, so nothing can be interpolated")
    return coupling
