"""What configurations cost: a free field, where every path counts, and the arithmetic of break-even."""

import math

import numpy as np
import pytest
import torch

from core.contracts import Cancelled
from core.diffusion.cost import CHAINS, Cost, _ess, break_even, chain_costs, cost_table, model_costs
from core.diffusion.field_baseline import Baseline
from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.field_model import FieldModel, FieldTrainingRecord
from core.diffusion.field_network import FieldNetwork, NetworkConfig
from core.diffusion.weights import Weighted
from core.jobs import Token
from core.noise import Noise
from core.statistics.errors import Measured
from core.theories.phi4 import Phi4

SIGMAS = 4.5
THEORY = Phi4(8, 0.2, 0.0)


def untrained(theory=THEORY, seconds=10.0, threads=2):
    """A network that adds nothing to its baseline, the exact score of a free field."""
    network = FieldNetwork(NetworkConfig(channels=3, hidden=6, gate=5, blocks=1, embedding=7))
    network.initialise(Noise(1))
    record = FieldTrainingRecord(
        "phi4", [[theory.kappa, theory.lam]], [list(theory.event)], seconds=seconds, threads=threads, sigma_min=0.01,
        sigma_max=30.0,
    )  # fmt: skip
    baseline = Baseline(FieldGaussianScore(theory.free_propagator()), theory.kappa, theory.lam)
    return FieldModel(network, [baseline], record, "free")


def row(cost, setup, model=""):
    return Cost(THEORY, "", Measured(cost, 0.0), setup, True, True, "", model)


def test_break_even():
    chain = row(0.01, 1.0)
    assert break_even(row(0.002, 81.0), chain) == pytest.approx(10_000)
    assert break_even(row(0.01, 81.0), chain) == math.inf
    assert break_even(row(0.02, 81.0), chain) == math.inf
    assert break_even(row(0.002, 0.5), chain) == 0.0
    assert break_even(row(0.02, 0.5), chain) == math.inf


def test_every_path_of_a_free_field_counts():
    raw, weighted, chain = model_costs(THEORY, untrained(), seconds=1.0)
    assert (raw.exact, weighted.exact, chain.exact) == (False, True, True)
    assert weighted.trusted
    # all weights are equal: a path is a configuration, and every proposal is accepted
    assert "ESS 1" in weighted.detail or "ESS 0.99999" in weighted.detail
    assert "acceptance 1.00" in chain.detail
    assert chain.cost.value == pytest.approx(weighted.cost.value, rel=0.35)  # τ_int = ½, measured on some 10³ paths
    for found in (raw, weighted, chain):
        assert found.cost.value > 0
        assert 20.0 <= found.setup < 21.0  # ten seconds on two threads
        assert found.model == "free"


def test_chains_are_measured_with_what_they_cost():
    rows = chain_costs(Phi4(6, 0.2, 0.02), seconds=0.6)
    assert len(rows) == len(CHAINS)
    by_name = {r.method.split()[0].lower(): r for r in rows}
    assert not by_name["langevin"].exact
    assert by_name["hmc"].exact
    assert by_name["hmc"].trusted
    for r in rows:
        assert r.cost.value > 0
        assert r.setup == pytest.approx(10 * r.cost.value)  # 20 τ_int steps
        assert not r.model
    # deep in the symmetric phase a trajectory decorrelates more than a Langevin step, and costs fewer than 100 of them
    assert by_name["hmc"].cost.value < by_name["langevin"].cost.value


def test_models_trained_elsewhere_are_left_out():
    rows = cost_table([Phi4(6, 0.25, 0.02)], [untrained()], seconds=0.1)
    assert [r.model for r in rows] == [""] * len(CHAINS)


@pytest.mark.slow
def test_another_lattice_gets_a_baseline_of_its_own():
    raw, *_ = model_costs(Phi4(6, 0.2, 0.0), untrained(), seconds=0.3)
    assert "refitted" in raw.detail


def test_the_effective_sample_size_and_its_error():
    # log-normal weights of spread s: ⟨w⟩²/⟨w²⟩ = e^{-s²}
    s, found = 0.5, []
    for seed in range(40):
        log_w = s * Noise(seed).normal(0, (4000, 1)).numpy().ravel()
        found.append(_ess(Weighted(torch.zeros(4000, 1), log_w)))
    value, error = np.array(found).T
    assert abs(value.mean() - math.exp(-(s**2))) < SIGMAS * value.std() / math.sqrt(40) + 1e-3  # bias of order 1/n
    assert error.mean() == pytest.approx(value.std(), rel=0.4)  # a spread of 40 numbers is known to 11 %


def test_bad_arguments_and_cancelling():
    with pytest.raises(ValueError, match="seconds must be a positive number"):
        cost_table([THEORY], [], seconds=0.0)
    token = Token()
    token.cancel()
    with pytest.raises(Cancelled):
        cost_table([THEORY], [], seconds=1.0, token=token)
