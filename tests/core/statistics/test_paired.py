"""Differences of runs with the same noise: their error is that of pairs, and what is made of averages is right."""

import numpy as np
import pytest

from core.noise import Noise
from core.statistics.cumulants import PowerSums
from core.statistics.jackknife import Jackknifed
from core.statistics.measure import measure
from core.statistics.paired import BLOCKS, FIELD, FIELD_OBSERVABLES, difference, field_observables, paired
from core.theories.phi4 import Phi4


def mean(x):
    return x


def normals(step, n, k=1):
    return Noise(5).normal(step, (n, k)).numpy()


def test_a_shared_part_drops_out_of_the_error_of_the_difference():
    n = 6400
    common, own_a, own_b = (normals(i, n) for i in range(3))
    found = paired(mean, common + 0.1 * own_a, mean, common + 0.1 * own_b + 0.02)
    assert found.a.error[0] == pytest.approx(np.sqrt(1.01 / n), rel=0.25)
    assert found.difference.error[0] == pytest.approx(np.sqrt(0.02 / n), rel=0.25)
    assert found.difference.value[0] == pytest.approx(found.b.value[0] - found.a.value[0], abs=1e-12)
    assert found.sigma[0] == pytest.approx(0.02 / np.sqrt(0.02 / n), abs=4)
    shuffled = paired(mean, common + 0.1 * own_a, mean, np.roll(common + 0.1 * own_b, 1, axis=0))
    assert shuffled.difference.error[0] == pytest.approx(np.sqrt(2.02 / n), rel=0.25)


def test_pulls_of_paired_differences_are_standard_normal():
    pulls = []
    for i in range(200):
        common, own = normals(10 + 2 * i, 512), normals(11 + 2 * i, 512)
        pulls.append(paired(mean, common, mean, common + 0.3 * own).sigma[0])
    assert np.std(pulls) == pytest.approx(1.0, abs=0.15)
    assert abs(np.mean(pulls)) < 0.25


def test_equal_runs_do_not_differ_and_single_rows_have_no_error():
    x = normals(0, 100)
    same = paired(mean, x, mean, x.copy())
    assert same.difference.value[0] == 0
    assert same.difference.error[0] == 0
    assert np.isnan(same.sigma[0])
    single = paired(mean, x[:1], mean, x[1:2])
    assert np.isnan(single.difference.error[0])
    apart = paired(mean, np.ones((100, 1)), mean, np.full((100, 1), 2.0))
    assert apart.sigma[0] == np.inf


def test_runs_of_different_length_are_paired_as_far_as_they_go():
    x, y = normals(0, 6400), normals(1, 6400)
    found = paired(mean, x, mean, np.concatenate([x[: 10 * BLOCKS], y[: 10 * BLOCKS]]))
    assert found.difference.error[0] < np.sqrt(1 / 6400 + 1 / 1280) * 1.3
    assert found.b.value[0] == pytest.approx((x[:640].mean() + y[:640].mean()) / 2)


def test_field_observables_are_those_of_measure():
    theory = Phi4(8, 0.25, 0.02)
    fields = Noise(3).normal(0, (200, 8, 8)).numpy() * 0.8
    found = measure(theory, [fields[None]], independent=True)
    rows = np.stack([found.series[name].ravel() for name in FIELD], axis=1)
    both = paired(field_observables(64), rows, field_observables(64), rows)
    assert len(both.a.value) == len(FIELD_OBSERVABLES)
    for i, name in enumerate(FIELD_OBSERVABLES):
        known = found.observables[name]
        assert both.a.value[i] == pytest.approx(known.value, rel=1e-6, abs=1e-9)
        assert both.a.error[i] == pytest.approx(known.error, rel=0.5)


def test_cumulants_of_paths_are_paired_by_their_number():
    x = normals(0, 4096)[:, 0]
    kappa = []
    for values in (x, 1.01 * x):
        sums = PowerSums()
        sums.add(values)
        found = sums.jackknifed_cumulants()
        kappa.append(Jackknifed(found.value[0], found.deviations[:, 0]))
    both = difference(*kappa)
    assert both.difference.value[2] == pytest.approx((1.01**2 - 1) * both.a.value[2])
    assert both.difference.error[2] == pytest.approx((1.01**2 - 1) * both.a.error[2], rel=1e-6)
