"""The two priors: their laws, one prior path per path, and what the warnings say."""

import numpy as np
import pytest
import torch

from core.diffusion.prior import draw_prior, prior_warning
from core.noise import Noise
from core.schedule import VE, VP

MEAN, COVARIANCE = np.array([1.0, -2.0]), np.array([[2.0, 0.6], [0.6, 0.5]])


@pytest.mark.parametrize("kind", ["matched", "noise"])
@pytest.mark.parametrize("schedule", [VE(3.0), VP(1.5)], ids=repr)
def test_mean_and_covariance(kind, schedule):
    t, n = 0.8, 200_000
    f, xi = float(schedule.f(t)), float(schedule.xi(t))
    x = draw_prior(kind, MEAN, COVARIANCE, schedule, t, n, Noise(1)).numpy()
    expected = xi * np.eye(2) + (f**2 * COVARIANCE if kind == "matched" else 0.0)
    errors = np.sqrt((np.outer(np.diag(expected), np.diag(expected)) + expected**2) / n)  # of a Gaussian's covariance
    assert np.all(np.abs(np.cov(x.T) - expected) < 4.5 * errors)
    assert np.all(np.abs(x.mean(axis=0) - f * MEAN) < 4.5 * np.sqrt(np.diag(expected) / n))


def test_paths_do_not_depend_on_their_number():
    many = draw_prior("matched", MEAN, COVARIANCE, VE(), 1.0, 1000, Noise(2))
    few = draw_prior("matched", MEAN, COVARIANCE, VE(), 1.0, 7, Noise(2).starting_at(300))
    assert torch.equal(many[300:307], few)
    assert many.shape == (1000, 2)
    assert many.dtype == torch.float64


def test_papers_prior_warns_with_its_own_error():
    # VE, σ = 10, κ_2 = 1.0625: 1.0625/(1.0625 + 99/(2 ln 10)) = 4.7 %
    sentence = prior_warning("noise", [[1.0625]], VE(10.0), 1.0)
    assert sentence is not None
    assert "κ₂ 4.7% too small" in sentence
    assert prior_warning("matched", [[1.0625]], VE(10.0), 1.0) is None
    assert prior_warning("noise", [[1.0625]], VP(10.0), 1.0) is None  # f² = 5e-10


@pytest.mark.parametrize("kind", ["noise", "matched"])
def test_a_schedule_that_hardly_dissolves_the_data_warns(kind):
    sentence = prior_warning(kind, [[1.0]], VE(1.0), 1.0)
    assert sentence is not None
    assert "50% of the variance" in sentence


def test_unknown_prior():
    for call in (lambda: draw_prior("flat", 0, 1, VE(), 1.0, 1, Noise(0)), lambda: prior_warning("flat", 1, VE(), 1.0)):
        with pytest.raises(ValueError, match="prior must be one of matched, noise, got 'flat'"):
            call()
