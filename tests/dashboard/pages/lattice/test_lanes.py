"""Runs share the places by time."""

import threading

import pytest

from dashboard.pages.lattice import lanes as lanes_module
from dashboard.pages.lattice.lanes import Lanes


class User:
    """Takes turns of a fixed length, in a clock of its own, until ``total`` is over."""

    def __init__(self, lanes, clock, length):
        self.lanes, self.clock, self.length, self.turns = lanes, clock, length, 0

    def run(self, total):
        while self.clock.now < total:
            with self.lanes.turn(self):
                self.turns += 1
                self.clock.now += self.length


class Clock:
    now = 0.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(lanes_module, "time", clock)
    return clock


def test_who_asks_for_long_turns_gets_fewer(clock):
    """One lane; nobody can starve the others: five with short turns, one with turns twenty times as long."""
    lanes = Lanes(1)
    users = [User(lanes, clock, 1.0) for _ in range(5)] + [User(lanes, clock, 20.0)]
    gate = threading.Event()
    with lanes.turn(gate):  # until all of them wait
        threads = [threading.Thread(target=user.run, args=(1200.0,)) for user in users]
        for thread in threads:
            thread.start()
        while len(lanes._waiting) < len(users):
            pass
    for thread in threads:
        thread.join(20)
    times = [user.turns * user.length for user in users]
    assert sum(times) >= 1200
    assert max(times) - min(times) <= 3 * 20


def test_resting_saves_nothing_up(clock):
    lanes = Lanes(1)
    busy, rested = User(lanes, clock, 1.0), User(lanes, clock, 1.0)
    with lanes.turn(rested):
        pass
    busy.run(100.0)
    with lanes.turn(rested):
        pass
    assert lanes._ends[rested] >= 98  # it begins at the present, not a hundred turns earlier


def test_as_many_as_there_are_places():
    lanes, users = Lanes(2), [User(None, None, 0) for _ in range(3)]
    third = threading.Event()

    def wait():
        with lanes.turn(users[2]):
            third.set()

    waiting = threading.Thread(target=wait)
    with lanes.turn(users[0]):
        with lanes.turn(users[1]):
            waiting.start()
            assert not third.wait(0.2)
        assert third.wait(20)
    waiting.join(20)
    assert lanes._free == 2


def test_an_error_gives_the_place_back():
    lanes = Lanes(1)
    with pytest.raises(RuntimeError), lanes.turn(lanes):
        raise RuntimeError
    with lanes.turn(lanes):
        pass
