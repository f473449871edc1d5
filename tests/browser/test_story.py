"""The story from the first to the last step, and presenter mode, as a lecturer goes through them."""

import re

import pytest
from playwright.sync_api import expect

from dashboard.story.steps import STEPS

LONG = 150_000  # milliseconds that a busy machine may take to open a page
SOON = 30_000  # and to answer
QUICK = {7: "&L=16&configurations=32&sweeps=20&paths=16&steps=10&duration=100&score=gaussian&model="}
"""What makes the picture of a step quick enough for a test."""


@pytest.fixture(autouse=True)
def _patience(page):
    page.set_default_timeout(LONG)


def step(page, number):
    """Waits until the step with its picture is there, above the fold and with nothing on top of it."""
    expect(page.get_by_role("region", name="Story").get_by_role("heading")).to_have_text(
        STEPS[number - 1].title, timeout=LONG
    )
    page.locator(".stage-root[data-frames]").first.wait_for(timeout=LONG)
    stage = page.locator(".stage-root[data-frames]").first
    panels = stage.locator(".stage-panel")
    names = {name for row in STEPS[number - 1].areas for name in row.split()}
    if names:
        expect(panels).to_have_count(len(names), timeout=SOON)
        assert {panel.get_attribute("data-panel") for panel in panels.all()} == names
    card = page.get_by_role("region", name="Story").bounding_box()
    picture = stage.locator(".stage-grid").bounding_box()
    size = page.viewport_size
    assert picture["height"] > 150
    assert picture["y"] + picture["height"] <= size["height"] + 2, "the picture is in sight without scrolling"
    below, beside = picture["y"] >= card["y"] + card["height"], picture["x"] >= card["x"] + card["width"]
    assert below or beside, "the card covers no picture"


def go(page, key=None):
    """On to the next step, by the button or by a key."""
    if key:
        page.keyboard.press(key)
    else:
        page.get_by_role("link", name="Next →").click()


def test_from_the_home_page_through_all_steps(page, dashboard):
    page.goto(dashboard)
    page.get_by_role("link", name="Start the story").click()
    for number in range(1, len(STEPS) + 1):
        page.wait_for_url(f"**story={number}*")
        if number in QUICK:
            page.goto(f"{dashboard}?story={number}{QUICK[number]}")
        step(page, number)
        answer = page.get_by_text(STEPS[number - 1].answer)
        expect(answer).to_be_hidden(timeout=SOON)
        page.get_by_text(STEPS[number - 1].question).click()
        expect(answer).to_be_visible(timeout=SOON)
        if number < len(STEPS):
            go(page)
    assert page.get_by_text("Next →").get_attribute("href") is None

    page.get_by_role("link", name="← Previous").click()
    page.wait_for_url(f"**story={len(STEPS) - 1}*")
    step(page, len(STEPS) - 1)
    page.get_by_text(f"{len(STEPS) - 1} of {len(STEPS)}").click()
    page.get_by_role("link", name="Cumulants").click()
    page.wait_for_url("**story=6*")
    step(page, 6)


def test_who_leaves_stays_in_the_room(page, dashboard):
    page.goto(f"{dashboard}?story=6&sigma=12")
    step(page, 6)
    stage = page.locator(".stage-root[data-frames]").first
    expect(stage.locator(".stage-status")).to_have_text(re.compile(r"^[^p].*paths$"), timeout=LONG)
    scenes = stage.get_attribute("data-scenes")
    page.get_by_role("button", name="Leave", exact=True).click()
    expect(page.get_by_role("region", name="Story")).to_have_count(0, timeout=SOON)
    expect(stage.locator(".stage-panel")).to_have_count(9, timeout=SOON)
    page.wait_for_url(lambda url: "story" not in url and "sigma=12&" in url + "&")
    assert stage.get_attribute("data-scenes") == scenes, "nothing was computed again"
    assert stage.bounding_box()["height"] == pytest.approx(780, abs=2)


def test_presenter_mode_and_its_keys(page, dashboard):
    page.goto(f"{dashboard}?story=2&theme=dark")
    step(page, 2)
    header, sidebar = page.locator("header.MuiAppBar-root"), page.locator(".control-schedule")
    expect(sidebar).to_be_visible(timeout=SOON)
    small = page.get_by_role("heading", name="Two peaks").evaluate("e => parseFloat(getComputedStyle(e).fontSize)")
    page.keyboard.press("p")
    expect(header).to_be_hidden(timeout=SOON)
    expect(sidebar).to_be_hidden(timeout=SOON)
    page.wait_for_url("**present=1*")
    step(page, 2)
    large = page.get_by_role("heading", name="Two peaks").evaluate("e => parseFloat(getComputedStyle(e).fontSize)")
    assert large > 1.25 * small
    text = page.get_by_text(STEPS[1].text).evaluate("e => parseFloat(getComputedStyle(e).fontSize)")
    assert text >= 18, "a fortieth of the height of the screen"
    expect(page.get_by_text("What to look for")).to_be_hidden(timeout=SOON)

    go(page, "PageDown")
    page.wait_for_url("**story=3*")
    step(page, 3)
    assert "present=1" in page.url
    assert "theme=dark" in page.url
    expect(header).to_be_hidden(timeout=SOON)
    go(page, "PageUp")
    page.wait_for_url("**story=2*")
    step(page, 2)
    page.keyboard.press("Escape")
    expect(header).to_be_visible(timeout=SOON)
    expect(sidebar).to_be_visible(timeout=SOON)
    page.wait_for_url(lambda url: "present" not in url)

    page.get_by_role("button", name="Present", exact=True).click()
    expect(header).to_be_hidden(timeout=SOON)
    page.get_by_role("button", name="Leave presenter mode").click()
    expect(header).to_be_visible(timeout=SOON)


def test_letters_that_are_typed_are_no_commands(page, dashboard):
    page.goto(f"{dashboard}?page=one&target=formula")
    page.locator(".stage-root[data-frames]").first.wait_for(timeout=LONG)
    field = page.locator(".control-formula input")
    field.press("p")
    field.press("PageDown")
    expect(page.locator("header.MuiAppBar-root")).to_be_visible(timeout=SOON)
    assert "p" in field.input_value()
