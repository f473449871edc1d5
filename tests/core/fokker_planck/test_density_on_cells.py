"""Solutions as a view reads them, the densities to start from, and where the steps lie."""

import numpy as np
import pytest

from core.fokker_planck import NormalDensity, Solution, UniformDensity
from core.fokker_planck.grid import Grid
from core.fokker_planck.steps import LONGEST, relaxation_clock, sharpening_clock, subdivide


def normal(x, mean, std):
    return np.exp(-0.5 * ((x - mean) / std) ** 2) / (std * np.sqrt(2 * np.pi))


def in_one_dimension():
    x = np.stack([np.linspace(-6, 6, 241), np.linspace(-12, 14, 241)])
    return Solution(np.array([0.0, 1.0]), (x,), np.stack([normal(x[0], 0.0, 1.0), normal(x[1], 1.0, 2.0)]))


def in_two_dimensions():
    x, y = np.linspace(-6, 6, 121)[None], np.linspace(-3, 3, 61)[None]
    rho = 0.5
    a, b = x[0][:, None], y[0][None, :] / 0.5
    density = np.exp(-(a**2 - 2 * rho * a * b + b**2) / (2 * (1 - rho**2))) / (2 * np.pi * 0.5 * np.sqrt(1 - rho**2))
    return Solution(np.array([0.0]), (x, y), density[None])


def test_moments_of_known_densities():
    one, two = in_one_dimension(), in_two_dimensions()
    np.testing.assert_allclose(one.mass, 1.0, atol=1e-8)
    np.testing.assert_allclose(one.moments(4), [[1, 0, 1, 0, 3], [1, 1, 5, 13, 73]], atol=1e-4)
    np.testing.assert_allclose(one.mean, [[0.0], [1.0]], atol=1e-6)
    np.testing.assert_allclose(one.covariance, [[[1.0]], [[4.0]]], atol=1e-5)
    np.testing.assert_allclose(two.mass, 1.0, atol=1e-6)
    np.testing.assert_allclose(two.covariance, [[[1.0, 0.25], [0.25, 0.25]]], atol=1e-5)
    np.testing.assert_allclose(two.marginal(1)[0], normal(two.y[0], 0.0, 0.5), atol=1e-6)


def test_density_between_the_centres():
    one, two = in_one_dimension(), in_two_dimensions()
    points = np.array([[-20.0, 0.333], [1.9, 20.0]])
    np.testing.assert_allclose(one.at(1, points), [[0.0, normal(0.333, 1, 2)], [normal(1.9, 1, 2), 0.0]], atol=1e-3)
    assert two.at(0, np.array([[0.0, 0.0], [100.0, 0.0]])) == pytest.approx([two.density[0, 60, 30], 0.0])
    box = Solution(np.array([0.0]), (np.array([[0.25, 0.75]]),), np.ones((1, 2)))
    np.testing.assert_array_equal(box.at(0, np.array([-1.0, 0.5, 2.0])), [0.0, 1.0, 0.0])
    with pytest.raises(ValueError, match="no second axis"):
        _ = one.y


def test_cells_hold_averages_of_the_start():
    grid = Grid(np.array([[-2.0, 2.0]]), 400)
    box = grid.average(UniformDensity((0.0,), (1.0,)), np.zeros(1), np.ones(1))
    inside = (grid.centres(0) > 0) & (grid.centres(0) < 1)
    np.testing.assert_allclose(box[inside], 1.0, rtol=1e-12)
    assert np.all(box[~inside] == 0)
    curve = grid.average(NormalDensity([0.2], 0.04), np.zeros(1), np.ones(1))
    h = float(grid.spacing[0])
    mean_of_cell = normal(grid.centres(0), 0.2, 0.2) * (
        1 + h**2 / 24 * ((grid.centres(0) - 0.2) ** 2 / 0.04 - 1) / 0.04
    )
    np.testing.assert_allclose(curve, mean_of_cell, rtol=0, atol=1e-5)


def test_too_narrow_a_start_is_refused():
    grid = Grid(np.array([[-2.0, 2.0]]), 40)
    with pytest.raises(ValueError, match="much narrower than a cell"):
        grid.average(NormalDensity([0.1234], 1e-12), np.zeros(1), np.ones(1))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: NormalDensity([np.nan], 1.0), "mean must be a finite number"),
        (lambda: NormalDensity([0.0], -1.0), "symmetric and positive"),
        (lambda: NormalDensity([0.0, 0.0], [[1.0, 2.0], [2.0, 1.0]]), "symmetric and positive"),
        (lambda: NormalDensity([0.0], [[1.0, 0.0], [0.0, 1.0]]), "1 × 1 matrix"),
        (lambda: UniformDensity((1.0,), (0.0,)), "low must lie below high"),
        (lambda: UniformDensity((0.0, 0.0), (1.0,)), "equally long"),
        (lambda: UniformDensity((0.0,), (np.inf,)), "must be finite"),
    ],
)
def test_starts_refuse_bad_numbers(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("remaining", [None, 3.0])
def test_steps_are_no_longer_than_asked_and_end_at_the_frames(remaining):
    frames, h, substeps = np.array([0.0, 0.001, 0.5, 2.9]), 0.03, 5
    steps = subdivide(frames, h, substeps, remaining)

    def clock(r):
        return relaxation_clock(r, h) - (0.0 if remaining is None else sharpening_clock(remaining - r, h))

    assert [s[0] for s in steps] == frames[:-1].tolist()
    assert [s[-1] for s in steps] == frames[1:].tolist()
    for s in steps:
        assert np.all(np.diff(s) > 0)
        assert np.max(np.diff(clock(s))) < LONGEST / substeps * 1.05
