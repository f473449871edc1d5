"""Cluster updates of φ⁴: transition matrices by enumeration of all bonds, exact laws, agreement with HMC."""

from itertools import product

import numpy as np
import pytest
import torch
from scipy.sparse.csgraph import connected_components

from core.noise import Noise
from core.samplers import cluster, driver
from core.statistics.lattice import magnetisation
from core.theories.phi4 import Phi4
from core.theories.phi4_cluster_kernel import BATCH
from tests.core.samplers import exact_laws as laws

KINDS = ("wolff", "swendsen-wang")


def algorithm(kind, step_size=1.2, sweeps=1, overrelaxation=1):
    return lambda theory, x: cluster.init(theory, x, step_size, kind, sweeps, overrelaxation)


def links(shape):
    """Every link once as a pair of sites; on an extent of 2 the same pair comes twice."""
    index = np.arange(np.prod(shape)).reshape(shape)
    return np.concatenate([np.stack([index, np.roll(index, -1, a)], -1).reshape(-1, 2) for a in range(len(shape))])


def transition_matrix(kind, moduli, shape, kappa):
    """P[s, s'] of the sign configurations at fixed |φ|, summed over all bond configurations."""
    volume = moduli.size
    pairs, number = np.unique(np.sort(links(shape)), axis=0, return_counts=True)  # two links: one of double strength
    states = np.array(list(product((1, -1), repeat=volume)))
    code = {tuple(s): i for i, s in enumerate(states)}
    result = np.zeros((len(states), len(states)))
    for i, s in enumerate(states):
        equal = [
            (x, y, 1 - np.exp(-4 * n * kappa * moduli[x] * moduli[y]))
            for (x, y), n in zip(pairs, number, strict=True)
            if s[x] == s[y]
        ]
        for bonds in product((0, 1), repeat=len(equal)):
            weight = np.prod([p if b else 1 - p for b, (_, _, p) in zip(bonds, equal, strict=True)])
            graph = np.zeros((volume, volume))
            for b, (x, y, _) in zip(bonds, equal, strict=True):
                graph[x, y] += b
            count, label = connected_components(graph, directed=False)
            if kind == "wolff":
                for c in range(count):
                    result[i, code[tuple(np.where(label == c, -s, s))]] += weight * np.mean(label == c)
            else:
                for flips in product((1, -1), repeat=count):
                    result[i, code[tuple(s * np.array(flips)[label])]] += weight / 2**count
    return states, result


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(3,), (2, 2), (3, 2)])
def test_transition_matrix_by_enumeration(kind, shape):
    """All starts, 40 000 chains each: a χ² of every row, and no transition that is impossible."""
    kappa, chains = 0.15, 40_000
    moduli = np.random.default_rng(7).uniform(0.4, 1.6, int(np.prod(shape)))
    states, exact = transition_matrix(kind, moduli, shape, kappa)
    theory = Phi4(shape, kappa, 0.1)
    np.testing.assert_allclose(exact.sum(1), 1, rtol=1e-12)

    law = np.exp(-theory.action(torch.from_numpy((states * moduli).reshape(-1, *shape))).numpy())
    law /= law.sum()
    np.testing.assert_allclose(law @ exact, law, rtol=1e-12)  # the bond probability belongs to the action
    flow = law[:, None] * exact
    np.testing.assert_allclose(flow, flow.T, atol=1e-15)  # detailed balance

    powers = 2 ** np.arange(moduli.size)[::-1]
    chi2, cells = 0.0, 0
    for i in range(0, len(states), 1 if len(states) <= 16 else 5):
        x = torch.from_numpy((states[i] * moduli).reshape(1, *shape)).float().repeat(chains, *[1] * len(shape))
        y = cluster.flip_clusters(theory, x, kind, Noise(8), i)
        assert torch.equal(y.abs(), x.abs())
        found = np.bincount((y.flatten(1) < 0).numpy() @ powers, minlength=len(states))
        assert not np.any(found[exact[i] == 0])
        expected = chains * exact[i]
        often = expected > 10
        chi2 += float(((found - expected)[often] ** 2 / (expected * (1 - exact[i]))[often]).sum())
        cells += int(often.sum())
    # Each term is a squared normal deviate of mean 1 and variance 2; those of a row are weakly correlated.
    assert cells > 20
    assert abs(chi2 - cells) < laws.SIGMAS * np.sqrt(2 * cells)


def test_sizes_of_long_clusters_on_a_ring():
    """From a random site p^n links are bound on either side, far beyond one batch of numbers: mean 1 + 2p/(1-p)."""
    p, kappa, chains = 0.98, 0.25, 3000
    x = torch.full((chains, 1200), np.sqrt(-np.log1p(-p) / (4 * kappa)))
    y = cluster.flip_clusters(Phi4((1200,), kappa, 0.1), x, "wolff", Noise(3), 0)
    sizes = (y < 0).double().sum(1)
    assert float(sizes.max()) > 4 * BATCH
    assert float(sizes.mean()) == pytest.approx(1 + 2 * p / (1 - p), abs=4.5 * np.sqrt(2 * p / chains) / (1 - p))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("shape", "kappa"), [((8,), 0.3), ((4, 6), 0.2), ((4, 2, 4), 0.12)])
def test_free_field_propagator_mode_by_mode(kind, shape, kappa):
    laws.check_free_field(shape, kappa, algorithm(kind), cluster.step)


@pytest.mark.parametrize("kind", KINDS)
def test_single_site_integrals_at_vanishing_hopping(kind):
    laws.check_single_site(0.022, algorithm(kind, 1.5), cluster.step)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_2x2_lattice_by_quadrature(kind, dtype):
    laws.check_2x2(algorithm(kind, 1.5), cluster.step, dtype=dtype)


@pytest.mark.parametrize("kind", KINDS)
def test_agreement_with_hmc_near_criticality(kind):
    laws.check_agreement_with_hmc(algorithm(kind, 1.5), cluster.step, 200, 100, precision=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_equilibrium_of_the_broken_phase(kind):
    """⟨|M|⟩ and ⟨φ²⟩ on 32² at κ = 0.27 and 0.40, λ = 0.022, against a long run of HMC with sign flips."""
    for kappa, abs_m, phi2 in ((0.27, (0.625, 0.004), (1.394, 0.003)), (0.40, (3.74829, 0.00013), (14.2466, 0.0010))):
        theory = Phi4(32, kappa, 0.022)
        x = theory.classical_minimum + 0.3 * laws.start(theory, 128)
        found = driver.record(algorithm(kind, 1.2, 2)(theory, x), cluster.step, Noise(2), 400, laws.OBSERVABLES, 300)
        for name, (value, error) in (("abs M", abs_m), ("phi2", phi2)):
            own = found.autocorrelation(name)
            assert abs(own.mean - value) < 4 * np.hypot(error, own.mean_error)


@pytest.mark.parametrize("kind", KINDS)
def test_both_signs_of_the_broken_phase_are_visited(kind):
    theory = Phi4(8, 0.4, 0.022)
    x = torch.full((200, 8, 8), theory.classical_minimum)
    for count in range(3):
        x = cluster.flip_clusters(theory, x, kind, Noise(1), count)
        if kind == "swendsen-wang":
            up = float((magnetisation(x) > 0).double().mean())
            assert up == pytest.approx(0.5, abs=4.5 * 0.5 / np.sqrt(200))
        else:  # here the cluster is nearly all of the lattice
            assert bool(((magnetisation(x) > 0) == (count % 2 == 1)).all())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(6,), (2, 2), (12, 12)])  # the last uses more than one batch of numbers
def test_chains_do_not_depend_on_how_many_run(kind, shape):
    theory = Phi4(shape, 0.2, 0.1)
    x = laws.start(theory, 7)

    def run(first, last):
        state = cluster.init(theory, x[first:last], 1.0, kind, 2)
        for _ in range(3):
            state, _ = cluster.step(state, Noise(9).starting_at(first))
        return state

    whole = run(0, 7)
    assert (whole.count, whole.clock) == (3, 6.0)
    for first, last in ((0, 1), (2, 5), (6, 7)):
        assert torch.equal(run(first, last).x, whole.x[first:last])


def test_chunks_of_the_driver_change_nothing(monkeypatch):
    theory = Phi4(8, 0.25, 0.1)
    state = cluster.init(theory, laws.start(theory, 9), 1.0)
    whole = driver.record(state, cluster.step, Noise(3), 5, {"M": magnetisation})
    monkeypatch.setattr(driver, "CHUNK", 2 * theory.volume)
    cut = driver.record(state, cluster.step, Noise(3), 5, {"M": magnetisation})
    assert torch.equal(whole.state.x, cut.state.x)
    assert 0 < whole.acceptance < 1


def test_bad_input_is_named():
    theory = Phi4(4, 0.2, 0.1)
    x = torch.zeros(2, 4, 4)
    with pytest.raises(ValueError, match=r"kind.*'wolff'.*got 'ising'"):
        cluster.init(theory, x, 1.0, "ising")
    for bad in (0, -1, 0.5, True):
        with pytest.raises(ValueError, match="sweeps"):
            cluster.init(theory, x, 1.0, sweeps=bad)
    for bad in (-1, 1.5):
        with pytest.raises(ValueError, match="overrelaxation"):
            cluster.init(theory, x, 1.0, overrelaxation=bad)
    for bad in (0.0, float("nan")):
        with pytest.raises(ValueError, match="step_size"):
            cluster.init(theory, x, bad)
    odd = Phi4((5, 3), 0.2, 0.1)
    with pytest.raises(ValueError, match="local sweeps of the cluster algorithm"):
        cluster.init(odd, torch.zeros(2, 5, 3), 1.0)
    assert cluster.flip_clusters(odd, torch.ones(2, 5, 3), "wolff", Noise(1), 0).shape == (2, 5, 3)
