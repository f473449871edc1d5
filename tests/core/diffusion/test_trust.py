"""The light of trust: green for a score that is right, amber for what is wrong, with numbers that can be checked."""

import math

import pytest
import torch

from core.contracts import Cancelled
from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.trust import judge, schwinger_dyson_of, trust_check
from core.diffusion.weights import Weighted
from core.jobs import Token
from core.noise import Noise
from core.statistics.errors import Measured
from core.statistics.measure import measure
from core.theories.phi4 import Phi4
from tests.core.diffusion.imperfect import small
from tests.core.diffusion.test_field_model import conditioned
from tests.core.statistics.synthetic import free_fields

FREE = Phi4(8, 0.2, 0.0)
GAUSSIAN = FieldGaussianScore(FREE.free_propagator())
NOISE = Noise(3)


def test_an_exact_score_is_green_whatever_its_couplings_cost():
    check = trust_check(GAUSSIAN, FREE, noise=NOISE)
    assert check.level == "green"
    assert check.ess == pytest.approx(1)
    assert check.acceptance == pytest.approx(1)
    value, error = check.schwinger_dyson[:2]
    assert abs(value - 1) < 4.5 * error
    assert 0.005 < error < 0.03
    assert "ESS 1.00" in check.sentence


def test_other_couplings_than_the_scores_are_amber():
    check = trust_check(GAUSSIAN, Phi4(8, 0.1, 0.0), noise=NOISE, configs=512)
    assert check.level == "amber"
    assert "Schwinger–Dyson equation gives" in check.sentence
    assert check.schwinger_dyson.value == pytest.approx(_equation(0.1), abs=5 * check.schwinger_dyson.error)


def _equation(kappa):
    """⟨φ ∂S/∂φ⟩ of the field at κ = 0.2 in the theory at ``kappa``: Σ_p G_p K_p / V, K the kernel of the action."""
    kernel = 1 / Phi4(8, kappa, 0.0).free_propagator()
    return float((FREE.free_propagator() * kernel).mean())


def test_given_fields_are_checked_in_place_of_the_paths():
    wrong = 1.1 * torch.from_numpy(free_fields(FREE, 4000, 5)).float()
    check = trust_check(GAUSSIAN, FREE, noise=NOISE, fields=wrong)
    assert check.level == "amber"
    assert check.ess == pytest.approx(1)
    assert check.schwinger_dyson.value == pytest.approx(1.21, abs=5 * check.schwinger_dyson.error)


def test_schwinger_dyson_is_that_of_the_measurement():
    fields = small(0.3).fields
    found = measure(small(0.3).theory, [fields.numpy()[None]], independent=True)
    mine = schwinger_dyson_of(small(0.3).theory, fields)
    assert mine.value == pytest.approx(found.schwinger_dyson.measured.value, rel=1e-6)
    assert mine.error == pytest.approx(found.schwinger_dyson.measured.error, rel=1e-4)


def test_a_model_outside_its_couplings_is_amber():
    model = conditioned()
    model.network.out.zero_()
    model.network.out_level.weight.zero_()
    inside = trust_check(model.at(kappa=0.19, lam=0.02), noise=NOISE)
    assert "The network was trained" not in inside.sentence
    outside = model.at(kappa=0.235, lam=0.02, gaussian=GAUSSIAN)
    check = trust_check(outside, noise=NOISE)
    assert check.level == "amber"
    assert check.sentence.startswith("The network was trained for κ from 0.16 to 0.22; at κ = 0.235 it guesses.")


def test_a_score_that_diverges_is_amber_and_no_error():
    class Explosive:
        gaussian = GAUSSIAN

        def score(self, x, f=1.0, xi=0.0):
            return 1e30 * x

    check = trust_check(Explosive(), FREE, noise=NOISE)
    assert check.level == "amber"
    assert check.ess == 0
    assert "diverged" in check.sentence


@pytest.mark.parametrize(
    ("spread", "equation", "level"),
    [
        (0.1, Measured(1.003, 0.002), "green"),
        (0.1, Measured(1.03, 0.002), "amber"),  # far off, and significant
        (0.1, Measured(1.03, 0.02), "green"),  # within the errors
        (0.1, Measured(1.008, 0.0001), "green"),  # significant, but small
        (0.1, Measured(1.0, 0.06), "amber"),  # too few to tell
        (4.0, Measured(1.0, 0.002), "amber"),  # ESS e^{-16}
        (0.1, Measured(math.nan, math.nan), "amber"),
    ],
)
def test_where_the_light_changes(spread, equation, level):
    log_w = spread * Noise(1).normal(0, (128, 1)).flatten().numpy()
    assert judge("", Weighted(torch.zeros(128, 2, 2), log_w), equation, 128).level == level
    assert judge("Outside.", Weighted(torch.zeros(128, 2, 2), log_w), equation, 128).level == "amber"


def test_few_configurations_do_not_reassure():
    for paths, error in ((31, 0.002), (128, 0.06)):
        check = judge("", Weighted(torch.zeros(paths, 2, 2), torch.zeros(paths).numpy()), Measured(1.0, error), paths)
        assert check.level == "amber"
        assert check.sentence.startswith("Too few configurations were looked at to tell.")


def test_a_check_needs_an_action_and_can_be_cancelled():
    with pytest.raises(ValueError, match="a check needs the action"):
        trust_check(GAUSSIAN, noise=NOISE)
    token = Token()
    token.cancel()
    with pytest.raises(Cancelled):
        trust_check(GAUSSIAN, FREE, noise=NOISE, token=token)
