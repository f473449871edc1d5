"""The home page: its picture shows the exact process, and it opens at once."""

import re

import numpy as np
import pytest
from scipy import stats

from core.theories.registry import make_target
from dashboard.pages import ROOMS, home, home_picture
from dashboard.pages.home_picture import FRAMES, PATHS, SCHEDULE, scene
from dashboard.shell import Shell, build_page
from dashboard.stage import Stage


@pytest.fixture(scope="module")
def picture():
    return scene(with_field=True)


def panel(picture, name):
    return next(p for p in picture.panels if p.id == name)


def test_both_ends_of_the_paths_follow_the_target_and_the_middle_is_noise():
    forward, backward = home_picture._particles()
    assert forward.shape == backward.shape == (FRAMES, PATHS)
    target, times = make_target("two-peak"), home_picture._times()
    # Kolmogorov–Smirnov against the exact law: 1.95/√N is passed by chance once in a thousand.
    for x, t in ((forward[0], times[0]), (forward[-1], times[-1]), (backward[0], times[-1])):
        assert stats.kstest(x, _cdf(target, t)).statistic < 1.95 / np.sqrt(PATHS)
    # The last frame carries the bias of the Euler steps, of order 1e-3 in the density.
    assert stats.kstest(backward[-1], _cdf(target, times[0])).statistic < 2.5 / np.sqrt(PATHS)


def _cdf(target, t):
    f, s = float(SCHEDULE.f(t)), float(SCHEDULE.xi(t))
    spread = np.sqrt(f**2 / 16 + s)
    return lambda x: (stats.norm.cdf(x, f, spread) + stats.norm.cdf(x, -f, spread)) / 2


def test_the_exact_line_is_the_density_of_the_bars(picture):
    forward, _, exact = panel(picture, "density").series
    width = np.diff(forward.edges)[0]
    heights = np.asarray(forward.heights)[:FRAMES]
    centres = (forward.edges[1:] + forward.edges[:-1]) / 2
    lines = np.array([np.interp(centres, exact.x, row) for row in exact.y[:FRAMES]])
    error = np.sqrt(np.maximum(lines, 1e-3) / (PATHS * width))
    # 6300 bars of independent counts; a bar's width bends a peak by up to P'' width²/24.
    assert np.abs(heights - lines).max() < (5 * error + 0.02 * lines.max()).max()
    assert np.mean(((heights - lines) / error)[lines > 0.02] ** 2) < 1.3


def test_the_field_dissolves_and_re_forms(picture):
    fields = home_picture.field().result()
    assert fields.shape == (2 * FRAMES, 48, 48)

    def neighbours(x):
        return float((x * np.roll(x, 1, 0) + x * np.roll(x, 1, 1)).mean() / (2 * (x**2).mean()))

    bond = np.array([neighbours(x) for x in fields])
    # White noise has a bond correlation of 0 with standard deviation 1/√(2·48²) = 0.015.
    assert np.abs(bond[FRAMES - 1 : FRAMES + 1]).max() < 0.1
    assert bond[0] > 0.35
    assert bond[-1] > 0.35


def test_positions_rise_and_the_three_panels_share_them(picture):
    assert picture.frames == 2 * FRAMES
    assert {p.id for p in picture.panels} == {"paths", "density", "field"}
    assert picture.positions[-1] == pytest.approx(2.0, abs=2e-3)


def test_the_page_says_it_in_three_sentences_and_opens_every_room():
    text = re.sub(r"<h1>.*?</h1>|<[^>]+>", "", home.TEXT)
    assert len(re.findall(r"[.;]\s", text + " ")) - text.count(";") == 3
    cards = home.doors(dark=True)
    for name, room in ROOMS.items():
        assert (f'href="?page={name}&amp;theme=dark"' in cards) == (name != "home")
        assert (room.promise in cards) == (name != "home")


def test_the_page_plays_in_the_theme_of_the_frame():
    page, shell = build_page("")
    stage = page.main[0].select(Stage)[0]
    assert stage.playing
    assert stage.loop
    assert not stage.dark
    shell.dark = True
    assert stage.dark


def test_the_picture_is_made_once():
    assert scene(with_field=True) is scene(with_field=True)
    stages = [home.build(Shell()).main[0].select(Stage)[0] for _ in range(2)]
    assert stages[0].block is stages[1].block
