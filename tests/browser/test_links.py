"""Sharing in a browser: short links, locked and hidden controls, frames; and the help beside them."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.test_journey import choose

expect.set_options(timeout=20_000)  # on a busy machine
SMALL = "page=one&paths=500&steps=20&tour=0"
SEND = """(value) => {
  const found = []
  for (const doc of Bokeh.documents) for (const model of doc._all_models.values())
    if (model.css_classes?.includes?.('control-sigma')) found.push(model)
  for (const model of found) (model.data ?? model).setv({disabled: false, value})
  return found.length
}"""


def opened(page, address):
    page.goto(address)
    page.locator("nav[aria-label=Rooms]").wait_for(state="attached")
    return page


def drawn(page):
    page.locator(".stage-panel canvas").first.wait_for()
    return page


def test_an_exercise_by_short_link(page, dashboard):
    """A teacher locks σ and hides the seed; who opens the link cannot change σ, with the mouse or past it."""
    opened(page, f"{dashboard}?{SMALL}&sigma=7&seed=3")
    slider = page.locator(".control-sigma input[type=range]")
    expect(slider).to_be_enabled()
    page.get_by_role("button", name="Share").click()
    dialog = page.get_by_role("dialog", name="Share this state")
    dialog.get_by_label("σ", exact=True).select_option("locked")
    dialog.get_by_label("Seed", exact=True).select_option("hidden")
    expect(dialog.get_by_label("Link", exact=True)).to_have_value(holding("lock=sigma&hide=seed"))
    expect(dialog.get_by_label("Snippet for a page", exact=True)).to_have_value(holding("embed=1"))
    dialog.get_by_role("button", name="Make a short link").click()
    field = dialog.get_by_label("Short link", exact=True)
    expect(field).to_be_visible()
    short = field.input_value()
    assert len(short.rpartition("s=")[2]) == 8
    opened(page, short)
    expect(slider).to_be_disabled()
    expect(page.locator(".control-seed")).not_to_be_visible()
    assert float(slider.input_value()) == 7
    assert page.evaluate(SEND, 30.0) > 0
    choose(page, "score", "Gaussian")
    page.wait_for_url("**score=gaussian**")
    assert "sigma=7&" in page.url
    assert "seed=3" in page.url
    assert "lock=sigma" in page.url


def holding(part):

    return re.compile(re.escape(part))


def test_an_unknown_short_link_is_a_sentence(page, dashboard):
    opened(page, f"{dashboard}?s=aaaaaaaa")
    expect(page.get_by_text("There is no short link")).to_be_visible()


def test_one_picture_in_a_frame_of_another_page(page, dashboard):
    source = f"{dashboard}?{SMALL}&embed=1&panel=density&detail=full"
    page.set_content(f'<iframe src="{source}" width="600" height="400"></iframe>')
    frame = page.frame_locator("iframe")
    expect(frame.locator("[data-panel=density] canvas")).to_be_visible()
    expect(frame.get_by_role("button", name="Back to the start (Home, r)")).to_be_visible()
    expect(frame.locator("[data-panel=trajectories]")).not_to_be_visible()
    expect(frame.locator("nav[aria-label=Rooms]")).not_to_be_visible()
    expect(frame.locator(".control-sigma")).to_have_count(0)
    size = frame.locator("[data-panel=density] canvas").bounding_box()
    assert size is not None
    assert size["width"] > 540
    assert size["height"] > 220


def test_the_help_opens_by_its_key_and_filters_the_definitions(page, dashboard):
    drawn(opened(page, f"{dashboard}?{SMALL}"))
    page.locator(".stage-root").first.focus()
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Help")
    expect(dialog.get_by_text("Play or pause")).to_be_visible()
    dialog.get_by_label("Filter the definitions").fill("binder")
    expect(dialog.locator("dl.terms > div:visible")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(dialog).not_to_be_visible()


def test_a_title_shows_its_definition_under_the_pointer(page, dashboard):
    drawn(opened(page, f"{dashboard}?{SMALL}"))
    box = page.locator("[data-panel=k2] canvas").first.bounding_box()
    tip = page.get_by_role("tooltip")
    for move in range(40):  # the help comes a little later than the picture
        page.mouse.move(box["x"] + 50 + move % 2, box["y"] + 10)
        page.wait_for_timeout(250)
        if tip.is_visible():
            break
    expect(tip).to_contain_text("connected n-point moments")
    page.mouse.move(box["x"] + 60, box["y"] + box["height"] / 2)
    expect(tip).not_to_be_visible()


def test_the_tour_is_offered_once_and_goes_by_keyboard(page, dashboard):
    drawn(opened(page, f"{dashboard}?page=one&paths=500&steps=20"))
    page.get_by_role("button", name="Take the tour").click()
    tour = page.get_by_role("dialog", name="Tour")
    expect(tour).to_contain_text("1 of 6")
    page.keyboard.press("ArrowRight")
    expect(tour).to_contain_text("2 of 6")
    expect(tour).to_contain_text("Controls")
    for _ in range(4):
        page.keyboard.press("Enter")
    expect(tour).to_contain_text("6 of 6")
    page.keyboard.press("Enter")
    expect(tour).not_to_be_visible()
    drawn(opened(page, f"{dashboard}?page=one&paths=500&steps=20"))
    page.wait_for_timeout(500)
    expect(page.get_by_role("button", name="Take the tour")).not_to_be_visible()


@pytest.mark.parametrize(
    "query", ["page=home&tour=0", "page=home&embed=1", "page=home&present=1", "page=one&paths=500&story=1"]
)
def test_nobody_is_asked_where_there_is_an_audience(page, dashboard, query):
    opened(page, f"{dashboard}?{query}")
    page.locator(".stage-root:visible").first.wait_for()
    page.wait_for_timeout(300)
    expect(page.get_by_role("region", name="Offer of a tour")).to_have_count(0)
