"""Two-point functions and what follows from them: masses, correlation lengths, the connected four-point function.

Three forms of one function, along the lattice's longest axes (extent L):

- ``spectrum`` G(p) = ⟨|φ_p|²⟩/V at p = 2πk/L;
- ``time_slices`` C(t) = L⁻¹ Σ_p G(p) cos(p t): the correlation of time slices s_t = Σ_⊥ φ / √V_⊥ of zero spatial
  momentum, C(t) = ⟨s_0 s_t⟩, so that Σ_t C(t) = G(0) = V⟨M²⟩;
- ``point_to_point`` G(r) = ⟨φ_0 φ_r⟩ for sites at distance r along an axis.

All are symmetrised, ⟨φ⟩ = 0. In the broken phase they tend to a constant, (V_⊥) ⟨|M|⟩²; ``mass_above_constant`` does
not feel it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.statistics.errors import Blocks, jackknifed
from core.statistics.free_field import effective_mass, second_moment
from core.statistics.jackknife import Estimate


def time_slices(spectrum: np.ndarray, extent: int) -> np.ndarray:
    """C(t), t = 0 … L/2, from G(p) at p = 2πk/L, k = 0 … L/2, both on the last axis; ``extent`` is L."""
    return np.fft.irfft(spectrum, extent, axis=-1)[..., : extent // 2 + 1]


def mass_above_constant(correlation: np.ndarray) -> np.ndarray:
    """m(t), t = 1½ … L/2 - 1½, of C(t) ∝ cosh(m (t - L/2)) + constant, t = 0 … L/2.

    It is the ``effective_mass`` of C(t) - C(t+1).
    """
    return effective_mass(-np.diff(correlation, axis=-1))


def correlation_length(spectrum: np.ndarray, extent: int) -> np.ndarray:
    """Second-moment correlation length ξ = √(G(0)/G(p_min) - 1) / (2 sin(p_min/2)), p_min = 2π/L, in sites.

    ``spectrum`` holds G at p = 2πk/L on its last axis. nan where G(0) <= G(p_min). With G(0) = V⟨M²⟩ it grows beyond
    the lattice in the broken phase: it is then the variable of finite-size scaling, not a length.
    """
    return 1 / np.sqrt(second_moment(spectrum, extent)[..., 0])


def connected_four_point(two_point: np.ndarray, four_point: np.ndarray) -> np.ndarray:
    """⟨φ_0² φ_r²⟩ - ⟨φ²⟩² - 2⟨φ_0 φ_r⟩² for r on the last axis: symmetrised; κ_4 at r = 0."""
    return four_point - two_point[..., :1] ** 2 - 2 * two_point**2


@dataclass(frozen=True)
class Correlators:
    """Each an Estimate, value and jackknife error of the blocks, arrays over r, t or k (see the module).

    ``r`` counts sites 0 … L/2, ``p`` the momenta 2πk/L. ``mass`` belongs to t = 1 … L/2 - 1, ``mass_above_constant``
    to t = 1½ … L/2 - 1½ (empty on small lattices). ``power`` is G(p) on the whole lattice of momenta, shape
    ``event``, without errors.
    """

    r: np.ndarray
    p: np.ndarray
    spectrum: Estimate
    time_slices: Estimate
    point_to_point: Estimate
    mass: Estimate
    mass_above_constant: Estimate
    four_point: Estimate
    power: np.ndarray


def correlators(blocks: Blocks, extent: int, power: np.ndarray) -> Correlators:
    """From ``blocks`` whose quantities are spectrum, two-point and four-point function side by side."""

    def of(function) -> Estimate:
        return jackknifed(lambda means: function(*np.split(means, 3, axis=-1)), blocks)

    return Correlators(
        r=np.arange(extent // 2 + 1),
        p=2 * np.pi * np.arange(extent // 2 + 1) / extent,
        spectrum=of(lambda s, two, four: s),
        time_slices=of(lambda s, two, four: time_slices(s, extent)),
        point_to_point=of(lambda s, two, four: two),
        mass=of(lambda s, two, four: effective_mass(time_slices(s, extent))),
        mass_above_constant=of(lambda s, two, four: mass_above_constant(time_slices(s, extent))),
        four_point=of(lambda s, two, four: connected_four_point(two, four)),
        power=power,
    )
