import math

import numpy as np
import pytest
import torch

from core.diffusion.linear_part import LinearPart
from core.diffusion.network import Correction, Normalisation
from core.noise import Noise
from core.theories.mixture import GaussianMixture


def test_normalisation_finds_mean_and_principal_axes():
    z = Noise(1).normal(0, (100_000, 2)) * torch.tensor([2.0, 0.5])
    turn = torch.tensor([[math.cos(0.3), math.sin(0.3)], [-math.sin(0.3), math.cos(0.3)]], dtype=torch.float64)
    n = Normalisation.of(z @ turn + torch.tensor([5.0, -1.0]))
    # Errors: variances to v √(2/n) = 0.45 %, the mean to 2/√n = 0.0063, each at 4.5 standard deviations.
    assert n.mean == pytest.approx([5.0, -1.0], abs=0.028)
    assert n.variances == pytest.approx([0.25, 4.0], rel=0.02)
    assert abs(n.axes[:, 1]) == pytest.approx([math.cos(0.3), math.sin(0.3)], abs=0.01)
    assert n.axes.T @ n.axes == pytest.approx(np.eye(2), abs=1e-12)
    assert n.covariance == pytest.approx(np.cov((z @ turn).numpy(), rowvar=False), rel=1e-4)
    assert n.scale == pytest.approx(math.sqrt(4.25 / 2), rel=0.01)
    assert 4.0 < n.reach < 5.6


def test_data_on_a_line_have_a_small_but_positive_variance_across():
    x = torch.linspace(-1, 1, 101, dtype=torch.float64)[:, None] * torch.tensor([[3.0, 4.0]])
    n = Normalisation.of(x)
    assert n.variances[0] > 0
    assert n.variances[0] < 2e-6 * n.variances[1]


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (torch.zeros(10), "shape"),
        (torch.zeros(1, 1), "at least 2"),
        (torch.ones(10, 1), "all are the same"),
        (torch.tensor([[1.0], [math.nan]]), "must be finite"),
    ],
)
def test_useless_samples_are_refused(samples, message):
    with pytest.raises(ValueError, match=message):
        Normalisation.of(samples)


def test_an_untrained_network_corrects_nothing_and_is_fixed_by_its_noise():
    def made(seed):
        network = Correction(2, 16, 3)
        network.initialise(Noise(seed))
        return network

    a, b, c = made(1), made(1), made(2)
    z, sigma = Noise(3).normal(0, (50, 2), torch.float32), torch.linspace(0.01, 30, 50)
    assert torch.count_nonzero(a(z, sigma)) == 0
    assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))
    assert not torch.equal(a.point.weight, c.point.weight)


@pytest.mark.parametrize("stds", [0.3, 0.6])
@pytest.mark.parametrize("means", [(-0.8, 1.5), ((0.0, 1.0), (1.0, -0.3))])
def test_the_linear_part_restores_the_identities_of_integration_by_parts(means, stds):
    # A random network obeys ⟨F⟩ = 0 and ⟨z F⟩ = 0 only after its linear part has been taken away.
    target = GaussianMixture(weights=(0.65, 0.35), means=means, stds=(stds, 0.4))
    network = Correction(target.dim, 32, 2)
    network.initialise(Noise(4))
    with torch.no_grad():
        network.out.weight.copy_(Noise(5).normal(0, (32 * target.dim, 1), torch.float32).reshape(target.dim, 32) / 4)
    x = target.sample(200_000, Noise(6))
    n = Normalisation.of(x)
    data = (x - torch.from_numpy(n.mean)) @ torch.from_numpy(n.axes) / n.scale
    variances = torch.from_numpy(n.variances / n.scale**2)
    part = LinearPart.of(network, data, variances, math.log(0.01), math.log(30))
    for sigma in (0.02, 0.37, 1.0, 4.0):
        z = (data + sigma * Noise(7).normal(0, tuple(data.shape))) / (variances + sigma**2).sqrt()
        with torch.inference_mode():
            out = network(z.float(), torch.tensor(sigma)).double()
        design = torch.cat([torch.ones(len(z), 1, dtype=torch.float64), z], dim=1)
        before = design[:, :, None] * out[:, None, :]
        after = design[:, :, None] * (out - design @ torch.from_numpy(part.at(sigma)))[:, None, :]
        # 5 standard errors of the averages here, and those of the fit: in one dimension a thousandth of the spread
        # (Sobol points and levels in between), in two as good as 8192 random points.
        allowed = 5 * after.std(dim=0) * (1 / math.sqrt(len(z)) + (1e-3 if target.dim == 1 else 1 / math.sqrt(8192)))
        assert torch.all(after.mean(dim=0).abs() < allowed)
        assert torch.any(before.mean(dim=0).abs() > 10 * allowed)
