"""N sessions at once: opened one after the other, watched and steered for some time, counted."""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import time
from dataclasses import asdict, dataclass, field
from itertools import pairwise

from tests.load.browsers import Browsers
from tests.load.server import Server
from tests.load.session import CONTROLS, Session

GAP = 0.5
"""Seconds between one visitor and the next."""
SETTLE = 5.0
"""Seconds after the last one has opened, until step sizes are tuned."""
EVERY = 3.0
"""Seconds between movements of a slider."""
SAMPLE = 2.0
"""Seconds between looks at the memory."""


@dataclass
class Figures:
    """What came out; rates in pictures a second, times in seconds, memory in MB, load is that of the machine."""

    sessions: int
    seconds: float
    pages: list[str]
    load_before: float = 0.0
    load_after: float = 0.0
    rate_median: float = float("nan")
    rate_p5: float = float("nan")
    gap_p95: float = float("nan")
    rates: list[float] = field(default_factory=list)
    latency: dict[str, dict[str, float]] = field(default_factory=dict)
    opening_median: float = float("nan")
    opening_max: float = float("nan")
    kilobytes: float = float("nan")
    cpu: float = float("nan")
    memory: list[tuple[float, float]] = field(default_factory=list)
    browsers: list[dict[str, float]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def lines(self) -> str:
        """For a terminal."""
        memory = [megabytes for _, megabytes in self.memory]
        latency = "; ".join(
            f"{page}: median {1e3 * found['median']:.0f} ms, 95 % below {1e3 * found['p95']:.0f} ms "
            f"({found['count']:.0f} moves, {found['unanswered']:.0f} unanswered)"
            for page, found in self.latency.items()
        )
        rows = {
            "pages": ", ".join(self.pages) + f", {self.seconds:.0f} s",
            "pictures/s": f"median {self.rate_median:.1f}, 5th percentile {self.rate_p5:.1f} of all sessions; "
            f"95 % of the gaps below {1e3 * self.gap_p95:.0f} ms; {self.kilobytes:.0f} kB/s each",
            "controls": latency or "-",
            "opening": f"median {self.opening_median:.2f} s, longest {self.opening_max:.2f} s",
            "server": f"{100 * self.cpu:.0f} % of a core; memory {min(memory, default=0):.0f} MB to "
            f"{max(memory, default=0):.0f} MB, at the end {memory[-1] if memory else 0:.0f} MB",
            "browsers": "; ".join(f"{b['rate']:.1f} pictures/s drawn" for b in self.browsers) or "-",
            "load of the machine": f"{self.load_before:.1f} before, {self.load_after:.1f} after",
            "errors": "; ".join(self.errors[:5]) or "none",
        }
        width = max(map(len, rows))
        return f"{self.sessions} sessions\n" + "\n".join(f"  {name:{width}}  {text}" for name, text in rows.items())

    def record(self) -> dict:
        """For JSON."""
        return asdict(self)


async def measure(server: Server, count: int, seconds: float, pages: list[str], browsers: int) -> Figures:
    """Load the server with ``count`` sessions, ``browsers`` of them real ones."""
    figures = Figures(count, seconds, pages, load_before=os.getloadavg()[0])
    sessions = [Session(server.url, pages[i % len(pages)]) for i in range(max(0, count - browsers))]
    memory = asyncio.create_task(_remember(server, figures))
    crowd = Browsers(server.url, [pages[i % len(pages)] for i in range(min(browsers, count))])
    try:
        await crowd.open()
        opening = []
        for session in sessions:
            opening.append(asyncio.create_task(session.open()))
            await asyncio.sleep(GAP)
        await asyncio.gather(*opening)
        print(f"{count} sessions are open", file=sys.stderr, flush=True)
        await asyncio.sleep(SETTLE)
        live = [session for session in sessions if not session.problem]
        steering = [asyncio.create_task(session.steer(EVERY)) for session in live]
        cpu, began = server.cpu(), time.monotonic()
        traffic = sum(session.traffic for session in live)
        await crowd.begin()
        await asyncio.sleep(seconds)
        figures.browsers = await crowd.end()
        ended = time.monotonic()
        figures.cpu = (server.cpu() - cpu) / (ended - began)
        if live:
            figures.kilobytes = (sum(s.traffic for s in live) - traffic) / (ended - began) / len(live) / 1e3
        for task in steering:
            task.cancel()
        _evaluate(figures, sessions, began, ended)
    finally:
        memory.cancel()
        for session in sessions:
            session.leave()
        figures.errors += await crowd.leave()
    figures.load_after = os.getloadavg()[0]
    figures.errors += [s.problem for s in sessions if s.problem] + server.complaints()
    return figures


def _evaluate(figures: Figures, sessions: list[Session], began: float, ended: float) -> None:
    opened = [s.opened - s.began for s in sessions if s.opened]
    if opened:
        figures.opening_median, figures.opening_max = statistics.median(opened), max(opened)
    gaps: list[float] = []
    for session in sessions:
        if session.page != "lattice" or not session.opened:
            continue
        times = [t for t in session.frames if began <= t <= ended]
        figures.rates.append(len(times) / (ended - began))
        gaps += [b - a for a, b in pairwise(times)]
    if figures.rates:
        figures.rate_median = statistics.median(figures.rates)
        figures.rate_p5 = percentile(figures.rates, 0.05)
    if gaps:
        figures.gap_p95 = percentile(gaps, 0.95)
    for page in CONTROLS:
        own = [s for s in sessions if s.page == page]
        found = [x for s in own for x in s.latencies]
        missed = sum(s.unanswered for s in own)
        if found or missed:
            figures.latency[page] = {
                "median": statistics.median(found) if found else float("inf"),
                "p95": percentile(found, 0.95) if found else float("inf"),
                "count": len(found) + missed,
                "unanswered": missed,
            }


def percentile(values: list[float], part: float) -> float:
    """The value that this part of them does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


async def _remember(server: Server, figures: Figures) -> None:
    began = time.monotonic()
    while True:
        figures.memory.append((time.monotonic() - began, server.memory()))
        await asyncio.sleep(SAMPLE)
