"""How fast the dashboard answers: opening, a control that moves, playing; and what its pictures cost.

Times in the browser are taken there, from the event to the first frame that shows the new picture.
"""

import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest

from core.jobs import Token
from dashboard.pages.one.order import Order
from dashboard.pages.one.picture import full_quality, paint, preview
from dashboard.pages.one.scene import build_scene
from dashboard.pages.one.state import OneState
from tests.browser.conftest import FLAGS, MISSING, NAMES

pytestmark = pytest.mark.benchmark

ROOT = Path(__file__).parents[2]
TICK = os.sysconf("SC_CLK_TCK")
SIZE = {"width": 1280, "height": 720}
VISITS, MOVES, SECONDS = 4, 9, 4.0

# Finds a stage inside the shadow roots of the page.
STAGE = """
const find = (root) => {
  for (const e of root.querySelectorAll('*')) {
    if (e.matches('.stage-root[data-frames]') && e.clientWidth > 200 && e.clientHeight > 200) return e
    const inside = e.shadowRoot && find(e.shadowRoot)
    if (inside) return inside
  }
}
"""
FIRST_FRAME = f"""
{STAGE}
const timer = setInterval(() => {{
  const stage = find(document)
  if (!stage || Number(stage.dataset.frames) < 2) return
  clearInterval(timer)
  window.firstFrame = performance.now()
}}, 10)
"""
WATCH_ANSWERS = f"""() => {{
  {STAGE}
  const stage = find(document)
  window.answers = []
  let asked = null, before = null
  document.addEventListener('keydown', () => {{ asked = performance.now(), before = stage.dataset.scenes }}, true)
  new MutationObserver(() => {{
    if (asked === null || stage.dataset.scenes === before) return
    window.answers.push(performance.now() - asked)
    asked = null
  }}).observe(stage, {{attributeFilter: ['data-scenes']}})
}}"""
FRAMES = f"() => {{ {STAGE} return Number(find(document).dataset.frames) }}"
BUSY = f"() => {{ {STAGE} return find(document).getAttribute('aria-busy') }}"


def order(**choices) -> Order:
    """What the page asks for with these choices."""
    state = OneState(**choices)
    target = state.make_target()
    return Order(
        target, state.make_schedule(), target, "exact", state.solver, state.grid, state.steps, state.paths,
        state.prior, state.seed,
    )  # fmt: skip


@pytest.mark.parametrize("target", ["two-peak", "mixture", "quartic", "formula"])
@pytest.mark.parametrize("quality", ["preview", "full"])
def test_a_picture(benchmark, target, quality):
    """Each round at another σ, so that nothing is remembered from the one before."""
    benchmark.group = f"picture in one dimension, {quality}"
    sigma = iter(range(1000, 5000))

    def run():
        wanted = order(target=target, sigma=next(sigma) / 100)
        picture = preview(wanted, Token()) if quality == "preview" else paint(wanted, full_quality(wanted), Token())
        assert picture is not None
        return build_scene(picture).block

    benchmark.pedantic(run, rounds=7 if quality == "preview" else 3, warmup_rounds=1)


class Server:
    """``panel serve dashboard`` in a process of its own."""

    def __init__(self, log: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}/dashboard"
        command = [sys.executable, "-m", "panel", "serve", "dashboard", "--port", str(port), "--address", "127.0.0.1"]
        with log.open("w") as out:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT)
        for _ in range(600):
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/static/js/bokeh.min.js"):
                return
            time.sleep(0.1)
        pytest.fail(f"the server did not start:\n{log.read_text()}")

    def rest(self) -> None:
        """Waits until nothing is left to do, pages that were closed included."""
        for _ in range(60):
            before = self.cpu()
            time.sleep(1.0)
            if self.cpu() - before < 0.03:
                return
        pytest.fail("the server does not come to rest")

    def cpu(self) -> float:
        """Processor seconds that the server has used, all threads together."""
        words = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(words[11]) + int(words[12])) / TICK


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    if not Path("/proc/self/stat").exists():
        pytest.skip("reads the processor time of the server from /proc")
    server = Server(tmp_path_factory.mktemp("server") / "log")
    yield server
    server.process.terminate()
    server.process.wait(10)


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    chromium = next((path for path in map(shutil.which, NAMES) if path), None)
    if chromium is None:
        pytest.skip(MISSING)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def table():
    """Rows (what, value) that are printed when all is measured."""
    rows: list[tuple[str, str]] = []
    yield rows
    width = max((len(what) for what, _ in rows), default=0)
    print("\n" + "\n".join(f"{what:<{width}}  {value}" for what, value in rows))


@pytest.fixture
def page(browser):
    context = browser.new_context(viewport=SIZE)
    page = context.new_page()
    page.set_default_timeout(60_000)
    yield page
    context.close()


def settle(page) -> None:
    page.wait_for_function("window.firstFrame")
    page.wait_for_timeout(500)
    page.wait_for_function(f"({BUSY})() === 'false'")


@pytest.mark.parametrize("room", ["one", "diffusion"])
def test_from_opening_to_the_first_moving_frame(browser, server, table, room):
    def visit(context) -> float:
        page = context.new_page()
        page.add_init_script(FIRST_FRAME)
        page.goto(f"{server.address}?page={room}")
        page.wait_for_function("window.firstFrame", timeout=120_000)
        seconds = page.evaluate("window.firstFrame") / 1000
        settle(page)
        page.close()
        return seconds

    context = browser.new_context(viewport=SIZE)
    server.rest()
    first, *later = [visit(context) for _ in range(VISITS)]
    context.close()
    fresh = browser.new_context(viewport=SIZE)
    table.append((f"{room}: opening to the first moving frame, first visitor", f"{first:.2f} s"))
    table.append((f"{room}: another visitor", f"{visit(fresh):.2f} s"))
    table.append((f"{room}: the same visitor again", f"{statistics.median(later):.2f} s"))
    fresh.close()


CONTROLS = {
    "two-peak, σ": ("page=one", "sigma"),
    "mixture, σ": ("page=one&target=mixture", "sigma"),
    "quartic, σ": ("page=one&target=quartic", "sigma"),
    "quartic, μ²": ("page=one&target=quartic", "mu2"),
    "quartic, g": ("page=one&target=quartic", "coupling"),
    "learned score, σ": ("page=one&score=learned", "sigma"),
    "plane, spiral, σ": ("page=one&tab=plane&plane_target=spiral", "sigma"),
    "diffusion, κ": ("page=diffusion", "kappa"),
    "diffusion, Gaussian baseline, κ": ("page=diffusion&model=", "kappa"),
}


@pytest.mark.parametrize("name", CONTROLS)
def test_from_a_control_to_the_picture(page, server, table, name):
    query, control = CONTROLS[name]
    page.add_init_script(FIRST_FRAME)
    page.goto(f"{server.address}?{query}")
    settle(page)
    page.evaluate(WATCH_ANSWERS)
    handle = page.locator(f".control-{control}").get_by_role("slider")
    for move in range(MOVES):
        handle.press("ArrowRight")
        page.wait_for_function(f"window.answers.length > {move}")
        page.wait_for_timeout(400)
    found = sorted(page.evaluate("window.answers"))
    table.append((f"{name}: control to picture", f"{statistics.median(found):.0f} ms (up to {found[-1]:.0f} ms)"))


TEXTS = {
    "typed potential": ("&target=formula", "formula", [f"x^2/2 + {2 + i / 10:.1f}*cos(3*x)" for i in range(MOVES)]),
    "means of a mixture": ("&target=mixture", "means", [f"-2, {1 + i / 10:.1f}" for i in range(MOVES)]),
}


@pytest.mark.parametrize("name", TEXTS)
def test_from_a_text_to_the_picture(page, server, table, name):
    query, control, texts = TEXTS[name]
    page.add_init_script(FIRST_FRAME)
    page.goto(f"{server.address}?page=one{query}")
    settle(page)
    page.evaluate(WATCH_ANSWERS)
    box = page.locator(f".control-{control}").get_by_role("textbox")
    for move, text in enumerate(texts):
        box.fill(text)
        page.wait_for_function(f"({BUSY})() === 'false'")
        page.wait_for_timeout(300)  # nobody presses Enter in the instant of the last letter
        box.press("Enter")
        page.wait_for_function(f"window.answers.length > {move}")
        page.wait_for_timeout(400)
    found = sorted(page.evaluate("window.answers"))
    table.append((f"{name}: Enter to picture", f"{statistics.median(found):.0f} ms (up to {found[-1]:.0f} ms)"))


@pytest.mark.parametrize("room", ["one", "diffusion"])
def test_playing_is_smooth_and_free_for_the_server(page, server, table, room):
    page.add_init_script(FIRST_FRAME)
    page.goto(f"{server.address}?page={room}")
    settle(page)
    server.rest()
    measured = []
    for _ in range(3):  # once in a while the server clears away a page that was closed earlier
        frames, cpu, began = page.evaluate(FRAMES), server.cpu(), time.monotonic()
        page.wait_for_timeout(1000 * SECONDS)
        seconds = time.monotonic() - began
        measured.append(((server.cpu() - cpu) / seconds, (page.evaluate(FRAMES) - frames) / seconds))
    busy, rate = min(measured)
    table.append((f"{room}: playing", f"{rate:.0f} frames a second, server {100 * busy:.1f} % of a core"))
    assert busy < 0.05
    assert rate > 10
