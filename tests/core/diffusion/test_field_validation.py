import itertools
import math

import numpy as np
import pytest
import torch

from core.diffusion.field_baseline import Baseline, Propagators
from core.diffusion.field_data import Law
from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.field_network import FieldNetwork, NetworkConfig
from core.diffusion.field_noise import noise_range
from core.diffusion.field_validation import Validation, Validator, forces
from core.noise import Noise
from core.theories.phi4 import Phi4

NOISE = Noise(3, "test")
SMALL = NetworkConfig(4, 8, 8, 1, 8)


def free_law(kappa, n, L=4):
    """A free field with its exact baseline and n exact draws."""
    gaussian = FieldGaussianScore(Phi4(L, kappa, 0.0).free_propagator())
    return Law((L, L), kappa, 0.0, gaussian, gaussian.draw_prior(n, 1.0, 0.0, NOISE.of(f"{kappa}")))


def network(scale=0.0):
    """A network that corrects nothing, or something of no use."""
    net = FieldNetwork(SMALL)
    net.initialise(Noise(1))
    with torch.no_grad():
        net.out += scale
    return net


def validator(laws, known, configs, bands=4):
    propagators = {
        event: Propagators.of([Baseline(law.gaussian, law.kappa, law.lam) for law in laws if law.event == event])
        for event in dict.fromkeys(law.event for law in laws)
    }
    ranges = torch.tensor([noise_range(law.gaussian) for law in laws], dtype=torch.float64).log()
    edges = np.geomspace(math.exp(float(ranges[:, 0].min())), math.exp(float(ranges[:, 1].max())), bands + 1)
    return Validator(laws, propagators, ranges, edges, known, configs, NOISE)


def exact_loss(law, edges):
    """Of the Gaussian denoiser with target φ_0: ½ Σ_p G/(G + σ̃²), averaged over log σ̃ in each band."""
    g, nodes = law.gaussian.connected.ravel(), (np.arange(400) + 0.5) / 400
    means = []
    for low, high in itertools.pairwise(np.log(edges)):
        sigma2 = np.exp(2 * (low + (high - low) * nodes))
        means.append(float((g / (g + sigma2[:, None])).sum(1).mean() / 2))
    return np.array(means)


def test_the_loss_of_a_free_field_without_the_action_is_the_exact_one():
    law = free_law(0.2, 4000)
    found = validator([law], False, 4000)(network(), 7, 1.5)
    # Σ of 16 squares of normal deviates, halved: a spread of at most √8 for each of 4000 configurations
    assert np.abs(np.array(found.baseline) - exact_loss(law, found.edges)).max() < 4.5 * math.sqrt(8 / 4000)
    assert found.loss == pytest.approx(found.baseline, abs=1e-9)
    assert (found.step, found.seconds, found.error) == (7, 1.5, [0.0] * 4)


def test_the_loss_of_a_free_field_with_the_action_is_zero():
    found = validator([free_law(0.2, 100)], True, 100)(network(), 0, 0.0)
    assert np.allclose(found.baseline, 0, atol=1e-8)


@pytest.mark.parametrize("known", [False, True])
def test_what_a_wrong_network_loses_does_not_depend_on_the_target(known):
    law = free_law(0.2, 4000)
    found = validator([law], known, 4000)(network(0.05), 0, 0.0)
    exact = validator([law], True, 4000)(network(0.05), 0, 0.0)  # its target has no noise at all
    assert min(exact.excess) > 0
    difference = np.array(found.excess) - np.array(exact.excess)
    assert np.all(np.abs(difference) < 4.5 * np.array(found.error))
    assert known or max(found.error) > 1e-3


@pytest.mark.parametrize("configs", [2, 64])
def test_the_error_is_that_of_repetitions(configs):
    repeated = [
        validator([free_law(0.2 + 1e-9 * k, configs)], False, configs)(network(0.05), 0, 0.0) for k in range(80)
    ]
    spread = np.std([v.total for v in repeated], ddof=1)
    claimed = math.sqrt(np.mean([v.total_error**2 for v in repeated]))
    assert 0.75 < spread / claimed < 1.3  # 80 repetitions: 8 % for a normal law, with tails somewhat more


def test_laws_count_alike_and_in_their_own_ranges_alone():
    laws = [free_law(0.05, 600), free_law(0.249, 600), free_law(0.1, 600, L=6)]
    together = validator(laws, False, 1800)
    found = together(network(), 0, 0.0)
    expected = np.zeros(4)
    for law in laws:
        low, high = noise_range(law.gaussian)
        for band, (a, b) in enumerate(itertools.pairwise(found.edges)):
            inside = (max(a, low), min(b, high))
            if inside[0] < inside[1]:
                share = math.log(inside[1] / inside[0]) / math.log(b / a)
                expected[band] += share * exact_loss(law, inside)[0] / 3
    # at most 18 of χ² spread, √(18) a configuration, 600 of them from each law, a third each
    assert np.abs(np.array(found.baseline) - expected).max() < 4.5 * math.sqrt(18 / 600 / 3)


def test_integral_and_file():
    v = Validation(3, 1.0, [1.0, math.e, math.e**3], [1.0, 2.0], [2.0, 2.5], [0.3, 0.2])
    assert v.total == pytest.approx(-1 - 2 * 0.5)
    assert v.total_error == pytest.approx(math.hypot(0.3, 0.4))
    assert Validation(**v.to_json()) == v
    assert v.by_band()[1] == {"low": math.e, "high": math.e**3, "loss": 2.0, "baseline": 2.5, "error": 0.2}


def test_forces_of_mixed_couplings_are_those_of_the_theories():
    laws = [(0.2, 0.1), (0.3, 0.05)]
    g = FieldGaussianScore(Phi4(4, 0.2, 0.0).free_propagator())
    propagators = Propagators.of([Baseline(g, *pair) for pair in laws])
    x, which = NOISE.normal(0, (6, 4, 4), torch.float32), torch.tensor([0, 0, 1, 0, 1, 1])
    found = forces(x, propagators.pick(which))
    for i, k in enumerate(which.tolist()):
        assert torch.allclose(found[i], Phi4(4, *laws[k]).force(x[i : i + 1])[0], atol=1e-5)
    alone = forces(x, Propagators.of([Baseline(g, *laws[0])]).pick(which))
    assert torch.allclose(alone, Phi4(4, *laws[0]).force(x), atol=1e-5)
