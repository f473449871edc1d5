"""The tab *Race* without a browser: it runs, stops, rests, and draws what was measured."""

import time

import numpy as np
import pytest

from core.samplers.race import VARIANTS, Race
from core.theories.phi4 import Phi4
from dashboard.pages.lattice.race import RaceView
from dashboard.pages.lattice.race_scene import COLOURS, race_scene, slowing_scene, standings_table
from dashboard.pages.lattice.state import LatticeState
from dashboard.stage import Image, Line, Points


@pytest.fixture
def tab(shells):
    """A race of two algorithms on a small lattice, not yet open."""
    view = RaceView(shells(), LatticeState(L=16, kappa=0.25))
    view.entries.value = ["hmc", "cluster"]
    yield view
    view.rest()


def test_it_runs_while_it_is_open_and_only_then(tab, wait):
    assert tab.stage.scene is None
    tab.open()
    wait(lambda: "<td>" in tab.table.object)
    assert "is ahead" in tab.verdict.object or "Too early" in tab.verdict.object or "So far" in tab.verdict.object
    assert [p.title for p in tab.stage.scene.panels][::2] == ["HMC", "Cluster (Wolff)"]
    wait(lambda: tab._last and all(s.settled for s in tab._last))
    tab.rest()
    wait(lambda: tab.live._latest.future is None)
    still = tab._race.seconds
    time.sleep(0.3)
    assert tab._race.seconds == still
    race = tab._race
    tab.open()
    wait(lambda: race.seconds > still)
    assert tab._race is race


def test_stop_go_on_and_reset(tab, wait):
    tab.open()
    wait(lambda: tab._race is not None and tab._race.seconds > 0.1)
    tab.run.clicks += 1
    assert tab.run.label == "Go on"
    time.sleep(0.6)
    race, still = tab._race, tab._race.seconds
    time.sleep(0.4)
    assert race.seconds == still
    tab.run.clicks += 1
    wait(lambda: race.seconds > still)
    tab.again.clicks += 1
    wait(lambda: tab._race is not None and tab._race is not race)


def test_other_couplings_are_another_race_and_times_are_remembered(tab, wait):
    tab.open()
    wait(lambda: tab._times.get((0.25, 0.022), {}).get("hmc"))
    tab.state.L = 32
    wait(lambda: 32 in tab._times[0.25, 0.022]["hmc"])
    assert set(tab._times[0.25, 0.022]["hmc"]) == {16, 32}
    panel = tab.slowing.scene.panels[0]
    assert next(list(np.asarray(s.x)) for s in panel.series if isinstance(s, Points)) == [4, 5]
    tab.state.kappa = 0.2
    wait(lambda: (0.2, 0.022) in tab._times)


def test_bad_entries_and_couplings_get_a_sentence(tab, wait):
    tab.open()
    tab.entries.value = ["hmc"]
    assert tab.stage.error == "A race takes from 2 to 4 algorithms, got 1"
    tab.entries.value = ["hmc", "cluster"]
    assert tab.stage.error == ""
    tab.state.param.update(lam=0.0, kappa=0.3)
    assert "free field" in tab.stage.error
    tab.state.kappa = 0.2
    wait(lambda: "<td>" in tab.table.object)
    assert tab.stage.error == ""


def test_the_end_of_the_session_ends_the_race(tab, wait):
    tab.open()
    wait(lambda: tab._race is not None)
    race = tab._race
    tab.live.close()
    wait(lambda: tab.live._latest.future is None)
    still = race.seconds
    time.sleep(0.2)
    assert race.seconds == still


def test_what_is_drawn_is_what_was_measured():
    names = ("hmc", "overrelaxed", "swendsen-wang")
    race = Race(Phi4(16, 0.25, 0.022), names)
    for _ in range(6):
        race.turn(0.05)
    scene = race_scene(race, [VARIANTS[n] for n in names], "diverging")
    panels = {panel.id: panel for panel in scene.panels}
    for i, name in enumerate(names):
        image = panels[f"field{i}"].series[0]
        assert isinstance(image, Image)
        field = race.field(i)
        assert np.corrcoef(image.data.ravel(), field.ravel())[0, 1] > 0.98  # clipped at the ends of the palette
        line = panels[f"history{i}"].series[0]
        seconds, m = race.history(i)
        assert line.color == COLOURS[name]
        assert set(np.asarray(line.y)) <= set(m)
        assert np.asarray(line.x)[-1] <= seconds[-1]
    standings = race.standings()
    table = standings_table(standings, dark=False)
    assert table.count("<tr>") == 4
    for s in standings:
        assert s.variant.title.replace("–", "–") in table
    slowing = slowing_scene({s.variant.name: {16: s} for s in standings}, 0.25).panels[0]
    bars = [s for s in slowing.series if isinstance(s, Line) and not s.label]
    for s, bar in zip(standings, bars, strict=True):
        assert bar.y[1] == pytest.approx(s.tau + s.tau_error)
    assert set(COLOURS) == set(VARIANTS)
