"""Blocks: the same configurations whatever the blocks, groups, chains and threads, and from any draw on."""

import numpy as np
import pytest
import torch

from core.contracts import Cancelled
from core.ensembles import chains, run
from core.ensembles.plan import make_plan
from core.ensembles.request import EnsembleRequest
from core.ensembles.run import generate, warmed
from core.jobs import Token
from core.samplers.algorithms import ALGORITHMS
from core.theories.phi4 import Phi4

THEORY = Phi4((4, 6), 0.25, 0.1)


def plan_of(sampler="hmc", number=6, draws=5, therm=21, thin=3, **more):
    parameters = {"step_size": 0.2, **({"n_steps": 3} if sampler == "hmc" else {})} | more
    return make_plan(EnsembleRequest(THEORY, sampler, number * draws, number, therm, thin, parameters, seed=3))


def all_of(plan, **more):
    blocks = list(generate(plan, **more))
    return {
        name: np.concatenate([getattr(b, name) for b in blocks], axis=1)
        for name in ("fields", "magnetisation", "phi_squared", "action", "acceptance")
    }


@pytest.mark.parametrize("sampler", ALGORITHMS)
def test_chains_do_not_depend_on_how_many_there_are(sampler):
    all_six, two = all_of(plan_of(sampler)), all_of(plan_of(sampler, number=2))
    for name, values in two.items():
        np.testing.assert_array_equal(values, all_six[name][:2])
    assert len(np.unique(all_six["fields"][:, :, 0, 0])) > 6  # and they do move, each its own way


@pytest.mark.parametrize("sampler", ALGORITHMS)
def test_chains_do_not_depend_on_the_threads(sampler, monkeypatch):
    whole = all_of(plan_of(sampler))
    monkeypatch.setattr(chains, "SMALLEST_CHUNK", 1)
    for cores in (1, 6):
        monkeypatch.setattr(chains, "cores", lambda cores=cores: cores)
        for name, values in all_of(plan_of(sampler)).items():
            np.testing.assert_array_equal(values, whole[name])


@pytest.mark.parametrize("sampler", ALGORITHMS)
@pytest.mark.parametrize("first", [1, 4])
def test_going_on_from_the_last_draw(sampler, first):
    plan = plan_of(sampler)
    whole = all_of(plan)
    rest = all_of(plan, first_draw=first, x=torch.from_numpy(whole["fields"][:, first - 1].copy()))
    for name, values in rest.items():
        np.testing.assert_array_equal(values, whole[name][:, first:])


@pytest.mark.parametrize("sampler", ALGORITHMS)
def test_thermalisation_can_be_taken_up_again(sampler):
    plan, stops = plan_of(sampler, therm=40), []
    x = warmed(plan, 0, 6, report=lambda warming, rate: stops.append(warming))
    assert [w.done for w in stops] == [16, 32, 40]
    np.testing.assert_array_equal(warmed(plan, 0, 6, stops[0]), x)


def test_groups_of_chains_make_no_difference(monkeypatch):
    plan = plan_of()
    whole = all_of(plan)
    monkeypatch.setattr(run, "GROUP_BYTES", 2 * 4 * THEORY.volume)
    blocks = list(generate(plan))
    assert {b.first_chain for b in blocks} == {0, 2, 4}
    for b in blocks:
        end = b.first + b.fields.shape[1]
        np.testing.assert_array_equal(b.fields, whole["fields"][b.first_chain : b.first_chain + 2, b.first : end])


def test_blocks_stay_small(monkeypatch):
    monkeypatch.setattr(run, "BLOCK_BYTES", 2 * 6 * 4 * THEORY.volume)
    assert max(b.fields.shape[1] for b in generate(plan_of(draws=9))) == 2


def test_scalars_belong_to_their_fields():
    whole = all_of(plan_of())
    x = whole["fields"].astype(float)
    np.testing.assert_allclose(whole["magnetisation"], x.mean((2, 3)), atol=1e-14)
    np.testing.assert_allclose(whole["phi_squared"], (x**2).mean((2, 3)), rtol=1e-12)
    action = THEORY.action(torch.from_numpy(whole["fields"].reshape(-1, 4, 6))).numpy() / 24
    np.testing.assert_allclose(whole["action"].ravel(), action, rtol=1e-12)
    assert 0 < whole["acceptance"].min() <= whole["acceptance"].max() <= 1


def test_thinning_leaves_out_draws():
    every = all_of(plan_of(thin=1, draws=6))["fields"]
    np.testing.assert_array_equal(all_of(plan_of(thin=3, draws=2))["fields"], every[:, 2::3])


def test_configurations_and_draw_belong_together():
    with pytest.raises(ValueError, match="need the configurations before them"):
        next(generate(plan_of(), first_draw=2))
    with pytest.raises(ValueError, match="only then"):
        next(generate(plan_of(), x=torch.zeros(6, 4, 6)))


def test_a_run_can_be_cancelled():
    token = Token()
    blocks = generate(plan_of(), token=token)
    next(blocks)
    token.cancel()
    with pytest.raises(Cancelled):
        next(blocks)
