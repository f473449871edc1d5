"""Domain walls: drawn ones, a hot start's, and the domains that equilibrium has by itself."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from core.noise import Noise
from core.samplers import driver, ensemble, hmc
from core.statistics.configurations import measure_configurations
from core.statistics.schwinger_dyson import left_hand_side, schwinger_dyson
from core.statistics.walls import NATURAL_COST, pair_cost, tension
from core.theories.phi4 import Phi4


def walls(theory, fields):
    return measure_configurations(theory, np.asarray(fields)).walls


def shaken(theory, sign, seed=1):
    """±m with the fluctuations of the broken phase at κ = 0.4."""
    return theory.classical_minimum * sign + 0.4 * Noise(seed).normal(0, sign.shape).numpy()


def test_drawn_domains():
    theory = Phi4(32, 0.4, 0.022)
    x, y = np.meshgrid(np.arange(32), np.arange(32), indexing="ij")
    stripe, corner = np.where(x < 12, 1.0, -1.0), np.where((x + y) % 32 < 16, 1.0, -1.0)
    droplet, flat = np.where((x - 9) ** 2 + (y - 20) ** 2 < 40, -1.0, 1.0), np.ones((32, 32))
    spike = np.where((x == 3) & (y == 5), -1.0, 1.0)  # one site is a fluctuation
    shapes = np.stack([stripe, stripe.T, -corner, droplet, -droplet, flat, -flat, spike])
    np.testing.assert_array_equal(walls(theory, shaken(theory, shapes)), [1, 1, 1, 1, 1, 0, 0, 0])


def test_three_dimensions_and_none():
    slab = np.where(np.arange(8)[:, None, None] < 4, 1.0, -1.0) * np.ones((1, 8, 8, 8))
    theory = Phi4((8, 8, 8), 0.4, 0.022)
    np.testing.assert_array_equal(walls(theory, shaken(theory, slab)), [1])
    line = Phi4((32,), 0.8, 0.022)  # kinks are natural in one dimension
    np.testing.assert_array_equal(walls(line, line.classical_minimum * np.where(np.arange(32) < 9, 1.0, -1.0)[None]), 0)


def test_tension_is_that_of_the_classical_wall():
    # Just above κ = (1-2λ)/4, where the wall is smooth on the lattice: relax a wall and compare actions.
    theory = Phi4((4, 64), 0.245, 0.022)
    m = theory.classical_minimum
    wall = m * np.tanh(np.sqrt(theory.lam / theory.kappa) * m * (np.arange(64) - 16))
    wall = np.where(np.arange(64) < 32, wall, wall[::-1])  # and back, so that it is periodic
    fields = torch.from_numpy(np.stack([np.tile(wall, (4, 1)), np.full((4, 64), m)]))
    with_wall, without = theory.action(fields).numpy()
    assert with_wall - without == pytest.approx(2 * 4 * tension(theory, m), rel=0.02)
    assert pair_cost(theory, m) == pytest.approx(2 * 4 * tension(theory, m))


def test_hot_start_deep_in_the_broken_phase():
    # 129 unit trajectories from N(0, 1): some 70 to 80 % still hold walls. 64 chains: 6 % statistical error.
    theory = Phi4(32, 0.4, 0.022)
    noise = Noise(3)
    state = hmc.init(theory, noise.of("start").normal(0, (64, 32, 32)).float(), ensemble.warm_up_step(theory), 1.0)
    for frame in driver.frames(replace(state, metropolis=False), hmc.step, noise, 10):
        state = frame.state
    for frame in driver.frames(replace(state, metropolis=True), hmc.step, noise, 119):
        state = frame.state
    measured = measure_configurations(theory, state.x.numpy())
    found = measured.walls
    assert 0.55 < found.mean() < 0.95
    size = np.abs(state.x.numpy().mean((1, 2)))
    np.testing.assert_array_equal(found == 1, size < 3.62)  # the ordered ones have |M| = 3.748 ± 0.02
    # The Schwinger–Dyson equation is local and does not notice.
    local = schwinger_dyson(left_hand_side(theory, measured.phi2, measured.phi4, measured.link), independent=True)
    assert abs(local.deviation) < 4.5


@pytest.mark.parametrize(("kappa", "L"), [(0.21, 32), (0.26, 32), (0.27, 32), (0.272, 32), (0.28, 32), (0.4, 32)])
def test_equilibrium_has_none(kappa, L):
    # From the ordered start; at 0.26 to 0.272 domains of both signs are common, and natural.
    theory = Phi4(L, kappa, 0.022)
    *_, last = ensemble.thermalise(theory, 128, Noise(2), trajectories=100, every=100)
    assert walls(theory, last.fields.numpy()).sum() == 0


def test_cost_near_the_critical_point_is_natural():
    assert pair_cost(Phi4(32, 0.27, 0.022), 0.625) < NATURAL_COST / 10
    assert pair_cost(Phi4(32, 0.4, 0.022), 3.75) > 10 * NATURAL_COST
    assert pair_cost(Phi4(2, 0.4, 0.022), 3.75) == 0
