"""Lattice observables on fields whose averages are known."""

import numpy as np
import pytest
import torch

from core.noise import Noise
from core.statistics.lattice import (
    abs_magnetisation,
    action_density,
    binder,
    magnetisation,
    phi_squared,
    susceptibility,
)
from core.theories.phi4 import Phi4


def test_one_number_a_configuration():
    x = torch.tensor([[[1.0, -3.0], [1.0, -3.0]], [[2.0, 2.0], [2.0, 2.0]]])
    np.testing.assert_allclose(magnetisation(x), [-1, 2])
    np.testing.assert_allclose(abs_magnetisation(x), [1, 2])
    np.testing.assert_allclose(phi_squared(x), [5, 4])
    theory = Phi4(2, 0.1, 0.2)
    np.testing.assert_allclose(action_density(theory)(x), theory.action(x) / 4)


def test_susceptibility_and_binder_of_gaussian_magnetisations():
    # M ~ N(0, s²): χ = V s² (1 - 2/π), U_L = 0.
    m = 0.3 * Noise(1).normal(0, (20_000,)).numpy()
    chi, cumulant = susceptibility(m, 100), binder(m)
    assert abs(chi.value - 9 * (1 - 2 / np.pi)) < 4.5 * chi.error
    assert abs(cumulant.value) < 4.5 * cumulant.error
    assert cumulant.error == pytest.approx(np.sqrt(8 / 3 / 20_000), rel=0.3)  # √Var of kurtosis/3: √24/3/√n
    assert chi.error < 0.02 * chi.value


def test_binder_of_a_broken_phase():
    m = np.tile([1.5, -1.5], 50)
    assert binder(m).value == pytest.approx(2 / 3)
    assert susceptibility(m, 10).value == pytest.approx(0)


def test_one_configuration_has_no_error():
    with pytest.raises(ValueError, match="at least two configurations"):
        binder(np.array([1.0]))
