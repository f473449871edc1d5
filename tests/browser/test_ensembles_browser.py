"""The health of a run and the library of ensembles, as a person sees them; nobody may complain (see conftest)."""

import re

import pytest
from playwright.sync_api import expect

from core.ensembles.files import open_ensemble
from core.ensembles.library import Library

LONG = 150_000  # milliseconds that a busy machine may take
NAME = "from the browser"


@pytest.fixture
def library():
    """The library of the server of these tests, a folder of its own (see STOQLAB_HOME in tests/conftest.py)."""
    library = Library()
    yield library
    for entry in library.list():
        library.remove(entry.name)


def chip(page, name):
    """What a screen reader says of one line of the card."""
    return page.get_by_role("group", name="Health of the run").get_by_role("button", name=re.compile(f"^{name}: "))


def form(page, control):
    return page.locator(f".control-{control} input")


def test_the_health_card_turns_red_for_the_published_start(page, dashboard):
    page.goto(f"{dashboard}?page=lattice&L=32&kappa=0.4&start=hot")
    walls = chip(page, "walls")
    expect(walls).to_have_attribute("aria-label", re.compile(r"^walls: bad\. .* hold a wall"), timeout=LONG)
    expect(walls).to_have_text("✕walls")  # not by colour alone
    card = page.get_by_role("group", name="Health of the run")
    expect(card.locator("p")).not_to_be_empty()
    chip(page, "reversibility").hover()
    expect(card.locator("p")).to_contain_text("there and back")
    walls.focus()
    walls.press("Enter")
    expect(walls).to_have_attribute("aria-pressed", "true")
    page.mouse.move(5, 5)
    expect(card.locator("p")).to_contain_text("hold a wall")
    box = card.bounding_box()
    assert box is not None
    assert box["y"] + box["height"] <= 720  # on the screen without scrolling
    assert card.locator(".chips").bounding_box()["height"] < 40  # in one row


def test_the_health_card_has_no_wall_in_equilibrium(page, dashboard):
    page.goto(f"{dashboard}?page=lattice&L=32&kappa=0.21&speed=10000")
    expect(chip(page, "walls")).to_have_text("✓walls", timeout=LONG)
    expect(chip(page, "thermalised")).to_have_text("✓thermalised", timeout=LONG)
    expect(chip(page, "τ_int")).to_have_text("✓τ_int", timeout=LONG)


def test_an_ensemble_is_made_listed_measured_downloaded_and_deleted(page, dashboard, library, tmp_path):
    page.goto(f"{dashboard}?page=lattice&tab=keep&L=16&kappa=0.21&theme=dark")
    expect(page.locator(".keep-table")).to_contain_text("The library is empty", timeout=LONG)
    form(page, "called").fill(NAME)
    form(page, "called").press("Enter")
    form(page, "configurations").fill("not many")
    form(page, "configurations").press("Enter")
    page.get_by_role("button", name="Make ensemble").click()
    expect(page.locator(".keep-message")).to_contain_text("Configurations must be a whole number, got 'not many'")
    form(page, "configurations").fill("320")
    form(page, "configurations").press("Enter")
    expect(page.locator(".keep-command code")).to_contain_text("--configs 320")
    page.get_by_role("button", name="Make ensemble").click()
    expect(page.locator(".keep-message")).to_contain_text(f"“{NAME}” is in the library", timeout=LONG)
    row = page.get_by_role("radio", name=NAME)
    expect(row).to_be_checked()
    entry = library[NAME]
    assert entry.n_configs == 320
    expect(page.locator(".keep-table tr.chosen")).to_contain_text("complete")

    with page.expect_download() as download:
        page.get_by_role("link", name="Download NetCDF").click()
    assert download.value.suggested_filename == f"{NAME}.nc"
    download.value.save_as(tmp_path / "got.nc")
    assert (tmp_path / "got.nc").read_bytes() == entry.path.read_bytes()
    with open_ensemble(tmp_path / "got.nc") as reader:
        assert reader.configs == 320
        assert reader.theory.kappa == 0.21

    page.get_by_role("button", name="Measure").click()
    expect(page.locator(".keep-report")).to_contain_text("κ₈/κ₂⁴", timeout=LONG)

    page.get_by_role("button", name="Delete …").click()
    page.get_by_role("button", name="Yes, delete").click()
    expect(page.locator(".keep-message")).to_contain_text("has been deleted")
    expect(page.locator(".keep-table")).to_contain_text("The library is empty")
    assert library.list() == []


def test_an_ensemble_goes_to_the_page_diffusion(page, dashboard, library):
    page.goto(f"{dashboard}?page=lattice&tab=keep&L=16&kappa=0.21")
    form(page, "called").fill(NAME)
    form(page, "called").press("Enter")
    form(page, "configurations").fill("64")
    form(page, "configurations").press("Enter")
    page.get_by_role("button", name="Make ensemble").click()
    expect(page.locator(".keep-message")).to_contain_text(f"“{NAME}” is in the library", timeout=LONG)
    page.get_by_role("link", name="Use on page Diffusion").click()
    expect(page.get_by_text(f"configurations of “{NAME}” from the library")).to_be_visible(timeout=LONG)
    assert "ensemble=from+the+browser" in page.url
