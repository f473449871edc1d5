"""Every target by name, and the one interface they share."""

import numpy as np
import pytest
import torch

from core.contracts import ScoreModel, Theory, score_at
from core.noise import Noise
from core.schedule import SCHEDULES
from core.theories.base import Target
from core.theories.registry import PRESETS, make_target

NAMES = {"two-peak", "double-well", "quartic", "mixture", "three-peak", "formula", "circle", "spiral", "line"}


def test_the_names():
    assert set(PRESETS) == NAMES
    assert len(PRESETS) == len(NAMES)
    assert "two-peak" in PRESETS
    assert "three-peaks" not in PRESETS


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_target_keeps_the_contract(name):
    target = PRESETS[name]
    assert isinstance(target, Target)
    assert isinstance(target, Theory)
    assert isinstance(target, ScoreModel)
    assert target.name == name
    assert target == make_target(name)
    assert hash(target) == hash(make_target(name))
    d = target.dim
    x = target.sample(64, Noise(1))
    assert (x.shape, x.dtype) == ((64, d), torch.float64)
    assert target.event == (d,)
    assert target.mean.shape == (d,)
    assert target.covariance.shape == (d, d)
    assert target.latex()
    for f, xi in [(1.0, 0.0), (0.8, 0.36), (1e-240, 1.0)]:
        assert target.log_prob(x, f, xi).shape == (64,)
        assert target.score(x, f, xi).shape == (64, d)
        assert target.window(f, xi).shape == (d, 2)
    offset = target.action(x) + target.log_prob(x)
    torch.testing.assert_close(offset, offset[:1].expand(64), rtol=0, atol=1e-9)
    torch.testing.assert_close(target.force(x), target.score(x))
    if d == 1:
        assert target.moments(8).shape == target.cumulants(8).shape == (9,)
        assert target.moments(4)[0] == pytest.approx(1)
        assert target.cumulants(2)[1:] == pytest.approx([target.mean[0], target.covariance[0, 0]], abs=1e-12)
        J = np.linspace(-1, 1, 6).reshape(2, 3)
        assert target.log_generating(J).shape == (2, 3)
        assert np.all(np.isfinite(target.log_generating(J, 0.5, 0.75)))
        # κ_1 and κ_2 are the first derivatives of W at 0.
        h = 1e-3 / np.sqrt(target.covariance[0, 0])
        minus, zero, plus = target.log_generating(np.array([-h, 0.0, h]))
        assert zero == pytest.approx(0, abs=1e-12)
        assert (plus - 2 * zero + minus) / h**2 == pytest.approx(target.cumulants(2)[2], rel=1e-5)
    else:
        for method in (target.moments, target.cumulants, lambda: target.log_generating(np.array([0.0]))):
            with pytest.raises(ValueError, match="one dimension"):
                method()


@pytest.mark.parametrize("name", sorted(NAMES))
@pytest.mark.parametrize("schedule", ["ve", "vp", "vp-linear", "cosine"])
def test_scores_are_finite_along_every_schedule(name, schedule):
    s, target = SCHEDULES[schedule](), PRESETS[name]
    score = score_at(target, s)
    for t in np.linspace(1e-4, s.t_max, 9):
        x = float(s.f(t)) * target.sample(100, Noise(1)) + np.sqrt(s.xi(t)) * Noise(2).normal(0, (100, target.dim))
        assert torch.isfinite(score(x, float(t))).all()


def test_parameters_are_passed_on():
    assert make_target("two-peak", mu=2.0).covariance[0, 0] == pytest.approx(4 + 1 / 16)
    assert make_target("mixture", means=((0, 0), (1, 1))).dim == 2
    assert make_target("double-well", g=1.0).cumulants(2)[2] < PRESETS["double-well"].cumulants(2)[2]
    assert make_target("formula", text="x^2").covariance[0, 0] == pytest.approx(0.5)
    assert make_target("circle", thickness=0.1).covariance[0, 0] == pytest.approx(0.51)


@pytest.mark.parametrize(
    ("name", "parameters", "word"),
    [
        ("five-peak", {}, "target must be one of two-peak"),
        ("two-peak", {"sigma": 1}, "two-peak has the parameters mu, std, got sigma"),
        ("two-peak", {"std": 0.0}, "stds must be positive"),
        ("double-well", {"mu2": 1.0}, "mu2 of a double well must be negative"),
        ("double-well", {"mu2": float("nan")}, "mu2 of a double well must be negative"),
        ("mixture", {"weights": (1, 2, 3)}, "one entry for each"),
        ("formula", {"text": "-x^2"}, "falls to minus infinity"),
        ("line", {"thickness": 0}, "thickness must be"),
    ],
)
def test_bad_requests_are_explained(name, parameters, word):
    with pytest.raises(ValueError, match=word):
        make_target(name, **parameters)
