"""Numbers of each configuration, against their definitions written out."""

import numpy as np
import pytest
import torch

from core.contracts import Cancelled
from core.jobs import Token
from core.noise import Noise
from core.statistics.bins import LEAST_PER_CHAIN, MOST_BINS, Bins
from core.statistics.configurations import measure_configurations
from core.theories.phi4 import Phi4


@pytest.mark.parametrize("shape", [(8, 8), (4, 6), (2, 2), (6, 4), (10,), (4, 4, 6), (5, 5)])
def test_definitions(shape):
    theory = Phi4(shape, 0.1, 0.3)
    x = Noise(2).normal(0, (3, *shape)).numpy() + 0.2
    found = measure_configurations(theory, x)
    axes = tuple(range(1, x.ndim))
    for name, n in (("m", 1), ("phi2", 2), ("phi4", 4), ("phi6", 6), ("phi8", 8)):
        np.testing.assert_allclose(getattr(found, name), (x**n).mean(axes), rtol=1e-12)
    np.testing.assert_allclose(found.link, sum((x * np.roll(x, -1, a)).mean(axes) for a in axes), atol=1e-12)
    power = np.abs(np.fft.fftn(x, axes=axes)) ** 2 / theory.volume
    np.testing.assert_allclose(found.power, power.sum(0), rtol=1e-10)
    long = [a for a in axes if x.shape[a] == max(shape)]
    for r in range(max(shape) // 2 + 1):
        two = np.mean([(x * np.roll(x, -r, a)).mean(axes) for a in long], axis=0)
        four = np.mean([(x**2 * np.roll(x**2, -r, a)).mean(axes) for a in long], axis=0)
        at = [tuple(slice(None) if b == 0 else (r if b == a else 0) for b in range(x.ndim)) for a in long]
        np.testing.assert_allclose(found.two_point[:, r], two, atol=1e-12)
        np.testing.assert_allclose(found.four_point[:, r], four, atol=1e-11)
        np.testing.assert_allclose(found.spectrum[:, r], np.mean([power[i] for i in at], axis=0), atol=1e-10)
    action = (1 - 2 * theory.lam) * found.phi2 + theory.lam * found.phi4 - 2 * theory.kappa * found.link
    np.testing.assert_allclose(action * theory.volume, theory.action(torch.from_numpy(x)), rtol=1e-10)


def test_leading_axes_are_kept():
    theory = Phi4(4, 0.1, 0.3)
    x = Noise(2).normal(0, (2, 5, 4, 4)).numpy()
    found = measure_configurations(theory, x.astype(np.float32))
    assert found.m.shape == (2, 5)
    assert found.spectrum.shape == (2, 5, 3)
    np.testing.assert_allclose(found.m, x.mean((2, 3)), atol=1e-7)


def test_bad_fields_are_named():
    theory = Phi4(4, 0.1, 0.3)
    for bad in (np.zeros((3, 4, 5)), np.zeros((0, 4, 4)), np.zeros(4)):
        with pytest.raises(ValueError, match="fields must have the lattice's shape"):
            measure_configurations(theory, bad)
    x = np.zeros((3, 4, 4))
    x[1, 2, 2] = np.inf
    with pytest.raises(ValueError, match="fields must be finite"):
        measure_configurations(theory, x)
    token = Token()
    token.cancel()
    with pytest.raises(Cancelled):
        measure_configurations(theory, np.zeros((3, 4, 4)), token)


def test_bins_keep_sums_in_bounded_memory():
    chains = MOST_BINS // LEAST_PER_CHAIN
    values = Noise(3).normal(0, (chains, 77, 2)).numpy()
    bins = Bins(chains, 2)
    for block in np.array_split(values, 9, axis=1):
        bins.add(block)
    assert len(bins.counts) <= 2 * LEAST_PER_CHAIN
    np.testing.assert_array_equal(bins.counts, [4] * 19 + [1])
    np.testing.assert_allclose(bins.sums[:, 3], values[:, 12:16].sum(axis=1), atol=1e-12)
    np.testing.assert_allclose(bins.sums.sum(axis=1), values.sum(axis=1), atol=1e-12)
    assert bins.counts.sum() == 77
