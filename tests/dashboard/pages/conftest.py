"""Pages without a browser: views are built as a session builds them, and results arrive from the working thread."""

import time
from collections.abc import Callable

import pytest

from dashboard.pages.diffusion import ensembles
from dashboard.pages.diffusion.play import PlayView
from dashboard.pages.diffusion.view import DiffusionView
from dashboard.pages.one.view import OneView
from dashboard.shared import results
from dashboard.shell import Shell

PATIENCE = 60.0  # seconds that a picture may take on a busy machine


@pytest.fixture(autouse=True)
def _nothing_kept_yet():
    ensembles._kept.clear()
    results().clear()
    yield
    ensembles._kept.clear()
    results().clear()


@pytest.fixture
def wait() -> Callable[[Callable[[], object]], None]:
    """``wait(condition)`` returns as soon as the condition holds, and fails the test if it never does."""

    def until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "waited in vain"
            time.sleep(0.01)

    return until


@pytest.fixture
def shells():
    """``shells(search)`` is the shell of a session with this address; all sessions end with the test."""
    made: list[Shell] = []

    def make(search: str = "") -> Shell:
        made.append(Shell(search))
        return made[-1]

    yield make
    for shell in made:
        shell.close()


@pytest.fixture
def one(shells) -> Callable[[str], OneView]:
    """``one("sigma=5")`` is the page *One degree of freedom* at this address."""
    return lambda query="": OneView(shells(f"?page=one&{query}"))


def play_tab(shell: Shell) -> PlayView:
    """The tab *Play* of the page *Diffusion* of a session."""
    tab = DiffusionView(shell).tab("play")
    assert isinstance(tab, PlayView)
    return tab


@pytest.fixture
def play(shells) -> Callable[[str], PlayView]:
    """``play("kappa=0.21")`` is the tab *Play* of the page *Diffusion* at this address, with a small lattice."""
    small = "L=16&configurations=64&sweeps=60&paths=64&model="
    return lambda query="": play_tab(shells(f"?page=diffusion&{small}&{query}"))
