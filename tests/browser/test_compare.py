"""Compare in the browser: every preset opens, both sides move together, chains can be held and their past played."""

import re

import pytest
from playwright.sync_api import expect

from dashboard.pages.compare.chains import LABEL as CHAINS
from dashboard.pages.compare.fields import Fields
from dashboard.pages.compare.line import Line
from dashboard.pages.compare.plane import Plane
from dashboard.pages.compare.state import PRESETS
from tests.browser.test_journey import ONE, Stage, choose, press, until, visit

LABELS = {"line": Line.label, "plane": Plane.label, "fields": Fields.label, "chains": CHAINS}
PICTURE = {"line": "bundle", "plane": "plane", "fields": "field", "chains": "field"}
SMALL = {
    "line": {"paths": 600, "steps": 30},
    "plane": {"paths": 600, "steps": 30},
    "fields": {"L": 16, "configurations": 32, "sweeps": 20, "paths": 32, "steps": 12, "model": ""},
    "chains": {"L": 16, "chain_count": 8},
}
SEEN = ("ve-vp", "exact-learned", "hmc-langevin", "fields-kappa", "fields-solver", "plane-score")
PATIENCE = 60_000


def address(dashboard, name):
    room = PRESETS[name].room
    small = "&".join(f"{which}.{key}={value}" for which in "ab" for key, value in SMALL[room].items())
    return f"{dashboard}?page=compare&tour=0&preset={name}&{small}"


def pictures(stage, room):
    return [stage.pixels(f"{which}_{PICTURE[room]}") for which in "ab"]


def settled(stage):
    """The caption once it has stopped changing."""
    seen = [""]

    def same():
        stage.root.page.wait_for_timeout(300)
        seen.append(stage.caption.inner_text())
        return seen[-1] == seen[-2]

    until(same)
    return seen[-1]


@pytest.mark.parametrize("name", SEEN)
def test_a_preset_opens_and_both_sides_follow_one_slider(page, dashboard, name):
    room = PRESETS[name].room
    stage = visit(page, address(dashboard, name), LABELS[room])
    expect(page.locator(".compare-table table")).to_be_visible(timeout=PATIENCE)
    if room == "chains":
        before = pictures(stage, room)
        until(lambda: all(x != y for x, y in zip(before, pictures(stage, room), strict=True)))
        press(page, "compare-run")
        expect(stage.caption).to_have_text(re.compile(r"updates \d+"), timeout=PATIENCE)
    else:
        expect(stage.root).to_have_attribute("aria-busy", "false", timeout=PATIENCE)
        stage.pause()
    slider = stage.root.get_by_role("slider")
    slider.press("Home")
    start = settled(stage)
    before = pictures(stage, room)
    box = slider.bounding_box()
    page.mouse.click(box["x"] + 0.3 * box["width"], box["y"] + box["height"] / 2)  # scrubbed once
    expect(stage.caption).not_to_have_text(start)
    until(lambda: all(x != y for x, y in zip(before, pictures(stage, room), strict=True)))
    slider.press("Home")
    expect(stage.caption).to_have_text(start)
    until(lambda: pictures(stage, room) == before)


def test_what_differs_is_chosen_and_the_address_reproduces_it(page, dashboard):
    stage = visit(page, address(dashboard, "ve-vp"), Line.label)
    expect(page.locator(".compare-sides")).to_contain_text("Variance preserving")
    choose(page, "differ", "σ")
    page.locator(".control-b-sigma").get_by_role("slider").press("ArrowRight")
    page.wait_for_url(re.compile(r"b\.sigma=10\.04"))
    assert "a.sigma=10&" in page.url
    expect(page.locator(".compare-sides")).to_contain_text("σ: 10.04")
    choose(page, "clock", "Equal noise level σ̃")
    page.wait_for_url(re.compile("clock=level"))
    expect(stage.root).to_have_attribute("aria-busy", "false", timeout=PATIENCE)
    page.goto(page.url)
    again = Stage(page, Line.label)
    expect(page.locator(".compare-sides")).to_contain_text("σ: 10.04")
    expect(again.caption).to_contain_text("|")


def test_from_a_room_its_state_is_taken_along(page, dashboard):
    visit(page, f"{dashboard}?page=one&tour=0&paths=600&steps=30&sigma=7&seed=4", ONE)
    page.locator(".control-compare-with button").click()
    stage = Stage(page, Line.label)
    page.wait_for_url(re.compile(r"a\.sigma=7&.*b\.sigma=7"))
    expect(page.locator(".compare-sides")).to_contain_text("the same settings")
    stage.ready()
    assert "seed=4" in page.url
