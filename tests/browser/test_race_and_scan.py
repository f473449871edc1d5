"""The race and the scan of the page *Lattice*, as a person sees them; nobody may complain (see conftest)."""

import re

from playwright.sync_api import expect

LONG = 60_000  # milliseconds that a first picture may take on a busy machine
RACE = "A race of algorithms"
SCAN = "Magnetisation, susceptibility and Binder cumulant against κ"


def stage(page, label):
    return page.locator(f'.stage-root[aria-label="{label}"]')


def scenes(page, label):
    return int(stage(page, label).get_attribute("data-scenes") or 0)


def ink(page, label, panel):
    """Coloured (not grey) pixels of a panel."""
    return (
        stage(page, label)
        .locator(f"[data-panel={panel}] canvas")
        .evaluate(
            """c => { const copy = Object.assign(document.createElement("canvas"), {width: c.width, height: c.height})
            const pen = copy.getContext("2d", {willReadFrequently: true})
            pen.drawImage(c, 0, 0)
            const b = pen.getImageData(0, 0, c.width, c.height).data
            let n = 0
            for (let i = 0; i < b.length; i += 4) {
                const p = [b[i], b[i + 1], b[i + 2]]
                if (b[i + 3] > 200 && Math.max(...p) - Math.min(...p) > 60) n++ }
            return n }"""
        )
    )


def test_the_race_runs_stops_and_names_a_winner(page, dashboard):
    page.goto(f"{dashboard}?page=lattice&tab=race&L=16&kappa=0.25")
    stage(page, RACE).and_(page.locator("[data-frames]")).wait_for(timeout=LONG)
    expect(page.locator("td").first).to_be_visible(timeout=LONG)
    expect(page.locator(".race-verdict")).to_contain_text(re.compile("is ahead"), timeout=LONG)
    for i in range(4):
        assert ink(page, RACE, f"field{i}") > 1000
        assert ink(page, RACE, f"history{i}") > 100
    before = scenes(page, RACE)
    page.wait_for_timeout(2000)
    assert scenes(page, RACE) > before + 1
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("button", name="Go on")).to_be_visible()
    page.wait_for_timeout(1000)
    before = scenes(page, RACE)
    page.wait_for_timeout(1000)
    assert scenes(page, RACE) == before
    page.get_by_role("button", name="Go on").click()
    page.wait_for_timeout(2000)
    assert scenes(page, RACE) > before
    for other in ("HMC", "Metropolis", "Metropolis, overrelaxed"):
        page.get_by_role("checkbox", name=other, exact=True).uncheck()
    expect(page.get_by_text("A race takes from 2 to 4 algorithms, got 1")).to_be_visible()


def test_the_scan_draws_points_and_can_be_cancelled(page, dashboard):
    page.goto(f"{dashboard}?page=lattice&tab=scan")
    stage(page, SCAN).and_(page.locator("[data-frames]")).wait_for(timeout=LONG)
    empty = ink(page, SCAN, "binder")
    page.get_by_role("button", name="Start").click()
    progress = page.locator(".scan-progress")
    expect(progress).to_contain_text(re.compile(r"^\s*([3-9]|\d\d) of 39 points"), timeout=LONG)
    assert ink(page, SCAN, "binder") > empty + 50
    page.get_by_role("button", name="Cancel").click()
    expect(progress).to_contain_text(re.compile(r"Cancelled; \d+ of 39 points are kept\."))
    expect(page.get_by_role("button", name="Start")).to_be_enabled()
    before = scenes(page, SCAN)
    page.wait_for_timeout(1500)
    assert scenes(page, SCAN) == before
    assert ink(page, SCAN, "binder") > empty + 50
