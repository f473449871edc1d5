"""Two-point functions and masses of the free field, from samples of its exact law."""

import numpy as np
import pytest

from core.statistics.correlator import (
    connected_four_point,
    correlation_length,
    mass_above_constant,
    time_slices,
)
from core.statistics.free_field import effective_mass
from core.statistics.measure import measure
from core.theories.phi4 import Phi4
from tests.core.statistics.synthetic import free_fields

LATTICES = [Phi4(16, 0.22, 0.0), Phi4((8, 12), 0.2, 0.0), Phi4((10,), 0.4, 0.0), Phi4((6, 6, 6), 0.13, 0.0)]


def along_longest(theory, propagator):
    """G(p) on the longest axes, which are equivalent."""
    axis = int(np.argmax(theory.event))
    index = tuple(slice(None) if mu == axis else 0 for mu in range(theory.d))
    return propagator[index][: max(theory.event) // 2 + 1]


def mass_of_dispersion(theory):
    """2 sinh(m/2) = m_0: the pole of 1/(2κ (m_0² + Σ 2 (1 - cos p_μ))) at zero spatial momentum."""
    return 2 * np.arcsinh(np.sqrt(1 / theory.kappa - 2 * theory.d) / 2)


def agree(estimate, exact, sigmas=4.5):
    assert np.all(np.abs(estimate.value - exact) < sigmas * estimate.error)


@pytest.mark.parametrize("theory", LATTICES, ids=lambda t: str(t.L))
def test_measured_on_samples(theory):
    # 4.5 σ for each of about 30 numbers a lattice; the errors are checked to be small.
    found = measure(theory, [free_fields(theory, 4000, 7)[None]], independent=True)
    propagator = theory.free_propagator()
    exact = along_longest(theory, propagator)
    extent = max(theory.event)
    c = found.correlator
    agree(c.spectrum, exact)
    assert np.all(c.spectrum.error < 0.05 * exact)
    agree(c.time_slices, time_slices(exact, extent))
    agree(c.point_to_point, along_longest(theory, np.fft.ifftn(propagator).real))
    agree(c.four_point, 0.0)
    early = slice(0, 2)  # further out the correlator of so many samples is noise
    agree(type(c.mass)(c.mass.value[early], c.mass.error[early]), mass_of_dispersion(theory))
    assert np.all(c.mass.error[early] < 0.1)
    xi = found.observables["xi"]
    length = 1 / np.sqrt(1 / theory.kappa - 2 * theory.d)  # the second moment of p̂² is exact for a free field
    assert abs(xi.value - length) < 4.5 * xi.error
    assert xi.error < 0.1 * length
    np.testing.assert_allclose(c.power / propagator, 1, atol=6 * np.sqrt(2 / 4000))  # |φ_p|² has variance 2 G² at most
    np.testing.assert_allclose(c.p, 2 * np.pi * c.r / extent)


@pytest.mark.parametrize("theory", LATTICES, ids=lambda t: str(t.L))
def test_exact_functions(theory):
    spectrum = along_longest(theory, theory.free_propagator())
    extent = max(theory.event)
    slices = time_slices(spectrum, extent)
    m = mass_of_dispersion(theory)
    np.testing.assert_allclose(effective_mass(slices), m, rtol=1e-7)
    np.testing.assert_allclose(mass_above_constant(slices + 3.0), m, rtol=1e-6)
    both = slices[0] + slices[-1] + 2 * slices[1:-1].sum()  # all t: each but 0 and L/2 twice
    assert both == pytest.approx(spectrum[0])  # Σ_t C(t) = G(0)
    assert correlation_length(spectrum, extent) == pytest.approx(1 / np.sqrt(1 / theory.kappa - 2 * theory.d))


def test_undefined_is_nan():
    assert np.isnan(effective_mass(np.array([1.0, 2.0, 1.0]))).all()
    assert np.isnan(correlation_length(np.array([1.0, 2.0]), 8))
    assert np.isnan(correlation_length(np.array([2.0, 2.0]), 8))


def test_connected_four_point_at_one_site_is_the_fourth_cumulant():
    two, four = np.array([[2.0, 0.5]]), np.array([[10.0, 4.5]])
    np.testing.assert_allclose(connected_four_point(two, four), [[10 - 3 * 4, 4.5 - 4 - 0.5]])
