"""The Gaussian score against the exact scores of Gaussian targets."""

import numpy as np
import pytest
import torch

from core.contracts import ScoreModel
from core.diffusion.gaussian import GaussianScore
from core.theories.mixture import GaussianMixture


@pytest.mark.parametrize(("f", "xi"), [(1.0, 0.0), (1.0, 21.0), (0.3, 0.91), (1e-300, 1.0)])
@pytest.mark.parametrize("mean", [0.4, (0.4, -1.0)])
def test_exact_for_a_gaussian(f, xi, mean):
    target = GaussianMixture((1.0,), (mean,), (0.7,))
    model = GaussianScore(target.mean, target.covariance)
    assert isinstance(model, ScoreModel)
    x = torch.linspace(-4, 4, 10, dtype=torch.float64).reshape(-1, target.dim)
    torch.testing.assert_close(model.score(x, f, xi), target.score(x, f, xi), rtol=1e-12, atol=1e-12)


def test_correlated_components():
    covariance = np.array([[2.0, 0.6], [0.6, 0.5]])
    x = torch.tensor([[0.3, -1.0], [2.0, 0.1]], dtype=torch.float64)
    got = GaussianScore([0.0, 1.0], covariance).score(x, 0.5, 0.2).numpy()
    expected = -np.linalg.solve(0.25 * covariance + 0.2 * np.eye(2), (x.numpy() - [0.0, 0.5]).T).T
    np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_precision_is_that_of_x():
    assert GaussianScore(0.0, 1.0).score(torch.ones(3, 1)).dtype == torch.float32


@pytest.mark.parametrize(
    ("mean", "covariance", "message"),
    [
        (0.0, -1.0, "symmetric and positive"),
        ([0.0, 0.0], [[1.0, 0.5], [0.2, 1.0]], "symmetric and positive"),
        ([0.0, 0.0], 1.0, "2 × 2 matrix as there are 2 means"),
        (0.0, float("nan"), "finite"),
    ],
)
def test_wrong_arguments_are_named(mean, covariance, message):
    with pytest.raises(ValueError, match=message):
        GaussianScore(mean, covariance)
