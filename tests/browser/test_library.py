"""The page Library as a person uses it: import and export, search, delete and undo, runs compared."""

import hashlib
import os
import re
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import expect

from core.diffusion.field_model import MODELS, FieldModel
from core.diffusion.model_library import ModelLibrary
from core.ensembles.library import Library
from core.ensembles.make import make_ensemble
from core.ensembles.request import EnsembleRequest
from core.history import Curves, History, Run
from core.library.arrays import ArrayLibrary
from core.theories.phi4 import Phi4

LONG = 150_000  # milliseconds that a busy machine may take


@pytest.fixture
def shelves():
    """The library of the server of these tests (see STOQLAB_HOME in tests/conftest.py), empty before and after."""
    found = (Library(), ArrayLibrary(), ModelLibrary(), History())

    def empty():
        for shelf in found:
            for path in shelf.files():
                path.unlink()

    empty()
    yield found
    empty()


@pytest.fixture
def library(page, dashboard):
    page.set_default_timeout(LONG)

    def go(query=""):
        page.goto(f"{dashboard}?page=library&tour=0{query}")
        expect(page.locator(".library-table caption")).to_contain_text(re.compile("in all|in the trash"), timeout=LONG)

    return go


def row(page, key):
    return page.locator(f'input[value="{key}"]')


def test_files_come_in_and_go_out_unchanged(page, library, shelves, tmp_path):
    request = EnsembleRequest(Phi4((8, 8), 0.25, 0.02), "hmc", 12, 3, 5, 2, {"step_size": 0.1, "n_steps": 4}, seed=8)
    make_ensemble(request, tmp_path / "mine.nc")
    np.save(tmp_path / "fields.npy", np.random.default_rng(2).normal(size=(40, 8, 8)))
    library()
    for name in ("kappa", "lam"):
        page.locator(f".control-import-{name} input").fill({"kappa": "0.2", "lam": "0.02"}[name])
        page.locator(f".control-import-{name} input").press("Enter")
    files = [tmp_path / "mine.nc", tmp_path / "fields.npy", MODELS / "phi4_L32_k0.21.safetensors"]
    page.locator(".library-import input").set_input_files(files)
    expect(page.locator(".library-import li.taken")).to_have_count(3, timeout=LONG)
    entry = Library()["fields"]
    assert (entry.kappa, entry.lam, entry.n_configs) == (0.2, 0.02, 40)
    assert FieldModel.load(ModelLibrary().path("phi4_L32_k0.21")).digest

    row(page, "ensemble:mine").check()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download NetCDF").click()
    download.value.save_as(tmp_path / "back.nc")
    assert (tmp_path / "back.nc").read_bytes() == (tmp_path / "mine.nc").read_bytes()
    page.get_by_text("Provenance").click()
    expect(page.locator(".library-origin")).to_contain_text(
        hashlib.sha256((tmp_path / "mine.nc").read_bytes()).hexdigest()
    )
    row(page, "model:phi4_L32_k0.21").check()
    expect(page.locator(".library-card")).to_contain_text("Trust it for σ̃ from")
    expect(page.get_by_role("link", name="Download model")).to_be_visible()


def test_what_is_no_good_is_refused_with_a_sentence(page, library, shelves, tmp_path):
    outside = {path.name for path in Path(os.environ["STOQLAB_HOME"]).iterdir()} | {"incoming"}
    np.save(tmp_path / "object.npy", np.array([{"a": 1}], dtype=object))
    np.save(tmp_path / "raw.npy", np.full((4, 4, 4), np.nan))
    (tmp_path / "cut.safetensors").write_bytes(b"nothing")
    (tmp_path / "notes.txt").write_text("x")
    library()
    files = [tmp_path / name for name in ("object.npy", "raw.npy", "cut.safetensors", "notes.txt")]
    page.locator(".library-import input").set_input_files(files)
    said = page.locator(".library-import ul")
    for sentence in ("not a NumPy array of numbers", "configuration 0 holds numbers that are not finite",
                     "not a learned score", "the library takes"):  # fmt: skip
        expect(said).to_contain_text(sentence, timeout=LONG)
    expect(page.locator(".library-import li.refused")).to_have_count(4)
    assert all(not shelf.files() for shelf in shelves)
    assert {path.name for path in Path(os.environ["STOQLAB_HOME"]).iterdir()} <= outside | {
        "ensembles", "arrays", "models", "runs",
    }  # fmt: skip
    assert list((Path(os.environ["STOQLAB_HOME"]) / "incoming").glob("*")) == []


def test_what_was_deleted_comes_back(page, library, shelves, tmp_path):
    arrays = shelves[1]
    arrays.folder.mkdir(parents=True, exist_ok=True)
    np.save(arrays.path("raw"), np.random.default_rng(3).normal(size=(20, 4, 4)))
    library("&kind=array")
    row(page, "array:raw").check()
    page.get_by_role("button", name="Delete").click()
    expect(page.locator(".library-message")).to_contain_text("“raw” is in the trash")
    expect(row(page, "array:raw")).to_have_count(0)
    assert arrays.files() == []
    page.get_by_role("button", name="Undo").click()
    expect(row(page, "array:raw")).to_be_checked()
    page.get_by_role("button", name="Delete").click()
    expect(row(page, "array:raw")).to_have_count(0)

    library("&kind=deleted")  # another session, later
    page.get_by_role("radio", name="raw").first.check()
    page.get_by_role("button", name="Restore").click()
    expect(page.locator(".library-message")).to_contain_text("“raw” is back")
    assert [path.name for path in arrays.files()] == ["raw.npy"]


def test_search_and_runs_side_by_side(page, library, shelves):
    history = shelves[3]
    for name, rate in (("slow", 0.001), ("quick", 0.01)):
        curves = Curves("nats", [10, 20, 30], [1.0, 2.0, 3.0], {"total": [0.0, -rate * 100, -rate * 200]})
        history.add(Run("training", name, "browser", 3.0, {"rate": rate, "batch": 64}, curves=curves))
    library("&kind=run")
    for name in ("slow", "quick"):
        page.get_by_role("checkbox", name=f"Compare: {name}").check()
    table = page.locator(".library-compared")
    expect(table.locator("tr.differs").filter(has_text="rate")).to_contain_text("0.001")
    expect(table.locator("tr.differs").filter(has_text="batch")).to_have_count(0)
    expect(page.locator(".library-comparison canvas").first).to_be_visible()
    expect(page).to_have_url(re.compile("compared="))
    page.locator(".control-text input").fill("QUI")
    page.locator(".control-text input").press("Enter")
    expect(page.locator(".library-table tbody tr")).to_have_count(1)
    expect(page.locator(".library-table caption")).to_contain_text("1 of")
    expect(page).to_have_url(re.compile("text=QUI"))
    page.reload()
    expect(table.locator("tr.differs").filter(has_text="rate")).to_contain_text("0.01", timeout=LONG)
    expect(page.locator(".library-table tbody tr")).to_have_count(1)
