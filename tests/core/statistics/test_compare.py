"""Comparison of two ensembles: coverage, what it must find, and what it must say."""

import math

import numpy as np
import pytest

from core.noise import Noise
from core.statistics.compare import JOINT, JOINT_TITLES, LOCAL, LOCAL_JOINT, compare
from core.statistics.measure import TITLES, measure
from core.theories.phi4 import Phi4
from tests.core.statistics.synthetic import autoregressive, free_fields

FREE = Phi4(4, 0.2, 0.0)


def measured(fields, theory=FREE):
    """Measurement of independent configurations (n, *event)."""
    return measure(theory, [fields[None]], independent=True)


def chains(theory, a, number, draws, seed):
    """Free fields (chains, draws, L, L), AR(1) in time with the coefficient ``a``."""
    noise = autoregressive(a, number * theory.volume, draws, seed)
    noise = noise.reshape(number, *theory.event, draws).transpose(0, 3, 1, 2)
    return np.fft.ifft2(np.fft.fft2(noise) * np.sqrt(theory.free_propagator())).real


def distance_from_uniform(p):
    p = np.sort(p)
    return math.sqrt(len(p)) * np.max(np.abs(p - (np.arange(len(p)) + 0.5) / len(p)))


@pytest.fixture(scope="module")
def two():
    """Two halves, of 2000 independent configurations each."""
    x = free_fields(FREE, 4000, 12)
    return x[:2000], x[2000:]


@pytest.mark.parametrize("a", [0.0, 0.7])
def test_halves_of_one_ensemble_agree(a):
    """80 ensembles cut in halves of 1200 configurations, independent (a = 0) and with τ_int = ½ · 1.7/0.3 = 2.8.

    χ²/dof is 1 and p uniform, but for heavy tails (p a little too large) and blocks of finite length (χ² up to 10 %
    too large). Errors of single blocks of a draw would make χ²/dof 4 for a = 0.7.
    """
    reduced, p, sigmas = [], [], []
    for seed in range(80):
        if a == 0:
            x = free_fields(FREE, 2400, seed)
            found = compare(measured(x[:1200]), measured(x[1200:]))
        else:
            x = chains(FREE, a, 4, 600, seed)
            found = compare(*(measure(FREE, [half]) for half in (x[:, :300], x[:, 300:])))
        assert found.averages == JOINT
        assert found.joint.dof == len(JOINT) == 9
        reduced.append(found.joint.chi2 / 9)
        p.append(found.joint.p_value)
        sigmas.append([row.sigma for name, row in found.observables.items() if name != "walls"])
    assert abs(np.mean(reduced) - 1) < 4.5 * math.sqrt(2 / 9 / 80) + 0.1 * (a > 0)
    assert distance_from_uniform(np.array(p)) < 1.95
    assert np.sum(np.array(p) < 0.01) <= 5  # 0.8 expected; more than 5 once in 10 000
    width = np.std(sigmas, axis=0)
    assert np.all(np.abs(width - 1) < 4.5 / math.sqrt(160))


def test_sigma_is_the_difference_in_combined_errors(two):
    a, b = (measured(x) for x in two)
    found = compare(a, b)
    assert list(found.observables) == list(a.observables)
    for name, row in found.observables.items():
        assert (row.a, row.b) == (a.observables[name], b.observables[name])
        if name != "walls":
            assert row.sigma == pytest.approx((row.a.value - row.b.value) / math.hypot(row.a.error, row.b.error))
    back = compare(b, a)
    assert back.observables["phi2"].sigma == -found.observables["phi2"].sigma
    assert back.joint == pytest.approx(found.joint)
    assert math.isnan(found.observables["walls"].sigma)
    assert found.effective_sample_size == {"abs_m": (2000.0, 2000.0), "phi2": (2000.0, 2000.0)}
    assert found.warnings == []


def test_a_shift_is_found(two):
    # φ → 1.03 φ changes φ² by 6.1 %, of an error of 0.94 %·√2: 4.6 σ expected; ratios of cumulants do not change.
    a, b = two
    found = compare(measured(1.03 * a), measured(b))
    row = found.observables["phi2"]
    assert row.sigma > 3
    assert abs(row.sigma - 0.061 * row.b.value / math.hypot(row.a.error, row.b.error)) < 4.5
    assert found.joint.p_value < 1e-4
    assert abs(found.observables["kappa4_ratio"].sigma) < 4.5
    assert compare(measured(1.1 * a), measured(b)).observables["phi2"].sigma > 10


def test_a_change_that_no_single_site_shows_is_found(two):
    # The sites of each configuration in another order: κ_n are the same, the links are gone.
    a, b = two
    order = np.argsort(Noise(1).uniform(0, (2000, 16)).numpy(), axis=1)
    shuffled = np.take_along_axis(a.reshape(2000, 16), order, axis=1).reshape(a.shape)
    found = compare(measured(shuffled), measured(b))
    assert found.observables["action"].sigma > 4.5
    assert found.observables["link"].sigma < -4.5
    for name in ("m", "abs_m", "kappa2", "kappa4", "kappa8_ratio"):
        assert abs(found.observables[name].sigma) < 4.5
    assert found.joint.p_value < 1e-10


def test_covariance_finds_what_rows_do_not():
    """M and a little noise of the sites: φ² - M² is that noise, of which φ² and M² themselves know nothing.

    The variance of the noise differs by 6 %, known to √(2/45000)·√2 = 0.9 %: 6 σ at least. φ² differs by 0.06 %.
    """
    n, noise = 3000, Noise(8)

    def fields(stream, width):
        m, sites = (
            noise.of(stream).normal(0, (n, 1, 1)).numpy(),
            noise.of(stream + " sites").normal(0, (n, 4, 4)).numpy(),
        )
        return m + width * (sites - sites.mean(axis=(1, 2), keepdims=True))

    found = compare(measured(fields("a", 0.103)), measured(fields("b", 0.1)))
    for name in ("m", "abs_m", "v_m2", "chi", "binder", "phi2", "phi4", "kappa4", "kappa8_ratio"):
        assert abs(found.observables[name].sigma) < 3
    assert found.joint.p_value < 1e-5


def test_every_direction_counts_deep_in_the_broken_phase():
    """M = ±(3.75 + 0.02 η): M⁴, M² and |M| are one number up to 10⁻⁴, and still the spread of |M| is compared."""
    theory, n = Phi4(4, 0.4, 0.022), 2000

    def fields(stream, spread):
        noise = Noise(3, stream)
        m = (3.75 + spread * noise.normal(0, (n, 1, 1)).numpy()) * noise.normal(1, (n, 1, 1)).sign().numpy()
        sites = noise.normal(2, (n, 4, 4)).numpy()
        return measured(m + 0.4 * (sites - sites.mean(axis=(1, 2), keepdims=True)), theory)

    a, b, wider = fields("a", 0.02), fields("b", 0.02), fields("c", 0.024)
    same, different = compare(a, b), compare(wider, b)
    assert same.joint.dof == different.joint.dof == 9
    assert same.joint.p_value > 1e-4
    assert abs(different.observables["abs_m"].sigma) < 4.5
    assert different.observables["chi"].sigma > 4.5  # 44 %, known to √(2/2000)·√(1 + 1.44²) = 5.5 %
    assert different.joint.p_value < 1e-8


def test_copies_are_recognised(two):
    a, b = two
    (same,) = compare(measured(a), measured(a)).warnings
    assert "compares an ensemble with itself" in same
    (same,) = compare(measured(a), measured(-a[::-1])).warnings  # another order and sign
    assert "compares an ensemble with itself" in same
    (same,) = compare(measured(a), measure(FREE, [a.reshape(4, 500, 4, 4)])).warnings  # another layout
    assert "compares an ensemble with itself" in same
    (part,) = compare(measured(a), measured(np.concatenate([b[:1500], a[:300]]))).warnings
    assert "300 of the 2\u202f000 configurations of the first and 300 of the 1\u202f800 of the second" in part
    found = compare(measured(a), measured(a))
    assert found.joint.chi2 == 0
    assert found.joint.p_value == 1


def test_configurations_that_resemble_each_other_are_recognised(two):
    a, b = two
    (said,) = compare(measured(a), measured(0.8 * a + 0.6 * b)).warnings
    assert "draw by draw their φ² are correlated by 0.65" in said
    (said,) = compare(measured(a), measured(a + 1e-4 * b)).warnings
    assert "correlated by 1." in said
    assert compare(measured(a), measured(0.8 * a[::-1] + 0.6 * b)).warnings == []


def test_other_couplings_are_said_and_the_action_is_left_out(two):
    a, b = two
    found = compare(measured(a), measured(b, Phi4(4, 0.21, 0.022)))
    (said,) = found.warnings
    assert "The couplings differ: κ = 0.2 and 0.21, λ = 0 and 0.022." in said
    assert math.isnan(found.observables["action"].sigma)
    assert "action" not in found.averages
    assert "link" in found.averages
    assert found.joint.dof == 9
    assert found.joint.p_value > 1e-4  # the same fields


def test_other_lattices_leave_local_observables():
    a, b = measured(free_fields(FREE, 1500, 1)), measured(free_fields(Phi4(8, 0.2, 0.0), 1500, 2), Phi4(8, 0.2, 0.0))
    found = compare(a, b)
    (said,) = found.warnings
    assert "The lattices differ: 4 × 4 and 8 × 8." in said
    assert {name for name, row in found.observables.items() if not math.isnan(row.sigma)} == set(LOCAL)
    assert found.averages == LOCAL_JOINT
    line = Phi4((8,), 0.2, 0.0)
    with pytest.raises(ValueError, match="in 2 and 1 dimensions cannot be compared"):
        compare(a, measured(free_fields(line, 20, 1), line))


def test_the_sign_of_the_magnetisation_is_no_difference():
    theory = Phi4(4, 0.2, 0.1)
    x = 0.3 * free_fields(FREE, 1000, 3)
    a, b = measured(x[:500] + 2.0, theory), measured(x[500:] - 2.0, theory)
    found = compare(a, b)
    assert found.observables["m"].sigma > 100
    assert found.joint.p_value > 1e-4


def test_too_few_configurations_have_no_chi2():
    x = free_fields(FREE, 6, 1)
    found = compare(measured(x[:1]), measured(x[1:]))
    assert found.joint.dof == 0
    assert "There is no χ²" in found.warnings[-1]
    assert math.isnan(found.observables["phi2"].sigma)
    constant = compare(measured(np.ones((5, 4, 4))), measured(2 * np.ones((5, 4, 4))))
    assert constant.observables["phi2"].sigma == -math.inf
    assert constant.joint.dof == 0


def test_few_blocks_are_said():
    x = free_fields(FREE, 12, 4)
    found = compare(measured(x[:6]), measured(x[6:]))
    assert 1 <= found.joint.dof <= 5  # ν <= 10
    assert f"reduced to the {found.joint.dof} leading directions" in found.notes[0]
    x = free_fields(FREE, 1100, 3)
    found = compare(measured(x[:100]), measured(x[100:]))
    assert found.joint.dof == 9
    assert "p comes out too small" in found.notes[1]


def test_every_row_and_average_has_a_title(two):
    found = measured(two[0])
    assert set(found.observables) == set(TITLES)
    assert set(LOCAL) <= set(TITLES)
    assert set(LOCAL_JOINT) <= set(JOINT) <= set(JOINT_TITLES)
    assert set(JOINT) <= set(found.series)
