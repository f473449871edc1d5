"""Side by side and error budget in the browser: they open, play and are drawn without a complaint."""

import re

from playwright.sync_api import expect

from tests.browser.test_journey import Stage, until

SMALL = "L=16&configurations=64&sweeps=40&paths=32&steps=10&duration=200&runs=2&model=&budget_paths=32"
PATIENCE = 60_000


def test_both_processes_play_on_one_clock(page, dashboard):
    page.goto(f"{dashboard}?page=diffusion&{SMALL}&tab=beside")
    stage = Stage(page, "Stochastic quantisation and diffusion side by side")
    expect(page.get_by_text("32 fields each", exact=True)).to_be_visible(timeout=PATIENCE)
    for panel in ("chain", "process"):
        before = stage.pixels(panel)
        until(lambda panel=panel, before=before: stage.pixels(panel) != before)
    expect(page.get_by_text(re.compile("2 short runs of 32 fields"))).to_be_visible()
    page.get_by_role("button", name="Seconds of computing").click()
    expect(page).to_have_url(re.compile("clock=seconds"))
    page.get_by_role("tab", name="Error budget").click()
    expect(page.get_by_text(re.compile("dominates"))).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_role("button", name="Begin again")).to_be_visible(timeout=PATIENCE)
    page.get_by_role("button", name="In %").click()
    expect(page.get_by_text(re.compile("Generated minus exact, in per cent of the data"))).to_be_visible()
