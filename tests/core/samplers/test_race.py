"""The race: the same work for all, times that are known, and a verdict that says no more than is measured."""

import dataclasses
import math

import numpy as np
import pytest

from core.contracts import Cancelled
from core.jobs import Token
from core.samplers.race import VARIANTS, Race, Standing, verdict
from core.theories.phi4 import Phi4


def raced(theory, names, seconds=0.6, turn=0.05, seed=0, chains=None) -> Race:
    race = Race(theory, names, chains, seed)
    while race.seconds < seconds:
        race.turn(turn)
    return race


def test_everybody_works_for_the_same_time():
    race = raced(Phi4(16, 0.27, 0.022), ("hmc", "metropolis", "cluster"), 0.3)
    seconds = [s.seconds for s in race.standings()]
    # A turn ends with the step that crosses its end: no step of 16 chains takes a twentieth of a second.
    assert max(seconds) - min(seconds) < 0.05
    assert min(seconds) >= 0.3
    for i, standing in enumerate(race.standings()):
        clock, m = race.history(i)
        assert len(clock) == len(m) == standing.steps
        assert (np.diff(clock) >= 0).all()
        assert clock[-1] == pytest.approx(standing.seconds)
        assert m[-1] == pytest.approx(race.field(i).mean(), abs=1e-6)


@pytest.mark.parametrize("names", [tuple(VARIANTS)[:4], tuple(VARIANTS)[4:]])
def test_every_algorithm_finds_the_same_magnetisation(names):
    """λ = 0, κ = 0.2, L = 8: M is Gaussian with ⟨M²⟩ = 1/(V(2 - 8κ)), ⟨|M|⟩ = √(2⟨M²⟩/π) = 0.1577.

    Within 4.5σ; Langevin and nothing else has a bias, of the order of its step.
    """
    theory = Phi4(8, 0.2, 0.0)
    exact = math.sqrt(2 / (math.pi * theory.volume * (2 - 8 * theory.kappa)))
    for name, standing in zip(names, raced(theory, names, 0.5, turn=0.25, seed=1).standings(), strict=True):
        bias = 0.01 * exact if name == "langevin" else 0.0
        assert standing.settled
        assert standing.abs_m_error < 0.1 * exact
        assert abs(standing.abs_m - exact) < 4.5 * standing.abs_m_error + bias
        assert math.isnan(standing.acceptance) == (name == "langevin")


def test_cost_is_work_for_two_autocorrelation_times_of_one_chain():
    race = raced(Phi4(8, 0.25, 0.022), ("hmc", "cluster"), chains=4)
    for s in race.standings():
        assert s.cost == pytest.approx(2 * s.tau * s.seconds / s.steps / 4)
        assert s.cost_error / s.cost == pytest.approx(s.tau_error / s.tau)


def test_it_starts_in_equilibrium_with_both_signs():
    """κ = 0.27, L = 32: ⟨|M|⟩ = 0.625(4) within 4.5σ, far from the 1.68 of the ordered start; both signs."""
    m = Race(Phi4(32, 0.27, 0.022), ("hmc", "cluster"), chains=64, seed=2).start.double().flatten(1).mean(1)
    error = float(m.abs().std()) / 8
    assert error < 0.06
    assert abs(float(m.abs().mean()) - 0.625) < 4.5 * math.hypot(error, 0.004)
    assert 15 < int((m > 0).sum()) < 49  # 32 ± 4


def test_the_same_seed_makes_the_same_start():
    theory = Phi4(8, 0.27, 0.022)
    starts = [Race(theory, ("hmc", "mala"), seed=seed).start for seed in (1, 1, 2)]
    assert (starts[0] == starts[1]).all()
    assert not (starts[0] == starts[2]).all()


@pytest.mark.slow
def test_clusters_do_not_slow_down_near_the_critical_point():
    """κ = 0.27: from L = 16 to 64, τ_int of HMC grows at least fourfold, that of clusters less than fourfold."""
    grown = {}
    for size in (16, 64):
        for s in raced(Phi4(size, 0.27, 0.022), ("hmc", "cluster"), 10.0, turn=0.5).standings():
            assert s.settled
            grown.setdefault(s.variant.name, []).append(s.tau)
    assert grown["hmc"][1] > 4 * grown["hmc"][0]
    assert grown["cluster"][1] < 4 * grown["cluster"][0]


def test_a_cancelled_race_stops():
    token = Token()
    race = Race(Phi4(8, 0.2, 0.022), ("hmc", "cluster"), token=token)
    token.cancel()
    with pytest.raises(Cancelled):
        race.turn(10.0, token)
    with pytest.raises(Cancelled):
        Race(Phi4(8, 0.2, 0.022), ("hmc", "cluster"), token=token)


@pytest.mark.parametrize(
    ("names", "named"),
    [
        (("hmc",), "from 2 to 4 algorithms, got 1"),
        (tuple(VARIANTS)[:5], "from 2 to 4 algorithms, got 5"),
        (("hmc", "hmc"), "must differ"),
        (("hmc", "magic"), "got 'magic'"),
    ],
)
def test_entries_that_make_no_race(names, named):
    with pytest.raises(ValueError, match=named):
        Race(Phi4(8, 0.2, 0.022), names)


def standing(name: str, cost: float, error: float, settled: bool = True) -> Standing:
    return Standing(VARIANTS[name], 1000, 1.0, 0.8, 0.6, 0.01, 5.0, 5.0 * error / cost, cost, error, settled)


def test_the_verdict():
    fast, same = standing("cluster", 1e-3, 1e-4), standing("overrelaxed", 1.1e-3, 1e-4)
    slow, late = standing("hmc", 4e-3, 2e-4), standing("mala", 9.0, 4.0, settled=False)
    assert verdict([late]) == "Too early to tell: no chain is long yet against its own memory."
    assert verdict([slow, fast, same, late]) == (
        "Cluster (Wolff) is ahead; Metropolis, overrelaxed is as fast within the errors; HMC needs 4 times the "
        "work; MALA has not yet run long enough to tell."
    )
    assert verdict([slow, late]).startswith("So far only HMC has settled; MALA has not")
    later = dataclasses.replace(standing("langevin", 9.0, 4.0), settled=False)
    assert "MALA and Langevin have not yet run long enough" in verdict([slow, late, later])
