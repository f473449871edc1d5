"""The page without a browser: what it shows, what it says, and what it does not compute again."""

import re

import pytest

from core.limits import limits
from dashboard.pages.compare.chain_scene import past_scene
from dashboard.pages.compare.link import compare_link
from dashboard.pages.compare.view import view_of
from dashboard.shell import build_page

LINE = "a.paths=600&b.paths=600&a.steps=40&b.steps=40"


@pytest.fixture
def compare(shells, wait):
    def make(query):
        return view_of(shells(f"?page=compare&{query}"))

    return make


def done(view):
    return not view.stage.busy and view.numbers is not None and view.layout.table.styles == {"opacity": "1"}


def said(shell):
    return [alert.object for alert in shell.messages]


def test_a_quick_pair_first_then_the_one_asked_for_and_its_numbers(compare, wait):
    view, heard = compare(LINE.replace("600", "2000")), []
    view.stage.param.watch(lambda event: heard.append(event.new), "status")
    wait(lambda: done(view))
    assert heard[-1] == "2\u202f000 paths"
    assert view.stage.playing
    assert {"a_density", "b_density", "a_bundle", "b_bundle", "k2", "k8"} <= {p.id for p in view.stage.scene.panels}
    assert "Variance expanding" in view.layout.names.object
    assert "Variance preserving" in view.layout.names.object
    assert re.search(r"κ₄</abbr></th>|κ₄</th>|κ₄", view.layout.table.object)
    assert view.layout.table.object.count("<tr>") == 5


def test_a_change_of_b_runs_b_alone_and_a_new_seed_both(compare, wait):
    view = compare(LINE)
    wait(lambda: done(view))
    before = view.outcome
    view.sides.b.sigma = 7.0
    wait(lambda: done(view) and view.outcome.last and view.outcome.b is not before.b)
    assert view.outcome.a is before.a
    assert view.sides.split == ["schedule", "sigma"]
    view.state.seed = 5
    wait(lambda: done(view) and view.outcome.last and view.outcome.a is not before.a)
    assert view.outcome.a.order.seed == view.outcome.b.order.seed == 5
    assert "seed=5" in view.shell.address.bar.query


def test_equal_settings_run_once(compare, wait):
    view = compare(f"{LINE}&b.schedule=ve")
    wait(lambda: done(view))
    assert view.outcome.a is view.outcome.b
    assert not view.sides.split
    assert view.layout.names.object.count("the same settings") == 2
    assert view.numbers.found.difference.value.tolist() == [0.0] * 4


def test_a_setting_that_cannot_be_is_a_sentence_and_the_picture_stays(compare, wait):
    view = compare(LINE)
    wait(lambda: done(view))
    scene = view.stage.scene
    view.sides.b.param.update(target="quartic", mu2=-1.3, score="learned")
    assert view.stage.error.startswith("B: No learned score is shipped for this target")
    assert view.stage.scene is scene
    view.sides.b.score = "exact"
    wait(lambda: done(view) and not view.stage.error)


def test_the_clock_moves_the_frames_without_a_new_run(compare, wait):
    view = compare(LINE)
    wait(lambda: done(view))
    outcome, scene = view.outcome, view.stage.scene
    view.state.clock = "level"
    assert view.outcome is outcome
    assert view.stage.scene is not scene
    assert any(label == "σ̃ = 1" for _, label in view.stage.scene.ticks)


def test_controls_of_what_differs_are_there_twice(compare):
    view = compare(LINE)
    bar = view.layout.sidebar
    assert not bar.common["schedule"].visible
    assert bar.common["sigma"].visible
    assert not bar.common["means"].visible  # of another target
    assert len(bar.rows.objects) == 1
    bar.more.value = "sigma"
    assert len(bar.rows.objects) == 2
    assert not bar.common["sigma"].visible
    assert bar.more.value == ""
    bar._rows["sigma"][1].clicks += 1
    assert bar.common["sigma"].visible
    assert bar.preset.value == ""  # fewer paths than the preset has
    bar.preset.value = "exact-gaussian"
    assert view.sides.differing == ["score"]
    assert view.sides.a.paths == 20_000


def test_a_preset_by_link_and_an_unknown_one(shells, wait):
    shell = shells("?page=compare&preset=kappa&a.L=16&b.L=16&seed=2")
    view = view_of(shell)
    assert (view.state.room, view.sides.a.kappa, view.sides.b.kappa, view.state.seed) == ("chains", 0.21, 0.27, 2)
    assert "preset" not in shell.address.bar.query
    assert "a.kappa=0.21&" in shell.address.bar.query
    wait(lambda: view.pair is not None)
    shell = shells("?page=compare&preset=nonsense&" + LINE)
    view_of(shell)
    assert "There is no preset" in said(shell)[0]


def test_held_chains_show_their_past_and_go_on(compare, wait):
    view = compare("preset=kappa&a.L=16&b.L=16&a.chain_count=8&b.chain_count=8")
    wait(lambda: view.numbers is not None and len(view.pair.past) > 20)
    view.hold(True)
    wait(lambda: view.stage.controls)
    scene = view.stage.scene
    assert scene.frames == len(view.pair.past) == len(scene.captions)
    assert view.stage.position == scene.positions[-1] == view.pair.frames[0].updates == view.pair.frames[1].updates
    images = {p.id: p.series[0] for p in scene.panels if p.id.endswith("field")}
    assert (images["a_field"].limits == images["b_field"].limits).all()
    assert view.numbers.silent == ("⟨S⟩/V",)
    done = view.pair.frames[0].updates
    view.hold(False)
    wait(lambda: view.pair.frames[0].updates > done)
    assert not view.stage.controls


def test_the_past_of_chains_that_have_made_way_holds_nobody(compare, wait):
    view = compare("preset=kappa&a.L=16&b.L=16&a.chain_count=8&b.chain_count=8")
    wait(lambda: view.pair is not None and view.numbers is not None)
    late = view.pair, past_scene(view.pair, "updates")
    view.again.clicks += 1
    view._deliver(("past", late))
    wait(lambda: view.pair not in (None, late[0]) and view.pair.frames[0].updates > 3)
    assert view.run.label == "Hold"
    assert not view.stage.controls


def test_two_runs_may_begin_alike(shells):
    shell = shells("?page=compare&room=line&preset=same&a.sigma=7&b.sigma=7&" + LINE)
    view = view_of(shell)
    assert not view.sides.differing
    assert not view.sides.split
    assert view.sides.b.sigma == 7
    assert not said(shell)


def test_the_way_from_a_room_leads_to_its_comparison():
    link = compare_link("line")
    assert link.room == "line"
    assert {"schedule", "sigma", "target"} <= set(link.names)
    assert "plane_target" not in link.names
    link.follow("plane")
    assert "plane_target" in link.names
    link.follow("langevin")
    assert not link.visible
    link.follow("line")
    assert link.visible


@pytest.mark.parametrize("query", ["room=line", "room=plane", "room=fields", "room=chains", "room=none"])
def test_every_room_is_built(query):
    page, shell = build_page(f"?page=compare&{query}")
    try:
        assert page.meta.title == "Compare · StoqLab"
        assert bool(said(shell)) == (query == "room=none")
    finally:
        shell.close()


def test_what_is_beyond_the_limits_of_the_server_is_refused_for_its_side(compare, monkeypatch):
    monkeypatch.setenv("STOQLAB_LIMIT_PATHS", "1000")
    limits.cache_clear()
    try:
        view = compare(LINE.replace("b.paths=600", "b.paths=2000"))
        assert view.stage.error.startswith("B: ")
        assert "STOQLAB_LIMIT_PATHS" in view.stage.error
    finally:
        limits.cache_clear()
