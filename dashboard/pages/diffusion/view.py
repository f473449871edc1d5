"""The page's tabs."""

from __future__ import annotations

from dashboard.pages.diffusion import library, models
from dashboard.pages.diffusion.state import BESIDE_KEYS, BUDGET_KEYS, TABS, TRAIN_KEYS, DiffusionState
from dashboard.pages.tabs import TabbedView
from dashboard.shell import Shell

VIEWS = {
    "play": "PlayView",
    "train": "TrainView",
    "beside": "BesideView",
    "budget": "BudgetView",
}
"""The class of each tab, in the module of the tab's name."""


class DiffusionView(TabbedView):
    """The tabs of one session, with their state in the address."""

    def __init__(self, shell: Shell) -> None:
        state = DiffusionState()
        state.param["ensemble"].objects = library.choices()
        state.param["model"].objects = models.choices()
        state.model = models.default()
        shell.sync(state, [name for name in state.param if name != "name"])
        shell.address.expect([*BESIDE_KEYS, *BUDGET_KEYS, *TRAIN_KEYS.values()])
        super().__init__(shell, state, __name__.rpartition(".")[0], TABS, VIEWS)
