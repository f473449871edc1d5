"""The Fourier kernel as a matrix, and its mass against exact and simulated propagators."""

import numpy as np
import pytest
import torch

from core.noise import Noise
from core.samplers.fourier import FourierKernel, gaussian_propagator, lattice_momenta
from core.theories.phi4 import Phi4

SHAPES = [(5,), (2, 2), (4, 6), (3, 4, 5), (2, 3, 2, 4)]


def fields(theory, n=3, dtype=torch.float64):
    return Noise(1).normal(0, (n, *theory.event), dtype)


@pytest.mark.parametrize("shape", SHAPES)
def test_kernel_is_a_symmetric_positive_matrix_with_unit_diagonal(shape):
    theory = Phi4(shape, 0.1, 0.022)
    basis = torch.eye(theory.volume, dtype=torch.float64).reshape(-1, *shape)
    kernel = FourierKernel(theory)
    matrix, root = (f(basis).reshape(theory.volume, -1) for f in (kernel.apply, kernel.sqrt))
    torch.testing.assert_close(matrix, matrix.T)
    torch.testing.assert_close(torch.diagonal(matrix), torch.ones(theory.volume, dtype=torch.float64))
    torch.testing.assert_close(torch.linalg.eigvalsh(matrix), torch.from_numpy(np.sort(kernel.spectrum.ravel())))
    torch.testing.assert_close(root @ root, matrix)
    assert torch.linalg.eigvalsh(root).min() > 0


@pytest.mark.parametrize("shape", SHAPES)
def test_inverses(shape):
    theory = Phi4(shape, 0.1, 0.022)
    kernel, x = FourierKernel(theory, 0.3), fields(theory)
    torch.testing.assert_close(kernel.inverse(kernel.apply(x)), x)
    torch.testing.assert_close(kernel.inverse_sqrt(kernel.sqrt(x)), x)
    torch.testing.assert_close(kernel.apply(x.float()).double(), kernel.apply(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("p", [(0, 0), (1, 0), (0, 2), (3, 5)])
def test_plane_waves_are_multiplied_by_the_spectrum(p):
    theory, mass2 = Phi4((4, 6), 0.2, 0.0), 0.7
    phase = 2 * np.pi * (p[0] * np.arange(4)[:, None] / 4 + p[1] * np.arange(6) / 6)
    wave = torch.from_numpy(np.cos(phase))[None]
    hat2 = 4 * np.sin(np.pi * p[0] / 4) ** 2 + 4 * np.sin(np.pi * p[1] / 6) ** 2
    norm = np.mean(1 / (lattice_momenta((4, 6)) + mass2))
    torch.testing.assert_close(FourierKernel(theory, mass2).apply(wave), wave / (hat2 + mass2) / norm)


@pytest.mark.parametrize(("shape", "kappa"), [((8,), 0.4), ((4, 6), 0.2), ((3, 4, 5), 0.16)])
def test_propagator_of_the_free_field_is_exact(shape, kappa):
    theory = Phi4(shape, kappa, 0.0)
    np.testing.assert_allclose(gaussian_propagator(theory), theory.free_propagator(), rtol=1e-10)
    spectrum = FourierKernel(theory).spectrum
    np.testing.assert_allclose(spectrum, theory.free_propagator() / theory.free_propagator().mean(), rtol=1e-10)


@pytest.mark.parametrize(("kappa", "zero_mode", "tolerance"), [(0.21, 2.59, 0.1), (0.4, 0.418, 0.15)])
def test_propagator_of_the_interacting_field_is_near_the_simulated_one(kappa, zero_mode, tolerance):
    # 32², λ = 0.022: V ⟨M²⟩ at κ = 0.21, V (⟨M²⟩ - ⟨|M|⟩²) at κ = 0.4; an approximation of some per cent.
    propagator = gaussian_propagator(Phi4(32, kappa, 0.022))
    assert propagator[0, 0] == pytest.approx(zero_mode, rel=tolerance)


def test_modes_without_hopping_are_alike():
    theory = Phi4(4, 0.0, 0.1)
    x = fields(theory)
    torch.testing.assert_close(FourierKernel(theory).apply(x), x)


@pytest.mark.parametrize(("lam", "kappa"), [(1e-12, 0.26), (0.022, 0.2709), (10.0, 0.3), (0.022, 2.0)])
def test_mass_is_positive_for_all_couplings(lam, kappa):
    propagator = gaussian_propagator(Phi4(64, kappa, lam))
    assert np.all(np.isfinite(propagator))
    assert np.all(propagator > 0)


@pytest.mark.parametrize("mass2", [0.0, -1.0, float("nan"), float("inf")])
def test_bad_mass_is_named(mass2):
    with pytest.raises(ValueError, match="mass2 of the Fourier kernel must be a positive finite number, got"):
        FourierKernel(Phi4(4, 0.2, 0.022), mass2)


def test_rows_do_not_depend_on_the_batch():
    theory = Phi4(16, 0.27, 0.022)
    kernel, x = FourierKernel(theory), fields(theory, 70, torch.float32)
    torch.testing.assert_close(kernel.apply(x)[3:5], kernel.apply(x[3:5]), rtol=0, atol=0)
