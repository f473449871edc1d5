"""A person's way through the laboratory: play, steer, draw, train, share, and the field."""

import re
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

ONE = "One degree of freedom: density, trajectories, cumulants, score"
PLANE = "Particles in the plane, their density and score"
LANGEVIN = "A Langevin chain while it runs"
FIELD = "A lattice field dissolves into noise and re-forms"
LONG = 150_000  # milliseconds that a busy machine may take


class Stage:
    """The pictures called ``label`` on a page, and what a person sees of them."""

    def __init__(self, page: Page, label: str) -> None:
        self.page, self.root = page, page.locator(f'.stage-root[aria-label="{label}"]')
        self.caption = self.root.locator(".stage-caption")
        self.status = self.root.locator(".stage-status")
        self.root.and_(page.locator("[data-frames]")).wait_for(timeout=LONG)

    def count(self, name: str) -> int:
        """Frames or scenes drawn so far."""
        return int(self.root.get_attribute(f"data-{name}") or 0)

    def button(self, act: str) -> Locator:
        return self.root.locator(f'button[data-act="{act}"]')

    def ready(self) -> None:
        """Waits for the picture that was asked for."""
        expect(self.status).to_have_text(re.compile(r"^[^p].*(paths|configurations)$"), timeout=LONG)
        expect(self.root).to_have_attribute("aria-busy", "false", timeout=LONG)

    def pause(self) -> None:
        if "Pause" in (self.button("play").get_attribute("aria-label") or ""):
            self.button("play").click()
        expect(self.button("play")).to_have_attribute("aria-label", "Play (space)")

    def pixels(self, panel: str) -> str:
        """What is drawn in a panel."""
        return self.root.locator(f'[data-panel="{panel}"] canvas').evaluate("c => c.toDataURL()")

    def moves(self) -> None:
        """Fails unless it plays by itself: the caption and the pictures change."""
        caption, frames = self.caption.inner_text(), self.count("frames")
        expect(self.caption).not_to_have_text(caption)
        until(lambda: self.count("frames") > frames + 2)

    def t(self) -> float:
        return float(self.caption.inner_text().split("t = ")[1].split()[0])


def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.03)


def choose(page: Page, control: str, option: str) -> None:
    """Pick from a menu."""
    page.locator(f".control-{control}").get_by_role("combobox").click()
    page.get_by_role("menuitem", name=option, exact=True).click()


def press(page: Page, control: str) -> None:
    """Press a button of the sidebar."""
    page.locator(f".control-{control}").get_by_role("button").click()


def slide(page: Page, control: str, *keys: str) -> None:
    """Move a slider by keys."""
    handle = page.locator(f".control-{control}").get_by_role("slider")
    for key in keys:
        handle.press(key)


def statuses(stage: Stage) -> None:
    """From now on, note every status of a stage in order (see ``noted``)."""
    stage.status.evaluate(
        """e => { e.noted = []; new MutationObserver(() => {
            const said = e.textContent; if (e.noted.at(-1) !== said) e.noted.push(said) })
            .observe(e, {childList: true, characterData: true, subtree: true}) }"""
    )


def noted(stage: Stage) -> list[str]:
    return stage.status.evaluate("e => e.noted")


def visit(page: Page, address: str, label: str) -> Stage:
    page.goto(address)
    return Stage(page, label)


def test_from_home_to_a_picture_that_plays(page, dashboard):
    page.goto(dashboard)
    page.get_by_role("link", name="One degree of freedom").first.click()
    page.wait_for_url("**page=one*")
    stage = Stage(page, ONE)
    stage.moves()
    stage.ready()
    stage.moves()
    before = stage.pixels("density")
    until(lambda: stage.pixels("density") != before)

    stage.pause()
    still = stage.caption.inner_text()
    page.wait_for_timeout(400)
    assert stage.caption.inner_text() == still
    stage.button("play").click()
    stage.moves()
    page.keyboard.press(" ")
    expect(stage.button("play")).to_have_attribute("aria-label", "Play (space)")

    page.keyboard.press("r")
    expect(stage.caption).to_contain_text("forward   t = 0.000")
    page.keyboard.press("ArrowRight")
    expect(stage.caption).not_to_contain_text("t = 0.000")
    first = stage.t()
    page.keyboard.press("ArrowRight")
    until(lambda: stage.t() > first)
    page.keyboard.press("ArrowLeft")
    until(lambda: stage.t() == first)
    page.keyboard.press(" ")
    stage.moves()


def test_a_slider_gives_a_quick_picture_and_then_the_one_asked_for(page, dashboard):
    stage = visit(page, f"{dashboard}?page=one", ONE)
    stage.ready()
    stage.pause()
    page.keyboard.press("r")
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    page.wait_for_timeout(300)
    caption = stage.caption.inner_text()
    statuses(stage)
    slide(page, "sigma", *["ArrowRight"] * 30)
    stage.ready()
    until(lambda: noted(stage)[-1:] == ["20\u202f000 paths"])
    assert "preview · 1\u202f200 paths" in noted(stage)
    assert stage.caption.inner_text() != caption  # the same t, another noise level
    assert stage.caption.inner_text().split("σ̃")[0] == caption.split("σ̃")[0]
    page.wait_for_url(re.compile("sigma=1[1-9]"))
    expect(page.locator(".control-sigma")).to_contain_text(re.compile(r"1[1-9]"))


def test_a_schedule_drawn_by_hand(page, dashboard):
    stage = visit(page, f"{dashboard}?page=one&paths=2000&steps=60", ONE)
    stage.ready()
    choose(page, "schedule", "Drawn by hand")
    point = page.get_by_role("slider", name="Point 3 of 5")
    point.wait_for()
    stage.ready()
    scenes = stage.count("scenes")
    box = point.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    for step in range(1, 8):
        page.mouse.move(x + 3 * step, y - 4 * step)
        page.wait_for_timeout(40)
    page.mouse.up()
    page.wait_for_url(re.compile(r"drawn=0(:|%3A)1(\+|%20)0.25"))
    assert "0.5:3.2" not in page.url
    until(lambda: stage.count("scenes") >= scenes + 2)
    stage.ready()
    page.locator(".control-keep_variance").get_by_role("switch").or_(
        page.locator(".control-keep_variance").get_by_role("checkbox")
    ).first.click()
    page.wait_for_url("**keep_variance=true*")
    stage.ready()


def test_a_score_is_trained_while_one_watches(page, dashboard):
    stage = visit(page, f"{dashboard}?page=one&paths=2000&steps=60&target=quartic&mu2=-1.3", ONE)
    stage.ready()
    scenes = stage.count("scenes")
    choose(page, "score", "Learned")
    expect(stage.root.locator(".stage-message")).to_contain_text("press Train")
    assert stage.count("scenes") == scenes  # the picture stays
    page.locator(".control-training_steps").get_by_role("slider").press("End")
    press(page, "train")
    loss = page.locator('.stage-root[aria-label="Training loss"]')
    expect(loss).to_be_visible()
    until(lambda: int(loss.get_attribute("data-scenes") or 0) > 1, 60)
    expect(page.get_by_text(re.compile(r"step \d+ of [\d,. ]+, loss 0\.\d+"))).to_be_visible()
    press(page, "stop-training")
    expect(page.get_by_text(re.compile(r"Learned from .* samples"))).to_be_visible(timeout=LONG)
    expect(page.locator(".control-train")).to_be_visible()
    stage.ready()
    expect(stage.root.locator(".stage-message")).to_have_text("")
    assert stage.count("scenes") > scenes


def test_the_address_reproduces_the_picture(page, dashboard):
    stage = visit(page, f"{dashboard}?page=one&paths=2000&steps=60&seed=7", ONE)
    stage.ready()
    slide(page, "sigma", *["ArrowRight"] * 5)
    choose(page, "solver", "Stochastic Heun")
    page.wait_for_url(re.compile("solver=heun"))
    page.wait_for_url(re.compile("sigma=1"))
    stage.ready()
    copied = page.evaluate("location.href")
    stage.pause()
    page.keyboard.press("r")
    expect(stage.caption).to_contain_text("t = 0.000")

    again = page.context.new_page()
    other = visit(again, copied, ONE)
    other.ready()
    other.pause()
    again.keyboard.press("r")
    expect(other.caption).to_contain_text("t = 0.000")
    for control in ("sigma", "solver", "steps", "paths"):
        here, there = (p.locator(f".control-{control}").inner_text() for p in (page, again))
        assert here == there
    assert (
        again.locator(".control-seed")
        .get_by_role("textbox")
        .or_(again.locator(".control-seed").get_by_role("spinbutton"))
        .first.input_value()
        == "7"
    )
    for panel in ("density", "bundle", "k2", "k8", "w"):
        until(lambda panel=panel: other.pixels(panel) == stage.pixels(panel))
    again.close()


def test_the_plane_and_the_chain(page, dashboard):
    page.goto(f"{dashboard}?page=one&paths=1000&steps=60")
    page.get_by_role("tab", name="The plane").click()
    plane = Stage(page, PLANE)
    plane.moves()
    plane.ready()
    page.wait_for_url("**tab=plane*")
    choose(page, "plane_target", "Circle")
    plane.ready()
    plane.moves()
    before = plane.pixels("plane")
    until(lambda: plane.pixels("plane") != before)
    page.get_by_role("tab", name="Langevin").click()
    chain = Stage(page, LANGEVIN)
    frames = chain.count("frames")
    until(lambda: chain.count("frames") > frames + 5)
    expect(page.get_by_text(re.compile(r"\d+ steps, Langevin time"))).to_be_visible()
    press(page, "langevin-run")
    expect(page.locator(".control-langevin-run")).to_contain_text("Go on")
    page.wait_for_timeout(400)
    still = chain.pixels("paths")
    page.wait_for_timeout(400)
    assert chain.pixels("paths") == still
    page.get_by_role("tab", name="One dimension").click()
    Stage(page, ONE).ready()


def test_a_field_is_made_dissolved_and_re_formed(page, dashboard):
    small = "L=16&configurations=128&paths=64&model="
    stage = visit(page, f"{dashboard}?page=diffusion&{small}", FIELD)
    stage.ready()
    stage.moves()
    before = stage.pixels("field")
    until(lambda: stage.pixels("field") != before)
    statuses(stage)
    press(page, "preset-0\\.4")
    page.wait_for_url("**kappa=0.4&**")
    until(lambda: "preview · 16 configurations" in noted(stage) and noted(stage)[-1] == "64 configurations")
    stage.ready()
    stage.moves()
    expect(page.get_by_text("Two Gaussian fields").first).to_be_visible()


@pytest.mark.parametrize("room", ["page=one&paths=2000&steps=60", "page=diffusion&L=16&configurations=32&sweeps=60"])
def test_the_theme_changes_and_the_run_goes_on(page, dashboard, room):
    stage = visit(page, f"{dashboard}?{room}", FIELD if "diffusion" in room else ONE)
    stage.ready()
    scenes, light = stage.count("scenes"), stage.pixels("k2")
    page.get_by_label("Toggle theme").click()
    page.wait_for_url("**theme=dark*")
    expect(stage.root).to_have_class(re.compile("dark"))
    stage.moves()
    assert stage.count("scenes") == scenes
    assert stage.pixels("k2") != light
    stage.ready()
