"""Local Metropolis and overrelaxation on φ⁴: exact laws, agreement with HMC, and independence of the chunking."""

import numpy as np
import pytest
import torch

from core.noise import Noise, philox_torch
from core.samplers import driver, metropolis
from core.statistics.lattice import magnetisation
from core.theories.phi4 import Phi4
from core.theories.phi4_metropolis_kernel import checkerboard, fill_decisions
from tests.core.samplers import exact_laws as laws


def algorithm(step_size=1.2, overrelaxation=0, flip=False):
    return lambda theory, x: metropolis.init(theory, x, step_size, overrelaxation, flip)


@pytest.mark.parametrize(("shape", "kappa"), [((8,), 0.3), ((4, 6), 0.2), ((4, 2, 4), 0.12)])
@pytest.mark.parametrize("overrelaxation", [0, 2])
def test_free_field_propagator_mode_by_mode(shape, kappa, overrelaxation):
    laws.check_free_field(shape, kappa, algorithm(1.2, overrelaxation), metropolis.step)


@pytest.mark.parametrize("lam", [0.0, 0.022, 0.5, 0.9])  # above ½ a site has two minima of its own
@pytest.mark.parametrize("overrelaxation", [0, 1])
def test_single_site_integrals_at_vanishing_hopping(lam, overrelaxation):
    laws.check_single_site(lam, algorithm(1.5, overrelaxation), metropolis.step)


@pytest.mark.parametrize("overrelaxation", [0, 3])
@pytest.mark.parametrize("lam", [0.2, 0.6])
def test_2x2_lattice_by_quadrature(overrelaxation, lam):
    laws.check_2x2(algorithm(1.5, overrelaxation, flip=True), metropolis.step, lam=lam)


def test_2x2_lattice_in_double_precision():
    laws.check_2x2(algorithm(1.0, 1), metropolis.step, dtype=torch.float64)


@pytest.mark.parametrize("overrelaxation", [0, 1])
def test_agreement_with_hmc_near_criticality(overrelaxation):
    laws.check_agreement_with_hmc(algorithm(1.5, overrelaxation, flip=True), metropolis.step, 400, 300)


def test_reflections_of_the_free_field_keep_the_action_and_move_every_site():
    theory = Phi4((6, 4), 0.2, 0.0)
    x = laws.start(theory, 50, dtype=torch.float64)
    y, _ = metropolis.sweep(theory, x, 1e-300, Noise(1), 0, 1, overrelaxation=1)
    np.testing.assert_allclose(theory.action(y), theory.action(x), rtol=1e-12)
    assert float((y - x).abs().min()) > 1e-6


def test_a_colour_of_reflections_is_undone_by_itself():
    """With λ > 0 the centre still depends on the neighbours alone, so reflecting twice leads back."""
    theory = Phi4((8, 8), 0.4, 0.022)
    x = torch.full((20, 8, 8), theory.classical_minimum, dtype=torch.float64) + laws.start(theory, 20, 1, torch.float64)
    y, _ = metropolis.sweep(theory, x, 1e-300, Noise(1), 0, 1, 1)
    z, _ = metropolis.sweep(theory, x, 1e-300, Noise(2), 0, 1, 1)
    first = torch.from_numpy(checkerboard(theory.event)[0][0].astype(np.int64))
    moved_y, moved_z = (w.flatten(1)[:, first] for w in (y, z))
    both = (moved_y != x.flatten(1)[:, first]) & (moved_z != x.flatten(1)[:, first])
    assert both.double().mean() > 0.7  # most are accepted, although the field is far from the Gaussian part's centre
    torch.testing.assert_close(moved_y[both], moved_z[both], rtol=0, atol=0)


def test_tables_name_the_neighbours_of_the_other_colour():
    for shape in ((2,), (6,), (4, 2), (2, 4, 6), (2, 2, 2, 2)):
        sites, table = checkerboard(shape)
        assert sorted(sites.ravel().tolist()) == list(range(int(np.prod(shape))))
        field = np.random.default_rng(1).normal(size=shape)
        exact = sum(np.roll(field, s, axis) for axis in range(len(shape)) for s in (1, -1)).ravel()
        for colour in (0, 1):
            beside = field.ravel()[sites[1 - colour]][table[colour]].sum(0)
            np.testing.assert_allclose(beside, exact[sites[colour]], rtol=1e-13)


def test_decisions_are_exponentials_of_the_words():
    source = Noise(11, "decisions")
    first, step, k0, k1 = source.address(7)
    out = np.empty(4000)
    fill_decisions(out, first + 2**33, step, k0, k1)
    words = philox_torch(torch.arange(2**33, 2**33 + 1000), step, k0, k1)
    exact = np.concatenate([-np.log((w.numpy() + 0.5) / 2**32) for w in words])
    np.testing.assert_allclose(out, exact, rtol=1e-13)


@pytest.mark.parametrize("overrelaxation", [0, 1])
def test_no_number_is_used_twice(overrelaxation):
    """Free sites accept every small move, so equal moves of sites, colours or chains show, and so do equal sweeps."""
    theory = Phi4((48, 48), 0.0, 0.0)  # two blocks of sites
    x = torch.zeros(6, 48, 48, dtype=torch.float64)
    once, rate = metropolis.sweep(theory, x, 1e-9, Noise(1), 0, 1, overrelaxation)
    twice, _ = metropolis.sweep(theory, x, 1e-9, Noise(1), 0, 2, overrelaxation)
    assert float(rate.min()) == 1
    n = x.numel()
    by_chance = n**2 / 2**33  # of the pairs of 32-bit numbers agree
    for y in (once, twice):
        assert n - len(y.unique()) < by_chance + 4.5 * np.sqrt(by_chance)
    # A sum of two uniform moves has variance 2/3 (1e-9)², with a standard error of 1.02 of it over √n (kurtosis 2.4).
    assert float(twice.square().mean()) * 1e18 == pytest.approx(2 / 3, rel=4.5 * 1.2 / np.sqrt(n))


@pytest.mark.parametrize("shape", [(6,), (2, 2), (6, 4), (64, 64)])  # the last has more than one block of sites
def test_chains_do_not_depend_on_how_many_run(shape):
    theory = Phi4(shape, 0.2, 0.1)
    x = laws.start(theory, 7)
    state, info = metropolis.step(metropolis.init(theory, x, 1.0, 2, True), Noise(9))
    state, info = metropolis.step(state, Noise(9))
    assert info.rate is not None
    for first, last in ((0, 1), (2, 5), (6, 7)):
        part = metropolis.init(theory, x[first:last], 1.0, 2, True)
        noise = Noise(9).starting_at(first)
        part, _ = metropolis.step(part, noise)
        part, rate = metropolis.step(part, noise)
        assert torch.equal(part.x, state.x[first:last])
        assert torch.equal(rate.rate, info.rate[first:last])
    assert not torch.equal(state.x[0], state.x[1])


def test_chunks_of_the_driver_change_nothing(monkeypatch):
    theory = Phi4(8, 0.25, 0.1)
    state = metropolis.init(theory, laws.start(theory, 9), 1.0, 1, True)
    whole = driver.record(state, metropolis.step, Noise(3), 5, {"M": magnetisation})
    monkeypatch.setattr(driver, "CHUNK", 2 * theory.volume)
    cut = driver.record(state, metropolis.step, Noise(3), 5, {"M": magnetisation})
    assert torch.equal(whole.state.x, cut.state.x)
    np.testing.assert_array_equal(whole.series["M"], cut.series["M"])
    assert whole.acceptance == pytest.approx(cut.acceptance, rel=1e-12)


def test_acceptance_is_the_fraction_of_sites_that_moved():
    theory = Phi4((6, 6), 0.2, 0.1)
    x = laws.start(theory, 30)
    state, info = metropolis.step(metropolis.init(theory, x, 1.5), Noise(1))
    moved = (state.x != x).double().flatten(1).mean(1)
    assert 0.3 < float(moved.mean()) < 0.9
    torch.testing.assert_close(info.rate, moved, rtol=1e-12, atol=0)
    assert driver.record(metropolis.init(theory, x, 1.5), metropolis.step, Noise(1), 1, {}).acceptance == pytest.approx(
        float(moved.mean())
    )


def test_a_step_leaves_its_input_alone():
    theory = Phi4(4, 0.2, 0.1)
    x = laws.start(theory, 3)
    before = x.clone()
    state, _ = metropolis.step(metropolis.init(theory, x, 1.0, 1, True), Noise(1))
    assert torch.equal(x, before)
    assert (state.count, state.clock) == (1, 1.0)


@pytest.mark.parametrize("step_size", [1e30, 1e200])
def test_a_huge_step_is_refused_not_hung(step_size):
    theory = Phi4(4, 0.2, 0.1)
    x = laws.start(theory, 3)
    state, info = metropolis.step(metropolis.init(theory, x, step_size), Noise(1))
    assert torch.equal(state.x, x)
    assert float(info.rate.sum()) == 0


def test_flips_visit_both_signs():
    theory = Phi4(4, 0.4, 0.022)
    x = torch.full((200, 4, 4), theory.classical_minimum)
    kept, _ = metropolis.step(metropolis.init(theory, x, 0.5), Noise(1))
    flipped, _ = metropolis.step(metropolis.init(theory, x, 0.5, flip=True), Noise(1))
    assert bool((magnetisation(kept.x) > 0).all())
    up = (magnetisation(flipped.x) > 0).double().mean()
    assert float(up) == pytest.approx(0.5, abs=4.5 * 0.5 / np.sqrt(200))


def test_bad_input_is_named():
    theory = Phi4(4, 0.2, 0.1)
    x = torch.zeros(2, 4, 4)
    for bad in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="step_size"):
            metropolis.init(theory, x, bad)
    for bad in (-1, 0.5, True):
        with pytest.raises(ValueError, match="overrelaxation"):
            metropolis.init(theory, x, 1.0, bad)
    with pytest.raises(ValueError, match=r"even.*\(4, 3\)"):
        metropolis.init(Phi4((4, 3), 0.2, 0.1), torch.zeros(2, 4, 3), 1.0)
    with pytest.raises(ValueError, match="shape"):
        metropolis.init(theory, torch.zeros(2, 4, 6), 1.0)
    with pytest.raises(ValueError, match="float32 or float64"):
        metropolis.init(theory, x.half(), 1.0)
    with pytest.raises(ValueError, match="CPU"):
        metropolis.init(theory, torch.zeros(2, 4, 4, device="meta"), 1.0)
    with pytest.raises(ValueError, match="φ⁴"):
        metropolis.init(object(), x, 1.0)
