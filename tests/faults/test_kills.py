"""What kill -9 costs: never more than the last checkpoint interval, never a file that is half there."""

import random

import pytest

from tests.faults import kills, victim

pytestmark = pytest.mark.slow
KILLS = 50
SLACK = 2.0
"""Seconds that a step, a validation and the writing of a checkpoint may take beyond the interval."""


@pytest.fixture
def home(monkeypatch, tmp_path):
    monkeypatch.setenv("STOQLAB_HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.mark.parametrize(("of", "share"), [(kills.of_training, 17), (kills.of_ensemble, 17), (kills.of_library, 16)])
def test_a_kill_loses_at_most_what_was_under_way(home, of, share):
    row = of(home, random.Random(share), share)
    print(kills.as_text([row]))
    assert row.kills > share / 2
    assert not row.wrong
    assert row.worst < victim.SECONDS + SLACK
