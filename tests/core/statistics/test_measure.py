"""Observables of ensembles with exact averages, coverage of errors, and the sentences on bad ensembles."""

import math

import numpy as np
import pytest
from scipy.integrate import quad

from core.contracts import Cancelled
from core.jobs import Token
from core.noise import Noise
from core.samplers import ensemble
from core.statistics.errors import mean
from core.statistics.measure import measure
from core.theories.phi4 import Phi4
from tests.core.statistics.synthetic import autoregressive, free_fields

NAMES = ["m", "abs_m", "v_m2", "chi", "binder", "xi", "phi2", "phi4", "link", "action", "kappa2", "kappa4", "kappa6"]
NAMES += ["kappa8", "kappa4_ratio", "kappa6_ratio", "kappa8_ratio", "schwinger_dyson", "walls"]


def single_site_draws(lam, shape, seed):
    """Independent sites with the weight exp(-(1-2λ) φ² - λ φ⁴), by its inverse distribution on a fine grid."""
    grid = np.linspace(-6, 6, 20001)
    cumulative = np.cumsum(np.exp(-(1 - 2 * lam) * grid**2 - lam * grid**4))
    return np.interp(Noise(seed).uniform(0, shape).numpy(), cumulative / cumulative[-1], grid)


def single_site_cumulants(lam):
    def moment(n):
        return quad(lambda x: x**n * math.exp(-(1 - 2 * lam) * x**2 - lam * x**4), -9, 9, epsabs=1e-13)[0]

    m2, m4, m6, m8 = (moment(n) / moment(0) for n in (2, 4, 6, 8))
    k4, k6 = m4 - 3 * m2**2, m6 - 15 * m4 * m2 + 30 * m2**3
    return m2, k4, k6, m8 - 28 * m6 * m2 - 35 * m4**2 + 420 * m4 * m2**2 - 630 * m2**4


def within(measured, exact, sigmas=4.5):
    assert measured.error > 0
    assert abs(measured.value - exact) < sigmas * measured.error


def test_without_hopping_sites_are_independent():
    theory, lam = Phi4(8, 0.0, 0.3), 0.3
    x = single_site_draws(lam, (1, 4000, 8, 8), 3)
    found = measure(theory, [x], independent=True)
    assert list(found.observables) == NAMES
    k2, k4, k6, k8 = single_site_cumulants(lam)
    for name, exact in (("kappa2", k2), ("kappa4", k4), ("kappa6", k6), ("kappa8", k8), ("phi2", k2), ("link", 0.0)):
        within(found.observables[name], exact)
    for n, kappa in ((4, k4), (6, k6), (8, k8)):
        within(found.observables[f"kappa{n}_ratio"], kappa / k2 ** (n // 2))
    within(found.observables["v_m2"], k2)
    within(found.observables["schwinger_dyson"], 1.0)
    within(found.observables["action"], 0.5 - lam * (k4 + 3 * k2**2))  # ⟨S⟩/V = ½ - λ⟨φ⁴⟩
    assert found.observables["kappa4"].error < 0.02 * abs(k4)
    assert found.warnings == []
    assert found.n_configs == 4000


def test_free_field():
    theory = Phi4(8, 0.2, 0.0)
    x = free_fields(theory, 4000, 5).reshape(4, 1000, 8, 8)
    measured = measure(theory, [x], independent=True)
    assert (measured.chains, measured.draws) == (1, 4000)
    found = measured.observables
    propagator = theory.free_propagator()
    within(found["v_m2"], propagator[0, 0])
    within(found["chi"], propagator[0, 0] * (1 - 2 / math.pi))
    within(found["binder"], 0.0)
    within(found["phi2"], propagator.mean())
    within(found["kappa4"], 0.0)
    within(found["schwinger_dyson"], 1.0)
    within(found["action"], 0.5)


def test_blocks_do_not_matter():
    theory = Phi4(6, 0.2, 0.0)
    x = free_fields(theory, 600, 5).reshape(2, 300, 6, 6)
    whole = measure(theory, [x])
    parts = measure(theory, np.array_split(x, 7, axis=1))
    for name, value in whole.observables.items():
        np.testing.assert_allclose(parts.observables[name], value, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(parts.correlator.spectrum, whole.correlator.spectrum, rtol=1e-10)
    assert whole.warnings == parts.warnings == []
    assert whole.r_hat["phi2"] < 1.05
    assert whole.effective_sample_size["phi2"] > 300


def test_errors_of_correlated_data_cover():
    """Fields that are constant in space and AR(1) in time: M is normal, τ_int = ½ · 1.9/0.1 = 9.5, and 4.76 for M².

    Exactly χ = V (1 - 2/π), U_L = 0, κ_2 = 1 and κ_4 = κ_6 = 0. Over 100 runs the pulls have unit width; it is known
    to 7 %, and blocks of 10 τ allow 5 % more. Blocks of a few draws would have a width of 1.5 and more.
    """
    theory, a = Phi4(2, 0.1, 0.5), 0.9
    exact = {"chi": 4 * (1 - 2 / math.pi), "binder": 0.0, "kappa2": 1.0, "kappa4": 0.0, "kappa4_ratio": 0.0}
    exact |= {"v_m2": 4.0, "abs_m": math.sqrt(2 / math.pi), "m": 0.0}
    pulls = {name: [] for name in exact}
    for x in autoregressive(a, 100, 4000, 9):
        found = measure(theory, [np.tile(x[None, :, None, None], (1, 1, 2, 2))]).observables
        for name, value in exact.items():
            pulls[name].append((found[name].value - value) / found[name].error)
    for name, values in pulls.items():
        assert 0.8 < np.std(values) < 1.25, name
        assert abs(np.mean(values)) < 0.45, name  # a bias of 1/N is far below the error


def test_table_at_0_4():
    # κ = 0.4, L = 32 from the mixed start; equilibrium values with their errors.
    theory = Phi4(32, 0.4, 0.022)
    *_, last = ensemble.thermalise(theory, 256, Noise(5), trajectories=100, every=100)
    found = measure(theory, [last.fields.numpy()[:, None]])
    table = {"abs_m": (3.74829, 1.3e-4), "chi": (0.418, 0.003), "binder": (0.666628, 1e-6), "phi2": (14.2466, 0.001)}
    table |= {"kappa4_ratio": (-1.94623, 1e-5), "kappa6_ratio": (15.3571, 2e-4), "kappa8_ratio": (-257.522, 0.004)}
    for name, (value, error) in table.items():
        measured = found.observables[name]
        assert abs(measured.value - value) < 4.5 * math.hypot(measured.error, error), name
    assert found.warnings == []

    # With positive chains alone κ_2 = ⟨φ²⟩ - ⟨φ⟩² would be 0.197; symmetrised estimators do not see the sign.
    x = last.fields.numpy()
    plus = measure(theory, [(x * np.sign(x.mean((1, 2), keepdims=True)))[:, None]])
    assert plus.observables["kappa2"].value == pytest.approx(14.2466, abs=0.01)
    for name in table:
        assert plus.observables[name] == pytest.approx(found.observables[name], nan_ok=True), name
    assert [text[:26] for text in plus.warnings] == ["Only one sign was visited:"]


def sentences(theory, x, independent=False):
    return " | ".join(measure(theory, [x], independent).warnings)


def test_a_single_configuration_has_values_without_errors():
    theory = Phi4(4, 0.2, 0.1)
    x = Noise(1).normal(0, (1, 1, 4, 4)).numpy()
    for independent in (False, True):
        found = measure(theory, [x], independent)
        assert found.warnings == ["A single configuration has no errors."]
        assert all(math.isnan(m.error) for m in found.observables.values())
        assert found.observables["phi2"].value == pytest.approx((x**2).mean())
    assert "chain of 3 configurations is too short" in sentences(theory, np.repeat(x, 3, axis=1))


def test_what_is_wrong_is_said():
    theory = Phi4(4, 0.2, 0.0)
    good = free_fields(theory, 8 * 500, 2).reshape(8, 500, 4, 4)
    assert sentences(theory, good) == ""
    drifting = good * (1 + np.linspace(1, 0, 500) ** 2)[:, None, None]
    assert "second half of the run differs" in sentences(theory, drifting)
    apart = good * np.where(np.arange(8) % 2 == 0, 1.0, 1.3)[:, None, None, None]
    assert "the starts disagree" in sentences(theory, apart)
    assert "R̂ = " in sentences(theory, apart)
    slow = np.repeat(good[:1, :20], 25, axis=1)
    assert "too short: τ_int of" in sentences(theory, slow)
    assert "Schwinger–Dyson equation is violated" in sentences(theory, 1.1 * good)
    assert "M is negative in all configurations" in sentences(theory, good - 3.0)
    assert "Only one sign" not in sentences(theory, good)


def test_hot_looking_magnetisations():
    # Deep in the broken phase, a third of the configurations half and half; the order of the file is not known.
    theory = Phi4(32, 0.4, 0.022)
    signs = np.ones((60, 32, 32))
    signs[:20, 12:] = -1
    x = theory.classical_minimum * signs + 0.4 * Noise(1).normal(0, signs.shape).numpy()
    said = sentences(theory, x[None], independent=True)
    assert "looks like that of a hot start" in said
    assert "33.3 % of the configurations hold a domain wall" in said
    flat = np.abs(x[20:]) * np.where(np.arange(40) % 2 == 0, 1, -1)[:, None, None]
    said = sentences(theory, flat[None], independent=True)
    assert "hot start" not in said
    assert "wall" not in said


def test_series_are_kept():
    theory = Phi4(4, 0.2, 0.0)
    x = free_fields(theory, 60, 2).reshape(2, 30, 4, 4)
    found = measure(theory, [x])
    np.testing.assert_allclose(found.series["m"], x.mean((2, 3)), atol=1e-14)
    assert found.observables["m"] == mean(found.series["m"])


def test_bad_ensembles_are_named():
    theory = Phi4(4, 0.2, 0.1)
    x = Noise(1).normal(0, (2, 5, 4, 4)).numpy()
    with pytest.raises(ValueError, match="at least one configuration"):
        measure(theory, [])
    with pytest.raises(ValueError, match="a block must have the shape"):
        measure(theory, [x[0]])
    with pytest.raises(ValueError, match="the same chains, got 2 and then 1"):
        measure(theory, [x, x[:1]])
    with pytest.raises(ValueError, match="lattice's shape"):
        measure(Phi4(8, 0.2, 0.1), [x])
    token = Token()
    token.cancel()
    with pytest.raises(Cancelled):
        measure(theory, [x], token=token)
