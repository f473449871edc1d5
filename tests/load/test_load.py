"""The harness itself, small: three sessions for some seconds."""

import asyncio

import pytest

from tests.load.churn import LIFETIME, churn
from tests.load.measure import measure
from tests.load.server import Server
from tests.load.session import Session

pytestmark = pytest.mark.slow
MOST_BLOCKS = 1000
"""Pieces of Python's memory per session; a session has eighty times as many."""
MOST_IN_USE = 0.5
"""MB per session; an open one has eight. A result that is kept for all visitors may come after the warm-up."""


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


def test_memory_in_use_does_not_grow_with_the_sessions():
    """What is free again but not given back to the system is left out: it follows the most sessions at one time."""
    warm, total = 20, 60
    server = Server(lifetime=LIFETIME)
    try:
        found = asyncio.run(churn(server, total, ["lattice", "diffusion", "one"], every=warm))
    finally:
        server.stop()
    assert not found["errors"]
    rows = {row["sessions"]: row for row in found["churn"]}
    for name, most in (("blocks", MOST_BLOCKS), ("in_use", MOST_IN_USE)):
        assert (rows[total][name] - rows[warm][name]) / (total - warm) < most, name


def test_a_session_that_ended_before_its_socket_came_is_made_anew():
    server = Server(lifetime=500)
    session = Session(server.url, "lattice", late=4.0)
    try:
        opened = asyncio.run(session.open())
    finally:
        server.stop()
    assert opened, session.problem


def test_only_this_computer_may_be_loaded():
    with pytest.raises(ValueError, match="only a server on this computer"):
        Server("http://example.org")
