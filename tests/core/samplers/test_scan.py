"""The scan in κ, against the free field, the equilibrium table, and curves whose crossing is known."""

import math

import numpy as np
import pytest

from core.contracts import Cancelled
from core.jobs import Token
from core.noise import Noise
from core.samplers.scan import (
    Crossing,
    ScanPoint,
    ScanRequest,
    crossing,
    kappa_range,
    measured_point,
    scan,
    spread,
)
from core.statistics.errors import Measured
from core.theories.phi4 import Phi4


def finished(request: ScanRequest) -> dict[tuple[int, float], ScanPoint]:
    return {(r.L, r.kappa): r.point for r in scan(request) if r.point is not None}


@pytest.mark.parametrize("algorithm", ["cluster", "hmc"])
def test_the_free_field(algorithm):
    """λ = 0: M is Gaussian with V⟨M²⟩ = 1/(2 - 8κ), so ⟨|M|⟩ = √(2⟨M²⟩/π), χ = V⟨M²⟩(1 - 2/π) and U_L = 0.

    Ten quantities that are nearly independent at 4.5σ: a false alarm in 10⁵ runs.
    """
    request = ScanRequest((0.05, 0.15, 0.22), (4, 8), lam=0.0, configurations=6400, algorithm=algorithm, seed=3)
    points = finished(request)
    assert set(points) == {(size, kappa) for size in (4, 8) for kappa in (0.05, 0.15, 0.22)}
    for (size, kappa), point in points.items():
        v_m2 = 1 / (2 - 8 * kappa)
        m2 = v_m2 / size**2
        expected = {"m2": m2, "abs_m": math.sqrt(2 * m2 / math.pi), "chi": v_m2 * (1 - 2 / math.pi), "binder": 0.0}
        for name, exact in expected.items():
            measured = getattr(point, name)
            assert abs(measured.value - exact) < 4.5 * measured.error, (name, size, kappa)
        assert point.m2.error < 0.08 * m2
        assert point.settled


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["cluster", "hmc"])
def test_the_equilibrium_table(algorithm):
    """L = 32, λ = 0.022: ⟨|M|⟩ = 0.0402(2), 0.625(4), 3.74829(13), χ = 0.944(9), 70.8(6), 0.418(3), within 4σ."""
    table = {0.21: (0.0402, 2e-4, 0.944, 9e-3), 0.27: (0.625, 4e-3, 70.8, 0.6), 0.40: (3.74829, 1.3e-4, 0.418, 3e-3)}
    points = finished(ScanRequest(tuple(table), (32,), configurations=32_000, algorithm=algorithm, seed=5))
    for kappa, (m, m_error, chi, chi_error) in table.items():
        point = points[32, kappa]
        assert abs(point.abs_m.value - m) < 4 * math.hypot(point.abs_m.error, m_error), kappa
        assert abs(point.chi.value - chi) < 4 * math.hypot(point.chi.error, chi_error), kappa


def test_a_point_does_not_depend_on_the_others():
    one = finished(ScanRequest((0.1, 0.2, 0.25), (4,), configurations=200))
    other = finished(ScanRequest((0.2, 0.21, 0.3), (8, 4), configurations=200))
    assert one[4, 0.2] == other[4, 0.2]
    assert finished(ScanRequest((0.1, 0.2, 0.25), (4,), configurations=200, seed=1))[4, 0.2] != one[4, 0.2]


def test_errors_contain_the_autocorrelation():
    """Draws repeated eight times have the same error as the draws alone, and τ_int = ½ · 8 of the repeated ones."""
    m = Noise(2).normal(0, (16, 500)).numpy()
    alone = measured_point(Phi4(4, 0.1, 0.0), m)
    repeated = measured_point(Phi4(4, 0.1, 0.0), np.repeat(m, 8, axis=1))
    for name in ("abs_m", "m2", "chi", "binder"):
        a, b = getattr(alone, name), getattr(repeated, name)
        assert b.value == pytest.approx(a.value)
        assert b.error == pytest.approx(a.error, rel=0.25)
        assert b.tau_int == pytest.approx(4, rel=0.3)


def test_chains_shorter_than_their_memory_are_named():
    walk = np.cumsum(Noise(4).normal(0, (16, 200)).numpy(), axis=1)
    assert not measured_point(Phi4(4, 0.1, 0.0), walk).settled


def test_the_ends_come_first_then_the_middles():
    assert spread([0, 1, 2, 3, 4]) == [0, 4, 2, 1, 3]
    assert sorted(spread(list(range(37)))) == list(range(37))
    reports = list(scan(ScanRequest((0.1, 0.15, 0.2), (4, 8), lam=0.0, configurations=200)))
    assert [(r.kappa, r.L) for r in reports if r.point] == [(k, n) for k in (0.1, 0.2, 0.15) for n in (4, 8)]
    done = [r.done for r in reports]
    assert done == sorted(done)
    assert done[-1] == reports[-1].total == 6


def test_a_cancelled_scan_stops_between_updates():
    token = Token()
    reports = scan(ScanRequest((0.1, 0.15, 0.2), (8,), configurations=200), token)
    assert next(reports).point is None
    token.cancel()
    with pytest.raises(Cancelled):
        list(reports)


def scaled(at: float, noise: float, seed: int, kappas, sizes=(8, 16, 32)) -> dict[tuple[int, float], ScanPoint]:
    """Points with U_L = ⅔/(1 + e^{-3 L (κ - κ_c)·10}), all of which cross at κ_c, and Gaussian errors."""
    points = {}
    nothing = Measured(0.0, 0.0)
    for i, size in enumerate(sizes):
        eta = Noise(seed).of(f"size {i}").normal(0, (len(kappas), 1)).numpy()[:, 0]
        for kappa, e in zip(kappas, eta, strict=True):
            u = 2 / 3 / (1 + math.exp(-30 * size * (kappa - at)))
            error = noise * (2 / 3 - u) + 1e-9
            binder = Measured(u + error * float(e), error)
            points[size, kappa] = ScanPoint(size, kappa, nothing, nothing, nothing, binder, 1.0, True)
    return points


def test_the_crossing_is_found_within_its_error():
    """Pulls of 40 made-up scans with known crossing: mean square about 1, none beyond 4.5 standard deviations."""
    kappas = kappa_range(0.26, 0.282, 12)
    pulls = []
    for seed in range(40):
        found = crossing(scaled(0.2709, 0.02, seed, kappas), 8, 16)
        assert isinstance(found, Crossing)
        pulls.append((found.kappa - 0.2709) / found.error)
    assert max(map(abs, pulls)) < 4.5
    # χ² with 40 degrees of freedom: 18 % of a standard deviation each; the interpolation error makes pulls smaller.
    assert 0.4 < np.mean(np.square(pulls)) < 1.9


def test_there_is_no_crossing_where_none_is_seen():
    kappas = kappa_range(0.26, 0.282, 12)
    beside = scaled(0.30, 0.02, 1, kappas)
    assert crossing(beside, 8, 16) is None
    assert crossing(scaled(0.25, 0.02, 1, kappas), 8, 16) is None
    assert crossing(scaled(0.2709, 0.02, 1, kappas), 8, 64) is None  # a lattice without points
    two = {key: point for key, point in scaled(0.2709, 0.02, 1, kappas).items() if key[1] in kappas[5:7]}
    assert crossing(two, 8, 16) is None


@pytest.mark.parametrize(
    ("low", "high", "points", "named"),
    [
        (0.3, 0.2, 5, "from 0.3 to 0.2"),
        (0.2, 0.2, 5, "from 0.2 to 0.2"),
        (0.2, 0.3, 2, "got 2"),
        (math.nan, 1, 5, "nan"),
    ],
)
def test_a_range_that_is_none(low, high, points, named):
    with pytest.raises(ValueError, match=named):
        kappa_range(low, high, points)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"kappas": (0.1, 0.2)}, "3 to 200 values of kappa, got 2"),
        ({"kappas": (0.1, 0.3, 0.2)}, "must rise"),
        ({"sizes": ()}, "at least one lattice"),
        ({"sizes": (8, 8)}, "none twice"),
        ({"sizes": (5,)}, "even extent, got 5"),
        ({"sizes": (0,)}, "L must be"),
        ({"configurations": 10}, "at least 200 a point, got 10"),
        ({"algorithm": "magic"}, "cluster, hmc, got 'magic'"),
        ({"lam": -1.0}, "lambda must be"),
        ({"lam": 0.0, "kappas": (0.1, 0.2, 0.25)}, "free field"),
    ],
)
def test_a_request_that_makes_no_sense(changes, named):
    with pytest.raises(ValueError, match=named):
        ScanRequest(**({"kappas": (0.1, 0.15, 0.2), "sizes": (8,)} | changes))
