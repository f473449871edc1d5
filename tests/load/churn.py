"""Sessions that come and go: what they leave behind."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from tests.load.server import Server
from tests.load.session import Session

AT_ONCE = 5
STAY = 1.0
"""Seconds that a visitor stays after the first picture."""
LIFETIME = 15_000
"""Milliseconds that a session outlives its visitor by."""
FORGOTTEN = 24.0
"""Seconds after which the last sessions are gone."""
ROUNDS = 3
"""How often to wait for that at most: on a busy computer the last ones are gone later."""
EVERY = 50


async def churn(server: Server, total: int, pages: list[str], every: int = EVERY) -> dict[str, Any]:
    """Open and close ``total`` sessions, some at a time; memory and what is left, before, each ``every``, and after.

    Each row has the resident memory in MB and, besides the counts of `served.count`, the time.
    """
    await _visit([Session(server.url, page) for page in pages])  # all is loaded and compiled
    rows: list[dict[str, Any]] = [await _look(server, 0)]
    errors: list[str] = []
    done = 0
    while done < total:
        step = min(AT_ONCE, total - done, every - done % every)
        errors += await _visit([Session(server.url, pages[(done + i) % len(pages)]) for i in range(step)])
        done += step
        if done % every == 0 or done == total:
            rows.append(await _look(server, done))
            print(_line(rows[-1]), flush=True)
    return {"churn": rows, "errors": errors + server.complaints()}


async def _visit(sessions: list[Session]) -> list[str]:
    await asyncio.gather(*(session.open() for session in sessions))
    await asyncio.sleep(STAY)
    for session in sessions:
        session.leave()
    return [session.problem for session in sessions if session.problem]


async def _look(server: Server, done: int) -> dict[str, Any]:
    left: dict[str, float] = {}
    for _ in range(ROUNDS):
        await asyncio.sleep(FORGOTTEN)
        left = server.count()
        if not left.get("documents"):
            break
    await asyncio.sleep(0.5)
    return {"sessions": done, "memory": server.memory(), "time": time.time(), **left}


def _line(row: dict[str, Any]) -> str:
    counts = ("documents", "runners", "channels", "threads", "blocks")
    left = ", ".join(f"{row[name]} {name}" for name in counts if name in row)
    used = f" ({row['in_use']:.0f} MB in use)" if "in_use" in row else ""
    return f"after {row['sessions']} sessions: {row['memory']:.0f} MB{used}, {left}"
