"""The page *Diffusion* in the browser: play, scrub, look side by side, draw a schedule, steer a network by κ."""

import re

import pytest
from playwright.sync_api import Page, expect

from core.diffusion.field_baseline import Baseline
from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.field_model import FieldModel, FieldTrainingRecord, shipped
from core.diffusion.field_network import FieldNetwork, NetworkConfig
from core.diffusion.model_library import ModelLibrary
from core.noise import Noise
from core.theories.phi4 import Phi4
from tests.browser.test_journey import FIELD, LONG, Stage, choose, noted, press, slide, statuses, until

SMALL = "L=16&configurations=64&paths=32&sweeps=60"


def visit(page: Page, address: str) -> Stage:
    page.goto(address)
    return Stage(page, FIELD)


def toggle(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


@pytest.fixture
def network():
    """The name of a conditioned network on 16 × 16 in the library of the server."""
    free = [Baseline(FieldGaussianScore(Phi4(16, k, 0.0).free_propagator()), k, 0.022) for k in (0.16, 0.2, 0.24)]
    made = FieldNetwork(NetworkConfig(channels=2, hidden=4, gate=4, blocks=1, embedding=4, conditioned=True))
    made.initialise(Noise(1))
    couplings = [[b.kappa, b.lam] for b in free]
    record = FieldTrainingRecord("phi4", couplings, [[16, 16]], sigma_min=0.005, sigma_max=60.0)  # type: ignore[list-item]
    library = ModelLibrary()
    library.folder.mkdir(parents=True, exist_ok=True)
    name = library.free_name("browser test")
    FieldModel(made, free, record).save(library.path(name))
    yield name
    library.remove(name)


def test_it_plays_forward_and_backward_and_is_scrubbed(page, dashboard):
    """The address is the former one of the page. Nothing goes to the server while it plays."""
    stage = visit(page, f"{dashboard}?page=field&{SMALL}&model=")
    stage.moves()
    stage.ready()
    page.keyboard.press("r")
    expect(stage.caption).to_contain_text("forward")
    expect(stage.caption).to_contain_text("backward", timeout=LONG)
    before = stage.pixels("field")
    until(lambda: stage.pixels("field") != before)
    stage.pause()
    track = stage.root.locator(".stage-track")
    box = track.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 0.25 * box["width"], box["y"] + box["height"] / 2)
    expect(stage.caption).to_contain_text("forward")
    first, pictures = stage.t(), {panel: stage.pixels(panel) for panel in ("field", "k2", "k8")}
    page.mouse.click(box["x"] + 0.9 * box["width"], box["y"] + box["height"] / 2)
    expect(stage.caption).to_contain_text("backward")
    assert stage.t() != first
    for panel, picture in pictures.items():
        until(lambda panel=panel, picture=picture: stage.pixels(panel) != picture)
    expect(page.get_by_text("Gaussian baseline").first).to_be_visible()


def test_views_groups_and_numbers_of_fields(page, dashboard):
    stage = visit(page, f"{dashboard}?page=diffusion&{SMALL}&model=&kappa=0.3")
    stage.ready()
    for group, panel in (("Correlations", "structure"), ("Histograms", "site"), ("Score", "norm"), ("Data", "phi2")):
        toggle(page, group)
        stage.root.locator(f'[data-panel="{panel}"]').wait_for()
    toggle(page, "Histograms")
    single = stage.pixels("field")
    toggle(page, "3 × 3")
    until(lambda: stage.pixels("field") != single)
    toggle(page, "Side by side at equal σ̃")
    stage.root.locator('[data-panel="field2"]').wait_for()
    expect(stage.caption).to_contain_text(re.compile("^σ̃ = "))
    page.wait_for_url("**view=level**")
    until(lambda: stage.pixels("field") != stage.pixels("field2"))
    stage.moves()
    page.reload()
    stage = Stage(page, FIELD)
    stage.root.locator('[data-panel="field2"]').wait_for()
    stage.root.locator('[data-panel="site"]').wait_for()


def test_a_network_goes_on_under_another_schedule_and_follows_kappa(page, dashboard, network):
    stage = visit(page, f"{dashboard}?page=diffusion&{SMALL}&kappa=0.2&model=library:{network}")
    stage.ready()
    light = page.locator(".control-trust")
    expect(light).to_contain_text("fitted to the training ensemble")
    choose(page, "schedule", "Drawn by hand")
    page.get_by_role("slider", name="Point 3 of 5").wait_for()
    stage.ready()
    choose(page, "schedule", "Cosine")
    expect(page).to_have_url(re.compile("schedule=cosine"))
    stage.ready()
    statuses(stage)
    slide(page, "kappa", "ArrowRight", "ArrowRight")
    expect(page).to_have_url(re.compile(r"kappa=0\.21"))
    expect(light).to_contain_text("interpolated", timeout=LONG)
    until(lambda: noted(stage)[-1:] == ["32 configurations"], 60)
    stage.moves()
    press(page, "preset-0\\.4")
    expect(light).to_contain_text("trained for κ from 0.16 to 0.24", timeout=LONG)
    stage.ready()
    expect(stage.root.locator(".stage-message")).to_be_empty()


@pytest.mark.skipif(not shipped(), reason="no checkpoint is shipped yet")
def test_a_visitor_meets_a_trained_network_that_plays(page, dashboard):
    stage = visit(page, f"{dashboard}?page=diffusion")
    stage.moves()
    expect(page.get_by_text(re.compile("Learned: the network"))).to_be_visible()
    expect(page.locator(".control-trust")).to_contain_text("Baseline")
