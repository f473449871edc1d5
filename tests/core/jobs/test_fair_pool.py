"""Chunks of several owners take turns, whoever came first and has more."""

import threading

import pytest

from core.devices import cores
from core.jobs import map_chunks, present_owner, working_for
from core.jobs.pool import Chunks, FairPool

PATIENCE = 20.0


def chunks(owner, count, log, helpers=1, gate=None):
    """Chunks that write their owner into a log; the first waits at a gate."""

    def work(i):
        if gate is not None and i == 0:
            gate.wait(PATIENCE)
        log.append(owner)

    with working_for(owner):
        return Chunks(work, count, helpers)


def drained(*pieces):
    for piece in pieces:
        done = threading.Event()
        threading.Thread(target=lambda p=piece, d=done: (p.wait(), d.set()), daemon=True).start()
    limit = threading.Event()
    for _ in range(2000):
        if all(piece.given_out for piece in pieces):
            break
        limit.wait(0.005)
    assert all(piece.given_out for piece in pieces)
    for piece in pieces:
        piece.wait()


def test_who_has_ten_chunks_does_not_wait_for_who_has_a_thousand():
    pool, log, gate = FairPool(1), [], threading.Event()
    many, few = chunks("many", 1000, log, gate=gate), chunks("few", 10, log)
    pool.add(many)  # long before the other
    pool.add(few)
    gate.set()
    drained(many, few)
    last = max(i for i, owner in enumerate(log) if owner == "few")
    assert last <= 21
    assert len(log) == 1010


def test_ten_maps_of_one_owner_take_no_more_turns_than_one_of_another():
    pool, log, gate = FairPool(1), [], threading.Event()
    greedy = [chunks("greedy", 50, log, gate=gate) for _ in range(10)]
    modest = chunks("modest", 10, log)
    for piece in (*greedy, modest):
        pool.add(piece)
    gate.set()
    drained(*greedy, modest)
    assert max(i for i, owner in enumerate(log) if owner == "modest") <= 22


def test_three_owners_take_turns_one_by_one():
    pool, log, gate = FairPool(1), [], threading.Event()
    pieces = [chunks(owner, 5, log, gate=gate if owner == "a" else None) for owner in "abc"]
    for piece in pieces:
        pool.add(piece)
    gate.set()
    drained(*pieces)
    assert "".join(log[-12:]) == "bca" * 4 or "".join(log) == "abc" * 5


def test_never_more_helpers_than_there_is_room_for():
    pool, lock = FairPool(4), threading.Lock()
    busy, most = 0, 0

    def work(i):
        nonlocal busy, most
        with lock:
            busy += 1
            most = max(most, busy)
        threading.Event().wait(0.002)
        with lock:
            busy -= 1

    piece = Chunks(work, 60, 2)
    pool.add(piece)
    drained(piece)
    assert most == 2


def test_helpers_go_to_who_has_room_when_another_takes_theirs():
    """Every thread finds work as long as there is some: none sleeps through what another has left."""
    pool, log = FairPool(3), []
    pieces = [chunks(owner, 200, log) for owner in "abc"]
    for piece in pieces:
        pool.add(piece)
    drained(*pieces)
    assert sorted(log) == ["a"] * 200 + ["b"] * 200 + ["c"] * 200


@pytest.mark.skipif(cores() < 2, reason="one core has no helpers")
def test_the_owner_goes_with_the_work_also_into_maps_within_maps():
    seen, inner = [], []

    def work(first, count):
        seen.append(present_owner())
        map_chunks(lambda a, n: inner.append(present_owner()), 4, 1)

    with working_for("me"):
        map_chunks(work, 20, 1)
        assert present_owner() == "me"
    assert set(seen) == set(inner) == {"me"}
    assert len(inner) == 80
    assert present_owner() is None


def test_nothing_stays_in_the_pool_after_a_map():
    from core.jobs import pool

    with working_for("somebody"):
        map_chunks(lambda first, count: first, 100, 1)
        with pytest.raises(ZeroDivisionError):
            map_chunks(lambda first, count: 1 // (first - 5), 100, 1)
    assert "somebody" not in pool()._chunks
    assert "somebody" not in pool()._ring
