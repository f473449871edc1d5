"""The list of jobs of a session: what it shows, whose it is, and what the browser may ask of it."""

import threading
import time

import pytest

from core.jobs import board as boards
from core.jobs.board import Board, ThreadJob
from dashboard.jobs_panel import JobsPanel, browser_owner, panel, tell_all
from dashboard.jobs_panel.owner import valid
from dashboard.limited import beyond
from dashboard.shell import build_page

ME, YOU = "a" * 32, "b" * 32


class Scan(ThreadJob):
    kind = "scan"

    def work(self):
        while True:
            self.token.check()
            time.sleep(0.005)


@pytest.fixture
def board(monkeypatch):
    fresh = Board()
    monkeypatch.setattr(boards, "board", lambda: fresh)
    monkeypatch.setattr(panel, "board", lambda: fresh)
    yield fresh
    for job in fresh.jobs().values():
        job.cancel()


def begin(title, owner):
    job = Scan(title, owner, threading.BoundedSemaphore(1))
    job.start()
    return job


def test_the_list_shows_whose_jobs_they_are_and_lets_one_cancel_ones_own(board):
    mine, yours = begin("mine", ME), begin("yours", YOU)
    shown = JobsPanel(owner=ME)
    assert [(row["title"], row["mine"]) for row in shown.jobs] == [("yours", False), ("mine", True)]
    assert shown.jobs[0]["place"] == {"page": "lattice", "tab": "scan"}
    assert YOU not in repr(shown.jobs)
    for row in shown.jobs:
        shown._handle_msg({"cancel": row["id"]})
    assert mine.token.cancelled
    assert not yours.token.cancelled
    shown._handle_msg({"cancel": shown.jobs[0]["id"]})
    assert "somebody else's" in shown.problem
    end = time.monotonic() + 20
    while not mine.over:
        assert time.monotonic() < end
        time.sleep(0.01)
    tell_all()
    assert {row["title"]: row["state"] for row in shown.jobs}["mine"] == "cancelled"


NONSENSE = [None, 3, "x", [], {}, {"cancel": True}, {"cancel": "1"}, {"cancel": 10**30}]
NONSENSE += [{"owner": 3}, {"owner": "x" * 32}, {"owner": ME + "a"}, {"owner": ["a"]}]


@pytest.mark.parametrize("message", NONSENSE)
def test_nonsense_from_the_browser_changes_nothing(board, message):
    job = begin("mine", ME)
    shown = JobsPanel(owner=ME)
    shown._handle_msg(message)
    assert shown.owner == ME
    assert not job.token.cancelled


def test_what_the_browser_has_kept_is_who_it_is(board):
    begin("mine", ME)
    page, shell = build_page("?page=home")
    assert valid(shell.owner)
    assert shell.owner != browser_owner()  # another browser, another id
    (shown,) = [item for item in page.header if isinstance(item, JobsPanel)]
    assert not shown.jobs[0]["mine"]
    shown._handle_msg({"owner": ME})
    assert shell.owner == ME
    assert shown.jobs[0]["mine"]
    shell.close()


def test_what_an_address_asks_for_beyond_the_limits_is_said():
    assert "STOQLAB_LIMIT_LATTICE_SIDE" in beyond("L", "4096")
    assert "the 500\u202f000 that this server allows" in beyond("paths", "1e9")
    for key, text in (("L", "64"), ("paths", "many"), ("kappa", "1e99"), ("paths", "nan")):
        assert beyond(key, text) == ""
    _, shell = build_page("?page=one&paths=1000000000")
    said = " ".join(alert.object for alert in shell.messages)
    assert "STOQLAB_LIMIT_PATHS" in said
    assert "Continuing with 20000" in said
    shell.close()
