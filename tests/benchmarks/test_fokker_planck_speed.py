"""How fast the densities are: against a banded solve per step, and whole pictures as the dashboard asks for them."""

import numpy as np
import pytest
from scipy.linalg import solve_banded

from core.fokker_planck import solve_backward, solve_forward
from core.fokker_planck.chang_cooper import advance, face_rates
from core.schedule import VE
from core.theories.mixture import GaussianMixture

pytestmark = pytest.mark.benchmark

TWO_PEAKS = GaussianMixture((0.5, 0.5), (-1.0, 1.0), (0.25, 0.25))
THREE_PEAKS = GaussianMixture((0.4, 0.3, 0.3), ((0.0, 1.0), (-1.0, -0.6), (1.0, -0.6)), (0.25, 0.25, 0.25))
FORWARD, BACKWARD = np.linspace(0, 1, 120), np.linspace(1, 1e-3, 120)


def one_line(cells):
    xi = np.linspace(-5, 5, cells)
    z = -np.diff(xi**2 / 2)[:, None]
    up, down = np.empty_like(z), np.empty_like(z)
    face_rates(z, up, down)
    return np.exp(-((xi[:, None] - 1) ** 2)), up, down


@pytest.mark.benchmark(group="one implicit Euler step, 400 cells")
def test_step_by_subtraction_free_elimination(benchmark):
    p, up, down = one_line(400)
    benchmark(advance, p, up, down, 10.0, 1)


@pytest.mark.benchmark(group="one implicit Euler step, 400 cells")
def test_step_by_scipy_solve_banded(benchmark):
    p, up, down = one_line(400)

    def step():
        bands = np.zeros((3, 400))
        bands[1] = 1.0
        bands[1, :-1] += 10.0 * up[:, 0]
        bands[1, 1:] += 10.0 * down[:, 0]
        bands[0, 1:], bands[2, :-1] = -10.0 * down[:, 0], -10.0 * up[:, 0]
        return solve_banded((1, 1), bands, p[:, 0])

    np.testing.assert_allclose(step(), advance(p, up, down, 10.0, 1)[:, 0], rtol=1e-9)
    benchmark(step)


@pytest.mark.parametrize("cells", [150, 400])
@pytest.mark.benchmark(group="120 frames in one dimension")
def test_forward(benchmark, cells):
    benchmark(solve_forward, TWO_PEAKS, VE(10.0), FORWARD, cells=cells, substeps=1 if cells == 150 else 3)


@pytest.mark.parametrize("cells", [150, 400])
@pytest.mark.benchmark(group="120 frames in one dimension")
def test_backward(benchmark, cells):
    benchmark(solve_backward, TWO_PEAKS, VE(10.0), BACKWARD, cells=cells, substeps=1 if cells == 150 else 3)


@pytest.mark.benchmark(group="60 frames of 96 × 96 cells")
def test_forward_in_two_dimensions(benchmark):
    benchmark(solve_forward, THREE_PEAKS, VE(10.0), FORWARD[::2], cells=96)


@pytest.mark.benchmark(group="60 frames of 96 × 96 cells")
def test_backward_in_two_dimensions(benchmark):
    benchmark(solve_backward, THREE_PEAKS, VE(10.0), BACKWARD[::2], cells=96)
