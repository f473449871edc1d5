"""The tab *Scan* without a browser: points appear as they come, and stay when it is cancelled."""

import math

import numpy as np
import pytest

from core.limits import Limits
from core.samplers.scan import Crossing, ScanPoint, ScanRequest, kappa_range, scan
from dashboard.pages.lattice import scanning
from dashboard.pages.lattice.scan import ScanView
from dashboard.pages.lattice.scan_scene import progress_text, report, scan_scene
from dashboard.pages.lattice.state import LatticeState
from dashboard.stage import Band, Points, Rule


@pytest.fixture
def shell(shells):
    return shells()


@pytest.fixture
def tab(shell):
    view = ScanView(shell, LatticeState())
    view.settings.param.update(low=0.2, high=0.3, points=5, configurations=400)
    view.sizes.value = [8, 16]
    yield view
    if view.job is not None:
        view.job.cancel()


def drawn(tab, panel: str = "binder") -> int:
    """Points in a panel."""
    found = next(p for p in tab.stage.scene.panels if p.id == panel)
    return sum(len(np.asarray(s.x)) for s in found.series if isinstance(s, Points))


def test_points_come_one_by_one_until_all_are_there(tab, wait):
    seen = []
    tab.stage.param.watch(lambda _: seen.append(drawn(tab)), "block")
    tab.start.clicks += 1
    assert tab.start.disabled
    wait(lambda: tab.cancel.disabled)
    assert seen == sorted(set(seen))
    assert len(seen) > 3
    assert seen[-1] == 10
    assert set(tab.points) == {(size, kappa) for size in (8, 16) for kappa in kappa_range(0.2, 0.3, 5)}
    assert tab.line.object.startswith("All 10 points in")
    assert not tab.start.disabled
    assert not tab.stage.busy


def test_cancelling_keeps_what_there_is(tab, wait):
    tab.settings.configurations = 4000
    tab.sizes.value = [8, 16, 32]
    tab.start.clicks += 1
    wait(lambda: len(tab.points) >= 2)
    tab.rest()  # another tab comes to the front: the scan goes on
    kept = len(tab.points)
    wait(lambda: len(tab.points) > kept)
    tab.cancel.clicks += 1
    wait(lambda: tab.cancel.disabled)
    kept = len(tab.points)
    assert f"{kept} of 15 points are kept" in tab.line.object
    assert drawn(tab) == kept
    wait(lambda: tab.live._latest.future is None)
    assert len(tab.points) == kept
    assert not tab.start.disabled
    tab.start.clicks += 1  # a new scan begins from nothing
    assert tab.points == {}


def test_a_scan_goes_on_without_its_session_and_its_browser_finds_it_again(tab, shell, shells, wait):
    tab.settings.configurations = 4000
    tab.settings.sizes = [8, 16, 32]
    tab.start.clicks += 1
    wait(lambda: len(tab.points) >= 1)
    job = tab.job
    shell.close()
    wait(lambda: tab.live._latest.future is None)
    kept = len(job.points)
    wait(lambda: len(job.points) > kept)

    stranger = ScanView(shells(), LatticeState())
    stranger.open()
    assert stranger.job is None
    again = shells()
    again.owner = shell.owner
    second = ScanView(again, LatticeState())
    second.open()
    assert second.job is job
    wait(lambda: len(second.points) > kept)
    second.cancel.clicks += 1
    wait(lambda: job.over)
    assert job.state == "cancelled"
    wait(lambda: "points are kept" in second.line.object)


def test_a_fourth_job_of_one_person_is_refused_and_the_third_waits_its_turn(tab, wait):
    tab.settings.configurations = 200_000
    jobs = []
    for _ in range(3):
        tab.begin()
        jobs.append(tab.job)
    tab.begin()
    assert "You have 3 jobs under way" in tab.stage.error
    assert tab.job is jobs[-1]
    wait(lambda: tab.line.object == "Waits until others are done.")
    for job in jobs:
        job.cancel()
    wait(lambda: all(job.over for job in jobs))


def test_more_than_a_visitor_may_ask_for_is_refused_with_the_limit(tab, monkeypatch):
    monkeypatch.setattr(scanning, "limits", lambda: Limits(scan_updates=10**5))
    tab.begin()
    assert tab.job is None
    assert "that this server allows; its host sets that limit with STOQLAB_LIMIT_SCAN_UPDATES" in tab.stage.error
    assert not tab.start.disabled


@pytest.mark.parametrize(
    ("changes", "sizes", "said"),
    [
        ({"low": 0.3, "high": 0.2}, [8], "The scan must go from a smaller to a larger kappa, got from 0.3 to 0.2"),
        ({"low": 0.2, "high": 0.2}, [8], "The scan must go from a smaller to a larger kappa, got from 0.2 to 0.2"),
        ({}, [], "Sizes must name at least one lattice"),
    ],
)
def test_bad_input_gets_a_sentence(tab, changes, sizes, said):
    tab.settings.param.update(**changes)
    tab.sizes.value = sizes
    tab.start.clicks += 1
    assert tab.stage.error.startswith(said)
    assert not tab.start.disabled


def test_the_free_field_beyond_its_range_is_refused_and_a_good_scan_clears_it(tab, wait):
    tab.state.lam = 0.0
    tab.start.clicks += 1
    assert "free field" in tab.stage.error
    tab.settings.high = 0.24
    tab.start.clicks += 1
    assert tab.stage.error == ""
    wait(lambda: tab.cancel.disabled)
    for (size, kappa), point in tab.points.items():  # V⟨M²⟩ = 1/(2 - 8κ), χ = V⟨M²⟩(1 - 2/π); 5σ, few draws
        assert abs(point.chi.value - (1 - 2 / math.pi) / (2 - 8 * kappa)) < 5 * point.chi.error, (size, kappa)


def test_what_is_drawn_and_said():
    request = ScanRequest((0.26, 0.27, 0.28), (8, 16), configurations=400)
    points: dict[tuple[int, float], ScanPoint] = {(r.L, r.kappa): r.point for r in scan(request) if r.point}
    crossings = [Crossing(8, 16, 0.268, 0.0005)]
    panels = {panel.id: panel for panel in scan_scene(request, points, crossings).panels}
    for name, attribute in (("abs_m", "abs_m"), ("chi", "chi"), ("binder", "binder")):
        marks = [s for s in panels[name].series if isinstance(s, Points)]
        assert len(marks) == 2
        assert list(marks[1].y) == [getattr(points[16, kappa], attribute).value for kappa in request.kappas]
        assert any(isinstance(s, Rule) and s.x == 0.2709 for s in panels[name].series)
    band = next(s for s in panels["binder"].series if isinstance(s, Band))
    assert list(band.x) == pytest.approx([0.2675, 0.2685])
    said = report(request, points, crossings)
    assert "U_L of L = 8 and 16 cross at κ = 0.2680(5), 5.8 errors from the known κ_c = 0.2709" in said
    assert "on small lattices the crossing is shifted" in said
    assert "second lattice" in report(ScanRequest(request.kappas, (8,)), points, [])
    other = ScanRequest((0.1, 0.15, 0.2), (8,), lam=0.1)
    assert not any(isinstance(s, Rule) for s in scan_scene(other, {}, []).panels[0].series)


def test_progress_in_words():
    assert progress_text(0.1, 10, 0, 1.0, "running") == "0 of 10 points"
    assert progress_text(5.0, 10, 5, 20.0, "running") == "5 of 10 points, about 20 s left"
    assert progress_text(10.0, 10, 10, 41.0, "finished") == "All 10 points in 41 s."
