"""The settings of both runs: what is common, what differs, and that the address says the same."""

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from dashboard.address import decode, encode
from dashboard.pages.compare.chains import SETTINGS, make_state
from dashboard.pages.compare.fields import Fields
from dashboard.pages.compare.line import Line
from dashboard.pages.compare.plane import Plane
from dashboard.pages.compare.sides import Sides
from dashboard.pages.compare.state import OWN, PRESETS, ROOMS, CompareState, first_of
from dashboard.pages.compare.view import synced_sides
from dashboard.pages.one.state import OneState
from dashboard.shell import Shell

ROOM = {
    "line": (OneState, Line.settings),
    "plane": (OneState, Plane.settings),
    "fields": (lambda: Fields().make_state(), Fields.settings),
    "chains": (make_state, SETTINGS),
}


def sides(room="line"):
    make, found = ROOM[room]
    return Sides(make, found.names)


def test_what_is_common_stays_common_and_what_differs_does_not():
    both, heard = sides(), []
    both.watch(lambda: heard.append(both.differing))
    both.a.sigma = 5.0
    assert both.b.sigma == 5.0
    both.b.schedule = "vp"
    assert both.split == both.differing == ["schedule"]
    both.a.schedule = "cosine"
    assert both.b.schedule == "vp"
    both.a.schedule = "vp"  # equal by chance: it may still differ
    assert both.split == ["schedule"]
    assert not both.differing
    both.a.param.update(schedule="ve", sigma=7.0)
    assert (both.b.schedule, both.b.sigma) == ("vp", 7.0)
    both.join("schedule")
    assert both.b.schedule == "ve"
    assert not both.split
    both.part("steps")
    both.a.steps = 50
    assert both.b.steps == 400
    assert heard == [
        [], ["schedule"], ["schedule"], [], ["schedule"], [], [], ["steps"],
    ]  # fmt: skip


def test_regrouped_only_what_differs_is_split():
    both = sides()
    both.part("steps")
    both.b.sigma = 3.0
    both.regroup()
    assert both.split == ["sigma"]


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_says_what_differs_and_is_found_again(name):
    preset, both = PRESETS[name], sides(PRESETS[name].room)
    both.a.param.update(**{both.names[-1]: getattr(both.b, both.names[-1])})
    both.apply(preset)
    assert set(both.differing) == set(preset.a) == set(preset.b)
    assert [n for n, p in PRESETS.items() if p.room == preset.room and both.fits(p)] == [name]
    assert set(preset.shared) <= set(OWN[preset.room])
    CompareState(room=preset.room, **preset.shared)


def test_every_room_has_a_preset_and_every_control_a_label_in_one_section():
    assert set(ROOMS.values()) == set(ROOM) == {PRESETS[first_of(room)].room for room in ROOM}
    for make, found in ROOM.values():
        assert len(set(found.names)) == len(found.names)
        assert set(found.names) <= set(make().param)
        assert set(found.relevant) <= set(found.names)


def values_of(room):
    """Values that parameters of a room may have."""
    make, found = ROOM[room]
    state, strategies = make(), {}
    for name in found.names:
        parameter = state.param[name]
        kind = type(parameter).__name__
        if kind == "Boolean":
            strategies[name] = st.booleans()
        elif kind == "Integer":
            strategies[name] = st.integers(*parameter.bounds)
        elif kind == "Number":
            strategies[name] = st.floats(*parameter.bounds)
        elif kind == "Selector":
            strategies[name] = st.sampled_from(list(parameter.objects))
        else:
            strategies[name] = st.sampled_from([getattr(state, name), "0:1 1:5", "a b&c=d"])
    return st.fixed_dictionaries(strategies)


@pytest.mark.parametrize("room", ROOM)
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_both_states_are_in_the_address_and_come_back(room, data):
    make, found = ROOM[room]
    preset = PRESETS[first_of(room)]
    first, written = Shell("?page=compare"), None
    written = synced_sides(first, make, found.names, preset)
    written.a.param.update(**data.draw(values_of(room)))
    written.b.param.update(**data.draw(values_of(room)))
    query = first.address.bar.query
    assert f"b.{found.names[0]}=" in query
    second = Shell("?" + query)
    read = synced_sides(second, make, found.names, preset)
    assert not second.messages.objects
    for there, here in ((written.a, read.a), (written.b, read.b)):
        assert [getattr(there, n) for n in found.names] == [getattr(here, n) for n in found.names]
    assert read.differing == written.differing
    assert second.address.bar.query == query


def test_what_a_room_cannot_use_is_said_and_the_rest_is_taken():
    shell = Shell("?page=compare&a.L=256&a.kappa=0.21&b.kappa=0.3")
    make, found = ROOM["chains"]
    both = synced_sides(shell, make, found.names, PRESETS["kappa"])
    assert (both.a.kappa, both.b.kappa, both.a.L) == (0.21, 0.3, 64)
    assert "a.L" in shell.messages.objects[0].object
    assert decode(both.a.param["kappa"], encode(both.a.param["kappa"], 0.21)) == 0.21
