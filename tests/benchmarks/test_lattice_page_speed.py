"""The live lattice in the browser: pictures a second and what they cost the server, from 64² to 512²."""

import time

import pytest

from tests.benchmarks.test_dashboard_speed import browser, page, server, table  # noqa: F401

pytestmark = pytest.mark.benchmark

LABEL = "The lattice field while it moves"
SECONDS = 6.0


@pytest.mark.parametrize("length", [64, 128, 256, 512])
def test_pictures_a_second(page, server, table, length):  # noqa: F811
    page.goto(f"{server.address}?page=lattice&L={length}&kappa=0.27")
    stage = page.locator(f'.stage-root[aria-label="{LABEL}"]')
    stage.and_(page.locator("[data-scenes]")).wait_for()
    page.wait_for_timeout(5000)  # step sizes are tuned, the warm-up is over

    def scenes() -> int:
        return int(stage.get_attribute("data-scenes"))

    first, cpu, began = scenes(), server.cpu(), time.monotonic()
    page.wait_for_timeout(1000 * SECONDS)
    seconds = time.monotonic() - began
    rate, busy = (scenes() - first) / seconds, (server.cpu() - cpu) / seconds
    table.append((f"lattice {length}²", f"{rate:.1f} pictures a second, server {100 * busy:.0f} % of a core"))
    assert rate > 5


def test_nothing_is_computed_while_paused(page, server, table):  # noqa: F811
    page.goto(f"{server.address}?page=lattice")
    page.locator(f'.stage-root[aria-label="{LABEL}"]').and_(page.locator("[data-scenes]")).wait_for()
    page.get_by_role("button", name="Pause", exact=True).click()
    server.rest()
    cpu, began = server.cpu(), time.monotonic()
    page.wait_for_timeout(1000 * SECONDS)
    busy = (server.cpu() - cpu) / (time.monotonic() - began)
    table.append(("lattice, paused", f"server {100 * busy:.1f} % of a core"))
    assert busy < 0.05
