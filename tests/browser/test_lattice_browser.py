"""The live lattice in the browser: it moves, is painted on, is steered, rests, and its address comes back."""

import re

from playwright.sync_api import Page, expect

from tests.browser.test_journey import Stage, choose, until

FIELD = "The lattice field while it moves"
CURVES = "Observables of the lattice field"
PATIENCE = 30_000


def visit(page: Page, address: str) -> tuple[Stage, Stage]:
    page.goto(address)
    return Stage(page, FIELD), Stage(page, CURVES)


def click(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def pixels_that_are(stage: Stage, colour: str) -> float:
    """Fraction of the field's pixels that are mainly red or blue."""
    return stage.root.locator('[data-panel="field"] canvas').evaluate(
        """(canvas, red) => {
          const copy = new OffscreenCanvas(canvas.width, canvas.height)
          const ctx = copy.getContext('2d', { willReadFrequently: true })
          ctx.drawImage(canvas, 0, 0)
          const { data } = ctx.getImageData(0, 40, canvas.width * 0.85, canvas.height - 60)
          let hits = 0
          for (let i = 0; i < data.length; i += 4)
            if (data[i + 3] && (red ? data[i] - data[i + 2] : data[i + 2] - data[i]) > 60) hits++
          return hits / (data.length / 4)
        }""",
        colour == "red",
    )


def mean_of_m(page: Page) -> float:
    """⟨|M|⟩ as the table of averages has it."""
    text = page.locator("span", has_text=re.compile(r"^⟨\|M\|⟩")).locator("xpath=..").first.inner_text()
    return float(re.search(r"⟨\|M\|⟩\s*([0-9.]+)", text)[1])


def test_it_moves_pauses_and_steps(page, dashboard):
    field, curves = visit(page, f"{dashboard}?page=lattice")
    before, drawn = field.pixels("field"), curves.count("scenes")
    until(lambda: field.pixels("field") != before)
    until(lambda: curves.count("scenes") > drawn + 2)
    click(page, "Pause")
    expect(page.get_by_role("button", name="Go on")).to_be_visible()
    page.wait_for_timeout(500)
    still, scenes = field.pixels("field"), field.count("scenes")
    page.wait_for_timeout(500)
    assert field.count("scenes") == scenes
    click(page, "Step")
    until(lambda: field.pixels("field") != still)
    for group in ("Distribution", "Correlation", "Averages"):
        shown = curves.count("scenes")
        click(page, group)
        until(lambda shown=shown: curves.count("scenes") > shown)
    click(page, "Go on")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()


def test_painting_on_the_field_changes_it(page, dashboard):
    field, _ = visit(page, f"{dashboard}?page=lattice&kappa=0.4&start=cold&brush=minus&radius=0.2")
    until(lambda: pixels_that_are(field, "red") > 0.4)
    assert pixels_that_are(field, "blue") < 0.01
    click(page, "Pause")
    box = field.root.locator('[data-panel="field"] canvas').bounding_box()
    x, y = box["x"] + 0.4 * box["width"], box["y"] + 0.5 * box["height"]
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 40, y, steps=4)
    page.mouse.up()
    until(lambda: pixels_that_are(field, "blue") > 0.08)
    expect(page.get_by_text("since the field was painted on")).to_be_visible()
    hurt = pixels_that_are(field, "blue")
    click(page, "Go on")
    until(lambda: pixels_that_are(field, "blue") < hurt / 2, 60)


def test_a_coupling_across_the_transition_orders_the_field(page, dashboard):
    visit(page, f"{dashboard}?page=lattice&kappa=0.2&L=32&group=averages&speed=100")
    expect(page.get_by_text("independent/s")).to_be_visible(timeout=PATIENCE)
    assert mean_of_m(page) < 0.1
    handle = page.locator(".control-kappa").get_by_role("slider")
    for _ in range(32):
        handle.press("ArrowRight")
    expect(page).to_have_url(re.compile("kappa=0.36"))
    until(lambda: mean_of_m(page) > 2.0)


def test_algorithm_lattice_and_preset_change_while_it_runs(page, dashboard):
    field, _ = visit(page, f"{dashboard}?page=lattice")
    choose(page, "algorithm", "Cluster")
    expect(page.get_by_text("Flips the sign of whole connected regions")).to_be_visible(timeout=PATIENCE)
    choose(page, "L", "128 × 128")
    choose(page, "shown", "2 × 2")
    choose(page, "preset", "Published table, κ = 0.40, hot start")
    expect(page.get_by_text("Not in equilibrium: from a hot start")).to_be_visible(timeout=PATIENCE)
    expect(page).to_have_url(re.compile("algorithm=cluster.*start=hot.*shown=4"))
    before = field.pixels("field")
    until(lambda: field.pixels("field") != before)
    page.reload()
    field = Stage(page, FIELD)
    expect(page.get_by_text("Not in equilibrium: from a hot start")).to_be_visible(timeout=PATIENCE)
    expect(page.locator(".control-L")).to_contain_text("128 × 128")


def test_free_field_without_a_mass_is_refused_in_a_sentence(page, dashboard):
    field, _ = visit(page, f"{dashboard}?page=lattice&kappa=0.24&lam=0")
    handle = page.locator(".control-kappa").get_by_role("slider")
    for _ in range(3):
        handle.press("ArrowRight")
    expect(field.root.locator(".stage-message")).to_contain_text("must be below 1/(2d)")
    handle.press("ArrowLeft")
    handle.press("ArrowLeft")
    expect(field.root.locator(".stage-message")).to_be_empty()
