"""Connected functions of several points, against cumulants and Wick's theorem."""

import numpy as np
import pytest
import torch

from core.noise import Noise
from core.samplers import hmc
from core.statistics.cumulants import cumulants_from_moments
from core.statistics.n_point import ConnectedFunction, even_partitions, product_series
from core.theories.phi4 import Phi4
from tests.core.samplers import exact_laws as laws
from tests.core.statistics.synthetic import free_fields


def connected(fields, points, independent=True):
    function = ConnectedFunction(points)
    for block in np.array_split(fields[None], 3, axis=1):
        function.add(block)
    return function.measured(independent)


def test_number_of_even_partitions():
    # 1, 1 + 3, 1 + 15 + 15, 1 + 28 + 35 + 210 + 105 ways for 2, 4, 6, 8 points.
    assert [len(list(even_partitions(tuple(range(n))))) for n in (2, 4, 6, 8)] == [1, 4, 31, 379]


@pytest.mark.parametrize("n", [2, 4, 6, 8])
def test_at_one_point_it_is_the_cumulant(n):
    x = Noise(1).uniform(0, (40, 4, 4)).numpy() * 3 - 1.5
    moments = np.array([1.0] + [(x**k).mean() if k % 2 == 0 else 0.0 for k in range(1, 9)])
    assert connected(x, [(1, 2)] * n).value == pytest.approx(cumulants_from_moments(moments)[n], rel=1e-9)


def test_free_field_has_only_a_propagator():
    theory = Phi4(6, 0.2, 0.0)
    fields = free_fields(theory, 4000, 5)
    propagator = np.fft.ifftn(theory.free_propagator()).real
    two = connected(fields, [(0, 0), (2, 5)])
    assert abs(two.value - propagator[2, 5]) < 4.5 * two.error
    assert two.error < 0.1 * propagator[2, 5]
    for points in ([(0, 0), (1, 0), (0, 1), (3, 3)], [(0, 0), (0, 0), (2, 0), (2, 0)]):
        four = connected(fields, points)
        assert abs(four.value) < 4.5 * four.error
        assert four.error < 0.05 * propagator[0, 0] ** 2


@pytest.mark.parametrize("points", [[(0, 0), (0, 1), (1, 0), (1, 1)], [(0, 0), (0, 0), (1, 0), (1, 0)]])
def test_interacting_2x2_lattice_by_quadrature(points):
    theory, axis = Phi4(2, 0.3, 0.2), np.linspace(-4.2, 4.2, 25)
    x = np.stack(np.meshgrid(*[axis] * 4, indexing="ij"), axis=-1).reshape(-1, 2, 2)
    weight = np.exp(-theory.action(torch.from_numpy(x)).numpy())

    def average(*chosen):
        return float(weight @ product_series(x, [points[i] for i in chosen]) / weight.sum())

    exact = average(0, 1, 2, 3)
    for a, b in (((0, 1), (2, 3)), ((0, 2), (1, 3)), ((0, 3), (1, 2))):
        exact -= average(*a) * average(*b)
    state = hmc.init(theory, laws.start(theory, 2000), 0.3, 2.0, True)
    function = ConnectedFunction(points)
    for _ in range(60):
        state, _ = hmc.step(state, Noise(5))
        if state.count > 20:
            function.add(state.x[:, None].numpy())
    found = function.measured()
    assert abs(found.value - exact) < 4.5 * found.error
    assert found.error < 0.02 * abs(exact)


def test_shift_and_definition_of_products():
    x = Noise(1).normal(0, (5, 4, 6)).numpy()
    expected = (x * np.roll(np.roll(x, -1, 1), 2, 2)).mean((1, 2))
    np.testing.assert_allclose(product_series(x, [(0, 0), (1, -2)]), expected, atol=1e-14)


def test_bad_points_are_named():
    with pytest.raises(ValueError, match="2, 4, 6 or 8 in number, got 3"):
        ConnectedFunction([(0, 0)] * 3)
    with pytest.raises(ValueError, match="2 coordinates"):
        product_series(np.zeros((1, 4, 4)), [(0,)])
