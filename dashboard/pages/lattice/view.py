"""The page's tabs."""

from __future__ import annotations

from dashboard.pages.lattice.state import KEEP_KEYS, RACE_KEYS, SCAN_KEYS, TABS, LatticeState
from dashboard.pages.tabs import TabbedView
from dashboard.shell import Shell

VIEWS = {"live": "LiveView", "race": "RaceView", "scan": "ScanView", "keep": "KeepView"}
"""The class of each tab, in the module of the tab's name."""


class LatticeView(TabbedView):
    """The tabs of one session, with their state in the address."""

    def __init__(self, shell: Shell) -> None:
        state = LatticeState()
        shell.sync(state, [name for name in state.param if name != "name"])
        shell.address.expect([*RACE_KEYS.values(), *SCAN_KEYS.values(), *KEEP_KEYS.values()])
        super().__init__(shell, state, __name__.rpartition(".")[0], TABS, VIEWS)
