"""The list of jobs in the header of every page, and by what a browser knows its own ones again."""

from dashboard.jobs_panel.owner import browser_owner
from dashboard.jobs_panel.panel import JobsPanel, tell_all

__all__ = ["JobsPanel", "browser_owner", "tell_all"]
