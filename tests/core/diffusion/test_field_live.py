import math

import numpy as np
import pytest
import torch

from core.contracts import Cancelled
from core.diffusion.field_live import LiveRequest, LiveSource, kappa_nodes
from core.jobs import Token
from core.noise import Noise
from core.theories.phi4 import Phi4

NOISE = Noise(3, "test")


@pytest.fixture(scope="module")
def free():
    return LiveRequest(((4, 4),), (0.1, 0.2), (0.0,), 5)


def test_batches_have_the_law_that_they_claim(free):
    source, total, squares = LiveSource(free), np.zeros(2), np.zeros((2, 200))
    for step in range(200):
        x, which = source.batch(step, 256, NOISE)
        for k in range(2):
            squares[k, step] = float(x[which == k].square().mean())
    total = squares.mean(1)
    for k, kappa in enumerate(free.kappas):
        exact = Phi4((4, 4), kappa, 0.0).free_propagator().mean()
        error = squares[k].reshape(10, 20).mean(1).std(ddof=1) / math.sqrt(10)
        assert abs(total[k] - exact) < 4.5 * error + 1e-9
        assert error < 0.01 * exact


def test_baselines_and_what_is_held_out_are_in_equilibrium(free):
    source = LiveSource(free)
    for law in source.laws:
        exact = Phi4(law.event, law.kappa, 0.0).free_propagator()
        # 4096 configurations, 16 modes with 1 to 8 mirror images: 5 standard errors of an exponential law, and more
        # for what little correlation is left
        assert np.allclose(law.gaussian.connected, exact, rtol=0.15)
        held = law.held_out.double()
        assert abs(float(held.square().mean()) / exact.mean() - 1) < 5 * math.sqrt(2 / held.numel()) * 2
        assert len(held) == 512


def test_what_is_held_out_comes_from_other_chains(free):
    source = LiveSource(free)
    seen = torch.cat([source.batch(step, 64, NOISE)[0] for step in range(20)]).flatten(1)
    held = torch.cat([law.held_out for law in source.laws]).flatten(1)
    assert float(torch.cdist(seen, held).min()) > 0.05


def test_it_goes_on_from_its_state_to_the_same_bits(free):
    source = LiveSource(free)
    for step in range(41):  # into the middle of a pool
        source.batch(step, 60, NOISE)
    tensors, numbers = source.state()
    again = LiveSource(free, ({k: t.clone() for k, t in tensors.items()}, numbers))
    assert again.digest == source.digest
    assert [law.gaussian.m for law in again.laws] == [law.gaussian.m for law in source.laws]
    for step in range(41, 140):  # past its end
        assert torch.equal(source.batch(step, 60, NOISE)[0], again.batch(step, 60, NOISE)[0])


def test_configurations_are_fresh_after_a_turn_of_the_pool(free):
    source = LiveSource(free)
    chains = source.state()[0]["fields.0"].shape[0]
    first = source.batch(0, 2 * chains, NOISE)[0]
    second = source.batch(1, 2 * chains, NOISE)[0]
    assert not torch.equal(first, second)
    assert float((first - second).flatten(1).abs().amax(1).min()) > 0  # every chain has moved


def test_a_law_is_the_same_whatever_else_is_sampled(free):
    alone = LiveSource(LiveRequest(((4, 4),), (0.2,), (0.0,), 5))
    together = LiveSource(free)
    pools = [source.state()[0] for source in (alone, together)]
    chains = len(pools[1]["fields.1"])
    # the smaller pool takes more draws for its fit and is further on, so its start is what can be compared
    assert alone.laws[0].held_out.shape[0] > together.laws[1].held_out.shape[0]
    assert torch.equal(alone.laws[0].held_out[: len(together.laws[1].held_out)], together.laws[1].held_out)
    assert chains == 1024


def test_nodes_are_dense_where_the_field_changes_fast():
    nodes = np.array(kappa_nodes((16, 16), 0.2, 0.4, 0.022, Noise(1)))
    assert (nodes[0], nodes[-1], len(nodes)) == (0.2, 0.4, 21)
    gaps = np.diff(nodes)
    assert gaps.min() > 0
    # the transition, at 0.27, is a narrow peak of d log⟨M²⟩/dκ
    assert 0.25 < nodes[gaps.argmin()] < 0.29
    assert gaps.min() < 0.5 * gaps[[0, -1]].mean()


def test_a_range_becomes_nodes_and_a_list_stays():
    assert LiveRequest.over([(4, 4)], [0.21, 0.25, 0.3], [0.022]).kappas == (0.21, 0.25, 0.3)
    request = LiveRequest.over([(4, 4)], [0.1, 0.2], [0.0, 0.1])
    assert len(request.kappas) == 21
    assert np.allclose(request.lams, np.linspace(0, 0.1, 5))
    assert len(request.theories) == 105


@pytest.mark.parametrize(
    ("lattices", "kappas", "lams", "words"),
    [
        ([(5, 5)], [0.2], [0.1], "even extents"),
        ([(4, 4)], [], [0.1], "kappas must hold at least one"),
        ([(4, 4)], [0.2, 0.2, 0.3], [0.1], "none twice"),
        ([(4, 4)], [0.3, 0.2], [0.1], "must rise"),
        ([(4, 4)], [0.2], [0.2, 0.1], "range of lambda must rise"),
        ([(4, 4)], [0.3], [0.0], "kappa must be below"),
        ([(4, 4)], [0.2], [-0.1], "lambda must be"),
    ],
)
def test_bad_requests_get_a_sentence(lattices, kappas, lams, words):
    with pytest.raises(ValueError, match=words):
        LiveRequest.over(lattices, kappas, lams)


def test_it_can_be_cancelled_while_it_thermalises(free):
    token = Token()
    token.cancel()
    with pytest.raises(Cancelled):
        LiveSource(free, token=token)
