"""A class opens the page *Lattice* at its defaults: pictures for each, what they cost, and what is left afterwards."""

import asyncio
import os
import statistics
import time
from pathlib import Path

import pytest

from tests.benchmarks.test_dashboard_speed import server, table  # noqa: F401
from tests.benchmarks.viewers import Viewer

pytestmark = pytest.mark.benchmark

CLASS = 30
GAP = 0.5  # seconds between one student and the next
SECONDS = 15.0
LIMIT = 150.0  # seconds after which a page counts as not opened
LABEL = "The lattice field while it moves"


def memory(process) -> float:
    """Resident memory in MB."""
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 1e6


def threads(process) -> int:
    return len(list(Path(f"/proc/{process.pid}/task").iterdir()))


async def visit(address: str, count: int, busy) -> tuple[list[Viewer], list[float]]:
    """So many viewers, and the pictures a second of each; calls ``busy`` before and after these were counted."""
    viewers = [Viewer(address, LABEL) for _ in range(count)]
    watching = []
    for viewer in viewers:
        watching.append(asyncio.create_task(viewer.watch()))
        await asyncio.sleep(GAP)
    until = time.monotonic() + LIMIT
    while time.monotonic() < until and not all(viewer.first or viewer.problem for viewer in viewers):
        await asyncio.sleep(0.2)
    await asyncio.sleep(5.0)  # step sizes are tuned, the warm-up is over
    busy()
    before, began = [viewer.pictures for viewer in viewers], time.monotonic()
    await asyncio.sleep(SECONDS)
    seconds = time.monotonic() - began
    busy()
    rates = [(viewer.pictures - old) / seconds for viewer, old in zip(viewers, before, strict=True)]
    for viewer in viewers:
        viewer.leave()
    await asyncio.gather(*watching)
    return viewers, rates


@pytest.mark.parametrize("count", [1, 5, 10, CLASS])
def test_pictures_for_everybody(server, table, count):  # noqa: F811
    asyncio.run(visit(f"{server.address}?page=lattice", 1, lambda: None))  # all is compiled
    at_first, marks = memory(server.process), []

    def busy():
        marks.append((server.cpu(), time.monotonic(), memory(server.process), threads(server.process)))

    viewers, rates = asyncio.run(visit(f"{server.address}?page=lattice", count, busy))
    (cpu, began, _, _), (cpu_after, ended, used, many) = marks
    openings = [viewer.first - viewer.began for viewer in viewers if viewer.first]
    server.rest()
    load = os.getloadavg()[0]
    table.append((
        f"{count} viewers",
        f"{statistics.median(rates):.1f} pictures a second each ({min(rates):.1f} to {max(rates):.1f}), "
        f"server {100 * (cpu_after - cpu) / (ended - began):.0f} % of a core, opened in "
        f"{statistics.median(openings):.1f} s (up to {max(openings):.1f} s), {(used - at_first) / count:.1f} MB each, "
        f"{many} threads; left: {memory(server.process) - at_first:.0f} MB, {threads(server.process)} threads; "
        f"load {load:.1f}",
    ))  # fmt: skip
    assert not [viewer.problem for viewer in viewers if viewer.problem]
    assert min(rates) > 0
    assert max(rates) < 2.5 * statistics.median(rates)  # nobody is favoured
