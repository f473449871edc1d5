"""The stage in Chromium: what is drawn, how it plays, who hears the keys, what Python hears."""

import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace

import numpy as np
import panel as pn
import panel_material_ui as pmui
import pytest

from dashboard.stage import Image, Line, Panel, Scene, Stage
from dashboard.stage.colours import palette
from tests.dashboard.stage_demo import demo_scene

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt install chromium, or brew install chromium"),
]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
DEMO = demo_scene(frames=81, side=64)
T = np.linspace(0, 2, 21)


def plain(*series, **options) -> Scene:
    """One panel without axes, so that its plot fills the canvas but for a few pixels."""
    panel = Panel("main", list(series), hide_axes=True, legend=False, xlim=(0, 1), ylim=(0, 1))
    return Scene(T, [panel], captions=[f"t = {t:.1f}" for t in T], duration=2.0, **options)


def flat(height: float = 0.5) -> Line:
    return Line(np.linspace(0, 1, 101), np.full(101, height), color="#ff0000", width=12)


@pytest.fixture(scope="module")
def chromium():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium, monkeypatch):
    """`open_page(build)` serves and opens what `build` returns; afterwards finds no error and no foreign request.

    Pictures come as messages here, as in a notebook, whatever other tests have loaded in this process.
    """
    monkeypatch.setattr("dashboard.stage.streamed.channel_of", lambda document: None)

    @contextmanager
    def opened(
        build: Callable[[], pn.viewable.Viewable], ready: str = ".stage-root", **context
    ) -> Iterator[SimpleNamespace]:
        with socket.socket() as probe:
            probe.bind(("localhost", 0))
            port = probe.getsockname()[1]
        server = pn.serve(build, port=port, threaded=True, show=False)
        address = f"http://localhost:{port}"
        tab = chromium.new_context(viewport={"width": 1000, "height": 760}, **context)
        page = tab.new_page()
        page.set_default_timeout(8000)
        wrong: list[str] = []
        page.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda e: wrong.append(str(e)))
        page.on("requestfailed", lambda r: wrong.append("failed " + r.url))
        page.on("request", lambda r: wrong.append("foreign " + r.url) if not is_local(r.url, address) else None)
        for _ in range(50):  # the server's thread may not listen yet
            with suppress(OSError), socket.create_connection(("localhost", port), timeout=1):
                break
            time.sleep(0.05)
        try:
            page.goto(address)
            page.wait_for_selector(ready, state="attached")
            yield SimpleNamespace(page=page, context=tab)
        finally:
            tab.close()
            server.stop()
        assert wrong == []

    return opened


def is_local(url: str, address: str) -> bool:
    return url.startswith((address, address.replace("http", "ws", 1), "blob:", "data:"))


def drawn(page, nth: int = 0) -> int:
    return int(page.locator(".stage-root").nth(nth).get_attribute("data-frames") or 0)


def pixel(page, x: float, y: float, panel: str = "main") -> list[int]:
    """RGBA at a fraction of the canvas of a panel, from its upper left corner."""
    return page.locator(f"[data-panel={panel}] canvas").evaluate(
        """(canvas, [x, y]) => Array.from(canvas.getContext("2d").getImageData(
            Math.round(x * canvas.width), Math.round(y * canvas.height), 1, 1).data)""",
        [x, y],
    )


def until(condition: Callable[[], bool], seconds: float = 8.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.03)


def caption(page, nth: int = 0) -> str:
    return page.locator(".stage-caption").nth(nth).inner_text()


class Served:
    """Builds one stage a session and remembers it."""

    def __init__(self, scene: Scene, **params):
        self.scene, self.params, self.stage = scene, params, None

    def build(self) -> Stage:
        self.stage = Stage(**{"height": 560, **self.params})
        self.stage.show(self.scene)
        return self.stage


def test_every_panel_is_drawn(open_page):
    with open_page(Served(DEMO).build) as tab:
        page = tab.page
        until(lambda: drawn(page) > 0)
        for panel in DEMO.panels:
            inked = page.locator(f"[data-panel={panel.id}] canvas").evaluate(
                """c => c.getContext("2d").getImageData(0, 0, c.width, c.height).data
                    .filter((v, i) => i % 4 === 3 && v).length / (c.width * c.height)"""
            )
            assert inked > 0.02, panel.id


def test_a_stage_that_rests_draws_nothing(open_page):
    with open_page(Served(DEMO).build) as tab:
        until(lambda: drawn(tab.page) > 0)
        time.sleep(0.5)
        before = drawn(tab.page)
        time.sleep(0.5)
        assert drawn(tab.page) == before


def test_plays_in_the_browser_and_tells_python_only_at_rest(open_page):
    served = Served(DEMO)
    with open_page(served.build) as tab:
        page = tab.page
        heard = []
        served.stage.param.watch(lambda event: heard.append(event.new), "position")
        page.locator("[data-act=play]").click()
        start = drawn(page)
        time.sleep(1.2)
        assert drawn(page) - start > 10
        assert served.stage.playing
        assert heard == []
        page.locator("[data-act=play]").click()
        until(lambda: len(heard) == 1)
        shown = float(page.locator(".stage-track").get_attribute("aria-valuenow"))
        assert heard[0] == pytest.approx(shown, abs=1e-3)
        assert 0.1 < heard[0] < 2
        assert not served.stage.playing


def test_keys(open_page):
    served = Served(plain(flat()))
    build = lambda: pn.Column(served.build(), pmui.TextInput(label="words"))  # noqa: E731
    with open_page(build) as tab:
        page = tab.page
        until(lambda: caption(page) == "t = 0.0")
        for key, words in (
            ("ArrowRight", "t = 0.1"),
            ("ArrowRight", "t = 0.2"),
            ("Shift+ArrowRight", "t = 1.2"),
            ("ArrowLeft", "t = 1.1"),
            ("Home", "t = 0.0"),
            ("ArrowRight", "t = 0.1"),
            ("r", "t = 0.0"),
        ):
            page.keyboard.press(key)
            until(lambda words=words: caption(page) == words)
        page.keyboard.press("Space")
        until(lambda: served.stage.playing)
        page.keyboard.press("Space")
        until(lambda: not served.stage.playing)
        page.keyboard.press("Home")
        page.locator("input").click()
        page.keyboard.type("r r")
        page.keyboard.press("ArrowRight")
        time.sleep(0.2)
        assert page.locator("input").input_value() == "r r"
        assert caption(page) == "t = 0.0"
        assert not served.stage.playing


def test_keys_go_to_the_stage_under_the_pointer(open_page):
    def build():
        stages = [Stage(height=300), Stage(height=300)]
        for stage in stages:
            stage.show(plain(flat()))
        return pn.Column(*stages)

    with open_page(build) as tab:
        page = tab.page
        until(lambda: page.locator(".stage-caption").count() == 2 and caption(page, 1) == "t = 0.0")
        for hovered, other in ((0, 1), (1, 0)):
            before = caption(page, other)
            page.locator(".stage-root").nth(hovered).hover(position={"x": 60, "y": 60})
            page.keyboard.press("ArrowRight")
            until(lambda hovered=hovered: caption(page, hovered) == "t = 0.1")
            assert caption(page, other) == before


def test_python_moves_the_picture(open_page):
    served = Served(
        plain(Line(np.linspace(0, 1, 5), np.linspace(0, 1, 21)[:, None].repeat(5, 1), color="#ff0000", width=14))
    )
    with open_page(served.build) as tab:
        until(lambda: drawn(tab.page) > 0)
        for position, height in ((1.0, 0.5), (1.6, 0.8)):
            served.stage.position = position
            until(lambda height=height: pixel(tab.page, 0.5, 1 - height)[3] > 200)
            assert caption(tab.page) == f"t = {position:.1f}"


def test_smooth_scenes_move_between_frames(open_page):
    heights = np.array([0.2, 0.8])
    line = Line([0, 1], heights[:, None].repeat(2, 1), color="#ff0000", width=14)
    panel = Panel("main", [line], hide_axes=True, xlim=(0, 1), ylim=(0, 1))
    for smooth, expected in ((True, 0.5), (False, 0.2)):
        served = Served(Scene([0.0, 1.0], [panel], smooth=smooth), position=0.5)
        with open_page(served.build) as tab:
            until(lambda expected=expected, tab=tab: pixel(tab.page, 0.5, 1 - expected)[3] > 200)


def test_nan_leaves_a_gap(open_page):
    x = np.linspace(0, 1, 101)
    line = Line(x, np.where(np.abs(x - 0.5) < 0.1, np.nan, 0.5), color="#ff0000", width=14)
    with open_page(Served(plain(line)).build) as tab:
        until(lambda: pixel(tab.page, 0.25, 0.505)[0] > 200)
        assert pixel(tab.page, 0.75, 0.505)[0] > 200
        assert pixel(tab.page, 0.5, 0.505)[3] == 0


def test_images_stand_upright_in_their_palette(open_page):
    data = np.array([[0, 255], [128, 64]], np.uint8)
    with open_page(Served(plain(Image(data, (0, 1, 0, 1)))).build) as tab:
        until(lambda: drawn(tab.page) > 0)
        table = np.frombuffer(palette("diverging"), np.uint8).reshape(256, 3)
        for (x, y), value in (((0.25, 0.75), 0), ((0.75, 0.75), 255), ((0.25, 0.25), 128), ((0.75, 0.25), 64)):
            assert pixel(tab.page, x, y)[:3] == table[value].tolist()


def test_a_drag_on_a_clock_panel_scrubs(open_page):
    served = Served(DEMO)
    with open_page(served.build) as tab:
        page = tab.page
        until(lambda: drawn(page) > 0)
        box = page.locator("[data-panel=paths]").bounding_box()
        y = box["y"] + box["height"] / 2
        page.mouse.move(box["x"] + 0.4 * box["width"], y)
        page.mouse.down()
        page.mouse.move(box["x"] + 0.7 * box["width"], y, steps=4)
        assert served.stage.position == 0
        page.mouse.up()
        until(lambda: served.stage.position > 0)
        assert 1.1 < served.stage.position < 1.6


def painted_stage() -> tuple[Served, list]:
    """A field of 8 × 4 sites to paint on, and a panel beside it whose x axis is the play position."""
    field = Panel("field", [Image(np.zeros((4, 8), np.uint8), (0, 8, 0, 4))], aspect="equal", hide_axes=True)
    beside = Panel("beside", [Line(T, T)], clock=True)
    scene = Scene(T, [field, beside], columns="1fr 1fr", areas=["field beside"])
    served = Served(scene, paintable="field", brush_radius=1.0)
    return served, []


def plot_box(page, panel: str) -> tuple[float, float, float, float]:
    """Left, bottom, width and height of the coloured pixels of a field, in page coordinates."""
    outer = page.locator(f"[data-panel={panel}] canvas").bounding_box()
    left, top, right, bottom = page.locator(f"[data-panel={panel}] canvas").evaluate(
        """c => { const bits = c.getContext("2d").getImageData(0, 0, c.width, c.height).data, box = [1e9, 1e9, 0, 0]
            for (let y = 0; y < c.height; y++) for (let x = 0; x < c.width; x++) {
                const i = 4 * (y * c.width + x)
                if (bits[i + 3] < 250 || Math.max(bits[i], bits[i + 1], bits[i + 2]) < 100) continue
                box[0] = Math.min(box[0], x); box[1] = Math.min(box[1], y)
                box[2] = Math.max(box[2], x + 1); box[3] = Math.max(box[3], y + 1) }
            return box }"""
    )
    return outer["x"] + left, outer["y"] + bottom, right - left, bottom - top


def test_a_stroke_arrives_in_python_in_the_units_of_the_field(open_page):
    served, heard = painted_stage()
    with open_page(served.build) as tab:
        page = tab.page
        until(lambda: drawn(page) > 0)
        served.stage.on_paint(lambda points, begins: heard.append((points, begins)))
        left, bottom, width, height = plot_box(page, "field")
        assert width == pytest.approx(2 * height, rel=0.02)  # as the field is
        place = lambda x, y: (left + x / 8 * width, bottom - y / 4 * height)  # noqa: E731
        page.mouse.move(*place(1, 1))
        circle = page.locator("[data-panel=field] .stage-brush")
        circle.wait_for()
        assert circle.bounding_box()["width"] == pytest.approx(2 / 8 * width, abs=1)
        assert heard == []  # the pointer only hovers
        page.mouse.down()
        page.mouse.move(*place(7, 3), steps=20)
        page.mouse.up()
        until(lambda: heard and heard[-1][0][-1][0] > 6.9)
        points = np.array([point for some, _ in heard for point in some])
        pixel_size = 8 / width
        assert points[0] == pytest.approx([1, 1], abs=1.5 * pixel_size)
        assert points[-1] == pytest.approx([7, 3], abs=1.5 * pixel_size)
        assert (np.diff(points, axis=0) >= -pixel_size).all()  # rightwards and upwards
        assert [begins for _, begins in heard] == [True] + [False] * (len(heard) - 1)
        assert served.stage.position == 0
        page.mouse.move(*place(4, 2))
        time.sleep(0.2)
        assert sum(len(some) for some, _ in heard) == len(points)  # nothing after the button is up


def test_a_stroke_pauses_outside_the_field_and_comes_at_a_bounded_rate(open_page):
    served, heard = painted_stage()
    with open_page(served.build) as tab:
        page = tab.page
        until(lambda: drawn(page) > 0)
        served.stage.on_paint(lambda points, begins: heard.append((points, begins)))
        left, bottom, width, height = plot_box(page, "field")
        page.mouse.move(left + width / 2, bottom - height / 2)
        page.mouse.down()
        page.mouse.move(left + width / 2, bottom + 30, steps=5)
        page.mouse.move(left + width / 4, bottom - height / 2, steps=5)
        began = time.monotonic()
        for i in range(200):
            page.mouse.move(left + width * (0.25 + i / 400), bottom - height / 2)
        page.mouse.up()
        passed = time.monotonic() - began
        until(lambda: heard and heard[-1][0][-1][0] == pytest.approx(8 * (0.25 + 199 / 400), abs=0.1))
        assert [begins for _, begins in heard].count(True) == 2
        points = np.array([point for some, _ in heard for point in some])
        assert (points[:, 0] >= 0).all()
        assert (points[:, 1] >= 0).all()
        assert len(heard) < 10 + 32 * passed


def test_beside_the_field_a_drag_still_scrubs_and_other_stages_are_not_painted_on(open_page):
    served, heard = painted_stage()
    with open_page(served.build) as tab:
        page = tab.page
        until(lambda: drawn(page) > 0)
        served.stage.on_paint(lambda points, begins: heard.append((points, begins)))
        box = page.locator("[data-panel=beside]").bounding_box()
        y = box["y"] + box["height"] / 2
        page.mouse.move(box["x"] + 0.4 * box["width"], y)
        page.mouse.down()
        page.mouse.move(box["x"] + 0.7 * box["width"], y, steps=4)
        page.mouse.up()
        until(lambda: served.stage.position > 1)
        assert heard == []
        served.stage.paintable = ""
        until(lambda: page.locator(".stage-panel.paintable").count() == 0)
        left, bottom, width, height = plot_box(page, "field")
        page.mouse.move(left + width / 2, bottom - height / 2)
        page.mouse.down()
        page.mouse.move(left + width / 4, bottom - height / 4, steps=4)
        page.mouse.up()
        time.sleep(0.2)
        assert heard == []


def test_one_paints_with_a_finger_on_a_field_that_changes(open_page):
    """A touch that moves must paint, not scroll, while scenes are streamed under it."""
    served, heard = painted_stage()
    with open_page(served.build, has_touch=True) as tab:
        page = tab.page
        until(lambda: drawn(page) > 0)
        served.stage.on_paint(lambda points, begins: heard.append((points, begins)))
        left, bottom, width, height = plot_box(page, "field")
        touch = tab.context.new_cdp_session(page)
        at = lambda part: [{"x": left + part * width, "y": bottom - height / 2}]  # noqa: E731
        touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": at(0.2)})
        for part in np.linspace(0.2, 0.8, 12):
            served.stage.push(served.scene)
            touch.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": at(float(part))})
            time.sleep(0.02)
        touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        until(lambda: heard and heard[-1][0][-1][0] == pytest.approx(6.4, abs=0.1))
        assert heard[0][0][0] == pytest.approx((1.6, 2.0), abs=0.1)
        assert [begins for _, begins in heard].count(True) == 1


def test_a_panel_without_room_does_not_stop_the_page(open_page):
    scene = Scene(T, [Panel("main", [flat()]), Panel("second", [flat()])], columns="1fr", areas=["main second"])
    with open_page(Served(scene).build) as tab:
        until(lambda: drawn(tab.page) > 0)
        assert tab.page.locator("[data-panel=second]").bounding_box()["width"] < 20


def test_a_click_on_the_legend_hides_a_series(open_page):
    panel = Panel("main", [Line([0, 1], [0.5, 0.5], "curve", "#ff0000", width=14)], xlim=(0, 1), ylim=(0, 1))
    with open_page(Served(Scene([0.0], [panel])).build) as tab:
        page = tab.page
        until(lambda: drawn(page) > 0)
        red = lambda: page.locator("[data-panel=main] canvas").evaluate(  # noqa: E731
            """c => c.getContext("2d").getImageData(c.width / 2, 60, 1, c.height - 60).data
                .filter((v, i) => i % 4 === 3 && v > 250).length"""
        )
        assert red() >= 12
        box = page.locator("[data-panel=main]").bounding_box()
        page.mouse.click(box["x"] + box["width"] - 40, box["y"] + 10)
        until(lambda: red() < 5)


def test_errors_are_readable_and_leave_the_picture(open_page):
    served = Served(plain(flat()))
    with open_page(served.build) as tab:
        page = tab.page
        until(lambda: pixel(page, 0.5, 0.505)[0] > 200)
        served.stage.param.update(error="The potential has no ground state.", busy=True, status="preview")
        page.get_by_text("The potential has no ground state.").wait_for()
        assert page.locator(".stage-status").inner_text() == "preview"
        assert page.locator(".stage-busy").is_visible()
        assert pixel(page, 0.5, 0.505)[0] > 200
        served.stage.param.update(error="", busy=False)
        page.locator(".stage-message").wait_for(state="hidden")
        assert not page.locator(".stage-busy").is_visible()


def test_reduced_motion_does_not_start_by_itself(open_page):
    served = Served(plain(flat()), playing=True)
    with open_page(served.build, reduced_motion="reduce") as tab:
        until(lambda: not served.stage.playing)
        assert caption(tab.page) == "t = 0.0"


@pytest.mark.parametrize("tabs", [pmui.Tabs, pn.Tabs])
def test_a_hidden_tab_draws_when_it_is_shown(open_page, tabs):
    served = Served(DEMO, playing=True)
    build = lambda: tabs(("first", pn.pane.Markdown("nothing")), ("second", served.build()))  # noqa: E731
    with open_page(build, ready="text=second") as tab:
        page = tab.page
        for _ in range(2):
            page.get_by_text("second").click()
            until(lambda: page.locator(".stage-root").count() > 0)
            before = drawn(page)
            until(lambda before=before: drawn(page) > before + 5)
            assert page.locator("[data-panel=density] canvas").is_visible()
            page.get_by_text("first").click()
            time.sleep(0.3)


def test_the_theme_of_a_page_changes_live(open_page):
    served = Served(plain(Line([0, 1], [0.5, 0.5], color="exact", width=14)))

    def build():
        stage = served.build()
        page = pmui.Page(main=[stage], theme_toggle=True)
        page.param.watch(lambda event: setattr(stage, "dark", event.new), "dark_theme")
        return page

    with open_page(build) as tab:
        until(lambda: pixel(tab.page, 0.5, 0.505)[3] == 255)
        assert max(pixel(tab.page, 0.5, 0.505)[:3]) < 60
        tab.page.locator("button[aria-label*=heme]").first.click()
        until(lambda: min(pixel(tab.page, 0.5, 0.505)[:3]) > 200)


def test_a_stream_shows_the_newest_scene_and_never_piles_up(open_page):
    served = Served(plain(flat()))
    with open_page(served.build) as tab:
        page = tab.page
        until(lambda: drawn(page) > 0)
        under_way = []
        for i in range(60):
            panel = Panel("main", [flat(i / 60)], hide_axes=True, xlim=(0, 1), ylim=(0, 1))
            served.stage.push(Scene([0.0, i + 1.0], [panel], captions=["", f"sweep {i}"]))
            under_way.append(served.stage._sent - served.stage._acknowledged)
            time.sleep(0.005)
        until(lambda: caption(page) == "sweep 59")
        assert max(under_way) <= 2
        assert served.stage._sent < 60


def test_values_alone_are_drawn_as_a_whole_scene_is(open_page):
    def grey(value):
        field = Image(np.full((4, 4), value, np.uint8), (0, 1, 0, 1), palette="grey")
        return Scene([0.0], [Panel("main", [field], hide_axes=True, xlim=(0, 1), ylim=(0, 1))])

    served = Served(grey(250))
    sent = []
    with open_page(served.build) as tab:
        until(lambda: drawn(tab.page) > 0)
        stage, send = served.stage, served.stage._send_msg
        stage._send_msg = lambda message: (sent.append(message), send(message))
        brightness = lambda: pixel(tab.page, 0.5, 0.5)[0]  # noqa: E731
        stage.push(grey(20))
        until(lambda: brightness() < 50)
        stage.push(grey(220))
        until(lambda: brightness() > 180)
        stage.push(grey(120))
        until(lambda: 80 < brightness() < 160)
        assert ["scene" in message for message in sent] == [True, False, False]
        stage._formed = 99  # as if another scene had been shown in between: the view asks for a whole one
        stage.push(grey(20))
        until(lambda: brightness() < 50)
        assert ["scene" in message for message in sent[3:]] == [False, True]
        stage.push(grey(220))
        until(lambda: brightness() > 180)
        assert "values" in sent[-1]


def test_controls_may_be_hidden(open_page):
    with open_page(Served(DEMO, controls=False).build) as tab:
        until(lambda: drawn(tab.page) > 0)
        assert not tab.page.locator(".stage-controls").is_visible()


@pytest.mark.benchmark
def test_frames_a_second(open_page):
    """Six panels, a field of 128² and sixty trajectories at 1440 × 900, drawn in software."""
    with open_page(Served(demo_scene(), height=690).build) as tab:
        page = tab.page
        page.set_viewport_size({"width": 1440, "height": 900})
        page.locator("[data-act=play]").click()
        time.sleep(1)
        start, since = drawn(page), time.monotonic()
        time.sleep(4)
        rate = (drawn(page) - start) / (time.monotonic() - since)
        print(f"{rate:.1f} frames per second")
        assert rate > 0
