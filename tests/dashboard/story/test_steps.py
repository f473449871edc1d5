"""Every step of the story opens as its address says, and what its text claims is what the engine finds."""

import re
from html.parser import HTMLParser
from urllib.parse import parse_qs, parse_qsl

import numpy as np
import pytest
import torch

from core.diffusion.gaussian import GaussianScore
from core.diffusion.run import run_backward
from core.noise import Noise
from core.samplers.ensemble import thermalise
from core.samplers.step_size import step_size_scan
from core.schedule import make_schedule
from core.theories.modes import unimodal_level, unimodal_time
from core.theories.phi4 import Phi4
from core.theories.registry import make_target
from dashboard.address import decode, encode
from dashboard.pages import ROOMS
from dashboard.shell import build_page
from dashboard.stage import Stage
from dashboard.story.card import card_html
from dashboard.story.guide import Guide
from dashboard.story.steps import STEPS, expand, link, number_of

NUMBERS = range(1, len(STEPS) + 1)


def said(shell):
    return [alert.object for alert in shell.messages]


def guide_of(page):
    return next(item for item in page.main[0] if isinstance(item, Guide))


def words(number):
    step = STEPS[number - 1]
    return " ".join((step.text, step.trial, step.question, step.answer))


@pytest.fixture(params=NUMBERS)
def opened(request):
    """The page of a step as a person opens it, and its number."""
    page, shell = build_page(link(request.param))
    yield page, shell, request.param
    shell.close()


def test_a_step_opens_without_complaint_in_the_state_that_it_names(opened):
    _, shell, number = opened
    assert said(shell) == []
    query = dict(parse_qsl(shell.address.bar.query))
    assert query["page"] == STEPS[number - 1].page
    assert query["story"] == str(number)
    for key, text in STEPS[number - 1].state.items():
        state, name = shell.address.claimed[key]
        assert getattr(state, name) == decode(state.param[name], text), key
        assert query[key] == encode(state.param[name], getattr(state, name)) == text, key


def test_the_panels_of_a_step_are_in_the_rows_that_are_shown(opened):
    page, _, number = opened
    rows = [row.split() for row in STEPS[number - 1].areas]
    assert len({len(row) for row in rows}) <= 1
    shown = [stage for column in page.main for stage in column.select(Stage)]
    assert shown
    assert all(stage.areas == list(STEPS[number - 1].areas) for stage in shown if stage.height is None)
    scenes = [{panel.id for panel in stage.scene.panels} for stage in shown if stage.scene is not None]
    if rows and scenes:
        assert any({name for row in rows for name in row} <= ids for ids in scenes)


def test_a_short_link_has_the_whole_preset_and_what_it_says_itself_counts():
    assert parse_qs(expand("?story=2")) == parse_qs(link(2))
    assert dict(parse_qsl(expand("?story=2&sigma=3")[1:]))["sigma"] == "3"
    for other in ("", "?page=one", "?story=0", "?story=ten", "?story=99", "?story=²", "?page=lattice&story=2"):
        assert expand(other) == other


@pytest.mark.parametrize("text", ["0", str(len(STEPS) + 1), "-1", "two", "1.5", "²", "9" * 5000])
def test_a_step_that_is_not_there_is_a_sentence(text):
    assert number_of(text) is None
    page, shell = build_page(f"?page=home&story={text}")
    assert len(said(shell)) == 1
    assert f"a step from 1 to {len(STEPS)}" in said(shell)[0]
    assert "story" not in shell.address.bar.query
    assert page.meta.title.endswith("StoqLab")


def test_a_step_on_another_page_is_a_sentence():
    _, shell = build_page("?page=home&story=2")
    assert "of the page one" in said(shell)[0]
    assert shell.areas == []


class Links(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.links, self.headings = [], 0
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.headings += tag == "h2"
        if tag == "a":
            self.links.append(dict(attrs))


@pytest.mark.parametrize("number", NUMBERS)
def test_a_card_leads_to_the_steps_before_and_after_and_carries_the_theme(number):
    card = Links(card_html(number, theme="dark", present="1"))
    ways = {a["rel"]: a["href"] for a in card.links if "rel" in a}
    assert ways.get("prev") == (link(number - 1, theme="dark", present="1") if number > 1 else None)
    assert ways.get("next") == (link(number + 1, theme="dark", present="1") if number < len(STEPS) else None)
    steps = [a for a in card.links if "rel" not in a and "href" in a]
    assert [a["href"] for a in steps] == [link(n, theme="dark", present="1") for n in NUMBERS]
    assert [n for n, a in enumerate(steps, 1) if "aria-current" in a] == [number]
    assert card.headings == 1


@pytest.mark.parametrize("number", NUMBERS)
def test_a_step_is_short(number):
    step = STEPS[number - 1]
    assert step.page in ROOMS
    assert 2 <= len(re.findall(r"[.?!](?:\s|$)", step.text)) <= 4
    assert len(step.text) <= 320, "more does not stay above the picture on a small screen"
    assert len(step.trial) <= 170
    assert step.question.endswith("?")
    assert len(step.question) <= 110
    assert len(step.answer) <= 330


def test_leaving_keeps_the_room_and_gives_all_panels_back():
    page, shell = build_page(link(6))
    state, _ = shell.address.claimed["sigma"]
    state.sigma = 4.0
    guide = guide_of(page)
    assert STEPS[5].title in guide.card
    guide.left += 1
    assert guide.card == ""
    assert shell.areas == []
    assert state.sigma == 4.0
    query = dict(parse_qsl(shell.address.bar.query))
    assert "story" not in query
    assert query["sigma"] == "4"
    shell.close()


def test_presenter_mode_shows_the_picture_alone_and_is_in_the_address():
    page, shell = build_page("?page=one")
    column = page.main[0]
    guide = guide_of(page)
    texts = [pane for pane in column.select() if type(pane).__name__ in ("LaTeX", "Markdown")]
    assert texts
    assert all(pane.visible for pane in texts)
    guide.present = True
    assert shell.present
    assert "present=1" in shell.address.bar.query
    assert not any(pane.visible for pane in texts)
    assert shell.areas
    guide.present = False
    assert "present" not in shell.address.bar.query
    assert all(pane.visible for pane in texts)
    assert shell.areas == []
    shell.close()


# What the texts say


def test_two_peaks_become_one_when_and_where_the_text_says():
    target = make_target("two-peak")
    assert unimodal_level(target) ** 2 == pytest.approx(15 / 16, rel=2e-3)
    assert unimodal_time(target, make_schedule("ve", 10.0)) == pytest.approx(0.36, abs=0.005)
    assert unimodal_time(target, make_schedule("ve", 3.0)) > unimodal_time(target, make_schedule("ve", 10.0))
    assert "t = 0.36" in words(2)
    assert "15/16 ≈ 0.94" in words(2)


def test_the_score_has_three_zeros_with_two_peaks_and_is_nearly_straight_under_noise():
    target, schedule = make_target("two-peak"), make_schedule("ve", 10.0)
    x = torch.linspace(-3, 3, 2000, dtype=torch.float64)[:, None]

    def score(t):
        return target.score(x, float(schedule.f(t)), float(schedule.xi(t)))[:, 0].numpy()

    assert np.count_nonzero(np.diff(np.sign(score(0.2)))) == 3
    late = score(1.0)
    assert np.abs(late - np.polyval(np.polyfit(x[:, 0], late, 1), x[:, 0])).max() < 0.01 * np.abs(late).max()


def test_the_gaussian_score_keeps_mean_and_variance_alone():
    target, schedule = make_target("two-peak"), make_schedule("ve", 10.0)
    model = GaussianScore(target.mean, target.covariance)
    run = run_backward(target, schedule, model, solver="heun", grid="log", steps=200, paths=20_000, seed=1)
    x = run.samples[:, 0].numpy()
    assert float(target.covariance[0, 0]) == 1.0625
    assert x.var() == pytest.approx(1.0625, abs=4 * 1.0625 * np.sqrt(2 / len(x)) + 0.01)
    assert (x**4).mean() - 3 * (x**2).mean() ** 2 == pytest.approx(0, abs=0.15)


def test_the_best_guess_of_the_noise_is_the_score():
    """E[η | x] = −√Ξ ∂log P, measured in bins; and its spread does not vanish."""
    target, xi = make_target("two-peak"), 0.7
    rng = np.random.default_rng(1)
    x0 = target.sample(400_000, Noise(3).of("data"))[:, 0].numpy()
    eta = rng.normal(size=len(x0))
    x = x0 + np.sqrt(xi) * eta
    for centre in (-1.2, -0.3, 0.4, 1.5):
        near = np.abs(x - centre) < 0.02
        best = -np.sqrt(xi) * float(target.score(torch.tensor([[centre]], dtype=torch.float64), 1.0, xi)[0, 0])
        assert eta[near].mean() == pytest.approx(best, abs=4 * eta[near].std() / np.sqrt(near.sum()) + 0.01)
        assert eta[near].std() > 0.3


def test_the_cumulants_are_those_of_the_text():
    target, xi = make_target("two-peak"), float(make_schedule("ve", 10.0).xi(1.0))
    kappa = dict(enumerate(target.cumulants(8)))
    assert [kappa[n] for n in (4, 6, 8)] == pytest.approx([-2, 16, -272])
    assert kappa[2] + xi == pytest.approx(22.6, abs=0.05)
    assert kappa[4] / kappa[2] ** 2 == pytest.approx(-1.8, abs=0.05)
    assert kappa[4] / (kappa[2] + xi) ** 2 == pytest.approx(-0.004, abs=0.0005)
    assert "−1.8 at the start and −0.004 at t = 1" in words(6)
    assert "22.6" in words(6)


def test_the_broken_phase_is_as_the_text_says():
    *_, last = thermalise(Phi4(64, 0.40, 0.022), 8, Noise(1), 60)
    assert np.abs(np.asarray(last.fields).mean((1, 2))).mean() == pytest.approx(3.75, abs=0.01)
    assert "3.75" in words(8)


def test_finite_steps_are_as_wrong_as_the_text_says():
    step = STEPS[8].state
    target = make_target("quartic", mu2=float(step["mu2"]), g=float(step["coupling"]))
    exact = float(target.covariance[0, 0])
    start = target.sample(4000, Noise(0).of("start"))
    found = step_size_scan(target, [float(step["epsilon"])], start, 40.0, 10.0, Noise(0).of("noise"))
    assert f"⟨x²⟩ = {found.value[0]:.2f} where exp(−S) has {exact:.2f}" in words(9)
