"""The pool: order of results, cancellation, nesting, and that the newest request wins."""

import threading
import time

import pytest

from core.contracts import Cancelled
from core.devices import cores
from core.jobs import Latest, Token, map_chunks, pool

PATIENCE = 10.0  # seconds after which a wait counts as a deadlock


def _within_patience(work):
    """Result of ``work()`` on a thread of its own; fails where it does not come."""
    done = {}
    thread = threading.Thread(target=lambda: done.setdefault("result", work()), daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert not thread.is_alive(), "deadlock"
    return done["result"]


@pytest.mark.parametrize(("total", "size"), [(0, 4), (1, 4), (10, 3), (12, 4), (100, 1), (5, 100)])
def test_chunks_cover_everything_once_and_in_order(total, size):
    chunks = map_chunks(lambda first, count: list(range(first, first + count)), total, size)
    assert [i for chunk in chunks for i in chunk] == list(range(total))
    assert all(len(chunk) == size for chunk in chunks[:-1])


def test_results_keep_their_order_when_the_first_is_slowest():
    def work(first, count):
        time.sleep(0.03 if first == 0 else 0)
        return first

    assert map_chunks(work, 8, 1) == list(range(8))


def test_nested_maps_do_not_deadlock():
    """More outer chunks than threads, each mapping again, started from the pool itself."""

    def inner(first, count):
        return sum(map_chunks(lambda a, n: n, 20, 3)) * count

    def outer():
        return sum(map_chunks(inner, 8 * cores(), 1))

    jobs = [pool().submit(outer) for _ in range(2 * cores())]
    assert _within_patience(lambda: [job.result() for job in jobs]) == [160 * cores()] * (2 * cores())


def test_maps_finish_while_the_pool_is_full():
    release = threading.Event()
    busy = [pool().submit(release.wait, PATIENCE) for _ in range(cores())]
    try:
        assert _within_patience(lambda: map_chunks(lambda first, count: first, 6, 1)) == list(range(6))
    finally:
        release.set()
        for job in busy:
            job.result()


def test_error_in_a_chunk_is_raised_and_stops_the_rest():
    done = []

    def work(first, count):
        if first == 3:
            raise ValueError("chunk 3")
        time.sleep(0.002)
        done.append(first)

    with pytest.raises(ValueError, match="chunk 3"):
        map_chunks(work, 1000, 1)
    assert len(done) < 100


def test_cancelled_map_raises_and_stops():
    token, done = Token(), []

    def work(first, count):
        done.append(first)
        if first == 5:
            token.cancel()
        time.sleep(0.002)

    with pytest.raises(Cancelled):
        map_chunks(work, 1000, 1, token)
    assert len(done) <= 6 + 2 * cores()


def test_token():
    token = Token()
    token.check()
    assert not token.cancelled
    token.cancel()
    assert token.cancelled
    with pytest.raises(Cancelled):
        token.check()


class Desk:
    """Collects what a Latest delivers."""

    def __init__(self):
        self.results, self.errors = [], []
        self.latest = Latest(self.results.append, self.errors.append)

    def wait(self):
        deadline = time.monotonic() + PATIENCE
        while (future := self.latest.future) is not None:
            future.result(max(0.0, deadline - time.monotonic()))


def test_stages_are_delivered_in_order():
    desk = Desk()
    desk.latest.submit(lambda token: iter(["quick", "better", "best"]))
    desk.wait()
    assert desk.results == ["quick", "better", "best"]


def _gated(name, started, gate, *, checks=True):
    """A request that gives a quick picture, then waits at a gate before the better one."""

    def stages(token):
        yield f"{name} quick"
        started.set()
        gate.wait(PATIENCE)
        if checks:
            token.check()
        yield f"{name} better"

    return stages


@pytest.mark.parametrize("checks", [True, False])
def test_newer_request_drops_the_better_picture_of_the_older(checks):
    desk, started, gate = Desk(), threading.Event(), threading.Event()
    desk.latest.submit(_gated("old", started, gate, checks=checks))
    assert started.wait(PATIENCE)
    desk.latest.submit(lambda token: iter(["new quick", "new better"]))
    gate.set()
    desk.wait()
    assert desk.results == ["old quick", "new quick", "new better"]
    assert not desk.errors


def test_a_better_picture_makes_way_and_a_quick_one_does_not():
    desk, started, gate = Desk(), threading.Event(), threading.Event()
    desk.latest.submit(_gated("old", started, gate))
    assert started.wait(PATIENCE)
    desk.latest.make_way()
    gate.set()
    desk.wait()
    assert desk.results == ["old quick"]

    quick, go = threading.Event(), threading.Event()

    def stages(token):
        quick.set()
        go.wait(PATIENCE)
        token.check()
        yield "new quick"

    desk.latest.submit(stages)
    assert quick.wait(PATIENCE)
    desk.latest.make_way()
    go.set()
    desk.wait()
    assert desk.results == ["old quick", "new quick"]
    assert not desk.errors


def test_quick_picture_is_finished_and_only_the_newest_waits():
    desk, started, gate = Desk(), threading.Event(), threading.Event()

    def first(token):
        started.set()
        gate.wait(PATIENCE)
        token.check()
        yield "first quick"
        yield "first better"

    desk.latest.submit(first)
    assert started.wait(PATIENCE)
    for i in range(5):
        desk.latest.submit(lambda token, i=i: iter([f"request {i}"]))
    gate.set()
    desk.wait()
    assert desk.results == ["first quick", "request 4"]


def test_cancel_delivers_nothing_more_and_later_requests_run():
    desk, started, gate = Desk(), threading.Event(), threading.Event()
    desk.latest.submit(_gated("old", started, gate))
    assert started.wait(PATIENCE)
    desk.latest.cancel()
    gate.set()
    desk.wait()
    assert desk.results == ["old quick"]
    desk.latest.submit(lambda token: iter(["new"]))
    desk.wait()
    assert desk.results == ["old quick", "new"]


def test_closed_takes_no_requests():
    desk = Desk()
    desk.latest.close()
    desk.latest.submit(lambda token: iter(["late"]))
    desk.wait()
    assert desk.results == []


def test_errors_are_reported_and_do_not_stop_the_next_request():
    desk = Desk()

    def broken(token):
        yield "quick"
        raise RuntimeError("no")

    desk.latest.submit(broken)
    desk.wait()
    desk.latest.submit(lambda token: iter(["next"]))
    desk.wait()
    assert desk.results == ["quick", "next"]
    assert [str(error) for error in desk.errors] == ["no"]


def test_a_report_that_fails_does_not_stop_the_next_request():
    results = []

    def fail(error):
        raise RuntimeError("the page is gone") from error

    latest = Latest(results.append, fail)

    def broken(token):
        yield "quick"
        raise ValueError("no")

    for request in (broken, lambda token: iter(["next"])):
        latest.submit(request)
        if latest.future is not None:
            latest.future.result(PATIENCE)
    assert results == ["quick", "next"]


def test_error_of_a_cancelled_request_is_silent():
    desk, started, gate = Desk(), threading.Event(), threading.Event()

    def broken(token):
        yield "quick"
        started.set()
        gate.wait(PATIENCE)
        raise RuntimeError("nobody cares")

    desk.latest.submit(broken)
    assert started.wait(PATIENCE)
    desk.latest.cancel()
    gate.set()
    desk.wait()
    assert not desk.errors


def test_a_request_is_answered_while_long_ones_of_others_and_their_chunks_take_every_thread():
    release, running = threading.Event(), threading.Semaphore(0)

    def long(token):
        def work(first, count):
            running.release()
            release.wait(PATIENCE)

        map_chunks(work, 4 * cores(), 1)
        yield "long"

    others = [Desk() for _ in range(2 * cores())]
    desk = Desk()
    try:
        for other in others:
            other.latest.submit(long)
        for _ in range(3 * cores()):  # every request works on a chunk of its own, and the pool on one a core
            assert running.acquire(timeout=PATIENCE)
        desk.latest.submit(lambda token: iter([map_chunks(lambda first, count: first, 6, 1)]))
        desk.wait()
        assert desk.results == [list(range(6))]
        assert not any(other.results for other in others)
    finally:
        release.set()
        for other in others:
            other.wait()
    assert all(other.results == ["long"] for other in others)


def test_many_requests_from_many_threads_end_with_one_of_the_last():
    desk = Desk()

    def drag(name):
        for i in range(200):
            desk.latest.submit(lambda token, i=i: iter([(name, i)]))

    threads = [threading.Thread(target=drag, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    desk.wait()
    assert desk.results[-1][1] == 199
    assert not desk.errors
