"""Looks at a score: of a free field, where the Gaussian score and its averages are exact."""

import numpy as np
import pytest

from core.contracts import Cancelled
from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.training_watch import Watch
from core.jobs import Token
from core.noise import Noise
from core.theories.phi4 import Phi4

THEORY = Phi4(8, 0.2, 0.0)
FAR = 4.5  # errors


@pytest.fixture(scope="module")
def gaussian():
    p = 2 * np.pi * np.arange(8) / 8
    return FieldGaussianScore(1 / (2 - 4 * THEORY.kappa * (np.cos(p)[:, None] + np.cos(p))))


@pytest.fixture(scope="module")
def watch(gaussian):
    return Watch(THEORY, gaussian.draw_prior(2000, 1.0, 0.0, Noise(1)), Noise(2))


def test_observables_of_the_network_are_those_of_fields_made_with_its_score(watch, gaussian):
    table = watch.table(gaussian, 7, Token())
    assert (table.step, table.configs, table.held_out, table.couplings) == (7, 384, 2000, "κ = 0.2, λ = 0")
    rows = {row.name: row for row in table.rows}
    for name, exact in (("φ²", gaussian.full.mean()), ("S/V", 0.5), ("Schwinger–Dyson (= 1)", 1.0)):
        for value, error in (rows[name].data, rows[name].network):
            assert abs(value - exact) < FAR * error
        assert rows[name].network != rows[name].data
    wrong = watch.table(FieldGaussianScore(1.3 * gaussian.connected), 7, Token())
    assert next(row for row in wrong.rows if row.name == "φ²").sigma > FAR


def test_pictures_are_made_of_the_same_noise_at_every_look(watch, gaussian):
    first, second = (watch.pictures(gaussian, step, Token()) for step in (1, 2))
    assert first.made.shape == first.real.shape == (8, 8, 8)
    assert np.array_equal(first.made, second.made)
    assert np.array_equal(first.real, watch.held_out[:8].numpy())
    assert not np.allclose(first.made, first.real, atol=0.5)


def test_a_look_is_given_up_with_its_token(watch, gaussian):
    token = Token()
    token.cancel()
    with pytest.raises(Cancelled):
        watch.table(gaussian, 1, token)


def test_held_out_chains_are_worth_their_independent_draws(gaussian):
    """Every configuration stands eight times in its chain: the errors are those of the single ones."""
    once = gaussian.draw_prior(800, 1.0, 0.0, Noise(5))
    chains = once.reshape(4, 200, 8, 8).repeat_interleave(8, dim=1)
    tables = [Watch(THEORY, data, Noise(2), 32).table(gaussian, 1, Token()) for data in (once, chains)]
    singly, chained = ({row.name: row.data for row in table.rows} for table in tables)
    assert tables[1].held_out == 6400
    for name in ("φ²", "S/V", "χ"):
        assert chained[name][0] == pytest.approx(singly[name][0])
        assert chained[name][1] == pytest.approx(singly[name][1], rel=0.3)
