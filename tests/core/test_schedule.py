"""Schedules against quadrature, high-precision arithmetic and their own differential equations."""

from itertools import pairwise

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from core.schedule import SCHEDULES, VE, VP, Cosine, LinearVP, Schedule, Tabulated, make_schedule

DRAWN_TIMES, DRAWN_VALUES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0), (1.0, 0.1, 5.0, 0.3, 8.0, 2.0)
ALL: list[Schedule] = [
    VE(10.0),
    VE(1.0),
    VE(0.5),
    VE(100.0),
    VP(10.0),
    VP(1.0),
    VP(25.0),
    LinearVP(),
    LinearVP(3.0, 3.0),
    LinearVP(5.0, 0.5),
    Cosine(),
    Tabulated(DRAWN_TIMES, DRAWN_VALUES),
    Tabulated(DRAWN_TIMES, DRAWN_VALUES, keep_variance=True),
]
every = pytest.mark.parametrize("schedule", ALL, ids=repr)
TIMES = np.array([1e-3, 0.05, 0.2, 0.31, 0.5, 0.77, 0.9, 0.97])


def _curves(largest: float):
    """Points of a drawn curve: values e^±largest, gaps between the times, and whether the variance is kept."""
    return st.lists(st.floats(-largest, largest), min_size=2, max_size=8).flatmap(
        lambda logs: st.tuples(
            st.just(np.exp(logs)),
            st.lists(st.floats(0.05, 1.0), min_size=len(logs) - 1, max_size=len(logs) - 1),
            st.booleans(),
        )
    )


def _drawn_schedule(values, gaps, keep) -> Tabulated:
    times = np.concatenate([[0.0], np.cumsum(gaps)])
    return Tabulated(tuple(times / times[-1]), tuple(values), keep)


def _integral(schedule: Schedule, t: float) -> float:
    """∫_0^t g² by adaptive quadrature between the points of a drawn curve."""
    kinks = [p for p in getattr(schedule, "times", ()) if 0 < p < t]
    edges = [0.0, *kinks, t]
    return sum(
        quad(lambda s: float(schedule.g2(s)), a, b, epsabs=0, epsrel=1e-13, limit=200)[0] for a, b in pairwise(edges)
    )


@every
def test_accumulated_noise_is_the_integral_of_g2(schedule):
    for t in TIMES:
        assert float(schedule.u(t)) == pytest.approx(_integral(schedule, t), rel=1e-11)


@every
@pytest.mark.parametrize("t", [0.05, 0.5, 0.9])
def test_f_and_xi_are_their_defining_integrals(schedule, t):
    """f(t, s) = exp(-½ ∫ k) and Ξ(t) = ∫ f²(t, s) g²(s) ds, with k the schedule's own."""
    kinks = [p for p in getattr(schedule, "times", ()) if 0 < p < t] or None
    total = quad(lambda s: float(schedule.k(s)), 0, t, points=kinks, epsrel=1e-12, limit=200)[0]
    assert float(schedule.f(t)) == pytest.approx(np.exp(-total / 2), rel=1e-10)
    xi = quad(
        lambda s: float(schedule.f(t, s)) ** 2 * float(schedule.g2(s)), 0, t, points=kinks, epsrel=1e-12, limit=200
    )[0]
    assert float(schedule.xi(t)) == pytest.approx(xi, rel=1e-10)


@every
def test_closed_relations_between_the_functions(schedule):
    t = TIMES
    np.testing.assert_allclose(schedule.g(t) ** 2, schedule.g2(t), rtol=1e-14)
    np.testing.assert_array_equal(schedule.k(t), schedule.g2(t) if schedule.preserving else 0 * t)
    np.testing.assert_allclose(schedule.sigma(t), np.sqrt(schedule.xi(t)) / schedule.f(t), rtol=1e-12)
    np.testing.assert_allclose(schedule.log_sigma(t), np.log(schedule.sigma(t)), rtol=1e-12, atol=1e-13)


@every
@settings(max_examples=30, deadline=None)
@given(times=st.tuples(*[st.floats(0.0, 0.99)] * 3))
def test_semigroup(schedule, times):
    """f(t, s) f(s, r) = f(t, r), and variances compose: Ξ(t, r) = f²(t, s) Ξ(s, r) + Ξ(t, s)."""
    r, s, t = sorted(times)
    assert float(schedule.f(t, s) * schedule.f(s, r)) == pytest.approx(float(schedule.f(t, r)), rel=1e-12)
    composed = schedule.f(t, s) ** 2 * schedule.xi(s, r) + schedule.xi(t, s)
    scale = max(1.0, float(schedule.u(t)))  # differences of u round at this size
    assert float(composed) == pytest.approx(float(schedule.xi(t, r)), rel=1e-12, abs=1e-14 * scale)


@every
def test_variance_obeys_its_differential_equation(schedule):
    """dΞ/dt = -k Ξ + g², by a fourth-order central difference: error h⁴/30 |Ξ⁽⁵⁾| plus rounding."""
    h = 1e-4
    t = np.array([0.05, 0.13, 0.3, 0.5, 0.72, 0.9])
    xi = schedule.xi
    slope = (8 * (xi(t + h) - xi(t - h)) - (xi(t + 2 * h) - xi(t - 2 * h))) / (12 * h)
    expected = -schedule.k(t) * xi(t) + schedule.g2(t)
    np.testing.assert_allclose(slope, expected, rtol=2e-7, atol=1e-11 * max(1.0, float(xi(0.9))))


@every
def test_noise_level_rises_and_inverts(schedule):
    t = np.linspace(1e-6, schedule.t_max * (1 - 1e-9), 400)
    level = schedule.log_sigma(t)
    assert np.all(np.isfinite(level))
    assert np.all(np.diff(level) > 0)
    np.testing.assert_allclose(schedule.t_of_log_sigma(level), t, rtol=1e-10)
    finite = level < 300
    np.testing.assert_allclose(schedule.t_of_sigma(schedule.sigma(t[finite])), t[finite], rtol=1e-10)
    np.testing.assert_allclose(schedule.t_of_u(schedule.u(t)), t, rtol=1e-10)
    early = t[schedule.u(t) < 3]  # where 1 - Ξ still has digits
    np.testing.assert_allclose(schedule.t_of_xi(schedule.xi(early)), early, rtol=1e-10)


@every
def test_start_is_exact(schedule):
    assert float(schedule.u(0.0)) == 0.0
    assert float(schedule.xi(0.0)) == 0.0
    assert float(schedule.f(0.0)) == 1.0
    with np.errstate(all="raise"):
        assert schedule.log_sigma(0.0) == -np.inf
        assert schedule.sigma(0.0) == 0.0
    np.testing.assert_allclose(schedule.t_of_sigma(0.0), 0.0, atol=1e-15)


def _mp_u(schedule: Schedule, t: mpmath.mpf) -> mpmath.mpf:
    """u(t) in 60 digits from the definition of each schedule."""
    if isinstance(schedule, VE):
        log = mpmath.log(mpmath.mpf(schedule.sigma_max))
        return mpmath.expm1(2 * t * log) / (2 * log) if log else t
    if isinstance(schedule, LinearVP):
        low, high = mpmath.mpf(schedule.beta_min), mpmath.mpf(schedule.beta_max)
        return low * t + (high - low) * t**2 / 2
    assert isinstance(schedule, Cosine)
    offset = mpmath.mpf(schedule.offset)
    start, now = (mpmath.pi / 2 * (s + offset) / (1 + offset) for s in (mpmath.mpf(0), t))
    return -2 * mpmath.log(mpmath.cos(now) / mpmath.cos(start))


@pytest.mark.parametrize("schedule", [s for s in ALL if not isinstance(s, Tabulated)], ids=repr)
@pytest.mark.parametrize("t", [1e-15, 1e-12, 1e-8, 1e-3, 0.5])
def test_small_times_keep_full_relative_accuracy(schedule, t):
    with mpmath.workdps(60):
        u = _mp_u(schedule, mpmath.mpf(t))
        xi = -mpmath.expm1(-u) if schedule.preserving else u
        sigma2 = mpmath.expm1(u) if schedule.preserving else u
        expected = [float(a) for a in (u, xi, mpmath.log(sigma2) / 2)]
    assert float(schedule.u(t)) == pytest.approx(expected[0], rel=1e-13)
    assert float(schedule.xi(t)) == pytest.approx(expected[1], rel=1e-13)
    assert float(schedule.log_sigma(t)) == pytest.approx(expected[2], rel=1e-13, abs=1e-13)
    assert float(schedule.t_of_u(expected[0])) == pytest.approx(t, rel=1e-12)


def test_drawn_curve_keeps_relative_accuracy_at_small_times():
    schedule = Tabulated(DRAWN_TIMES, DRAWN_VALUES)
    for t in (1e-15, 1e-12, 1e-8):
        assert float(schedule.u(t)) == pytest.approx(float(schedule.g2(t / 2)) * t, rel=1e-12)
        assert float(schedule.t_of_u(schedule.u(t))) == pytest.approx(t, rel=1e-12)


def test_sigma_one_is_plain_diffusion_and_its_limit():
    t = np.linspace(0, 1, 11)
    np.testing.assert_array_equal(VE(1.0).xi(t), t)
    np.testing.assert_allclose(VP(1.0).xi(t), -np.expm1(-t), rtol=1e-15)
    near = VE(1 + 1e-9)
    np.testing.assert_allclose(near.xi(t), t * (1 + 1e-9 * t), rtol=1e-15)


def test_strong_preserving_noise_never_overflows_its_logarithm():
    """VP with σ = 100: u(1) = (10⁴ - 1)/(2 ln 100) ≈ 1086, so σ̃ = e^{543} is finite and f² is 0."""
    schedule = VP(100.0)
    u = (100.0**2 - 1) / (2 * np.log(100.0))
    assert float(schedule.log_sigma(1.0)) == pytest.approx(u / 2, rel=1e-12)
    stronger = VP(1000.0)
    assert np.isfinite(stronger.log_sigma(1.0))
    with np.errstate(all="raise"):
        assert stronger.sigma(1.0) == np.inf
    assert float(stronger.t_of_log_sigma(stronger.log_sigma(1.0))) == pytest.approx(1.0, rel=1e-12)


def test_vp_at_sigma_25_inverts_to_the_end_although_xi_is_one():
    schedule = VP(25.0)
    assert float(schedule.xi(1.0)) == 1.0
    with np.errstate(all="raise"):
        assert float(schedule.t_of_xi(1.0)) == pytest.approx(1.0, rel=1e-12)
    np.testing.assert_allclose(schedule.t_of_sigma(1000.0), schedule.t_of_u(np.log1p(1e6)), rtol=1e-12)


def test_cosine_ends_where_its_cap_is_reached():
    schedule = Cosine(sigma_cap=50.0)
    assert 0.9 < schedule.t_max < 1.0
    assert float(schedule.sigma(schedule.t_max)) == pytest.approx(50.0, rel=1e-10)
    assert np.isfinite(schedule.g2(schedule.t_max))
    f2 = np.cos(np.pi / 2 * (0.5 + 0.008) / 1.008) ** 2 / np.cos(np.pi / 2 * 0.008 / 1.008) ** 2
    assert float(schedule.f(0.5)) ** 2 == pytest.approx(f2, rel=1e-14)


def test_published_forms():
    """VE: Ξ = (σ^{2t} - 1)/(2 ln σ); linear VP: f² = exp(-β_min t - ½ (β_max - β_min) t²)."""
    assert float(VE(10.0).xi(1.0)) == pytest.approx(99 / (2 * np.log(10.0)), rel=1e-15)
    assert float(VP(10.0).f(1.0)) == pytest.approx(np.exp(-99 / (4 * np.log(10.0))), rel=1e-14)
    assert float(LinearVP().f(0.7)) ** 2 == pytest.approx(np.exp(-0.1 * 0.7 - 19.9 * 0.7**2 / 2), rel=1e-14)


@settings(max_examples=60, deadline=None)
@given(_curves(2.5), st.floats(0.01, 1.0))
def test_any_drawn_curve_is_integrated_to_1e_10(curve, t):
    schedule = _drawn_schedule(*curve)
    assert float(schedule.u(t)) == pytest.approx(_integral(schedule, t), rel=1e-10)
    assert float(schedule.t_of_u(schedule.u(t))) == pytest.approx(t, rel=1e-9)


@pytest.mark.parametrize("keep", [False, True])
def test_steepest_curve_of_the_stated_accuracy(keep):
    """log g jumps by 10 between neighbours: still 1e-12."""
    schedule = Tabulated((0.0, 0.3, 0.5, 1.0), tuple(np.exp([-5.0, 5.0, -5.0, 5.0])), keep)
    for t in (0.1, 0.2, 0.3, 0.45, 0.7, 0.85, 1.0):
        assert float(schedule.u(t)) == pytest.approx(_integral(schedule, t), rel=1e-12)


@settings(max_examples=60, deadline=None)
@given(_curves(2.5))
def test_drawn_curve_passes_through_its_points_without_overshoot(curve):
    schedule = _drawn_schedule(*curve)
    times, values = np.array(schedule.times), np.array(schedule.values)
    np.testing.assert_allclose(schedule.g(times), values, rtol=1e-12)
    for (a, b), (low, high) in zip(pairwise(times), pairwise(values), strict=True):
        between = schedule.g(np.linspace(a, b, 21))
        assert np.all(between <= max(low, high) * (1 + 1e-12))
        assert np.all(between >= min(low, high) * (1 - 1e-12))


def test_drawn_exponential_is_the_closed_form():
    t = np.linspace(0, 1, 7)
    for keep, closed in ((False, VE(10.0)), (True, VP(10.0))):
        schedule = Tabulated((0.0, 0.3, 1.0), (1.0, 10**0.3, 10.0), keep)
        np.testing.assert_allclose(schedule.xi(t), closed.xi(t), rtol=1e-12)
        np.testing.assert_allclose(schedule.f(t), closed.f(t), rtol=1e-12)


@every
def test_shapes_and_hash(schedule):
    assert np.shape(schedule.xi(0.3)) == ()
    assert schedule.f(np.zeros((2, 3))).shape == (2, 3)
    assert schedule.xi(np.full((2, 1), 0.5), np.zeros(3)).shape == (2, 3)
    assert schedule.t_of_sigma(np.full((2, 3), 0.1)).shape == (2, 3)
    assert isinstance(schedule.latex(), str)
    assert schedule.latex().count("{") == schedule.latex().count("}")
    assert hash(schedule) == hash(schedule)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: VE(0.0), "sigma must be a positive finite number, got 0.0"),
        (lambda: VP(float("nan")), "sigma must be a positive finite number, got nan"),
        (lambda: LinearVP(-1.0, 2.0), "beta_min must be a positive"),
        (lambda: LinearVP(1.0, float("inf")), "beta_max must be a positive"),
        (lambda: Cosine(offset=0.0), "offset must be a positive"),
        (lambda: Cosine(sigma_cap=-1.0), "sigma_cap must be a positive"),
        (lambda: Tabulated((0.0,), (1.0,)), "at least two points"),
        (lambda: Tabulated((0.0, 1.0), (1.0,)), "got 2 times and 1 values"),
        (lambda: Tabulated((0.1, 1.0), (1.0, 1.0)), "must rise from 0 to 1"),
        (lambda: Tabulated((0.0, 0.5, 0.5, 1.0), (1.0,) * 4), "must rise from 0 to 1"),
        (lambda: Tabulated((0.0, 1.0), (1.0, 0.0)), "must be positive and finite"),
        (lambda: make_schedule("sde"), "must be one of ve, vp, vp-linear, cosine, got 'sde'"),
    ],
)
def test_bad_parameters_are_named(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_registry():
    assert set(SCHEDULES) == {"ve", "vp", "vp-linear", "cosine", "drawn"}
    assert make_schedule("ve", 5.0) == VE(5.0)
    assert make_schedule("vp", 5.0) == VP(5.0)
    assert make_schedule("vp", 5.0) != make_schedule("ve", 5.0)
    assert make_schedule("cosine") == Cosine()
