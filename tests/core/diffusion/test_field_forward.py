"""The forward process on fields: predictions against closed forms, and against measurements on other configurations."""

import numpy as np
import pytest

from core.contracts import Cancelled
from core.diffusion import field_forward
from core.diffusion.field_forward import measured_functions, predicted_functions
from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.field_prediction import along_axes
from core.jobs import Token
from core.noise import Noise
from core.samplers.ensemble import thermalise
from core.schedule import VE, VP, Cosine
from core.statistics.n_point import ConnectedFunction
from core.theories.phi4 import Phi4

SIGMAS = 4.5
FREE = FieldGaussianScore(Phi4(8, 0.22, 0.0).free_propagator())
FREE_FIELDS = FREE.draw_prior(4000, 1.0, 0.0, Noise(1))
SCHEDULES = [VE(3.0), VP(2.0), Cosine()]
TIMES = [0.0, 0.1, 0.3, 0.6, 0.9]
NAMES = ("cumulants", "correlator", "structure", "four_point")


@pytest.fixture(scope="module")
def interacting():
    """φ⁴ between the phases, where the four-point function is far from that of a Gaussian and of two peaks."""
    *_, last = thermalise(Phi4(8, 0.27, 0.022), 8000, Noise(5), trajectories=120)
    return last.fields


@pytest.fixture(scope="module")
def broken():
    *_, last = thermalise(Phi4(8, 0.4, 0.022), 2000, Noise(6), trajectories=60)
    return last.fields


def deviation(a, b) -> np.ndarray:
    """In units of both errors, 0 where both are the same exact number."""
    with np.errstate(invalid="ignore", divide="ignore"):
        z = (a.value - b.value) / np.hypot(a.error, b.error)
    return np.where(a.value == b.value, 0.0, z)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_free_field_has_its_closed_form(schedule):
    predicted = predicted_functions(FREE_FIELDS, schedule, TIMES)
    measured = measured_functions(predicted, FREE_FIELDS, schedule, Noise(2))
    f, xi = schedule.f(np.array(TIMES)), schedule.xi(np.array(TIMES))
    kappa = np.zeros((len(TIMES), 9))
    kappa[:, 2] = f**2 * FREE.full.mean() + xi
    there = np.fft.ifft2(FREE.full).real[:5, 0] * f[:, None] ** 2
    there[:, 0] += xi
    exact = {"cumulants": kappa, "correlator": there, "four_point": np.zeros((len(TIMES), 3))}
    exact["structure"] = f[:, None] ** 2 * along_axes(FREE.full) + xi[:, None]
    for functions in (predicted, measured):
        for name, values in exact.items():
            value, error = getattr(functions, name)
            assert np.all(np.abs(value - values) <= SIGMAS * error + 1e-12), name
        for source, g in ((functions.site, FREE.full.mean()), (functions.zero_mode, FREE.full[0, 0])):
            W = source.J**2 * (f**2 * g + xi)[:, None] / 2
            assert source.trusted[:, :2].all()
            assert np.all((np.abs(source.W.value - W) <= SIGMAS * source.W.error)[source.trusted])


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_prediction_and_measurement_agree_for_interacting_fields(schedule, interacting):
    predicted = predicted_functions(interacting[:4000], schedule, TIMES)
    measured = measured_functions(predicted, interacting[4000:], schedule, Noise(3))
    for name in NAMES:
        assert np.abs(deviation(getattr(predicted, name), getattr(measured, name))).max() < SIGMAS, name
    for name in ("site", "zero_mode"):
        a, b = getattr(predicted, name), getattr(measured, name)
        both = a.trusted & b.trusted
        assert both[:, :2].all()
        assert np.abs(deviation(a.W, b.W)[both]).max() < SIGMAS, name


def test_the_connected_four_point_function_is_conserved_or_damped(interacting):
    """Twelve errors from 0 at every time: VE keeps it, VP takes it down with f⁴, while ⟨φ⁴⟩ grows or stays."""
    for schedule in (VE(1.5), VP(1.2)):
        times = np.array([0.0, 0.2, 0.4])
        predicted = predicted_functions(interacting[:4000], schedule, times)
        measured = measured_functions(predicted, interacting[4000:], schedule, Noise(4))
        start = predicted.four_point.value[0]
        damping = schedule.f(times)[:, None] ** 4
        np.testing.assert_allclose(predicted.four_point.value, damping * start, rtol=1e-12)
        value, error = measured.four_point
        assert np.all(value < -12 * error)
        assert np.all(
            np.abs(value - damping * start) < SIGMAS * np.hypot(error, damping * predicted.four_point.error[0])
        )
    assert damping[-1, 0] < 0.7


def test_broken_phase(broken):
    schedule = VE(5.0)
    predicted = predicted_functions(broken[:1000], schedule, TIMES)
    measured = measured_functions(predicted, broken[1000:], schedule, Noise(5))
    for name in NAMES:
        assert np.abs(deviation(getattr(predicted, name), getattr(measured, name))).max() < SIGMAS, name
    # κ_4 of two peaks at ±m is -2 m⁴, and far apart sites are as much of one sign as near ones.
    m4 = broken.double().flatten(1).mean(1).pow(4).mean().item()
    np.testing.assert_allclose(measured.four_point.value[0], -2 * m4, rtol=0.1)
    # Deep in one phase or the other, W of the zero mode grows as |J| m √V instead of J².
    W, J = predicted.zero_mode.W.value[0], predicted.zero_mode.J
    assert W[-1] < 0.6 * J[-1] ** 2 / 2 * along_axes(FieldGaussianScore.fit(broken).full)[0]


def test_four_point_functions_are_those_of_the_engine(interacting):
    points = (((0, 0), (0, 1), (1, 0), (2, 2)),)
    some = interacting[:500]
    found = predicted_functions(some, VE(2.0), [0.0], points=points)
    function = ConnectedFunction(points[0])
    function.add(some[None].numpy())
    expected = function.measured(independent=True)
    assert found.four_point.value[0, 0] == pytest.approx(expected.value, rel=1e-9)
    assert found.four_point.error[0, 0] == pytest.approx(expected.error, rel=0.35)


def test_a_tail_that_dominates_is_not_trusted():
    # Of e^{Jx} with J √Ξ = 14 a few of the 4000 configurations carry everything, and W falls short of its law.
    strong = VE(20.0)
    predicted = predicted_functions(FREE_FIELDS, strong, [1.0])
    measured = measured_functions(predicted, FREE_FIELDS, strong, Noise(1))
    assert not measured.zero_mode.trusted[0, -1]
    assert measured.zero_mode.effective[0, -1] < 10
    assert measured.zero_mode.W.value[0, -1] < 0.9 * predicted.zero_mode.W.value[0, -1]
    assert np.isfinite(measured.site.W.value).all()


def test_chunks_do_not_matter(monkeypatch):
    schedule, some = VP(2.0), FREE_FIELDS[:300]
    predicted = predicted_functions(some, schedule, TIMES)
    measured = measured_functions(predicted, some, schedule, Noise(2))
    monkeypatch.setattr(field_forward, "_CHUNK", 37 * 64)
    again = measured_functions(predicted_functions(some, schedule, TIMES), some, schedule, Noise(2))
    for name in NAMES:
        for a, b in zip(getattr(measured, name), getattr(again, name), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(measured.site.W.value, again.site.W.value, rtol=1e-6)


@pytest.mark.parametrize(
    ("fields", "times", "options", "message"),
    [
        (FREE_FIELDS[:1], TIMES, {}, "at least two configurations, got 1"),
        (FREE_FIELDS[:9], [0.0, 1.5], {}, r"times must lie between 0 and 1, got \[0"),
        (FREE_FIELDS[:9], [], {}, "times must lie between 0 and 1"),
        (FREE_FIELDS[:9], [0.0], {"points": [[(0, 0), (0, 1)]]}, "points must be sets of four"),
        (FREE_FIELDS[:9], [0.0], {"points": [[(0,)] * 4]}, "a point must have 2 coordinates"),
    ],
)
def test_bad_arguments_are_named(fields, times, options, message):
    with pytest.raises(ValueError, match=message):
        predicted_functions(fields, VE(2.0), times, **options)


def test_token_stops():
    token = Token()
    token.cancel()
    with pytest.raises(Cancelled):
        predicted_functions(FREE_FIELDS[:9], VE(2.0), [0.0], token=token)
