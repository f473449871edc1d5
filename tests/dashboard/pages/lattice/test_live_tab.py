"""The live tab without a browser: what is drawn, what the controls do to the chains, and when it rests."""

import threading
import time

import numpy as np
import pytest

from dashboard.pages.lattice.scene import colour_limit, tile_at, tile_extent
from dashboard.pages.lattice.state import PRESETS, LatticeState
from dashboard.pages.lattice.view import LatticeView
from dashboard.stage import Bars, Image, Line, Stage


@pytest.fixture
def lattice(shells, monkeypatch):
    """``lattice("kappa=0.4")`` is the live tab at this address, in the eyes of somebody (there is no browser here)."""
    monkeypatch.setattr(Stage, "watched", True)

    def make(query=""):
        view = LatticeView(shells(f"?page=lattice&L=16&{query}"))
        return view.tab("live")

    return make


def panels(stage):
    return {panel.id: panel for panel in stage.scene.panels}


def image(tab):
    return next(s for s in panels(tab.field)["field"].series if isinstance(s, Image))


def running():
    return [thread for thread in threading.enumerate() if thread.name == "stoqlab-lattice"]


def at_rest(tab) -> int:
    """The updates done when neither they nor the picture have changed for a while; fails where they go on."""
    for _ in range(20):  # an update under way may still end
        before = tab._simulation.state.count, tab.field.scene
        time.sleep(0.7)
        if tab._simulation.state.count == before[0] and tab.field.scene is before[1]:
            return before[0]
    raise AssertionError("the simulation goes on")


def test_the_field_moves_pauses_and_makes_single_steps(lattice, wait):
    tab = lattice()
    wait(lambda: tab.field.scene is not None)
    first = image(tab).data
    wait(lambda: not np.array_equal(image(tab).data, first))
    tab.run.clicks += 1
    assert tab.run.label == "Go on"
    assert not tab.single.disabled
    wait(lambda: tab.runner.paused)
    count = at_rest(tab)
    still = tab.field.scene
    tab.single.clicks += 1
    wait(lambda: tab._simulation.state.count == count + 1)
    wait(lambda: tab.field.scene is not still)
    time.sleep(0.2)
    assert tab._simulation.state.count == count + 1
    tab.run.clicks += 1
    wait(lambda: tab._simulation.state.count > count + 3)


def test_the_number_of_chains_changes_while_it_runs(lattice, wait):
    tab = lattice()
    wait(lambda: tab.field.scene is not None)
    tab.state.chain_count = 30
    wait(lambda: len(tab._simulation.state.x) == 30)
    tab.state.chain_count = 3
    wait(lambda: len(tab._simulation.state.x) == 3)


def test_it_rests_behind_another_tab_and_ends_with_the_session(lattice, wait):
    tab = lattice()
    wait(lambda: tab.field.scene is not None)
    tab.rest()
    count = at_rest(tab)
    tab.open()
    wait(lambda: tab._simulation.state.count > count)
    tab.close()
    wait(lambda: not running())


@pytest.mark.parametrize(
    ("group", "drawn"),
    [
        ("history", {"m", "action", "decision"}),
        ("distribution", {"mhist", "sites"}),
        ("correlation", {"g", "mass", "rho"}),
        ("averages", {"abs_m", "phi2"}),
    ],
)
def test_every_group_is_drawn_with_its_numbers(lattice, wait, group, drawn):
    tab = lattice(f"group={group}&speed=100&kappa=0.21")
    wait(lambda: tab.observables.scene is not None and "independent/s" in tab.numbers.object)
    assert set(panels(tab.observables)) == drawn
    assert "acceptance 0." in tab.numbers.object
    assert "τ_int of |M| = " in tab.numbers.object
    if group == "distribution":
        heights = next(s for s in panels(tab.observables)["sites"].series if isinstance(s, Bars))
        assert np.sum(heights.heights * np.diff(heights.edges)) == pytest.approx(1.0)
        assert "κ₈" in tab.numbers.object
    if group == "averages":
        assert "U_L" in tab.numbers.object


def test_the_free_field_has_its_exact_curve(lattice, wait):
    tab = lattice("group=correlation&kappa=0.2&lam=0&speed=100")
    assert tab.preset.value == "free"
    wait(lambda: tab.observables.scene is not None)
    line = next(s for s in panels(tab.observables)["g"].series if isinstance(s, Line) and s.label == "exact")
    exact = np.fft.ifft2(tab.state.theory().free_propagator()).real[0, :9]
    assert line.y == pytest.approx(exact)
    tab.state.lam = 0.02
    wait(
        lambda: any(
            s.label.startswith("free, measured m") for s in panels(tab.observables)["g"].series if isinstance(s, Line)
        )
    )


def test_steering_keeps_the_field_and_another_lattice_makes_a_new_one(lattice, wait):
    tab = lattice()
    wait(lambda: tab.field.scene is not None)
    tab.state.kappa = 0.4
    wait(lambda: tab._simulation.advance(0).theory.kappa == 0.4)
    assert tab.preset.value == "broken"
    assert tab._simulation.state.count > 0
    tab.state.algorithm = "metropolis"
    wait(lambda: tab._simulation.advance(0).algorithm == "metropolis")
    wait(lambda: "Changes one site after the other" in tab.method.object)
    assert tab.widgets["overrelaxation"].visible
    assert not tab.widgets["integrator"].visible
    tab.state.param.update(auto_step=False, step_size=0.5)
    wait(lambda: tab._simulation.advance(0).parameters["step_size"] == 0.5)
    tab.state.L = 32
    wait(lambda: tab._simulation.advance(0).fields.shape == (16, 32, 32))
    tab.state.shown = 9
    wait(lambda: len(panels(tab.field)["field"].series) == 9)


def test_presets_set_couplings_and_start_and_say_what_to_look_for(lattice, wait):
    tab = lattice()
    for name, preset in PRESETS.items():
        tab.preset.value = name
        state = tab.state
        assert (state.kappa, state.lam, state.start) == (preset.kappa, preset.lam, preset.start)
        wait(lambda preset=preset: preset.sentence in tab.line.object)
    tab.state.param.update(kappa=0.25, lam=0.02)
    assert tab.preset.value == ""
    wait(lambda: "(a m₀)² = -0.16, λ₀ = 1.92" in tab.line.object)
    tab.state.param.update(start="hot", kappa=0.45)
    wait(lambda: "Not in equilibrium" in tab.line.object)


def test_painting_lands_where_the_pointer_is(lattice, wait):
    tab = lattice("kappa=0.4&start=cold&shown=4&brush=minus&radius=0.1")
    wait(lambda: tab._simulation.state.count > 20)
    tab.pause(True)
    time.sleep(0.2)
    before = tab._simulation.advance(0).fields.copy()
    x0, _, y0, _ = tile_extent(3, 4, 16)  # the lower right one
    tab._paint([(x0 + 4.5, y0 + 11.5)], True)
    wait(lambda: (tab._simulation.advance(0).fields != before).any())
    changed = np.argwhere(tab._simulation.advance(0).fields != before)
    assert changed.mean(0).tolist() == [3, 11, 4]
    assert tab._simulation.advance(0).fields[3, 11, 4] == pytest.approx(-tab.state.theory().classical_minimum)
    tab._paint([(x0 - 0.1, y0 + 11.5)], True)  # between two fields
    assert len(np.argwhere(tab._simulation.advance(0).fields != before)) == len(changed)


def test_a_bad_coupling_is_told_and_the_field_stays(lattice, wait):
    tab = lattice("lam=0&kappa=0.2")
    wait(lambda: tab.field.scene is not None)
    tab.state.kappa = 0.3
    assert "Kappa must be below 1/(2d) = 0.25" in tab.field.error
    assert tab._simulation.advance(0).theory.kappa == 0.2
    tab.state.kappa = 0.22
    wait(lambda: tab._simulation.advance(0).theory.kappa == 0.22)
    wait(lambda: tab.field.error == "")


def test_a_runaway_says_so_and_a_smaller_step_goes_on(lattice, wait):
    tab = lattice("algorithm=langevin&auto_step=false&step_size=3&speed=100")
    wait(lambda: "ran away" in tab.line.object)
    tab.state.step_size = 0.01
    wait(lambda: "ran away" not in tab.line.object)
    wait(lambda: tab._simulation.advance(0).problem == "")


def test_a_new_seed_is_another_run(lattice, wait):
    tab = lattice("seed=5")
    wait(lambda: tab._simulation.state.count > 5)
    before = tab._simulation
    tab.state.seed = 6
    assert tab._simulation is not before
    wait(lambda: tab._simulation.state.count > 0)


def test_tiles_lie_in_reading_order_with_gaps():
    assert tile_extent(0, 1, 64) == (0, 64, 0, 64)
    for shown in (1, 4, 9, 16):
        boxes = [tile_extent(i, shown, 10) for i in range(shown)]
        assert [tile_at((a + b) / 2, (c + d) / 2, shown, 10) for a, b, c, d in boxes] == list(range(shown))
        assert boxes[-1][2] == 0
        assert boxes[0][0] == 0
    assert tile_at(10.1, 3.0, 4, 10) is None
    assert tile_at(-0.1, 3.0, 1, 10) is None


def test_colours_reach_nearly_all_sites():
    fields = np.random.default_rng(0).normal(size=(4, 64, 64)).astype(np.float32)
    assert colour_limit(fields) == pytest.approx(2.576, abs=0.1)  # 99 % of a normal law


def test_chains_fit_the_lattice():
    counts = {n: LatticeState(L=n).chains for n in (16, 64, 128, 256, 512)}
    assert counts == {16: 16, 64: 16, 128: 16, 256: 4, 512: 1}
    assert LatticeState(L=64, chain_count=40).chains == 40
    assert LatticeState(L=64, chain_count=1000).chains == 64
    assert LatticeState(L=64, chain_count=2, shown=4).chains == 4
    assert LatticeState(L=512, shown=9).chains == 9
