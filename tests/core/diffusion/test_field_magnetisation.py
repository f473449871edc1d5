"""The law of the magnetisation sets right what a network says of it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from core.diffusion.field_baseline import Baseline
from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.field_magnetisation import MagnetisationTable, fitted, mixed, posterior_mean
from core.diffusion.field_model import FieldModel, FieldTrainingRecord
from core.diffusion.field_network import FieldNetwork, NetworkConfig
from core.noise import Noise
from core.theories.phi4 import Phi4

EVENT, VOLUME = (8, 8), 64
RECORD = FieldTrainingRecord("phi4", [[0.2, 0.02]], [[8, 8]], sigma_min=0.01, sigma_max=20.0)
PROPAGATOR = Phi4(8, 0.2, 0.0).free_propagator()


def model(gaussian: FieldGaussianScore, tables=()) -> FieldModel:
    network = FieldNetwork(NetworkConfig(channels=2, hidden=3, gate=3, blocks=1, embedding=4, magnetised=False))
    network.initialise(Noise(1))
    return FieldModel(network, [Baseline(gaussian, 0.2, 0.02)], RECORD, "test", tables)


def table(seed: int = 2) -> MagnetisationTable:
    return MagnetisationTable(np.geomspace(0.5, 20.0, 20), 0.1 * Noise(seed).normal(0, (20, 7)).numpy())


def free_fields(n: int) -> torch.Tensor:
    modes = torch.fft.rfft2(Noise(3).normal(0, (n, *EVENT)))
    return torch.fft.irfft2(modes * torch.from_numpy(PROPAGATOR[:, :5]).sqrt(), s=EVENT)


def test_posterior_mean_of_two_values():
    seen = np.linspace(-3, 3, 13)
    law = (np.array([-0.8, 0.8]), np.array([0.5, 0.5]))
    assert np.allclose(posterior_mean(law, seen, 0.3), 0.8 * np.tanh(0.8 * seen / 0.09), atol=1e-14)


@pytest.mark.parametrize("sigma", [0.7, 2.0, 6.0, 15.0])
def test_a_wrong_zero_mode_comes_right(sigma):
    wrong = PROPAGATOR.copy()
    wrong[0, 0] *= 0.6
    made, fields = model(FieldGaussianScore(wrong)), free_fields(4096)
    m = free_fields(60_000).flatten(1).mean(1).numpy()
    made.tables = [fitted(made, made.baselines[0], fields, m, 2048, Noise(4))]
    x = fields + sigma * Noise(5).normal(0, tuple(fields.shape))
    seen = x.flatten(1).mean(1)
    exact = seen * PROPAGATOR[0, 0] / (PROPAGATOR[0, 0] + sigma**2)
    said = made.at().denoise(x, sigma).flatten(1).mean(1)
    without = FieldModel(made.network, made.baselines, RECORD).at().denoise(x, sigma).flatten(1).mean(1)
    # P(M) from 60 000 configurations is known to a relative 1/√60000 times a few
    assert float((said - exact).square().mean().sqrt()) < 0.02 * float(exact.square().mean().sqrt())
    assert float((without - exact).square().mean().sqrt()) > 0.04 * float(exact.square().mean().sqrt())


def test_the_slope_is_the_derivative():
    gaussian = FieldGaussianScore(PROPAGATOR, 0.3)
    m = Noise(6).normal(0, (50,)).requires_grad_(True)
    (slope,) = torch.autograd.grad(table().change(m, 1.7, gaussian).sum(), m)
    assert torch.allclose(slope, table().slope(m.detach(), 1.7, gaussian), rtol=1e-12)


def test_the_divergence_knows_the_table():
    gaussian, x = FieldGaussianScore(PROPAGATOR, 0.3), Noise(7).normal(0, (3, *EVENT))
    f, xi = 0.5, 0.8
    with_table, without = model(gaussian, [table()]).at(), model(gaussian).at()
    change = with_table.divergence(x, f, xi) - without.divergence(x, f, xi)
    step = 1e-5
    moved = [with_table.score(x + s * step, f, xi) - without.score(x + s * step, f, xi) for s in (1, -1)]
    trace = (moved[0] - moved[1]).flatten(1).sum(1) / (2 * step) / VOLUME
    # a constant field that depends on the mean alone: its trace is its derivative along the constant field
    assert torch.allclose(change, trace, rtol=1e-5)
    assert change.abs().min() > 1e-4


def test_files_keep_the_tables(tmp_path):
    made = model(FieldGaussianScore(PROPAGATOR, 0.3), [table()])
    made.save(tmp_path / "m.safetensors")
    read = FieldModel.load(tmp_path / "m.safetensors")
    assert np.array_equal(read.tables[0].coefficients, made.tables[0].coefficients)
    assert read.digest == made.digest != model(FieldGaussianScore(PROPAGATOR, 0.3)).digest


def test_other_lattices_and_couplings_have_no_table():
    made = model(FieldGaussianScore(PROPAGATOR, 0.3), [table()])
    assert made.at().table is made.tables[0]
    assert made.at((16, 16)).table is None
    assert made.at(kappa=0.25, lam=0.02, gaussian=FieldGaussianScore(PROPAGATOR)).table is None


def test_between_couplings_tables_are_mixed():
    gaussian, levels = FieldGaussianScore(PROPAGATOR), np.geomspace(1.0, 20.0, 20)
    a, b = (MagnetisationTable(levels, np.full((20, 7), v)) for v in (1.0, 3.0))
    assert np.allclose(mixed([a, b], [0.25, 0.75], gaussian).coefficients, 2.5)
    assert math.isclose(mixed([a, b], [0.25, 0.75], gaussian).levels[-1], 20.0)


def test_the_number_of_tables_must_fit():
    with pytest.raises(ValueError, match="a table for each of 1 baselines, got 2"):
        model(FieldGaussianScore(PROPAGATOR), [table(), table()])
