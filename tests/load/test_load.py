"""The harness itself, small: three sessions for some seconds."""

import asyncio

import pytest

from tests.load.churn import LIFETIME, churn
from tests.load.measure import measure
from tests.load.server import Server

pytestmark = pytest.mark.slow


def test_three_sessions_get_pictures_and_answers():
    server = Server()
    try:
        found = asyncio.run(measure(server, 3, 8.0, ["lattice", "lattice", "one"], 0))
    finally:
        server.stop()
    assert not found.errors
    assert len(found.rates) == 2
    assert min(found.rates) > 0
    assert found.latency["lattice"]["count"] > found.latency["lattice"]["unanswered"]
    assert found.opening_max > 0


def test_sessions_leave_nothing_behind():
    server = Server(lifetime=LIFETIME)
    try:
        found = asyncio.run(churn(server, 10, ["lattice", "one"]))
    finally:
        server.stop()
    assert not found["errors"]
    first, last = found["churn"][0], found["churn"][-1]
    for name in ("documents", "runners", "channels"):
        assert last[name] <= first[name]


def test_only_this_computer_may_be_loaded():
    with pytest.raises(ValueError, match="only a server on this computer"):
        Server("http://example.org")
