"""How fast a training is."""

from __future__ import annotations

import time
from collections import deque


class Pace:
    """Steps per second over the last while, from reports of the step."""

    MEMORY, LEAST = 60.0, 2.0  # seconds looked back at, and needed before anything is said

    def __init__(self) -> None:
        self._reports: deque[tuple[float, int]] = deque()

    def add(self, step: int) -> None:
        """Step number ``step`` has been reached now."""
        now = time.monotonic()
        self._reports.append((now, step))
        while now - self._reports[0][0] > self.MEMORY and len(self._reports) > 2:
            self._reports.popleft()

    @property
    def rate(self) -> float | None:
        """Steps per second; None before it is known."""
        if len(self._reports) < 2:
            return None
        (first, low), (last, high) = self._reports[0], self._reports[-1]
        return (high - low) / (last - first) if last - first >= self.LEAST and high > low else None
