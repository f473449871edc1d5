"""The tab *Langevin*: the chain behind it and what it draws, against exact results."""

import threading

import numpy as np
import pytest

from core.jobs import Token
from dashboard.pages.one.chain import ENOUGH, LINES, RUNAWAY, STRENGTHS, WINDOW, make_chain
from dashboard.pages.one.chain_scene import chain_scene, scan_step_sizes
from dashboard.pages.one.langevin import _summary
from dashboard.stage import Band, Bars, Line, Rule


@pytest.fixture
def tab(one):
    """``tab("epsilon=0.1")`` is the tab at this address, behind another one, so that no chain runs by itself."""
    return lambda query="": one(f"tab=line&paths=500&steps=20&{query}").tab("langevin")


def run(chain, steps: int, batch: int = 50):
    chain.batch = batch
    for _ in range(steps // batch):
        chain.advance(Token())
    return chain


def panels(chain, scan=None):
    return {panel.id: panel for panel in chain_scene(chain, chain.statistics(), scan).panels}


HARMONIC = "target=formula&formula=x**2/2&chains=4000&therm=600&seed=2"


@pytest.mark.parametrize("strength", STRENGTHS)
def test_a_noise_strength_that_changes_with_time_changes_the_clock_and_nothing_else(tab, strength):
    """S = ½ x² from x_0: ⟨x²⟩ = v + (x_0² - v) a² with a² = Π(1 - h)² → e^{-2τ}, at the clock τ whatever g(t)."""
    chain = make_chain(tab(f"{HARMONIC}&epsilon=0.01&noise_strength={strength}").state)
    start = float(chain.state.x[0, 0])
    run(chain, 1500)
    clock, mean = np.array(chain.clock), np.array(chain.mean)
    g = STRENGTHS[strength]
    if g is not None:
        steps = np.arange(1500) * 0.01
        assert clock == pytest.approx(np.cumsum([0.5 * g(t) ** 2 * 0.01 for t in steps]))
        assert abs(clock[-1] / 15 - 1) > 0.3  # another pace than constant g
    exact = 1 + (start**2 - 1) * np.exp(-2 * clock)
    variance = 1 - np.exp(-2 * clock)
    error = np.sqrt((2 * variance**2 + 4 * variance * start**2 * np.exp(-2 * clock)) / 4000)
    # A step h multiplies x by 1 - h instead of e^{-h}: a bias of order h, at most 0.04 (g² = 8) of either term.
    largest = np.diff(clock, prepend=0).max()
    bias = largest * (1 + start**2 * 2 * clock * np.exp(-2 * clock) * 1.2)
    assert (np.abs(mean - exact) < 5 * error + bias).all()


@pytest.mark.parametrize("metropolis", ["false", "true"])
def test_the_histogram_is_the_law(tab, metropolis):
    """Not exp(-2S): the bars after thermalisation lie on the exact density."""
    page = tab(f"target=quartic&coupling=3&epsilon=0.02&metropolis={metropolis}&chains=2000&therm=600&seed=1")
    chain = make_chain(page.state)
    run(chain, 2600, 20)
    drawn = panels(chain)["histogram"].series
    bars = next(s for s in drawn if isinstance(s, Bars))
    exact = next(s for s in drawn if isinstance(s, Line) and s.label == "exp(−S)/Z")
    widths = np.diff(bars.edges)
    assert np.sum(bars.heights * widths) == pytest.approx(1)
    centres = (bars.edges[1:] + bars.edges[:-1]) / 2
    law = np.interp(centres, exact.x, exact.y)
    # 40 units of time, of which 100 sets of positions are counted: at least 4000 independent ones; a bias of order ε.
    error = np.sqrt(law / (4000 * widths))
    assert (np.abs(bars.heights - law) < 5 * error + 0.02 * law.max()).all()
    if metropolis == "true":
        assert 0.8 < chain.acceptance <= 1
    else:
        assert np.isnan(chain.acceptance)


def test_the_mean_comes_to_its_exact_value(tab):
    chain = run(make_chain(tab(f"{HARMONIC}&epsilon=0.05").state), 1000)
    mean = panels(chain)["mean"]
    line, rule = mean.series
    assert rule.y == pytest.approx(1)
    # A step ε = 0.05 samples the variance 1/(1 - ε/2) = 1.0256.
    assert np.mean(line.y[-200:]) == pytest.approx(1 / (1 - 0.025), abs=5 * np.sqrt(2 / 4000))


def test_trajectories_autocorrelation_and_thermalisation(tab):
    chain = make_chain(tab(f"{HARMONIC}&epsilon=0.05").state)
    run(chain, 600)
    before = panels(chain)
    assert not any(isinstance(s, Bars) for s in before["histogram"].series)
    assert before["rho"].note == "after thermalisation"
    run(chain, 2000)
    after = panels(chain)
    lines = after["paths"].series
    assert len(lines) == LINES
    assert len(lines[0].x) == WINDOW
    assert lines[0].x[-1] == pytest.approx(chain.clock[-1])
    squares, positions = after["rho"].series[:2]
    assert squares.y[0] == pytest.approx(1)
    # x decays as e^{-τ}, x² as e^{-2τ}; statistics of 4000 chains.
    for line, rate in ((squares, 2), (positions, 1)):
        early = line.x < 1
        a = np.log(1 / (1 - 0.05)) / 0.05 * rate
        assert line.y[early] == pytest.approx(np.exp(-a * line.x[early]), abs=0.02)
    assert after["rho"].note.startswith("x²: τ_int = ")


def test_the_step_size_bias_is_measured_and_extrapolated(tab):
    target = tab("target=two-peak").state.make_target()
    ((scan, fit),) = scan_step_sizes(target, 3, Token())
    exact = 1.0625
    assert abs(fit.value - exact) < 5 * fit.error
    assert abs(scan.value[-1] - exact) > 5 * scan.error[-1]  # the largest step is visibly wrong
    chain = run(make_chain(tab("target=two-peak").state), 50)
    panel = panels(chain, (scan, fit))["bias"]
    assert any(isinstance(s, Band) for s in panel.series)
    rule = next(s for s in panel.series if isinstance(s, Rule))
    assert rule.y == pytest.approx(exact)
    assert rule.label == "exact 1.0625"
    assert panels(chain)["bias"].note == "measuring …"


def test_the_chain_is_streamed_paused_and_stopped(one, wait):
    view = one("tab=langevin&chains=50&epsilon=0.02&target=formula&formula=x**2/2")
    tab = view.tab("langevin")
    wait(lambda: tab.stage.scene is not None)
    first = tab.stage.scene
    wait(lambda: tab.stage.scene is not first)
    wait(lambda: "steps, Langevin time" in tab.line.object)
    tab.run.clicks += 1
    assert tab.run.label == "Go on"
    wait(lambda: tab._paused.is_set())
    threading.Event().wait(0.3)
    still = tab.stage.scene
    threading.Event().wait(0.3)
    assert tab.stage.scene is still
    tab.run.clicks += 1
    wait(lambda: tab.stage.scene is not still)
    wait(lambda: "ε → 0: " in {p.id: p for p in tab.stage.scene.panels}["bias"].note)
    view.state.tab = "line"
    wait(lambda: not running())
    view.state.tab = "langevin"
    wait(running)
    view.shell.close()
    wait(lambda: not running())


def running() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "stoqlab-langevin"]


def test_every_start_is_the_same_chain(tab):
    page = tab("chains=30&seed=9")
    a, b = run(make_chain(page.state), 100), run(make_chain(page.state), 100, batch=10)
    assert (a.state.x == b.state.x).all()
    assert a.clock == pytest.approx(b.clock)
    page.state.seed = 10
    assert not (run(make_chain(page.state), 100).state.x == a.state.x).all()


def test_a_step_that_is_too_large_is_named(one, wait):
    view = one("tab=langevin&target=quartic&coupling=6&epsilon=0.5&chains=10")
    tab = view.tab("langevin")
    wait(lambda: tab.stage.error)
    assert "ε = 0.5 is too large" in tab.stage.error
    view.state.metropolis = True
    assert tab.stage.error == ""
    assert "accepted with probability" in tab.equation.object
    view.state.param.update(target="formula", formula="x**")
    assert "x**" in tab.stage.error


def test_a_chain_that_runs_away_says_so_while_its_numbers_are_still_finite(tab):
    """S = 5 x² with ε = 0.3: x → x - 3x + noise, every step doubles the distance."""
    chain = make_chain(tab("target=formula&formula=5*x**2&epsilon=0.3&chains=20").state)
    chain.batch = 4
    chain.advance(Token())  # from 1.6 to 25, which may be chance
    chain.batch = 12
    with pytest.raises(FloatingPointError, match=r"runs away: ε = 0\.3 is too large.*Metropolis-adjusted"):
        chain.advance(Token())
    assert np.isfinite(chain.state.x.numpy()).all()
    assert RUNAWAY * 3 < float(chain.state.x.abs().max()) < 1e7
    calm = make_chain(tab("target=formula&formula=5*x**2&epsilon=0.3&chains=20&metropolis=true").state)
    run(calm, 100)


def test_the_page_says_that_a_chain_has_not_settled_until_it_has(tab):
    """S = ½ x² at ε = 0.05: x remembers for τ_int = (1 + a)/2(1 - a) = 19.5 steps, a = 0.95; x² for half as many."""
    chain = make_chain(tab("target=formula&formula=x**2/2&epsilon=0.05&chains=400&therm=300").state)
    words = "Not yet in equilibrium"
    run(chain, 300)
    assert chain.statistics() is None
    assert words not in _summary(chain, None)  # nothing is known yet
    run(chain, 300)
    early = chain.statistics()
    assert early.slowest is early.x
    assert early.x.tau == pytest.approx(19.5, rel=0.15)
    assert early.draws == 300 < ENOUGH * early.x.tau
    assert ENOUGH * early.x2.tau < 300
    assert words in _summary(chain, early)
    run(chain, 300)
    late = chain.statistics()
    assert late.draws == 600
    assert late.settled
    assert words not in _summary(chain, late)
    assert "τ_int of x = " in _summary(chain, late)
