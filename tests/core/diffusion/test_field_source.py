"""What ensembles are generated with: models bound to lattices and couplings, fits, short runs."""

import numpy as np
import pytest
import torch

from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.field_model import FieldModel, FieldTrainingRecord
from core.diffusion.field_source import BASELINES, bind, bind_ensemble, short_run
from core.ensembles.make import make_ensemble
from core.ensembles.request import EnsembleRequest
from core.statistics.errors import mean
from core.theories.phi4 import Phi4
from tests.core.diffusion.imperfect import small, within
from tests.core.diffusion.test_field_model import conditioned, model


def test_a_model_with_its_own_baseline():
    given = model()
    bound = bind(given)
    assert (bound.theory, bound.name, bound.digest) == (Phi4((8, 8), 0.22, 0.02), "test", given.digest)
    assert (bound.kind, bound.baseline, bound.outside) == ("learned", "fitted", "")
    assert bind(given, baseline="stored").baseline == "fitted"
    gaussian = bind(given, score="gaussian")
    assert isinstance(gaussian.score, FieldGaussianScore)
    assert gaussian.kind == "gaussian"
    np.testing.assert_array_equal(gaussian.score.connected, given.baselines[0].gaussian.connected)


def test_another_lattice_is_extrapolated_or_refitted():
    bound = bind(model(), event=(6, 6), baseline="extrapolated")
    assert (bound.baseline, bound.theory) == ("extrapolated", Phi4((6, 6), 0.22, 0.02))
    known = model()
    unknown = FieldModel(known.network, known.baselines, FieldTrainingRecord(sigma_min=0.01, sigma_max=30.0))
    assert bind(unknown, event=(6, 6)).baseline == "extrapolated"
    assert bind(unknown, event=(6, 6), kappa=0.22, lam=0.02).baseline == "refitted"
    with pytest.raises(ValueError, match=r"baseline must be extrapolated or refitted: test has none .* 6 × 6 at kappa"):
        bind(model(), event=(6, 6), baseline="stored")
    refitted = bind(model(), event=(6, 6), baseline="refitted", seed=3)
    assert refitted.baseline == "refitted"
    assert refitted.score.gaussian.event == (6, 6)  # type: ignore[attr-defined]
    again = bind(model(), event=(6, 6), seed=3)  # where the action is known that is what happens unless told otherwise
    np.testing.assert_array_equal(refitted.score.gaussian.connected, again.score.gaussian.connected)  # type: ignore[attr-defined]


def test_couplings_of_a_conditioned_model():
    between = bind(conditioned(), kappa=0.19, lam=0.02)
    assert (between.baseline, between.outside) == ("interpolated", "")
    with pytest.raises(ValueError, match=r"kappa must be given for a conditioned model, from 0\.16 to 0\.22"):
        bind(conditioned(), lam=0.02)
    with pytest.raises(ValueError, match=r"kappa must be from 0\.16 to 0\.22, the couplings of the training, got 0\.3"):
        bind(conditioned(), kappa=0.3, lam=0.02)
    with pytest.raises(ValueError, match="kappa must be given: the model does not fix it"):
        bind(conditioned(), lam=0.02, baseline="refitted")
    outside = bind(conditioned(), kappa=0.3, lam=0.02, baseline="refitted")
    assert "it guesses" in outside.outside
    assert outside.baseline == "refitted"


def test_a_model_without_an_action_takes_couplings_as_what_it_is():
    known = model()
    unknown = FieldModel(known.network, known.baselines, FieldTrainingRecord(sigma_min=0.01, sigma_max=30.0))
    assert bind(unknown).theory is None
    assert bind(unknown, kappa=0.22, lam=0.02).theory == Phi4((8, 8), 0.22, 0.02)


@pytest.mark.parametrize("name", ["score", "baseline"])
def test_names_that_are_not_known(name):
    with pytest.raises(ValueError, match=f"{name} must be one of .*, got 'best'"):
        bind(model(), **{name: "best"})
    assert BASELINES == ("stored", "extrapolated", "refitted")


def test_a_short_run_is_in_equilibrium():
    """Against long HMC on 4 × 4, by 4.5 standard errors of both; draws of the short run are nearly independent."""
    lattice = small(0.3)
    fields = short_run(lattice.theory, 1, 2048)
    assert fields.shape == (2048, 4, 4)
    found = mean(fields.double().square().flatten(1).mean(1).numpy(), independent=True)
    assert abs(within(found._replace(error=1.5 * found.error), *lattice.truth["phi2"])) < 4.5
    own = make_fields(lattice.theory, 1)
    assert not any(torch.equal(fields[i], own[i]) for i in range(16))


def make_fields(theory, seed):
    from core.ensembles.plan import make_plan
    from core.ensembles.run import generate

    plan = make_plan(EnsembleRequest(theory, "cluster", 2048, seed=seed))
    return torch.from_numpy(np.concatenate([b.fields.reshape(-1, *theory.event) for b in generate(plan)]))


def test_the_gaussian_of_an_ensemble(tmp_path):
    theory = Phi4(4, 0.2, 0.05)
    make_ensemble(EnsembleRequest(theory, "hmc", 200, 10, 20, 2, {"step_size": 0.2, "n_steps": 4}), tmp_path / "F.nc")
    bound = bind_ensemble(tmp_path / "F.nc")
    assert (bound.name, bound.digest, bound.kind, bound.baseline) == ("F.nc", "", "gaussian", "fitted")
    assert bound.theory == Phi4((4, 4), 0.2, 0.05)
    larger = bind_ensemble(tmp_path / "F.nc", (8, 8))
    assert (larger.baseline, larger.theory) == ("extrapolated", Phi4((8, 8), 0.2, 0.05))
    np.testing.assert_allclose(larger.score.connected[::2, ::2], bound.score.connected, rtol=0.3)  # type: ignore[attr-defined]
    with pytest.raises(FileNotFoundError):
        bind_ensemble(tmp_path / "missing.nc")
