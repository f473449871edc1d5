"""The frame in a browser: opening, walking through the rooms, the theme, the address."""

import pytest
from playwright.sync_api import expect


def opened(page, address):
    page.goto(address)
    page.locator("nav a.brand").wait_for()
    return page


def background(page):
    return page.locator("main").evaluate("e => getComputedStyle(e).backgroundColor")


def test_the_home_page_plays_and_leads_to_the_rooms(page, dashboard):
    opened(page, dashboard)
    expect(page.get_by_role("heading", name="A laboratory for diffusion and quantisation")).to_be_visible()
    assert page.title() == "A laboratory for diffusion and quantisation · StoqLab"
    position = page.get_by_role("slider", name="Play position")
    before = position.evaluate("e => e.innerHTML")
    page.wait_for_timeout(500)
    assert position.evaluate("e => e.innerHTML") != before
    overflow = page.evaluate("[document.documentElement.scrollHeight, document.documentElement.scrollWidth]")
    assert overflow == [720, 1280]


def test_the_theme_is_kept_on_the_way_through_the_rooms(page, dashboard):
    opened(page, f"{dashboard}?page=nowhere")
    expect(page.get_by_text("There is no page called")).to_be_visible()
    light = background(page)
    page.get_by_label("Toggle theme").click()
    page.wait_for_url("**theme=dark*")
    expect(page.locator("nav a.brand")).to_have_attribute("href", "?page=home&theme=dark")
    dark = background(page)
    assert dark != light
    page.locator("nav a.brand").click()
    page.wait_for_url("**page=home&theme=dark")
    page.locator("nav a.brand").wait_for()
    assert background(page) == dark
    page.get_by_label("Toggle theme").click()
    page.wait_for_url(lambda url: "theme" not in url)


@pytest.mark.parametrize("theme", ["", "&theme=dark"])
def test_text_stands_out_from_its_ground(page, dashboard, theme):
    """Contrast of at least 4.5 to 1 (WCAG AA) for all text of the frame and the home page."""
    opened(page, f"{dashboard}?page=home{theme}")
    page.get_by_role("heading", name="A laboratory").wait_for()
    low = page.evaluate("""() => {
      const canvas = Object.assign(document.createElement('canvas'), {width: 1, height: 1})
        .getContext('2d', {willReadFrequently: true})
      const rgb = (c) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = c; canvas.fillRect(0, 0, 1, 1)
        return [...canvas.getImageData(0, 0, 1, 1).data] }
      const light = (c) => c.slice(0, 3).map(v => v / 255)
        .map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
        .reduce((s, v, i) => s + v * [.2126, .7152, .0722][i], 0)
      const parent = (e) => e.parentElement ?? e.getRootNode().host
      const ground = (e) => { for (; e; e = parent(e)) { const c = rgb(getComputedStyle(e).backgroundColor)
        if (c[3] === 255) return c } return [255, 255, 255] }
      const bad = []
      const walk = (root) => { for (const e of root.querySelectorAll('*')) {
        if (e.shadowRoot) walk(e.shadowRoot)
        if (!['A', 'P', 'H1', 'B', 'SPAN'].includes(e.tagName) || !e.closest('nav, h1, p')) continue
        if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())) continue
        const [a, b] = [light(rgb(getComputedStyle(e).color)), light(ground(e))].sort((x, y) => y - x)
        if ((a + .05) / (b + .05) < 4.5) bad.push([e.textContent.trim().slice(0, 40), (a + .05) / (b + .05)])
      } }
      walk(document)
      return bad
    }""")
    assert low == []


def test_buttons_are_named_by_their_labels(page, dashboard):
    """What a button does is its description, not its name."""
    opened(page, f"{dashboard}?page=diffusion&L=16&configurations=32&sweeps=60&paths=32&steps=20")
    button = page.get_by_role("button", name="κ = 0.40", exact=True)
    expect(button).to_be_visible()
    assert "λ = 0.022" in (button.get_attribute("title") or "")
    button.click()
    page.wait_for_url("**kappa=0.4&**")
