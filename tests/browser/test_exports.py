"""Everything that a page saves, opened again: pictures, animations, data, and the script, which is run."""

import base64
import csv
import io
import json
import re
import shlex
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from PIL import Image
from playwright.sync_api import Page, expect

from core.cli import main
from tests.browser.test_journey import FIELD, LANGEVIN, ONE, PLANE, Stage, until
from tests.core.reproduce.running import named, run_here, table

LINE = "page=one&tour=0&paths=600&steps=40&seed=5"
LIVE = "The lattice field while it moves"
SVG = "{http://www.w3.org/2000/svg}"
LONG = 60_000


class Saving:
    """The menu of a stage, by the keyboard, and the files that it saves into ``folder``."""

    def __init__(self, stage: Stage, folder: Path) -> None:
        self.stage, self.page, self.folder = stage, stage.page, folder
        self.button = stage.root.locator(".stage-save")
        self.box = stage.root.locator(".stage-export")
        self.message = self.box.locator(".stage-export-message")

    def open(self) -> None:
        if not self.box.is_visible():
            self.button.focus()
            self.page.keyboard.press("Enter")
        expect(self.box).to_be_visible()

    def file(self, kind: str, panel: str = "Everything") -> Path:
        self.open()
        if self.box.locator("select").is_visible():
            self.box.locator("select").select_option(label=panel)
        with self.page.expect_download(timeout=LONG) as found:
            self.box.locator(f'[data-export="{kind}"]').click()
        expect(self.message).to_have_text("Saved.")
        path = self.folder / found.value.suggested_filename
        found.value.save_as(path)
        return path

    def text(self, kind: str) -> str:
        """The script or the command; the download has the same text."""
        self.open()
        self.box.locator(f'[data-export="{kind}"]').click()
        area = self.box.locator("textarea")
        expect(area).to_be_visible(timeout=LONG)
        text = area.input_value()
        with self.page.expect_download() as found:
            self.box.get_by_role("button", name="Download").click()
        assert Path(found.value.path()).read_text(encoding="utf-8") == text
        self.box.get_by_role("button", name="Back").click()
        return text


@pytest.fixture
def opened(page: Page, dashboard: str, tmp_path: Path):
    """``opened(query, label)`` is the stage of that name, and its menu."""

    def open_page(query: str, label: str) -> tuple[Stage, Saving]:
        page.goto(f"{dashboard}?{query}", timeout=LONG)
        stage = Stage(page, label)
        return stage, Saving(stage, tmp_path)

    return open_page


def test_pictures_data_and_script_of_a_process(opened, page, capsys):
    stage, saving = opened(LINE, ONE)
    stage.ready()
    stage.pause()
    page.keyboard.press("r")
    for _ in range(12):
        page.keyboard.press("ArrowRight")

    whole = Image.open(saving.file("png"))
    assert whole.size[0] == 2520
    assert whole.info["dpi"][0] == pytest.approx(2520 / 16 * 2.54, abs=0.1)  # 16 cm wide
    assert whole.info["dpi"][0] > 300
    pixels = np.asarray(whole.convert("RGB"))
    assert pixels[0, 0].tolist() == [255, 255, 255]  # on paper, whatever the page's theme
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 500
    one = Image.open(saving.file("png", "κ₂"))
    assert one.size[0] == 2520
    assert one.size != whole.size

    root = ET.parse(saving.file("svg")).getroot()
    texts = {text.text for text in root.iter(f"{SVG}text")}
    assert {"Distribution P(x, t)", "(x − mean) / spread", "J × spread", "κ₈", "noise", "predicted"} <= texts
    assert root.get("width") == "16cm"
    assert len(list(root.iter(f"{SVG}path"))) > 60
    (image,) = root.iter(f"{SVG}image")  # the heat map; everything else is lines
    assert image.get("href", "").startswith("data:image/png;base64,")
    assert "forward" in root.find(f"{SVG}desc").text  # type: ignore[union-attr, operator]

    text = saving.file("csv").read_text(encoding="utf-8")
    head = [line for line in text.splitlines() if line.startswith("#")]
    assert any("steps = 40" in line for line in head)
    rows = list(csv.DictReader(io.StringIO("\n".join(text.splitlines()[len(head) :]))))
    assert {row["units"] for row in rows} == {"1"}
    density = [row for row in rows if row["panel"] == "Distribution P(x, t)" and row["series"] == "exact"]
    x, y = (np.array([float(row[name]) for row in density]) for name in "xy")
    assert np.trapezoid(y, x) == pytest.approx(1, abs=2e-3)

    data = xr.open_dataset(saving.file("netcdf"), engine="h5netcdf")
    assert data.attrs["setting_seed"] == 5
    assert data.sizes["position"] > 60
    assert data.k2_predicted_x.attrs["long_name"] == "κ₂: predicted: play position"
    at = float(density[0]["position"])
    there = data.isel(position=int(np.argmin(np.abs(data.position.values - at))))
    assert float(there.position) == at
    assert np.array_equal(there.density_exact_y, y)
    assert np.array_equal(there.density_exact_x, x)

    printed = table(run_here(saving.text("script")))
    way = np.array(printed[8:])
    backward = np.isfinite(data.k2_backward_y.values)
    assert np.array_equal(data.k2_backward_y.values[backward], way[:, 1])
    assert np.array_equal(data.k4_backward_y.values[backward], way[:, 3])
    capsys.readouterr()
    assert main([*shlex.split(saving.text("command"))[1:], "--json"]) == 0
    made = json.loads(capsys.readouterr().out)["cumulants"]
    assert [made[str(n)]["value"] for n in range(1, 9)] == [row[4] for row in printed[:8]]


@pytest.mark.slow
def test_animations_move(opened, page):
    stage, saving = opened("page=one&tab=plane&tour=0&paths=500&steps=20", PLANE)
    stage.ready()
    moving = Image.open(saving.file("gif", "Particles, density and score"))
    assert moving.n_frames > 60
    assert moving.info["loop"] == 0
    frames = []
    for number in (0, moving.n_frames // 4, moving.n_frames // 2):
        moving.seek(number)
        frames.append(np.asarray(moving.convert("RGB"), dtype=int))
    assert min(np.abs(a - b).mean() for a, b in ((frames[0], frames[1]), (frames[1], frames[2]))) > 1

    stage.button("play").focus()
    page.locator(".stage-buttons select:visible").select_option("4")  # the film takes as long as it plays
    film = saving.file("film", "Particles, density and score")
    assert film.stat().st_size > 20_000
    seen = page.evaluate(
        """async (data) => {
            const video = document.createElement("video")
            const url = URL.createObjectURL(new Blob([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))]))
            const shown = new Promise((done, failed) => {
                video.onseeked = done
                video.onerror = () => failed(video.error)
            })
            video.muted = true
            video.src = url
            video.currentTime = 0.3
            await shown
            const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight)
            const pen = canvas.getContext("2d", { willReadFrequently: true })
            const look = () => {
                pen.drawImage(video, 0, 0)
                return pen.getImageData(0, 0, canvas.width, canvas.height).data
            }
            const first = look()
            await new Promise((done) => { video.onseeked = done; video.currentTime = 1.5 })
            const second = look()
            let differs = 0
            for (let i = 0; i < first.length; i++) differs += Math.abs(first[i] - second[i])
            return [canvas.width, differs / first.length]
        }""",
        base64.b64encode(film.read_bytes()).decode(),
    )
    assert seen[0] == 1280
    assert seen[1] > 0.5


@pytest.mark.slow
def test_a_running_chain_is_repeated_to_the_step(opened):
    _, saving = opened("page=one&tab=langevin&tour=0&chains=20&therm=0&seed=3", LANGEVIN)
    script = saving.text("script")
    assert "mala" not in script
    printed = named(run_here(script.replace("<x²> now", "now")))
    assert 0.3 < printed["now"][0] < 6
    saving.open()
    saving.box.locator('[data-export="command"]').click()
    expect(saving.message).to_contain_text("The command line has chains of lattice fields only")


def test_a_live_lattice_with_what_was_done_to_it(opened, page):
    stage, saving = opened("page=lattice&tour=0&L=16&chain_count=4&seed=7", LIVE)
    page.locator(".control-live-run").get_by_role("button").click()  # pause
    box = stage.root.locator('[data-panel="field"] canvas').bounding_box()
    assert box is not None
    x, y = box["x"] + 0.4 * box["width"], box["y"] + 0.5 * box["height"]
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 40, y, steps=4)
    page.mouse.up()
    until(lambda: "simulation.paint(" in saving.text("script"))  # the stroke comes when it comes
    script = saving.text("script")
    assert "Phi4(L=16" in script
    assert run_here(script).startswith("updates ")  # numbers are compared in tests/core/reproduce
    assert saving.text("command").startswith("stoqlab ensemble phi4 --L 16")
    picture = Image.open(saving.file("png"))
    assert picture.size[0] == 2520
    root = ET.parse(saving.file("svg")).getroot()
    assert len(list(root.iter(f"{SVG}image"))) == 2  # the field and its colour bar
    field = xr.open_dataset(saving.file("netcdf"), engine="h5netcdf")
    assert field.field_image0_value.shape == (16, 16)


@pytest.mark.slow
def test_play_of_fields(opened):
    query = "page=diffusion&tour=0&L=16&configurations=64&paths=32&sweeps=60&model=&kappa=0.25"
    stage, saving = opened(query, FIELD)
    stage.ready()
    data = xr.open_dataset(saving.file("netcdf"), engine="h5netcdf")
    printed = np.array(table(run_here(saving.text("script"))))
    measured = data.k2_backward_y.values
    assert np.allclose(measured[np.isfinite(measured)], printed[:, 1], rtol=1e-12)
    assert np.asarray(data.field_image0_value).shape[1:] == (16, 16)


def test_the_menu_by_keyboard(opened, page):
    stage, saving = opened(LINE, ONE)
    stage.ready()
    saving.open()
    expect(saving.box.locator("select")).to_be_focused()
    playing = stage.button("play").get_attribute("aria-label")
    page.keyboard.press(" ")  # opens the list, and does not stop the picture
    page.keyboard.press("Escape")
    assert stage.button("play").get_attribute("aria-label") == playing
    if saving.box.is_visible():
        page.keyboard.press("Escape")
    expect(saving.box).to_be_hidden()
    expect(saving.button).to_have_attribute("aria-expanded", "false")


@pytest.mark.slow
def test_a_film_is_stopped(opened):
    stage, saving = opened(LINE, ONE)
    stage.ready()
    saving.open()
    saving.box.locator('[data-export="film"]').click()
    expect(saving.message).to_have_text(re.compile("^Frame [0-9]+ of"))
    saving.box.get_by_role("button", name="Stop").click()
    expect(saving.message).to_have_text("Stopped.")
    expect(stage.root.locator(".stage-sheet")).to_have_count(0)


def test_a_figure_beside_the_pictures_is_saved_as_svg(opened, page, tmp_path):
    stage, _ = opened(LINE, ONE)
    stage.ready()
    button = page.locator("[title='Save as SVG']").first
    button.wait_for(timeout=LONG)
    with page.expect_download(timeout=LONG) as found:
        button.click()
    found.value.save_as(tmp_path / "figure.svg")
    root = ET.parse(tmp_path / "figure.svg").getroot()
    assert {"κ₂", "κ₄"} <= {text.text for text in root.iter(f"{SVG}text")}
