"""The board of jobs: how many a person may have, who may end them, and how a job in a thread lives."""

import logging
import threading
import time

import pytest

from core.jobs import board as boards
from core.jobs import present_owner
from core.jobs.board import Board, ThreadJob, describe

PATIENCE = 20.0


@pytest.fixture
def board(monkeypatch):
    fresh = Board()
    monkeypatch.setattr(boards, "board", lambda: fresh)
    return fresh


class Waiting(ThreadJob):
    kind = "test"

    def __init__(self, title="a job", owner="me", error=None, room=None):
        super().__init__(title, owner, room)
        self.gate, self.error_to_raise, self.seen = threading.Event(), error, None

    def work(self):
        self.seen = present_owner()
        while not self.gate.wait(0.005):
            self.token.check()
        if self.error_to_raise is not None:
            raise self.error_to_raise
        return "finished"


def until(condition):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def begin(board, room, **options):
    with board.admit(options.get("owner", "me")):
        job = Waiting(room=room, **options)
        job.start()
    return job


def test_a_person_has_three_jobs_at_a_time_and_others_have_theirs(board):
    room = threading.BoundedSemaphore(2)
    jobs = [begin(board, room, title=f"job {i}") for i in range(3)]
    with pytest.raises(
        ValueError, match=r"you have 3 jobs under way \(“job 0”, “job 1”, “job 2”\).*STOQLAB_LIMIT_JOBS"
    ):
        begin(board, room)
    until(lambda: [job.state for job in jobs] == ["running", "running", "waiting"])
    assert jobs[0].seen == ("job", "me")
    yours = begin(board, room, owner="you")
    jobs[0].gate.set()
    until(lambda: jobs[0].state == "finished" and jobs[2].state == "running")
    begin(board, room)  # one has ended
    for job in board.jobs().values():
        job.cancel()
    until(lambda: all(job.over for job in board.jobs().values()))
    assert yours.state == "cancelled"


def test_only_the_owner_ends_a_job_and_nobody_sees_the_secret(board):
    job = begin(board, threading.BoundedSemaphore(1))
    (number,) = board.jobs()
    with pytest.raises(ValueError, match="somebody else's"):
        board.cancel(number, "you")
    with pytest.raises(ValueError, match="somebody else's"):
        board.cancel(number, "")
    with pytest.raises(ValueError, match="no longer in the list"):
        board.cancel(number + 1, "me")
    assert not job.token.cancelled
    assert describe(job, "you")["mine"] is False
    assert "me" not in [value for value in describe(job, "you").values() if isinstance(value, str)]
    assert describe(job, "me")["mine"] is True
    board.cancel(number, "me")
    until(lambda: job.state == "cancelled")
    job.cancel()
    assert job.state == "cancelled"


def test_a_job_that_waits_can_be_cancelled(board):
    room = threading.BoundedSemaphore(1)
    first, second = begin(board, room), begin(board, room)
    until(lambda: first.state == "running")
    second.cancel()
    until(lambda: second.state == "cancelled")
    assert second.seen is None
    first.cancel()
    until(lambda: first.over)


@pytest.mark.parametrize(
    ("error", "logged"), [(ValueError("no"), 0), (FloatingPointError("ran away"), 0), (KeyError("x"), 1)]
)
def test_a_job_that_fails_ends_alone_and_leaves_its_room(board, caplog, error, logged):
    room = threading.BoundedSemaphore(1)
    broken, next_one = begin(board, room, error=error), begin(board, room)
    broken.gate.set()
    until(lambda: broken.state == "failed" and next_one.state == "running")
    assert broken.error is error
    assert sum(record.levelno >= logging.ERROR for record in caplog.records) == logged
    next_one.gate.set()
    until(lambda: next_one.state == "finished")


def test_the_list_is_bounded(board, monkeypatch):
    monkeypatch.setattr(boards, "KEPT", 2)
    for _ in range(5):
        job = begin(board, threading.BoundedSemaphore(1))
        job.gate.set()
        until(lambda job=job: job.over)
    begin(board, threading.BoundedSemaphore(1)).cancel()
    assert len(board.jobs()) == 3
    monkeypatch.setattr(boards, "MOST", 0)
    with pytest.raises(ValueError, match="jobs wait on this server already"), board.admit("anybody"):
        pass
