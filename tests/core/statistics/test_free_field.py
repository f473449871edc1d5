"""The free propagator against its dispersion relation and against the theory's own."""

import numpy as np
import pytest

from core.statistics.free_field import effective_mass, free_correlators, free_mass, second_moment
from core.theories.phi4 import Phi4


def test_the_slices_fall_as_a_cosh_of_the_lattice_mass():
    """C(t) ∝ cosh(E (L/2 - t)) for t >= 1 on a nearest-neighbour lattice, with 2 sinh(E/2) = m."""
    _, slices = free_correlators(32, 0.3, 2.0)
    assert effective_mass(slices) == pytest.approx(np.full(15, free_mass(0.3)), rel=1e-9)
    assert 2 * np.sinh(free_mass(0.3) / 2) == pytest.approx(np.sqrt(0.3))


@pytest.mark.parametrize("kappa", [0.1, 0.2, 0.24])
def test_it_is_the_theory_without_interaction(kappa):
    theory = Phi4(16, kappa, 0.0)
    points, slices = free_correlators(16, 1 / kappa - 4, 1 / (2 * kappa))
    exact = np.fft.ifft2(theory.free_propagator()).real
    assert points == pytest.approx(exact[0, :9])
    assert slices == pytest.approx(exact.sum(axis=0)[:9])
    structure = theory.free_propagator()[0]
    assert second_moment(structure, 16) == pytest.approx([1 / kappa - 4, 1 / (2 * kappa)])


def test_what_has_no_mass():
    assert np.isnan(second_moment(np.array([1.0, 2.0]), 8)).all()
    assert np.isnan(effective_mass(np.array([1.0, 2.0, 1.0]))).all()
    with pytest.raises(ValueError, match="mass2 must be positive, got 0"):
        free_correlators(8, 0, 1.0)
