"""At which noise levels a score errs."""

import json

import numpy as np
import pytest

from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.score_profile import score_profile
from core.noise import Noise
from core.theories.phi4 import Phi4

SIGMAS = 4.5
THEORY = Phi4(8, 0.22, 0.0)
FREE = FieldGaussianScore(THEORY.free_propagator())
G = FREE.connected
DATA = FREE.draw_prior(2000, 1.0, 0.0, Noise(7))


class WrongBelow:
    """The exact score above a noise level, and that of a propagator 40 % too large below it."""

    def __init__(self, level):
        self.level, self.wrong = level, FieldGaussianScore(1.4 * G)

    def score(self, x, f=1.0, xi=0.0):
        return (self.wrong if xi < (f * self.level) ** 2 else FREE).score(x, f, xi)


def test_the_exact_score_errs_nowhere():
    found = score_profile(FREE, DATA, theory=THEORY, n=1000)
    assert len(found.sigma) == 8
    for part in (found.below, found.between):
        assert (np.abs(part.value) / part.error).max() < SIGMAS


def test_an_error_shows_at_its_own_scale():
    sigma = [0.1, 0.3, 1.0, 3.0]
    found = score_profile(WrongBelow(0.3), DATA, theory=THEORY, gaussian=FREE, n=2000, sigmas=sigma)
    k = found.names.index("phi2")
    for level, value, error in zip(sigma[:2], found.below.value[:2, k], found.below.error[:2, k], strict=True):
        exact = float(((G + level**2) * 1.4 * G / (1.4 * G + level**2) - G).mean())
        assert abs(value - exact) < SIGMAS * error + 0.03 * exact  # the integrator is exact for G, not for 1.4 G
        assert exact > SIGMAS * error
    between, error = found.between.value[:, k], found.between.error[:, k]
    assert np.all(between[:2] > SIGMAS * error[:2])
    assert np.all(np.abs(between[2:]) < SIGMAS * error[2:])


def test_text_and_json():
    found = score_profile(FREE, DATA, n=32, sigmas=[0.5, 1.0])
    assert "action" not in found.names
    report = json.loads(json.dumps(found.as_json(), allow_nan=False))
    assert report["between"]["phi2"]["value"] == found.between.value[:, 0].tolist()
    assert found.as_text().count("\n") == 3


@pytest.mark.parametrize("sigmas", [[], [1.0, 0.5], [0.0, 1.0], [np.nan]])
def test_bad_levels_are_refused(sigmas):
    with pytest.raises(ValueError, match="sigmas must be positive"):
        score_profile(FREE, DATA, n=32, sigmas=sigmas)
