"""log q, effective sample sizes and acceptances, against a free field and against a wrong Gaussian in closed form."""

import math

import numpy as np
import pytest
import torch

from core.contracts import Cancelled
from core.diffusion.field_flow import PASSES, cheap, field_flow, in_words, require_affordable, seconds_for
from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.field_likelihood import cross_acceptance, ess_of_data, likelihood
from core.diffusion.field_source import Bound, bind
from core.diffusion.weights import Weighted
from core.jobs import Token
from core.noise import Noise
from core.schedule import VE
from core.theories.phi4 import Phi4
from tests.core.diffusion.test_field_model import model
from tests.core.statistics.synthetic import free_fields

FREE = Phi4(4, 0.2, 0.0)
G = FREE.free_propagator()
DATA = torch.from_numpy(free_fields(FREE, 1500, 2))
WIDER = 1.15
"""Factor between the propagator of a wrong Gaussian and the right one."""


def wrong():
    return Bound(FieldGaussianScore(WIDER * G), FREE, "too wide")


@pytest.mark.parametrize("method", ["flow", "path"])
def test_a_free_field_with_its_own_score(method):
    found = likelihood(Bound(FieldGaussianScore(G), FREE), DATA, method)
    exact = -FREE.action(DATA).numpy() - 0.5 * np.log(2 * np.pi * G).sum()
    np.testing.assert_allclose(found.values, exact, atol=0.02)  # the flow's law is smeared by the lowest level
    assert found.ess > 0.999
    assert found.ess_data > 0.999
    assert found.acceptance > 0.99
    assert found.log_partition.value == pytest.approx(0.5 * np.log(2 * np.pi * G).sum(), abs=0.02)
    assert abs(found.relative_entropy.value) < 0.01
    assert found.warnings == ()


def test_a_wrong_gaussian_in_closed_form():
    """With variances s times the right ones in V modes: ESS = [√(2s-1)/s]^V and KL = V (log s + 1/s - 1)/2."""
    found = likelihood(wrong(), DATA, "flow")
    v, s = 16, WIDER
    assert found.ess == pytest.approx((math.sqrt(2 * s - 1) / s) ** v, rel=0.03)
    assert found.ess_data == pytest.approx((math.sqrt(2 * s - 1) / s) ** v, rel=0.03)
    entropy = v * (math.log(s) + 1 / s - 1) / 2
    assert abs(found.relative_entropy.value - entropy) < 4.5 * found.relative_entropy.error + 2e-3
    assert found.relative_entropy.error < entropy / 5
    # Acceptance is twice the probability that a pair comes out in the wrong order, by a direct draw of many.
    x = free_fields(FREE, 4000, 7)
    y = math.sqrt(s) * free_fields(FREE, 4000, 8)
    delta = (1 - 1 / s) * (FREE.action(torch.from_numpy(x)) - FREE.action(torch.from_numpy(y)))
    direct = torch.exp(delta.clamp(max=0)).mean()
    assert found.acceptance == pytest.approx(float(direct), abs=0.02)


def test_paths_bound_log_q_from_below():
    """On average, and the relative entropy of the paths is at least that of the configurations."""
    flow, path = (likelihood(wrong(), DATA, method) for method in ("flow", "path"))
    assert path.log_q.value < flow.log_q.value + 0.02
    assert path.relative_entropy.value > flow.relative_entropy.value - 0.02
    assert path.relative_entropy.value > 0.05


def test_the_data_see_what_the_model_misses():
    """Proposals from one of two wells only: their own weights look fine, those of the data do not."""
    rng = Noise(4).normal(0, (4000, 1)).flatten().numpy()
    centre = np.where(np.arange(4000) % 2, 5.0, -5.0)

    def weights(x):  # two wells of variance 1 over the Gaussian around +5, but for a factor
        return np.logaddexp(-((x - 5) ** 2) / 2, -((x + 5) ** 2) / 2) + (x - 5) ** 2 / 2

    data, made = weights(centre + rng), weights(5 + rng)
    of_data, of_model = (Weighted(torch.zeros(4000, 1), w) for w in (data, made))
    assert of_model.ess > 0.9
    assert ess_of_data(of_data) < 0.01
    assert cross_acceptance(of_data, of_model) == pytest.approx(0.5, abs=0.03)


def test_defaults_by_the_cost_of_the_divergence():
    assert likelihood(wrong(), DATA[:10]).method == "flow"
    bound = bind(model())
    x = torch.from_numpy(free_fields(Phi4(8, 0.22, 0.0), 2, 1))
    flow = field_flow(bound.score, VE(20.0), steps=2)
    assert not cheap(flow)
    bound.score.model.network.out.mul_(0.01)  # type: ignore[attr-defined]
    bound.score.model.network.out_level.weight.mul_(0.01)  # type: ignore[attr-defined]
    assert likelihood(bound, x).method == "path"
    by_flow = likelihood(bound, x, "flow", steps=2, exact=True)
    assert np.isfinite(by_flow.values).all()
    assert by_flow.evaluations == PASSES * 2


def test_hutchinson_is_a_diagnostic_without_weights():
    found = likelihood(wrong(), DATA[:50], "hutchinson", steps=16)
    exact = likelihood(wrong(), DATA[:50], "flow", steps=16)
    assert "Hutchinson's estimate" in found.warnings[0]
    assert math.isnan(found.ess)
    assert math.isnan(found.acceptance)
    difference = found.values - exact.values
    assert abs(difference.mean()) < 4.5 * difference.std(ddof=1) / math.sqrt(50) + 1e-6


def test_what_would_take_hours_is_refused():
    flow = field_flow(bind(model()).score, VE(20.0), steps=64)
    assert seconds_for(flow, 2000) == pytest.approx(2 * seconds_for(flow, 1000), rel=2)
    with pytest.raises(ValueError, match=r"log q of 1000000 configurations would take about .* Path weights"):
        require_affordable(flow, 1_000_000)
    require_affordable(field_flow(FieldGaussianScore(G), VE(20.0), steps=64), 1000)


@pytest.mark.parametrize(
    ("seconds", "words"), [(3, "3 seconds"), (600, "10 minutes"), (7200, "2 hours"), (2e6, "23 days")]
)
def test_durations(seconds, words):
    assert in_words(seconds) == words


def test_bad_arguments():
    with pytest.raises(ValueError, match="method must be one of flow, path, hutchinson, got 'guess'"):
        likelihood(wrong(), DATA, "guess")
    with pytest.raises(ValueError, match="needs at least two configurations, got 1"):
        likelihood(wrong(), DATA[:1])
    with pytest.raises(ValueError, match="a likelihood needs the action"):
        likelihood(Bound(FieldGaussianScore(G), None), DATA)
    token = Token()
    token.cancel()
    with pytest.raises(Cancelled):
        likelihood(wrong(), DATA, token=token)


def test_chains_are_worth_their_independent_draws():
    """Every configuration stands eight times in its chain: the errors are those of the single ones."""
    singly = likelihood(wrong(), DATA[:800], "flow")
    chains = DATA[:800].reshape(4, 200, 4, 4).repeat_interleave(8, dim=1)
    chained = likelihood(wrong(), chains, "flow")
    assert chained.configs == 6400
    assert chained.log_q.value == pytest.approx(singly.log_q.value)
    assert chained.log_q.error == pytest.approx(singly.log_q.error, rel=0.3)
    # The other part of its error is that of the model's own draws, of which there are now eight times as many.
    assert chained.relative_entropy.error > 0.6 * singly.relative_entropy.error
