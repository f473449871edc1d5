"""Statistics of many frames, against the same sums done by brute force, and their independence of the chunks."""

import numpy as np
import pytest
import torch

from core.noise import Noise
from core.statistics.cumulants import PowerSums
from core.statistics.field_frames import BLOCKS, Edges, FrameSums, block_run, frame_statistics

FRAMES, PATHS = 3, 200


def fields(event=(8, 8), paths=PATHS) -> torch.Tensor:
    """(FRAMES, paths, *event), correlated between neighbours and growing from frame to frame."""
    x = Noise(3).normal(0, (FRAMES * paths, *event), torch.float32).reshape(FRAMES, paths, *event)
    x = x + 0.7 * x.roll(1, 2) + 0.3 * x.roll(1, 3) + 0.1
    return x * torch.tensor([1.0, 2.0, 3.0]).reshape(FRAMES, 1, 1, 1)


def edges(site=6.0, m=1.0) -> Edges:
    scale = np.array([1.0, 2.0, 3.0])[:, None]
    return Edges(site * scale * np.linspace(-1, 1, 21), m * scale * np.linspace(-1, 1, 11))


def collect(x: torch.Tensor, size: int, bins: Edges | None = None, scored: bool = False):
    paths, chunks = x.shape[1], []
    for first in range(0, paths, size):
        some = x[:, first : first + size]
        sums = FrameSums(bins or edges(), tuple(x.shape[2:]), block_run(paths), first, some.shape[1])
        for frame in range(FRAMES):
            sums.add(frame, some[frame])
            if scored:
                sums.add_score(frame, torch.ones_like(some[frame]))
                sums.add_score(frame, -some[frame])
        chunks.append(sums)
    return frame_statistics(chunks)


@pytest.mark.parametrize("event", [(8, 8), (4, 7), (6, 4)])
def test_two_point_functions_are_the_direct_sums(event):
    x, longest = fields(event), max(event)
    found = collect(x, 64)
    phi, volume = x.double().numpy(), np.prod(event)
    axes = [mu for mu in range(2) if event[mu] == longest]
    for frame in range(FRAMES):
        for r in range(longest // 2 + 1):
            direct = np.mean([(phi[frame] * np.roll(phi[frame], -r, 1 + mu)).mean() for mu in axes])
            assert found.correlator.value[frame, r] == pytest.approx(direct, rel=1e-5, abs=1e-6)
            wave = np.exp(-2j * np.pi * r * np.arange(longest) / longest)
            sums = [np.tensordot(phi[frame].sum(2 - mu), wave, 1) for mu in axes]
            direct = np.mean([np.abs(s) ** 2 for s in sums]) / volume
            assert found.structure.value[frame, r] == pytest.approx(direct, rel=1e-5)
    np.testing.assert_allclose(found.correlator.value[:, 0], found.phi2.value, rtol=1e-5)


def test_cumulants_and_magnetisation_are_those_of_the_symmetrised_field():
    x = fields()
    found = collect(x, 64)
    sums = PowerSums(FRAMES, blocks=PATHS // block_run(PATHS), run=block_run(PATHS))
    sums.add_frames(x)
    expected = sums.cumulants(symmetric=True)
    np.testing.assert_allclose(found.cumulants.value, expected.value, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.cumulants.error, expected.error, rtol=1e-6, atol=1e-12)
    m = x.double().flatten(2).mean(2).abs().numpy()
    np.testing.assert_allclose(found.abs_m.value, m.mean(axis=1), rtol=1e-9)
    blocks = m.reshape(FRAMES, -1, block_run(PATHS)).mean(axis=2)
    np.testing.assert_allclose(found.abs_m.error, blocks.std(axis=1, ddof=1) / np.sqrt(blocks.shape[1]), rtol=1e-6)


def test_histograms_are_densities_of_all_configurations():
    x, bins = fields(), edges(site=2.0, m=0.4)
    found = collect(x, 64, bins)
    for frame in range(FRAMES):
        for density, e, values in (
            (found.site_histogram, found.site_edges, x[frame].double().numpy().ravel()),
            (found.m_histogram, found.m_edges, x[frame].double().flatten(1).mean(1).numpy()),
        ):
            assert density.value[frame].sum() * np.diff(e[frame])[0] < 0.999  # these bins do not hold all
            direct = np.histogram(values, e[frame])[0] / (len(values) * np.diff(e[frame]))
            np.testing.assert_allclose(density.value[frame], direct, atol=1.5 / (len(values) * np.diff(e[frame])[0]))


def test_the_error_of_a_histogram_is_that_of_counting():
    # Independent configurations: the bins of M are binomial, √(p (1-p)/n); errors from 64 blocks are known to 9 %.
    paths = 6400
    x = Noise(4).normal(0, (FRAMES * paths, 2, 2), torch.float32).reshape(FRAMES, paths, 2, 2)
    found = collect(x, 6400, edges(site=4.0, m=1.0))
    width = np.diff(found.m_edges, axis=1)
    p = found.m_histogram.value * width
    busy = p > 0.01
    assert busy.sum() >= 10
    ratio = (found.m_histogram.error * width)[busy] / np.sqrt(p * (1 - p) / paths)[busy]
    assert np.abs(ratio - 1).max() < 4.5 / np.sqrt(2 * (BLOCKS - 1))


@pytest.mark.parametrize("size", [1, 7, 200])
def test_chunks_do_not_matter(size):
    x = fields()
    whole, parts = collect(x, 64, scored=True), collect(x, size, scored=True)
    for name in ("cumulants", "abs_m", "correlator", "structure", "site_histogram", "m_histogram", "score_norm"):
        for a, b in zip(getattr(whole, name), getattr(parts, name), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-8, err_msg=name)


def test_the_last_score_of_a_frame_counts_and_without_one_there_is_none():
    x = fields()
    found = collect(x, 64, scored=True)
    np.testing.assert_allclose(found.score_norm.value**2, found.structure.value, rtol=1e-6)
    assert np.isnan(collect(x, 64).score_norm.value).all()


@pytest.mark.parametrize("paths", [2, 3, 63, 64, 65, 1000, 20_000])
def test_blocks_are_few_and_as_small_as_can_be(paths):
    blocks = -(-paths // block_run(paths))
    assert 2 <= blocks <= BLOCKS
    assert block_run(paths) == 1 or paths / (block_run(paths) - 1) > BLOCKS
