"""Running statistics of chains against exact results and against the same numbers kept in full."""

import numpy as np
import pytest
import torch

from core.noise import Noise
from core.statistics.free_field import free_correlators, free_mass
from core.statistics.running import WINDOW, RunningStatistics, spectra
from core.statistics.running_blocks import MOST_BLOCKS, RunningBlocks
from core.statistics.scalars import scalars
from core.theories.phi4 import Phi4

FREE = Phi4(8, 0.2, 0.0)


def free_fields(step: int, chains: int) -> torch.Tensor:
    """Independent fields of the free theory, drawn in momentum space."""
    white = Noise(5).normal(step, (chains, 8, 8))
    root = torch.from_numpy(np.sqrt(FREE.free_propagator()))
    return torch.fft.ifft2(torch.fft.fft2(white) * root).real.float()


def test_scalars_are_those_of_the_theory():
    theory = Phi4((6, 10), 0.3, 0.05)
    x = torch.randn(3, 6, 10, generator=torch.Generator().manual_seed(0))
    m, phi2, action = scalars(theory, x)
    assert m == pytest.approx(x.double().mean((1, 2)).numpy())
    assert phi2 == pytest.approx(x.double().square().mean((1, 2)).numpy())
    assert action == pytest.approx((theory.action(x) / 60).numpy())


def test_blocks_stay_few_and_keep_the_mean():
    blocks = RunningBlocks(2, 1)
    rows = np.arange(5000.0)
    for row in rows:
        blocks.add(np.array([[row], [row + 1]]))
    assert MOST_BLOCKS // 2 <= len(blocks) <= MOST_BLOCKS
    assert blocks.size == 64
    first = len(blocks) // 4 * blocks.size
    kept = rows[first : len(blocks) * blocks.size]
    assert blocks.means().mean() == pytest.approx(kept.mean() + 0.5)
    assert blocks.means()[0, 0] == pytest.approx(kept[:64].mean() + 0.5)


def test_the_error_of_a_correlated_chain_covers_its_spread():
    """AR(1) with ρ = 0.95, τ_int = 19.5: of 200 means 68 % lie within one error; binomial error 3.3 %."""
    rng = np.random.default_rng(3)
    within, naive = 0, 0
    memory = 19.5 / 3000
    for _ in range(200):
        blocks, x = RunningBlocks(4, 1), rng.normal(size=4)
        for noise in rng.normal(size=(4000, 4)) * np.sqrt(1 - 0.95**2):
            x = 0.95 * x + noise
            blocks.add(x[:, None])
        found = blocks.estimate(lambda a: a, memory)
        within += abs(found.value[0]) < found.error[0]
        naive += abs(found.value[0]) < blocks.estimate(lambda a: a, 1e-9).error[0]
    assert within / 200 == pytest.approx(0.68, abs=4 * 0.033)
    assert naive < within - 20  # blocks shorter than the memory make errors too small


def test_an_error_needs_enough_parts():
    blocks = RunningBlocks(2, 1)
    assert np.isnan(blocks.estimate(lambda a: a, 0.1).value).all()
    for i in range(40):
        blocks.add(np.full((2, 1), float(i)))
    assert np.isnan(blocks.estimate(lambda a: a, float("nan")).error).all()
    assert np.isnan(blocks.estimate(lambda a: a, 0.2).error).all()
    assert np.isfinite(blocks.estimate(lambda a: a, 0.01).error).all()


@pytest.fixture(scope="module")
def free() -> RunningStatistics:
    """3000 steps of 12 chains of independent free fields."""
    statistics = RunningStatistics(FREE, 12, 4.0)
    for step in range(3000):
        x = free_fields(step, 12)
        statistics.add(x, 0.7, torch.zeros(12))
        statistics.add_field(x)
    return statistics


def test_averages_of_the_free_field(free):
    variance = FREE.free_propagator().mean()
    m2 = FREE.free_propagator()[0, 0] / 64
    for name, exact in (("phi2", variance), ("action", 0.5), ("abs_m", np.sqrt(2 * m2 / np.pi))):
        found = free.average(name)
        assert abs(found.mean - exact) < 4 * found.error
        assert found.error < 0.01 * exact
        assert found.tau == pytest.approx(0.5, abs=4 * max(found.tau_error, 0.01))
        assert found.settled
    assert free.acceptance() == pytest.approx(0.7)
    assert free.boltzmann() == pytest.approx(1.0)
    chi = free.susceptibility()
    assert abs(chi.value - 64 * m2 * (1 - 2 / np.pi)) < 4 * chi.error
    binder = free.binder()
    assert abs(binder.value) < 4 * binder.error


def test_cumulants_and_sites_of_the_free_field(free):
    value, error = free.cumulants()
    assert abs(value[2] - FREE.free_propagator().mean()) < 4 * error[2]
    assert (np.abs(value[[4, 6, 8]]) < 4 * error[[4, 6, 8]]).all()
    assert (value[1::2] == 0).all()
    width = np.diff(free.edges)
    centres = (free.edges[1:] + free.edges[:-1]) / 2
    assert (free.sites() * width).sum() == pytest.approx(1.0)
    assert (free.sites() * width * centres**2).sum() == pytest.approx(value[2], rel=0.02)


def test_correlators_of_the_free_field(free):
    exact = free_correlators(8, 1.0, 2.5)
    for found, curve in zip(free.correlators(False), exact, strict=True):
        assert (np.abs(found.value - curve) < 4.5 * found.error).all()
    mass = free.effective_mass(False)
    assert abs(mass.value[0] - free_mass(1.0)) < 4 * mass.error[0] + 0.001
    mass2, strength = free.propagator(False).value
    error = free.propagator(False).error
    assert abs(mass2 - 1.0) < 4 * error[0]
    assert abs(strength - 2.5) < 4 * error[1]


def test_connected_correlators_fall_to_zero_in_an_ordered_field():
    statistics = RunningStatistics(Phi4(8, 0.4, 0.022), 8, 8.0)
    sign = torch.tensor([1.0, -1.0] * 4)[:, None, None]
    for step in range(600):
        x = 3.0 * sign + 0.3 * Noise(1).normal(step, (8, 8, 8), torch.float32)
        statistics.add(x)
        statistics.add_field(x)
    assert float(statistics.binder().value) == pytest.approx(2 / 3, abs=1e-3)
    points, slices = statistics.correlators(True)
    assert points.value[0] == pytest.approx(0.09, rel=0.02)
    # Variance of |M| is 0.09/64: what is left at a distance.
    assert points.value[1:] == pytest.approx(np.zeros(4), abs=0.003)
    assert slices.value[1:] == pytest.approx(np.zeros(4), abs=0.02)
    assert statistics.correlators(False)[0].value == pytest.approx(9.0, rel=0.02)


def test_spectra_are_those_of_shifted_products():
    x = torch.randn(2, 6, 6, generator=torch.Generator().manual_seed(2))
    points, slices = spectra(x)
    d = x.double()
    direct = [0.5 * sum((d * d.roll(r, axis)).mean((1, 2)) for axis in (1, 2)) for r in range(4)]
    found = np.fft.irfft(points, 6)[:, :4].T
    assert found == pytest.approx(torch.stack(direct).numpy(), abs=1e-6)
    lines = [d.mean(axis) for axis in (1, 2)]
    direct = [0.5 * 6 * sum((line * line.roll(t, 1)).mean(1) for line in lines) for t in range(4)]
    found = np.fft.irfft(slices, 6)[:, :4].T
    assert found == pytest.approx(torch.stack(direct).numpy(), abs=1e-6)


def test_the_window_slides():
    statistics = RunningStatistics(FREE, 1, 4.0)
    for step in range(WINDOW + 500):
        statistics.add(torch.full((1, 8, 8), float(step)))
    number, m = statistics.recent("m", 100)
    assert number.tolist() == list(range(WINDOW + 401, WINDOW + 501))
    assert m[0].tolist() == [n - 1 for n in number]
    assert statistics.recent("m")[1].shape == (1, WINDOW)
    assert not np.isfinite(statistics.decisions()[1]).any()


def test_nothing_is_known_at_first():
    statistics = RunningStatistics(FREE, 2, 4.0)
    assert statistics.autocorrelation("abs_m") is None
    found = statistics.average("abs_m")
    assert np.isnan([found.mean, found.error, found.tau]).all()
    assert not found.settled
    assert np.isnan(statistics.cumulants().value).all()
    assert np.isnan(statistics.acceptance())
    assert statistics.sites().sum() == 0


def test_log_ratios_are_those_of_the_kept_steps_with_a_decision(monkeypatch):
    monkeypatch.setattr("core.statistics.running.WINDOW", 8)
    statistics = RunningStatistics(FREE, 2, 4.0)
    x = torch.zeros(2, 8, 8)
    for step in range(20):
        statistics.add(x, 0.5, torch.tensor([step, -step], dtype=torch.float64))
    assert statistics.log_ratios().tolist() == [list(range(12, 20)), [-n for n in range(12, 20)]]
    for _ in range(3):
        statistics.add(x)
    assert statistics.log_ratios()[0].tolist() == list(range(15, 20))


def test_means_over_blocks_span_the_run_but_its_first_quarter():
    statistics = RunningStatistics(FREE, 2, 4.0)
    for step in range(400):
        statistics.add(torch.stack([torch.full((8, 8), float(step)), torch.full((8, 8), -1.0)]))
    found = statistics.in_blocks("abs_m")
    assert found.shape == (2, 75)  # blocks of four steps
    assert found[0].tolist() == [4 * k + 1.5 for k in range(25, 100)]
    assert (found[1] == 1).all()
