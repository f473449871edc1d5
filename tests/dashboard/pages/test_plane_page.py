"""The tab *The plane*: particles, density, arrows and the area that holds 95 %, against exact results."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats

from core.jobs import Token
from dashboard.pages.one.plane import DARKEST, FAST, FULL, INSIDE, REACH, SHOWN, Fineness, _preview, _stages, paint

SMALL = Fineness(frames=20, pixels=60, paths=4000, steps=200)


@pytest.fixture
def order(one):
    """``order("plane_target=circle")``: what the tab at this address asks for."""
    return lambda query="": one(f"tab=langevin&seed=3&solver=heun&grid=karras&{query}").tab("plane").order()


def series(scene, panel):
    return next(p for p in scene.panels if p.id == panel).series


def frames(scene, order):
    """t, f, Ξ, centre and spread of every frame, from the captions and the exact law."""
    t = np.array([float(caption.split("t = ")[1].split()[0]) for caption in scene.captions])
    kappa2 = np.trace(order.target.covariance) / 2
    f, xi = order.schedule.f(t), order.schedule.xi(t)
    return t, f, xi, f[:, None] * order.target.mean, np.sqrt(f**2 * kappa2 + xi)


@pytest.mark.parametrize("target", ["three-peak", "circle", "spiral", "line"])
def test_particles_density_and_arrows_belong_to_one_law(order, target):
    wanted = order(f"plane_target={target}&thickness=0.1")
    scene = paint(wanted, SMALL, Token())
    image, arrows, points = series(scene, "plane")
    _, f, xi, centre, spread = frames(scene, wanted)
    side = (np.arange(SMALL.pixels) + 0.5) / SMALL.pixels * 2 * REACH - REACH
    grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    for i in (0, 4, 12, 19):
        x = torch.from_numpy(grid * spread[i] + centre[i])
        density = wanted.target.log_prob(x, float(f[i]), float(xi[i])).exp().numpy()
        shown = (image.data[i] / DARKEST) ** 2  # the square root of the density, relative to its maximum
        # A byte's rounding, and captions that give t to three digits.
        assert shown == pytest.approx(density.reshape(shown.shape) / density.max(), abs=0.03)
        sites = torch.from_numpy(np.column_stack([arrows.x, arrows.y]) * spread[i] + centre[i])
        score = wanted.target.score(sites, float(f[i]), float(xi[i])).numpy() * spread[i]
        drawn = np.column_stack([arrows.u[i], arrows.v[i]])
        length = np.linalg.norm(drawn, axis=1)
        assert length**2 == pytest.approx(np.linalg.norm(score, axis=1), rel=0.1, abs=0.05)
        assert np.sum(drawn * score, axis=1) == pytest.approx(length**3, rel=0.2, abs=0.05)
    assert points.x.shape == points.y.shape == (len(scene.captions), min(SHOWN, SMALL.paths))


def test_particles_are_draws_from_the_density(order):
    """Along one axis a particle on the circle with noise has a law that quadrature knows: Kolmogorov–Smirnov."""
    wanted = order("plane_target=circle&thickness=0.1")
    scene = paint(wanted, SMALL, Token())
    points = series(scene, "plane")[2]
    _, f, xi, centre, spread = frames(scene, wanted)
    angle = 2 * np.pi * (np.arange(400) + 0.5) / 400
    for i in (0, 10, 19, 20, 30, len(spread) - 1):
        width = np.sqrt((f[i] * 0.1) ** 2 + xi[i])
        for axis, drawn in enumerate((points.x, points.y)):
            x = drawn[i] * spread[i] + centre[i, axis]
            cdf = lambda v, w=width, a=f[i]: stats.norm.cdf((v[:, None] - a * np.cos(angle)) / w).mean(axis=1)  # noqa: E731
            # Passed by chance once in 10⁴: 2.23/√n.
            assert stats.kstest(x, cdf).statistic < 2.23 / np.sqrt(len(x))


@pytest.mark.parametrize("target", ["three-peak", "spiral"])
def test_the_variance_is_measured_and_predicted(order, target):
    wanted = order(f"plane_target={target}")
    scene = paint(wanted, SMALL, Token())
    band, measured, predicted = series(scene, "variance")
    kappa2 = np.trace(wanted.target.covariance) / 2
    assert predicted.y[0] == pytest.approx(kappa2)
    turn = SMALL.frames
    assert (np.abs(measured.y - predicted.y) < 5 * predicted.y / np.sqrt(SMALL.paths))[:turn].all()
    # Back again: Heun's steps bias it by less than a hundredth more.
    assert (np.abs(measured.y - predicted.y) < 5 * predicted.y / np.sqrt(SMALL.paths) + 0.01 * predicted.y).all()
    assert (band.high - band.low) == pytest.approx(2 * measured.y / np.sqrt(SMALL.paths))


def test_the_area_that_holds_95_percent_grows_from_a_curve_to_a_gaussian(order):
    """A round Gaussian of unit spread, cut to the frame |x| < 3, holds 95 % of its mass there in a disc."""
    wanted = order("plane_target=line&thickness=0.05&sigma=20")
    area = series(paint(wanted, replace(SMALL, pixels=120), Token()), "area")[0].y
    inside = stats.norm.cdf(REACH) - stats.norm.cdf(-REACH)
    radius2 = -2 * np.log(1 - INSIDE * inside**2)
    disc = np.pi * radius2 / (2 * REACH) ** 2
    turn = SMALL.frames
    assert area[turn - 1] == pytest.approx(disc, abs=0.02)
    # The line has length 3 and is blurred by ±2 · 0.05; the spread is √(Tr C/2) = 0.62, the frame 3.7 wide.
    spread = np.sqrt(np.trace(wanted.target.covariance) / 2)
    strip = 0.95 * 3 * 2 * 1.96 * 0.05 / (6 * spread) ** 2
    assert area[0] == pytest.approx(strip, rel=0.25)
    assert (np.diff(area[:turn]) > -1e-3).all()
    assert area[-1] == pytest.approx(area[0], rel=0.3)  # the backward process ends at t = 1e-3, Ξ = 1e-3


def test_marks_and_frames(order):
    wanted = order("plane_target=three-peak")
    scene = paint(wanted, SMALL, Token())
    kappa2 = np.trace(wanted.target.covariance) / 2
    drown = float(wanted.schedule.t_of_sigma(np.sqrt(kappa2)))
    assert [(m.label, m.position) for m in scene.marks] == [
        ("drowns", pytest.approx(drown)),
        ("emerges", pytest.approx(2 - drown)),
    ]
    weak = paint(order("plane_target=three-peak&schedule=drawn&drawn=0:0.1,1:0.1"), SMALL, Token())
    assert not weak.marks


def test_the_tab_shows_a_quick_picture_and_then_the_one_asked_for(one, wait):
    view = one("tab=plane&paths=1000&steps=40")
    tab, seen = view.tab("plane"), []
    wait(lambda: not tab.stage.busy)
    tab.stage.param.watch(lambda event: seen.append(event.new), "status")
    view.state.plane_target = "circle"
    wait(lambda: len(seen) == 2 and not tab.stage.busy)
    assert seen == ["preview · 800 paths", "1\u202f000 paths"]
    assert tab.stage.playing
    assert view.tab("line").picture is None  # behind, and idle
    assert view.widgets["thickness"].visible
    view.state.score = "learned"
    assert "press Train" in tab.stage.error
    assert not tab.stage.busy
    view.state.score = "gaussian"
    wait(lambda: not tab.stage.busy)
    assert tab.stage.error == ""
    assert FULL.paths >= 1000


def test_where_a_preview_is_impossible_the_full_picture_comes_alone(order):
    """32 ancestral steps of VP at σ = 50 on a logarithmic grid diverge, 400 do not."""
    wanted = order("schedule=vp&sigma=50&steps=400&paths=500&plane_target=three-peak")
    wanted = replace(wanted, solver="ancestral", grid="log")
    with pytest.raises(FloatingPointError, match="too long"):
        paint(wanted, FAST, Token())
    assert _preview(wanted, Token()) is None
    ((_, paths, last),) = _stages(wanted, Token())
    assert (paths, last) == (500, True)


def test_closing_the_session_ends_the_work(one, wait):
    view = one("tab=plane&plane_target=spiral&paths=20000&steps=2000")
    tab = view.tab("plane")
    wait(lambda: tab.stage.scene is not None)
    future = tab.live._latest.future
    view.shell.close()
    if future is not None:
        future.result(timeout=20)
    assert tab.stage.status.startswith("preview")
