"""Sessions that open the same link cause one computation, and one that leaves does not take it from the others."""

import threading

import pytest

from dashboard.pages.one import line as line_tab
from dashboard.pages.one import plane as plane_tab
from dashboard.pages.one.view import OneView

SMALL = "paths=2000&steps=60"


def gated(monkeypatch, module, name):
    """The function of that name in a module counts its calls and waits at a gate."""
    true, calls, gate = getattr(module, name), [], threading.Event()

    def call(*arguments):
        calls.append(arguments)
        gate.wait(60)
        return true(*arguments)

    monkeypatch.setattr(module, name, call)
    return calls, gate


@pytest.fixture
def sessions(shells):
    """``sessions(n, query)`` are n pages of this address, each of a session of its own."""

    def make(count, query):
        return [(OneView(shell), shell) for shell in (shells(f"?page=one&{query}") for _ in range(count))]

    return make


def test_ten_sessions_with_one_link_are_one_computation(sessions, wait, monkeypatch):
    calls, gate = gated(monkeypatch, line_tab, "table_rows")
    pages = sessions(10, f"{SMALL}&seed=11")
    wait(lambda: calls)
    gate.set()
    wait(lambda: all(view.tab("line").rows for view, _ in pages))
    assert len(calls) == 1
    assert len({id(view.tab("line").picture) for view, _ in pages}) == 1
    assert len({id(view.tab("line").stage.block) for view, _ in pages}) == 1
    ((late, _),) = sessions(1, f"{SMALL}&seed=11")
    wait(lambda: late.tab("line").rows)
    ((other, _),) = sessions(1, f"{SMALL}&seed=12")
    wait(lambda: other.tab("line").rows)
    assert len(calls) == 2
    assert other.tab("line").picture is not late.tab("line").picture


def test_a_session_that_leaves_does_not_take_it_from_another(sessions, wait, monkeypatch):
    calls, gate = gated(monkeypatch, line_tab, "table_rows")
    (first, leaving), (second, _) = sessions(2, f"{SMALL}&seed=13")
    wait(lambda: calls)
    leaving.close()  # it had asked first
    gate.set()
    wait(lambda: second.tab("line").rows)
    assert not first.tab("line").rows
    assert len(calls) == 1


def test_what_the_result_depends_on_is_in_the_key(sessions):
    ((view, _),) = sessions(1, SMALL)
    tab = view.tab("line")
    keys = [tab._key(tab.order(), False)]
    for changes in (
        {"seed": 5}, {"paths": 3000}, {"steps": 70}, {"solver": "heun"}, {"grid": "karras"}, {"prior": "noise"},
        {"score": "gaussian"}, {"score": "learned"}, {"schedule": "vp"}, {"sigma": 12.0},
        {"target": "quartic", "score": "exact"}, {"coupling": 0.5},
    ):  # fmt: skip
        view.state.param.update(**changes)
        keys.append(tab._key(tab.order(), False))
    keys.append(tab._key(tab.order(), True))
    assert len(set(keys)) == len(keys)
    assert tab._key(tab.order(), True) == keys[-1]


def test_the_plane_is_painted_once_for_all(sessions, wait, monkeypatch):
    painted = []
    true = plane_tab.paint
    monkeypatch.setattr(plane_tab, "paint", lambda *rest: painted.append(rest[1]) or true(*rest))
    pages = sessions(5, f"{SMALL}&tab=plane&seed=3")
    for view, _ in pages:
        wait(lambda view=view: view.tab("plane").stage.scene is not None and not view.tab("plane").stage.busy)
    assert painted.count(plane_tab.FULL) == 1
