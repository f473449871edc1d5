"""The card: each line in each of its colours."""

import math

import numpy as np
import pytest

from core.noise import Noise
from core.statistics import health as h
from core.statistics.measure import measure
from core.theories.phi4 import Phi4
from tests.core.statistics.synthetic import autoregressive, free_fields


def good(chains=8, draws=500):
    return Noise(1).normal(0, (chains, draws)).numpy() + 3, Noise(2).normal(0, (chains, draws)).numpy() + 9


def by_name(checks):
    assert all(c.level in ("green", "amber", "red", "grey") and c.sentence.endswith(".") for c in checks)
    return {c.name: c for c in checks}


def test_a_healthy_run():
    card = by_name(h.health(*good(), acceptance=0.8, boltzmann=(1.001, 0.002), reversibility=2e-6, walls=0.0))
    assert list(card) == [
        "thermalised", "acceptance", "⟨exp(−ΔH)⟩ = 1", "reversibility", "walls", "τ_int", "precision",
    ]  # fmt: skip
    assert {c.level for c in card.values()} == {"green"}
    assert "0.5 σ from 1" in card["⟨exp(−ΔH)⟩ = 1"].sentence


def test_what_is_not_known_is_grey():
    card = by_name(h.health(np.ones((1, 1)), np.ones((1, 1))))
    assert {c.level for c in card.values()} == {"grey"}
    card = by_name(h.health(*good(), independent=True))
    assert card["thermalised"].level == "grey"
    assert card["τ_int"].level == "green"


def test_thermalisation():
    m, phi2 = good()
    assert by_name(h.health(m[:1], phi2[:1]))["thermalised"].level == "amber"
    assert by_name(h.health(m[:, :10], phi2[:, :10]))["thermalised"].level == "grey"
    drift = np.linspace(2, 0, 500) ** 2
    assert by_name(h.health(m, phi2 + drift))["thermalised"].level == "red"
    assert "φ²" in by_name(h.health(m, phi2 + drift))["thermalised"].sentence
    apart = m + np.array([1, -1, -1, 1, 1, -1, -1, 1])[:, None]  # neither halves nor starts tell: R̂ alone
    assert by_name(h.health(apart, phi2))["thermalised"].level == "amber"
    flipped = m * np.where(np.arange(8) % 2 == 0, 1, -1)[:, None]  # the sign of M is a symmetry
    assert by_name(h.health(flipped, phi2))["thermalised"].level == "green"


@pytest.mark.parametrize(
    ("rate", "level"),
    [(0.0, "red"), (0.02, "red"), (0.2, "amber"), (0.6, "green"), (0.999, "amber"), (math.nan, "grey")],
)
def test_acceptance(rate, level):
    assert h.accepted(rate).level == level


@pytest.mark.parametrize(
    ("pair", "level"),
    [
        ((1.0, 0.01), "green"),
        ((1.035, 0.01), "amber"),
        ((1.2, 0.5), "amber"),
        ((1.05, 0.01), "red"),
        ((1.0, math.nan), "grey"),
        ((1.0, 0.0), "green"),
        ((1.1, 0.0), "red"),
    ],
)
def test_energy(pair, level):
    assert h.energy_conserved(pair).level == level


def test_boltzmann_average():
    # ΔH ~ N(s²/2, s²) has ⟨e^{-ΔH}⟩ = 1; 4.5 σ.
    s = 0.8
    value, error = h.boltzmann_average(-(s**2 / 2 + s * Noise(3).normal(0, (10, 2000)).numpy()))
    assert abs(value - 1) < 4.5 * error
    assert error == pytest.approx(math.sqrt((math.exp(s**2) - 1) / 20_000), rel=0.15)


@pytest.mark.parametrize(("miss", "level"), [(1e-6, "green"), (5e-3, "amber"), (0.5, "red"), (math.nan, "red")])
def test_reversibility(miss, level):
    assert h.reversible(miss).level == level


@pytest.mark.parametrize(("fraction", "level"), [(0.0, "green"), (0.001, "amber"), (0.7, "red"), (math.nan, "grey")])
def test_walls(fraction, level):
    assert h.without_walls(fraction).level == level


def test_autocorrelation_and_precision():
    slow = 3 + autoregressive(0.98, 1, 2000, 4)  # τ_int = 49.5: the run is 40 times as long
    card = by_name(h.health(slow, slow**2, unit="trajectory", per_draw=2))
    assert card["τ_int"].level == "amber"
    assert card["precision"].level == "amber"
    assert "more trajectorys" not in card["precision"].sentence
    assert "trajectories" in card["precision"].sentence


def test_updates_to_one_percent():
    # |M| = 3 with an error of 1/√100: N ((error/0.03)² - 1) = 1011 more of the 100 draws, 101 for each of 10 chains.
    found = h.precision(h.Measured(3.0, 0.1, 0.5, 0.0), 10, 100, "sweep", per_draw=3)
    assert "303.4" not in found.sentence
    assert f"{math.ceil(100 * ((0.1 / 0.03) ** 2 - 1) / 10 * 3)} more sweeps of every chain" in found.sentence
    assert h.precision(h.Measured(3.0, 0.02), 10, 100).level == "green"


def test_card_of_a_file():
    theory = Phi4(4, 0.2, 0.0)
    measured = measure(theory, [free_fields(theory, 2000, 3).reshape(4, 500, 4, 4)])
    card = by_name(h.health_of(measured, acceptance=0.7))
    assert card["walls"].level == card["thermalised"].level == card["acceptance"].level == "green"


def test_the_precision_may_come_from_a_longer_history():
    m, phi2 = good()
    card = by_name(h.health(m, phi2, longer=(h.Measured(3.0, 0.1, 0.5, 0.0), 1000)))
    assert f"{h.thousands(math.ceil(8000 * ((0.1 / 0.03) ** 2 - 1) / 8))} more sweeps" in card["precision"].sentence
    assert card["τ_int"].level == "green"


def test_large_numbers_are_written_out():
    assert h.without_walls(1.0).sentence.startswith("100 % ")
    card = by_name(h.health(*good(16, 4000)))
    assert "e+" not in card["τ_int"].sentence
