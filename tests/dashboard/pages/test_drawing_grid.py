"""Curves of laws with narrow peaks: nothing falls between the points at which they are drawn."""

import numpy as np
import pytest
import torch

from core.jobs import Token
from core.schedule import make_schedule
from core.theories.base import Target
from core.theories.registry import make_target
from dashboard.pages.one.chain import make_chain
from dashboard.pages.one.chain_scene import chain_scene
from dashboard.pages.one.drawing import PEAKS, drawing_grid, narrow_peaks
from dashboard.pages.one.scene import heat_map
from dashboard.stage import Line

POINTS = 181


def mixture(width: float) -> Target:
    return make_target("mixture", means=[-0.8, 1.5], stds=[width, 0.5], weights=[0.65, 0.35])


def highest(target: Target, around: float, within: float, f: float, xi: float) -> float:
    """The largest density within that distance of a place, by looking closely."""
    x = around + within * torch.linspace(-1, 1, 20_001, dtype=torch.float64)[:, None]
    return float(target.log_prob(x, f, xi).exp().max())


@pytest.mark.parametrize("schedule", ["ve", "vp"])
@pytest.mark.parametrize("width", [0.03, 0.01, 0.003, 0.0005])
def test_a_narrow_peak_is_drawn_in_full_at_every_noise_level(width, schedule):
    """The density integrates to 1 within 1 %, and its maximum is right within 1 %."""
    target, process = mixture(width), make_schedule(schedule, 10.0)
    t = np.array([0.0, 1e-4, 1e-3, 0.01, 0.1, 0.5, 1.0]) * process.t_max
    f, xi = process.f(t), process.xi(t)
    window = np.array([target.window(a, b)[0] for a, b in zip(f, xi, strict=True)])
    x = drawing_grid(target, window[:, 0], window[:, 1], f, xi, POINTS)
    assert x.shape == (7, POINTS + 31)
    assert (np.diff(x) >= 0).all()
    assert x[:, [0, -1]] == pytest.approx(window)
    for row, a, b in zip(x, f, xi, strict=True):
        p = target.log_prob(torch.from_numpy(row)[:, None], a, b).exp().numpy()
        assert np.trapezoid(p, row) == pytest.approx(1, abs=0.01)
        within = 3 * np.hypot(a * width, np.sqrt(b))
        assert p.max() == pytest.approx(highest(target, -0.8 * a, within, a, b), rel=0.01)


def test_a_smooth_law_has_the_even_grid():
    target = make_target("two-peak")
    x = drawing_grid(target, np.array([-2.0, -5.0]), np.array([2.0, 6.0]), np.ones(2), np.array([0.0, 1.0]), POINTS)
    assert x == pytest.approx(np.array([np.linspace(-2, 2, POINTS), np.linspace(-5, 6, POINTS)]))


def test_narrow_wells_of_a_typed_potential_are_found():
    """S = c (x² - 1)² has S'' = 8c at ±1: peaks of width (8c)^(-1/2)."""
    centres, widths = narrow_peaks(make_target("formula", text="20000*(x**2 - 1)**2"), POINTS)
    assert sorted(centres) == pytest.approx([-1, 1], abs=1e-4)
    assert widths == pytest.approx(160_000**-0.5, rel=0.02)


def test_the_points_are_bounded():
    many = np.arange(30.0)
    target = make_target("mixture", means=many, stds=[0.01] * 30, weights=many + 1)
    centres, _ = narrow_peaks(target, POINTS)
    assert sorted(centres) == pytest.approx(many[-PEAKS:], abs=1e-3)


def test_the_pictures_use_it(one):
    view = one("tab=langevin&target=mixture&stds=0.01,0.5&paths=500&steps=20&chains=20")
    target = view.state.make_target()
    top = highest(target, -0.8, 0.03, 1.0, 0.0)
    picture = view.tab("line")._quick(view.tab("line").order(), False, Token())[1]
    assert picture.exact[0].max() == pytest.approx(top, rel=0.01)
    assert np.trapezoid(picture.exact, picture.x, axis=1) == pytest.approx(1, abs=0.01)
    column = heat_map(picture)[0][:, 0]
    y = (np.arange(len(column)) + 0.5) / len(column) * 6.4 - 3.2
    x = picture.centre[0] + y[column.argmax()] * picture.spread[0]
    assert x == pytest.approx(-0.8, abs=0.04)  # rows are 0.06 apart
    chain = make_chain(view.state)
    chain.advance(Token())
    histogram = chain_scene(chain, None, None).panels[0].series
    law = next(s for s in histogram if isinstance(s, Line) and s.label == "exp(−S)/Z")
    assert law.y.max() == pytest.approx(top, rel=0.01)
    assert np.trapezoid(law.y, law.x) == pytest.approx(1, abs=0.01)
