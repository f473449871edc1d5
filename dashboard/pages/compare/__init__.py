"""The page *Compare*: two runs that differ in a few settings and share seed, axes, colours and play position."""

from __future__ import annotations

from dashboard.pages.compare.view import build

__all__ = ["build"]
