"""Real browsers among the visitors: each plays its page, and counts the pictures that it draws."""

from __future__ import annotations

import shutil
import time
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
COUNT = "(root) => Number(root.dataset.frames)"
PATIENCE = 120_000
"""Milliseconds that a page may take to show its first picture."""


class Browsers:
    """One Chromium with a window for each of the ``pages``."""

    def __init__(self, server: str, pages: list[str]) -> None:
        self._server, self._names = server, pages
        self._pages: list[Any] = []
        self._before: list[tuple[float, int]] = []
        self._complaints: list[str] = []
        self._browser: Any = None
        self._playwright: Any = None

    async def open(self) -> None:
        """Open all pages, each until it has drawn something, and let them play."""
        if not self._names:
            return
        from playwright.async_api import async_playwright

        path = next((path for path in map(shutil.which, NAMES) if path), None)
        self._playwright = await async_playwright().start()
        self._browser = await self._playwright.chromium.launch(executable_path=path, args=FLAGS)
        for name in self._names:
            context = await self._browser.new_context(viewport={"width": 1280, "height": 720})
            page = await context.new_page()
            page.on("pageerror", lambda error: self._complaints.append(f"error in a script: {error}"))
            page.on("console", self._said)
            await page.goto(f"{self._server}/dashboard?page={name}")
            root = page.locator(".stage-root[data-frames]").first
            await root.wait_for(timeout=PATIENCE)
            if name != "lattice":
                play = page.locator(".stage-root button[data-act=play][aria-label^=Play]").first
                if await play.count():
                    await play.click()
            self._pages.append(root)

    async def begin(self) -> None:
        """Begin to count."""
        self._before = [(time.monotonic(), await root.evaluate(COUNT)) for root in self._pages]

    async def end(self) -> list[dict[str, float]]:
        """Pictures a second of each since then."""
        found = []
        for name, root, (then, before) in zip(self._names, self._pages, self._before, strict=True):
            drawn = await root.evaluate(COUNT) - before
            found.append({"page": name, "rate": drawn / (time.monotonic() - then)})
        return found

    async def leave(self) -> list[str]:
        """Close everything; what the pages complained about."""
        if self._browser is not None:
            await self._browser.close()
        if self._playwright is not None:
            await self._playwright.stop()
        return self._complaints

    def _said(self, message: Any) -> None:
        if message.type == "error":
            self._complaints.append(f"console: {message.text}")
