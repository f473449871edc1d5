"""A network is trained in a browser, and goes on when the browser leaves; nobody may complain (see conftest)."""

import re

from playwright.sync_api import expect

from core.diffusion.field_model import FieldModel
from core.diffusion.model_library import ModelLibrary
from core.statistics.format import NARROW_SPACE

LONG = 90_000  # milliseconds that a busy machine may take
AT = re.compile(r"step (\d+)")


def step(page):
    """The step that the page shows; the line is replaced several times a second."""
    line = page.locator(".train-progress")
    for _ in range(100):
        text = line.evaluate("e => e.shadowRoot.querySelector('b')?.parentElement?.innerText ?? ''")
        found = AT.search(text.replace(NARROW_SPACE, ""))
        if found:
            return int(found[1])
        page.wait_for_timeout(50)
    raise AssertionError(f"no step in {text!r}")


def form(page, name):
    return page.locator(f".control-train-{name} input")


def press(page, name):
    page.locator(f".control-train-{name} button").click()


def test_a_training_goes_on_while_the_page_is_away(page, dashboard):
    address = f"{dashboard}?page=diffusion&tab=train"
    page.goto(address)
    expect(page.locator(".train-progress")).to_contain_text("Nothing has been trained", timeout=LONG)
    page.locator(".control-train-L").get_by_role("combobox").click()
    page.get_by_role("menuitem", name="8 × 8", exact=True).click()
    form(page, "batch").fill("16")
    form(page, "batch").press("Enter")
    form(page, "called").fill("browser")
    form(page, "called").press("Enter")
    press(page, "start")
    progress = page.locator(".train-progress")
    expect(progress).to_contain_text(re.compile("browser: .*step [1-9]"), timeout=LONG)
    stage = page.get_by_label("Loss by noise level, and fields of the network beside real ones")
    expect(stage).to_be_visible()
    expect(page.locator(".train-table")).to_contain_text("held-out data", timeout=LONG)
    expect(progress).to_contain_text(re.compile("about .* left"), timeout=LONG)
    page.wait_for_timeout(1000)
    before = step(page)

    page.goto("about:blank")
    page.wait_for_timeout(2000)
    page.goto(address)
    expect(progress).to_contain_text(re.compile("browser: .*step [1-9]"), timeout=LONG)
    assert step(page) > before
    expect(page.locator(".train-table")).to_contain_text("held-out data", timeout=LONG)

    press(page, "pause")
    expect(progress).to_contain_text("paused at step", timeout=LONG)
    rest = step(page)
    page.wait_for_timeout(1000)
    assert step(page) == rest
    page.get_by_role("button", name="Resume").click()
    expect(progress).not_to_contain_text("paused", timeout=LONG)
    press(page, "stop")
    expect(progress).to_contain_text("The network is in the library as “browser”", timeout=LONG)

    path = ModelLibrary().path("browser")
    record = FieldModel.load(path).record
    first, *_, last = (sum(b - a for a, b in zip(v["baseline"], v["loss"], strict=True)) for v in record.history)
    assert last < first  # it has learned something
    assert last < 0
    path.unlink()
