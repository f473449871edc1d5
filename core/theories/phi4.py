"""Scalar φ⁴ theory on a periodic hypercubic lattice.

    S = Σ_x [ -2κ Σ_μ φ_x φ_{x+μ} + (1 - 2λ) φ_x² + λ φ_x⁴ ]                   (arXiv:2309.17082, equation (44))

In the continuum's parameters ``(a m_0)² = (1 - 2λ)/κ - 2d`` and ``λ_0 = 6λ/κ²``. In two dimensions at λ = 0.022 the
symmetry φ → -φ breaks at κ_c ≈ 0.2709. Fields are tensors of shape (n, *event), float32 or float64; actions
are accumulated in float64.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from core.noise import Noise
from core.theories import phi4_kernel
from core.theories.phi4_kernel import layout

Tensor = torch.Tensor

STRONGEST = 1e4
"""Largest κ and λ. A molecular-dynamics step falls as λ^(-1/2); at 10⁴ the theory is the Ising model to 10⁻⁴."""
ROUNDING = 2.0**-24
"""Relative rounding of a float32 field."""
ROUGHEST = 0.05
"""Largest rounding of the classical minimum, in units of the fluctuation 1/ω of a site around it."""


@dataclass(frozen=True)
class Phi4:
    """φ⁴ with hopping parameter κ and coupling λ; ``L`` is the extent of a square lattice or a tuple of extents.

    Raises ValueError for an extent below 2, κ or λ outside [0, 10⁴], λ = 0 (the free field) with κ >= 1/(2d), where
    the action has no minimum, and λ so small that in float32 the fluctuations around a far minimum are lost.
    """

    L: int | tuple[int, ...]
    kappa: float
    lam: float
    name: ClassVar[str] = "phi4"

    def __post_init__(self) -> None:
        if isinstance(self.L, bool) or not all(isinstance(n, int | np.integer) and n >= 2 for n in self.event):
            raise ValueError(f"L must be a whole number of at least 2, or a tuple of them, got {self.L!r}")
        if not self.event:
            raise ValueError("L must name at least one extent, got an empty tuple")
        if not (math.isfinite(self.kappa) and self.kappa >= 0):
            raise ValueError(f"kappa must be a finite number of at least 0, got {self.kappa}")
        if not (math.isfinite(self.lam) and self.lam >= 0):
            raise ValueError(
                f"lambda must be a finite number of at least 0, got {self.lam}: below it the action falls without end"
            )
        if self.lam == 0 and self.kappa >= 1 / (2 * self.d):
            raise ValueError(
                f"kappa must be below 1/(2d) = {1 / (2 * self.d):g} for the free field (lambda = 0), got {self.kappa}"
            )
        for name, value in (("kappa", self.kappa), ("lambda", self.lam)):
            if value > STRONGEST:
                raise ValueError(f"{name} must be at most {STRONGEST:g}, got {value:g}: a site would be too stiff")
        excess = 2 * self.d * self.kappa - 1 + 2 * self.lam
        if excess > 0:
            # The curvature of a site's action in the minimum is ω² = 4 excess + 4dκ.
            minimum, omega = self.classical_minimum, math.sqrt(4 * excess + 4 * self.d * self.kappa)
            if not minimum * ROUNDING * omega <= ROUGHEST:
                raise ValueError(
                    f"lambda = {self.lam:g} is too small for kappa = {self.kappa:g}: the field settles at "
                    f"±{minimum:.3g}, where single precision loses its fluctuations"
                )

    @property
    def event(self) -> tuple[int, ...]:
        """The lattice's extents."""
        return self.L if isinstance(self.L, tuple) else (self.L, self.L)

    @property
    def d(self) -> int:
        """Number of dimensions."""
        return len(self.event)

    @property
    def volume(self) -> int:
        """Number of sites V."""
        return math.prod(self.event)

    @property
    def classical_minimum(self) -> float:
        """The constant field of least action, √((2dκ - 1 + 2λ)/(2λ)) in the classically broken phase, else 0."""
        excess = 2 * self.d * self.kappa - 1 + 2 * self.lam
        return math.sqrt(excess / (2 * self.lam)) if excess > 0 else 0.0

    @property
    def continuum(self) -> tuple[float, float]:
        """((a m_0)², λ_0) = ((1 - 2λ)/κ - 2d, 6λ/κ²), the bare mass squared and coupling, for κ > 0.

        They belong to ``φ_0 = √(2κ) φ`` with ``S = Σ [½ (∂φ_0)² + ½ m_0² φ_0² + λ_0 φ_0⁴/4!]``. Raises ValueError for
        κ = 0, where there is no such field.
        """
        if self.kappa == 0:
            raise ValueError("kappa must be positive for a bare mass, got 0: without hopping there is no continuum")
        return (1 - 2 * self.lam) / self.kappa - 2 * self.d, 6 * self.lam / self.kappa**2

    @classmethod
    def from_continuum(cls, L: int | tuple[int, ...], mass_squared: float, coupling: float) -> Phi4:
        """The theory with these ((a m_0)², λ_0), the inverse of ``continuum``.

        κ is the positive root of ``λ_0 κ²/3 + ((a m_0)² + 2d) κ = 1``. Raises ValueError for numbers that are not
        finite, λ_0 < 0, and λ_0 = 0 with (a m_0)² <= 0.
        """
        if not (math.isfinite(mass_squared) and math.isfinite(coupling) and coupling >= 0):
            raise ValueError(
                f"mass_squared must be finite and coupling finite and at least 0, got {mass_squared} and {coupling}"
            )
        if coupling == 0 and mass_squared <= 0:
            raise ValueError(f"mass_squared must be positive without a coupling, got {mass_squared}")
        half = (mass_squared + 2 * (len(L) if isinstance(L, tuple) else 2)) / 2
        root = math.hypot(half, math.sqrt(coupling / 3))
        # Both forms are the same number; each avoids the difference of two that are nearly equal.
        kappa = 1 / (root + half) if half > 0 else (root - half) / (coupling / 3)
        return cls(L, kappa, coupling * kappa**2 / 6)

    def action(self, x: Tensor) -> Tensor:
        """S(x), shape (n,), float64."""
        x = x.double()
        links = sum(x.roll(-1, axis) for axis in range(1, x.ndim))
        return (x * (-2 * self.kappa * links + (1 - 2 * self.lam) * x + self.lam * x**3)).flatten(1).sum(1)

    def force(self, x: Tensor) -> Tensor:
        """K(x) = 2κ Σ_{±μ} φ_{x±μ} - 2(1-2λ) φ - 4λ φ³, of the shape and precision of x."""
        return force(x, self.kappa, self.lam)

    def integrate(self, x: Tensor, p: Tensor, kicks: np.ndarray, drifts: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
        """Molecular dynamics from (x, p), compiled, for fields on the CPU: the end point and ΔH (n,), float64.

        Momenta move by ``kicks[0]`` times the force, fields by ``drifts[0]`` times the momenta, and so on in turn;
        the last move is ``kicks[-1]``.
        """
        x, p = x.contiguous(), p.contiguous()
        y, q = torch.empty_like(x), torch.empty_like(p)
        delta = np.empty(len(x))
        planes = layout(self.event)
        phi4_kernel.integrate(
            _rows(x), _rows(p), _rows(y), _rows(q), planes.table, planes.rows, planes.columns, planes.wrap,
            float(self.kappa), float(self.lam), kicks, drifts, delta,
        )  # fmt: skip
        return y, q, torch.from_numpy(delta)

    def trajectory(
        self,
        x: Tensor,
        noise: Noise,
        count: int,
        kicks: np.ndarray,
        drifts: np.ndarray,
        metropolis: bool = True,
        flips: Noise | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """A compiled step of HMC, for fields on the CPU: the new fields, which were accepted, and ΔH (n,).

        Momenta are ``noise.normal(count, x.shape)``, the moves those of ``integrate``. A chain takes the end point
        where log u < -ΔH with ``noise.uniform(count, (n, 1))``, without ``metropolis`` where ΔH is finite, and changes
        its sign where ``flips.uniform(count, (n, 1))`` < ½. Nothing but the fields leaves the cache.
        """
        x = x.contiguous()
        y, accepted, delta = torch.empty_like(x), np.empty(len(x), dtype=np.bool_), np.empty(len(x))
        planes = layout(self.event)
        phi4_kernel.trajectory(
            _rows(x), _rows(y), planes.table, planes.rows, planes.columns, planes.wrap, float(self.kappa),
            float(self.lam), kicks, drifts, _address(noise, count), _address(flips, count), metropolis, accepted, delta,
        )  # fmt: skip
        return y, torch.from_numpy(accepted), torch.from_numpy(delta)

    def free_propagator(self) -> np.ndarray:
        """⟨|φ_p|²⟩/V = 1/(2 - 4κ Σ_μ cos p_μ) of the free field, on the lattice of momenta, shape ``event``.

        Raises ValueError for λ > 0.
        """
        if self.lam != 0:
            raise ValueError(f"the propagator is known in closed form for lambda = 0 only, got {self.lam}")
        cosines = np.meshgrid(*[np.cos(2 * np.pi * np.arange(n) / n) for n in self.event], indexing="ij")
        return 1 / (2 - 4 * self.kappa * np.sum(cosines, axis=0))

    def latex(self) -> str:
        """The action with its present numbers."""
        return (
            rf"S = \sum_x \Big[ -{2 * self.kappa:.4g} \sum_\mu \phi_x \phi_{{x+\hat\mu}} "
            rf"+ {1 - 2 * self.lam:.4g}\,\phi_x^2 + {self.lam:.4g}\,\phi_x^4 \Big]"
        )


def force(x: Tensor, kappa: float | Tensor, lam: float | Tensor) -> Tensor:
    """K(x) of fields (n, *event) at couplings that are numbers, or tensors (n, 1, …, 1) with one for each field."""
    return 2 * kappa * neighbours(x) - x * (2 * (1 - 2 * lam) + 4 * lam * x * x)


def neighbours(x: Tensor) -> Tensor:
    """Σ_{±μ} φ_{x±μ} of fields (n, *event). On an extent of 2 each neighbour counts twice."""
    return torch.stack([x.roll(s, axis) for axis in range(1, x.ndim) for s in (1, -1)]).sum(0)


def _rows(x: Tensor) -> np.ndarray:
    """The memory of a contiguous field as (n, sites)."""
    return x.numpy().reshape(len(x), -1)


def _address(noise: Noise | None, count: int) -> np.ndarray:
    """What a kernel needs to draw the deviates of step ``count``, empty for no noise."""
    return np.array(() if noise is None else noise.address(count), dtype=np.int64)
