"""Equal requests are computed once, for as long as anybody waits, and what is finished is kept within bounds."""

import threading
import time

import numpy as np
import pytest

from core.contracts import Cancelled
from core.jobs import Shared, Token
from core.jobs.sizes import bytes_of

PATIENCE = 20.0


class Work:
    """A request in three parts, the first of which passes; it counts its runs and waits at a gate before the last."""

    def __init__(self, size=0):
        self.runs, self.cancelled, self.size = 0, threading.Event(), size
        self.gate, self.begun = threading.Event(), threading.Event()

    def __call__(self, token):
        self.runs += 1
        yield "preview"
        yield "picture"
        self.begun.set()
        while not self.gate.wait(0.01):
            if token.cancelled:
                self.cancelled.set()
            token.check()
        yield np.zeros(self.size, dtype=np.uint8)


def passing(result):
    return isinstance(result, str) and result == "preview"


@pytest.fixture
def shared():
    return Shared(1000, passing)


def follower(shared, key, work, token):
    """A thread that follows a request; ``results`` and ``error`` are what it got."""

    def run():
        try:
            for result in shared.follow(key, work, token):
                thread.results.append(result if isinstance(result, str) else len(result))
        except BaseException as error:
            thread.error = error

    thread = threading.Thread(target=run, daemon=True)
    thread.results, thread.error = [], None
    thread.start()
    return thread


def test_thirty_equal_requests_at_once_are_computed_once(shared):
    work = Work(7)
    threads = [follower(shared, "key", work, Token()) for _ in range(30)]
    assert work.begun.wait(PATIENCE)
    work.gate.set()
    for thread in threads:
        thread.join(PATIENCE)
        assert thread.error is None
        assert thread.results[-2:] == ["picture", 7]
    assert work.runs == 1
    late = follower(shared, "key", work, Token())
    late.join(PATIENCE)
    assert late.results == ["picture", 7]  # the preview is of no use to who comes late
    assert work.runs == 1


def test_another_key_is_another_computation(shared):
    work = Work()
    work.gate.set()
    for key in ("a", "b", "a"):
        assert list(shared.follow(key, work, Token()))[:1] != []
    assert work.runs == 2


def test_who_leaves_does_not_take_it_from_the_others_and_the_last_ends_it(shared):
    work, tokens = Work(3), [Token() for _ in range(3)]
    threads = [follower(shared, "key", work, token) for token in tokens]
    assert work.begun.wait(PATIENCE)
    tokens[0].cancel()  # it was the first, for whom the work was begun
    threads[0].join(PATIENCE)
    assert isinstance(threads[0].error, Cancelled)
    assert not work.cancelled.wait(0.3)
    tokens[1].cancel()
    threads[1].join(PATIENCE)
    assert not work.cancelled.is_set()
    work.gate.set()
    threads[2].join(PATIENCE)
    assert threads[2].results[-1] == 3

    alone, again, token = Work(), Work(1), Token()
    thread = follower(shared, "other", alone, token)
    assert alone.begun.wait(PATIENCE)
    token.cancel()
    assert alone.cancelled.wait(PATIENCE)
    thread.join(PATIENCE)
    again.gate.set()
    assert len(list(shared.follow("other", again, Token()))[-1]) == 1  # begun anew
    assert (alone.runs, again.runs) == (1, 1)


def test_who_stops_listening_has_left(shared):
    work = Work()
    stream = shared.follow("key", work, Token())
    next(stream)
    assert work.begun.wait(PATIENCE)
    stream.close()
    assert work.cancelled.wait(PATIENCE)


def test_an_error_reaches_all_and_is_not_kept(shared):
    go, runs = threading.Event(), []

    def broken(token):
        runs.append(True)
        yield "picture"
        go.wait(PATIENCE)
        raise FloatingPointError("diverged")

    threads = [follower(shared, "key", broken, Token()) for _ in range(3)]
    until = time.monotonic() + PATIENCE
    while not all(thread.results for thread in threads):
        assert time.monotonic() < until
        time.sleep(0.01)
    go.set()
    for thread in threads:
        thread.join(PATIENCE)
        assert str(thread.error) == "diverged"
    assert len(runs) == 1
    with pytest.raises(FloatingPointError):
        list(shared.follow("key", broken, Token()))
    assert len(runs) == 2


def test_what_is_kept_stays_within_its_bytes_and_the_longest_unused_goes(shared):
    works = {key: Work(400) for key in "abc"}
    for work in works.values():
        work.gate.set()

    def ask(key):
        list(shared.follow(key, works[key], Token()))
        until = time.monotonic() + PATIENCE
        while shared.kept > 1000:
            assert time.monotonic() < until
            time.sleep(0.005)

    ask("a"), ask("b"), ask("a"), ask("c")
    assert 800 <= shared.kept <= 1000
    for key in "ac":
        ask(key)
    assert [works[key].runs for key in "abc"] == [1, 1, 1]
    ask("b")
    assert works["b"].runs == 2
    shared.clear()
    assert shared.kept == 0


def test_bytes_of_counts_each_array_once_and_whole():
    whole = np.zeros(1000)
    assert bytes_of([whole, whole, whole[:10], {"a": whole.reshape(10, 100)}]) == 8000
    assert bytes_of(b"12345") == 5

    class Node:
        def __init__(self):
            self.own, self.me = np.zeros(100, dtype=np.uint8), self

    assert 100 <= bytes_of(Node()) < 400
