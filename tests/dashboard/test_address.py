"""The address and the state of a page say the same, and nonsense in the address does no harm."""

from urllib.parse import parse_qs

import hypothesis.strategies as st
import param
import pytest
from hypothesis import given

from dashboard.address import Address, decode, encode


class State(param.Parameterized):
    sigma = param.Number(10.0, bounds=(1.0, 50.0))
    free = param.Number(0.0)
    maybe = param.Number(None, allow_None=True)
    steps = param.Integer(400, bounds=(5, None))
    loop = param.Boolean(False)
    target = param.Selector(default="two-peak", objects={"Two peaks": "two-peak", "Quartic": "quartic"})
    paths = param.Selector(default=1000, objects=[1000, 10_000])
    text = param.String("x**4/4 - x**2")
    times = param.List([0.0, 1.0])
    points = param.List([(0.0, 1.0), (1.0, 10.0)])
    window = param.NumericTuple((0.0, 1.0))
    shown = param.ListSelector(default=["k2"], objects=["k2", "k4", "k6"])
    notes = param.List([])


NAMES = [name for name in State.param if name != "name"]
floats = st.floats(allow_nan=False, allow_infinity=False)
states = st.fixed_dictionaries(
    {
        "sigma": st.floats(1.0, 50.0),
        "free": floats,
        "maybe": st.none() | floats,
        "steps": st.integers(5, 2**70),
        "loop": st.booleans(),
        "target": st.sampled_from(["two-peak", "quartic"]),
        "paths": st.sampled_from([1000, 10_000]),
        "text": st.text(st.characters(exclude_categories=("Cs",))),
        "times": st.lists(floats | st.integers()),
        "points": st.lists(st.tuples(floats, floats)),
        "window": st.tuples(floats, floats),
        "shown": st.lists(st.sampled_from(["k2", "k4", "k6"]), unique=True),
        "notes": st.lists(st.text(st.characters(exclude_categories=("Cs",))), max_size=3),
    }
)


def refuse(sentence: str) -> None:
    pytest.fail(f"nothing was wrong, yet: {sentence}")


@given(states)
def test_a_state_written_to_the_address_and_read_back_is_the_same(values):
    written = Address("?page=one", refuse)
    state = State(**values)
    written.sync(state, NAMES)
    read = State()
    Address("?" + written.bar.query, refuse).sync(read, NAMES)
    assert read.param.values() | {"name": ""} == state.param.values() | {"name": ""}


@given(states)
def test_changes_reach_the_address_at_once_and_the_page_stays(values):
    address, state = Address("?page=one&theme=dark&other=kept", refuse), State()
    address.sync(state, {name: f"x-{name}" for name in NAMES})
    state.param.update(**values)
    query = parse_qs(address.bar.query, keep_blank_values=True)
    assert (query["page"], query["theme"], query["other"]) == (["one"], ["dark"], ["kept"])
    # By value: -0.0 equals 0.0, so that a change from the one to the other is none.
    assert {name: decode(state.param[name], query[f"x-{name}"][0]) for name in NAMES} == {
        name: getattr(state, name) for name in NAMES
    }


def test_values_are_written_plainly():
    address = Address("", refuse)
    address.sync(State(), NAMES)
    assert "sigma=10&" in address.bar.query
    assert "target=two-peak" in address.bar.query
    assert "points=0:1,1:10" in address.bar.query
    assert "loop=false" in address.bar.query


@pytest.mark.parametrize(
    ("query", "key", "value", "allowed"),
    [
        ("sigma=0.5", "sigma", "0.5", "a number from 1 to 50"),
        ("sigma=ten", "sigma", "ten", "a number from 1 to 50"),
        ("sigma=nan", "sigma", "nan", "a number from 1 to 50"),
        ("free=inf", "free", "inf", "a number"),
        ("steps=2.5", "steps", "2.5", "a whole number, at least 5"),
        ("steps=3", "steps", "3", "a whole number, at least 5"),
        ("loop=perhaps", "loop", "perhaps", "true or false"),
        ("target=three", "target", "three", "one of two-peak, quartic"),
        ("shown=k2,k3", "shown", "k2,k3", "a list of names, each one of k2, k4, k6"),
        ("points=0:1,1", "points", "0:1,1", None),
        ("points=0:x", "points", "0:x", "a list such as"),
        ("window=1,2,3", "window", "1,2,3", "a list such as"),
        ("window=%5B1", "window", "[1", "a list such as"),
    ],
)
def test_a_bad_value_is_reported_in_a_sentence_and_the_default_stays(query, key, value, allowed):
    said, state = [], State()
    if allowed is None:
        # Pairs and numbers mixed are a legal list of that parameter; what they mean is the page's business.
        Address("?" + query, said.append).sync(state, NAMES)
        assert not said
        return
    address = Address("?" + query, said.append)
    address.sync(state, NAMES)
    assert getattr(state, key) == getattr(State(), key)
    assert len(said) == 1
    assert all(part in said[0] for part in (key, repr(value), allowed))
    assert address.bar.query.count(f"{key}=") == 1
    assert f"{key}={encode(state.param[key], getattr(State(), key))}".split("[")[0] in address.bar.query


def test_good_values_are_taken_although_others_are_bad_and_watchers_run_once():
    calls, state = [], State()
    state.param.watch(lambda *events: calls.append({e.name for e in events}), ["sigma", "steps", "loop"])
    Address("?sigma=2&steps=nonsense&loop=true", lambda _: None).sync(state, NAMES)
    assert (state.sigma, state.steps, state.loop) == (2.0, 400, True)
    assert calls == [{"sigma", "loop"}]


@pytest.mark.parametrize("key", ["page", "theme", "sigma"])
def test_a_reserved_or_taken_key_is_refused(key):
    address = Address("", refuse)
    address.sync(State(), ["sigma"])
    with pytest.raises(ValueError, match=key):
        address.sync(State(), {"free": key})


def test_numbers_keep_every_digit():
    parameter = State.param["free"]
    for value in (0.1 + 0.2, 1e-300, -5e-324, 1e22, 123456789.123456789, -0.0):
        assert repr(decode(parameter, encode(parameter, value))) == repr(value)


def test_lists_without_end_are_a_sentence_too():
    heard, state = [], State()
    Address("?notes=" + "[" * 20_000, heard.append).sync(state, NAMES)
    assert "in the address cannot be used" in heard[0]
    assert state.notes == []
