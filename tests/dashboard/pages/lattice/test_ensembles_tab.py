"""The tab of ensembles without a browser: making, listing, measuring, going on, deleting, and what goes wrong."""

import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from core.ensembles.files import open_ensemble
from core.ensembles.library import Library
from core.ensembles.make import make_ensemble
from core.ensembles.request import EnsembleRequest
from core.statistics.format import with_error
from core.statistics.measure import measure
from core.theories.phi4 import Phi4
from dashboard.pages.lattice import making
from dashboard.pages.lattice.keep_form import KeepSettings, name_for, request_of
from dashboard.pages.lattice.making import in_bytes
from dashboard.pages.lattice.state import LatticeState
from dashboard.pages.lattice.view import LatticeView

FAST = {"step_size": 0.2, "n_steps": 5}
THEORY = Phi4(16, 0.21, 0.022)
BY_HAND = {"configurations": "40", "chains": "4", "therm": "8", "thin": "2"}


@pytest.fixture
def library(tmp_path, monkeypatch):
    monkeypatch.setenv("STOQLAB_HOME", str(tmp_path))
    return Library()


@pytest.fixture
def keep(shells, library):
    """``keep("kappa=0.2", configurations="80")`` is the opened tab at this address with a short run in its form.

    All tabs are those of one browser, unless another ``owner`` is given.
    """

    def make(query="", owner="me", **settings):
        address = f"?page=lattice&tab=keep&L=16&kappa=0.21&auto_step=false&step_size=0.2&{query}"
        shell = shells(address)
        shell.owner = owner
        tab = LatticeView(shell).tab("keep")
        tab.settings.param.update(**BY_HAND | settings)
        return tab

    yield make
    for one in making.under_way(library):
        one.cancel()


def done(tab):
    """Whether the making has ended and all has been told."""
    return lambda: tab.made is None and tab.message.visible and tab.live._latest.future is None


def names(tab):
    return [row["name"] for row in tab.table.rows]


def test_what_is_made_is_in_the_library_and_chosen(keep, library, wait):
    tab = keep()
    assert "empty" in tab.table.caption
    name = "κ=0.21 L=16 hmc"
    assert f"“{name}”" in tab.line.object
    said = tab.command.text
    assert said.startswith("stoqlab ensemble phi4 --L 16 --kappa 0.21 --lam 0.022 --sampler hmc --start mixed")
    assert "--chains 4 --therm 8 --thin 2" in said
    tab.make.clicks += 1
    assert tab.make.disabled
    assert not tab.cancel.disabled
    wait(done(tab))
    assert tab.message.severity in ("success", "warning")
    assert not tab.make.disabled
    assert names(tab) == [name] == [entry.name for entry in library.list()]
    assert tab.table.selected == name
    with open_ensemble(library.path(name)) as reader:
        assert reader.stored == (4, 10)
        assert reader.plan is not None
        assert reader.plan.parameters["flip"] is True
        assert reader.plan.parameters["step_size"] == 0.2
        entry = library[name]
        cells = tab.table.rows[0]["cells"]
        assert cells[1:4] == ["16 × 16", "0.21, 0.022", "hmc"]
        assert cells[4] == "40"
        assert cells[6] == with_error(*entry.abs_m)
    assert len(tab.table.columns) == len(cells) + 1
    assert "4 chains of 10 configurations, 8 trajectories of thermalisation" in tab.one.title.object
    assert "--therm 8" in tab.one.command.text
    assert f"“{name} (2)”" in tab.line.object  # the next one


def test_the_rows_follow_the_columns(keep, library):
    tab = keep()
    make_ensemble(EnsembleRequest(THEORY, "hmc", 8, 2, 4, 2, FAST), library.path("good"))
    make_ensemble(EnsembleRequest(Phi4(16, 0.4, 0.022), "hmc", 8, protocol="published"), library.path("walls"))
    library.path("bad").write_text("nonsense")
    tab.refresh()
    rows = {row["name"]: row for row in tab.table.rows}
    assert (rows["walls"]["note"], rows["walls"]["level"]) == ("not in equilibrium", "red")
    assert "published protocol" in rows["walls"]["title"]
    assert (rows["bad"]["note"], rows["bad"]["level"]) == ("not readable", "red")
    assert {len(row["cells"]) for row in rows.values()} == {len(tab.table.columns) - 1}
    tab.table.selected = "bad"
    assert "not an ensemble" in tab.one.title.object
    assert not tab.one.measuring.visible
    tab.table.selected = "walls"
    assert "published protocol" in tab.one.title.object
    assert "--protocol published" in tab.one.command.text


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"configurations": "many"}, "Configurations must be a whole number, got 'many'"),
        ({"configurations": "auto"}, "Configurations must be a whole number of at least 1"),
        ({"configurations": "0"}, "Configs must be a whole number of at least 1, got 0"),
        ({"configurations": "1e400"}, "Configurations must be a whole number, got '1e400'"),
        ({"configurations": "12.5"}, "Configurations must be a whole number, got '12.5'"),
        ({"chains": "3"}, "Configs must be a multiple of chains, got 40 configurations in 3 chains"),
        ({"chains": "x"}, "Chains must be a whole number or auto, got 'x'"),
        ({"therm": "-1"}, "Therm must be a whole number of at least 0, got -1"),
        ({"thin": "0"}, "Thin must be a whole number of at least 1, got 0"),
        ({"called": "../x"}, "Name must begin with a letter or digit"),
        (
            {"configurations": "1e14", "chains": "auto"},
            "that this server allows; its host sets that limit with STOQLAB_LIMIT_ENSEMBLE_CONFIGURATIONS",
        ),
    ],
)
def test_bad_input_gets_a_sentence_and_nothing_is_made(keep, library, settings, says):
    tab = keep(**settings)
    tab.make.clicks += 1
    assert says in tab.message.object
    assert tab.message.severity == "error"
    assert tab.made is None
    assert not library.folder.exists()
    tab.settings.param.update(**BY_HAND, called="")
    assert "on disk" in tab.line.object


def test_bad_couplings_get_a_sentence(keep):
    tab = keep("lam=0")
    tab.state.kappa = 0.3
    assert "Kappa must be below 1/(2d) = 0.25" in tab.line.object
    assert tab.command.text == ""
    tab.make.clicks += 1
    assert "below 1/(2d)" in tab.message.object


def test_large_numbers_are_understood_as_written():
    state, settings = LatticeState(L=16), KeepSettings(configurations=" 1e4 ")
    assert request_of(state, settings).configs == 10_000
    settings.configurations = "20\u202f000"
    assert request_of(state, settings).configs == 20_000


def test_the_request_has_what_the_page_shows():
    state = LatticeState(L=16, algorithm="cluster", kind="swendsen-wang", seed=7, start="cold")
    request = request_of(state, KeepSettings(configurations="50"))
    assert (request.sampler, request.start, request.seed) == ("cluster", "cold", 7)
    assert request.parameters == {"kind": "swendsen-wang"}
    state.param.update(algorithm="mala", auto_step=False, step_size=0.05, fourier=True)
    request = request_of(state, KeepSettings(configurations="50", flip=False))
    assert request.parameters == {"step_size": 0.05, "fourier": True, "flip": False}
    request = request_of(state, KeepSettings(configurations="50", protocol=True, chains="nonsense"))
    assert (request.sampler, request.protocol, request.start) == ("hmc", "published", "hot")


def test_the_protocol_warns_and_fixes_the_rest(keep):
    tab = keep(protocol=True)
    assert tab.published.visible
    assert "Not in equilibrium" in tab.published.object
    assert tab.widgets["chains"].disabled
    assert tab.shared["algorithm"].disabled
    assert "--protocol published" in tab.command.text
    tab.settings.protocol = False
    assert not tab.published.visible
    assert not tab.widgets["chains"].disabled


def test_a_name_that_is_taken_is_refused_longer_or_replaced(keep, library, wait):
    tab = keep(called="mine")
    tab.make.clicks += 1
    wait(done(tab))
    with open_ensemble(library.path("mine")) as reader:
        (first,) = reader.blocks()
    tab.say("info", "")
    tab.make.clicks += 1
    wait(done(tab))
    assert "The name 'mine' is taken" in tab.message.object
    assert tab.message.severity == "error"
    tab.settings.param.update(taken="resume", configurations="80")
    tab.say("info", "")
    tab.make.clicks += 1
    wait(done(tab))
    with open_ensemble(library.path("mine")) as reader:
        (longer,) = reader.blocks()
    assert longer.shape[:2] == (4, 20)
    assert np.array_equal(longer[:, :10], first)
    tab.settings.param.update(taken="force", configurations="8")
    tab.say("info", "")
    tab.make.clicks += 1
    wait(done(tab))
    assert library["mine"].n_configs == 8


def test_cancelling_keeps_what_is_done_and_going_on_gives_the_same_ensemble(keep, library, wait, tmp_path):
    tab = keep(called="long", configurations="200000")
    tab.make.clicks += 1
    wait(lambda: tab.made.progress.phase == "sampling" and tab.made.progress.done > 0)
    wait(lambda: "configurations" in tab.line.object and "left" in tab.line.object)
    assert any(row["note"] == "being made" for row in tab.table.rows)
    tab.cancel.clicks += 1
    wait(done(tab))
    assert "are kept" in tab.message.object
    entry = library["long"]
    assert 0 < entry.n_configs < 200_000
    assert tab.one.going_on.visible
    request = tab.one.plan.request()
    # A shorter whole than was planned, so that the test is quick: what is kept must be its beginning.
    whole = EnsembleRequest(**request.__dict__ | {"configs": entry.n_configs})
    make_ensemble(whole, tmp_path / "whole.nc")
    with open_ensemble(tmp_path / "whole.nc") as expected, open_ensemble(entry.path) as got:
        for a, b in zip(expected.blocks(), got.blocks(), strict=True):
            assert np.array_equal(a, b)
    before = entry.n_configs
    tab.one.going_on.clicks += 1
    wait(lambda: tab.made is not None and tab.made.progress.done > before)
    tab.cancel.clicks += 1
    wait(done(tab))
    assert before < library["long"].n_configs


def test_it_goes_on_without_its_session_and_another_one_sees_it(keep, library, wait):
    first = keep(called="long", configurations="200000")
    first.make.clicks += 1
    wait(lambda: first.made.progress.phase == "sampling")
    made = first.made
    first.live.close()
    stranger = keep(owner="somebody else")
    assert stranger.made is None  # sees it in the table, and can make another one
    assert "being made" in [row["note"] for row in stranger.table.rows]
    assert not stranger.make.disabled
    second = keep()
    assert second.made is made
    assert "being made" in [row["note"] for row in second.table.rows]
    second.make.clicks += 1
    assert made.running
    second.cancel.clicks += 1
    wait(done(second))
    assert library["long"].n_configs > 0


def test_no_more_than_two_are_made_at_once_and_no_more_than_three_of_one_person_wait(keep, library, wait):
    request = EnsembleRequest(THEORY, "hmc", 200_000, 4, 8, 2, FAST)
    made = [making.make(library, name, request, owner="me") for name in "abc"]
    with pytest.raises(ValueError, match="'a' is being made already"):
        making.make(library, "a", request, owner="you")
    with pytest.raises(ValueError, match=r"you have 3 jobs under way \(“a”, “b”, “c”\).*STOQLAB_LIMIT_JOBS"):
        making.make(library, "d", request, owner="me")
    wait(lambda: [one.state for one in made] == ["running", "running", "waiting"])
    assert made[2].words() == "Waits until others are done."
    made[0].cancel()
    wait(lambda: made[2].state == "running")
    assert made[0].state == "cancelled"
    for one in made:
        one.cancel()
    wait(lambda: not any(one.running for one in made))
    assert making.under_way(library) == []


def test_deleting_asks_first(keep, library, wait):
    tab = keep(called="mine")
    tab.make.clicks += 1
    wait(done(tab))
    assert not tab.one.sure.visible
    tab.one.delete.clicks += 1
    assert tab.one.sure.visible
    tab.one.keep.clicks += 1
    assert not tab.one.sure.visible
    assert library["mine"]
    tab.one.delete.clicks += 1
    tab.one.sure.clicks += 1
    assert library.list() == []
    assert names(tab) == []
    assert not tab.one.place.visible
    assert "deleted" in tab.message.object


def test_an_interrupted_run_without_a_file_can_be_deleted(keep, library, wait):
    tab = keep(called="early", configurations="4", therm="1000000")
    tab.make.clicks += 1
    wait(lambda: tab.made.progress.phase == "thermalising")
    tab.cancel.clicks += 1
    wait(done(tab))
    assert "before the first configurations" in tab.message.object
    assert [row["note"] for row in tab.table.rows] == ["interrupted"]
    assert tab.one.going_on.visible
    assert "--therm 1000000" in tab.one.command.text
    tab.one.delete.clicks += 1
    tab.one.sure.clicks += 1
    assert tab.table.rows == []
    assert library.unfinished() == {}


def test_measuring_shows_all_observables_with_errors(keep, library, wait):
    make_ensemble(EnsembleRequest(THEORY, "hmc", 400, 8, 20, 2, FAST), library.path("a"))
    tab = keep()
    tab.table.selected = "a"
    tab.one.measure()
    wait(lambda: "κ₈" in tab.one.report.object)
    with open_ensemble(library.path("a")) as reader:
        found = measure(reader.theory, reader.blocks(), reader.independent)
    size = found.observables["abs_m"]
    assert with_error(size.value, size.error) in tab.one.report.object
    assert with_error(size.tau_int, size.tau_int_error) in tab.one.report.object
    assert tab.one.card.visible
    assert {"thermalised", "walls", "τ_int"} <= {check[0] for check in tab.one.card.checks}
    assert tab.one.measuring.label == "Measure"


def test_a_measurement_can_be_stopped(keep, library, monkeypatch, wait):
    make_ensemble(EnsembleRequest(THEORY, "hmc", 400, 8, 20, 2, FAST), library.path("a"))
    tab = keep()
    tab.table.selected = "a"
    begun, ended = [], []

    def endless(theory, blocks, independent, token):
        begun.append(True)
        try:
            while True:
                token.check()
        finally:
            ended.append(True)

    monkeypatch.setattr("dashboard.pages.lattice.keep_one.measure", endless)
    tab.one.measuring.clicks += 1
    assert tab.one.measuring.label == "Stop"
    wait(lambda: begun)
    tab.one.measuring.clicks += 1
    wait(lambda: ended)
    assert tab.one.measuring.label == "Measure"
    assert "Stopped" in tab.one.report.object


def test_a_library_that_cannot_be_written_gets_a_sentence(keep, tmp_path, monkeypatch, wait):
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a folder should be")
    monkeypatch.setenv("STOQLAB_HOME", str(blocked))
    tab = keep()
    tab.make.clicks += 1
    wait(done(tab))
    assert tab.message.severity == "error"
    assert "could not be written" in tab.message.object
    assert not tab.make.disabled


def test_a_disk_that_fills_up_gets_a_sentence_and_loses_nothing(keep, library, wait, monkeypatch):
    true = making.make_ensemble

    def full(request, path, *rest, progress, token):
        def report(now):
            progress(now)
            if now.phase == "writing":
                raise OSError(28, "No space left on device")

        return true(request, path, *rest, progress=report, token=token)

    tab = keep(called="mine")
    with monkeypatch.context() as crowded:
        crowded.setattr(making, "make_ensemble", full)
        tab.make.clicks += 1
        wait(done(tab))
    assert "No space left on device; what was done is kept for resume" in tab.message.object
    assert [row["note"] for row in tab.table.rows] == ["interrupted"]
    tab.say("info", "")
    tab.one.going_on.clicks += 1
    wait(done(tab))
    assert library["mine"].n_configs == 40


def test_an_end_before_the_first_look_is_noticed(keep, wait, monkeypatch):
    class Ended(making.Making):
        @property
        def running(self):
            self.looks = getattr(self, "looks", 0) + 1
            return self.looks == 1

    monkeypatch.setattr(making, "Making", Ended)
    tab = keep(called="mine")
    tab.make.clicks += 1
    wait(lambda: tab.made is None)
    assert not tab.make.disabled


def test_an_ensemble_that_does_not_fit_on_the_disk_is_not_begun(library, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=50_000))
    with pytest.raises(ValueError, match=r"100 configurations need 205 kB .* 50 kB free"):
        making.make(library, "x", EnsembleRequest(THEORY, "hmc", 100))
    assert not library.folder.exists()


def test_free_names_are_numbered(library):
    request = EnsembleRequest(THEORY, "hmc", 8, 2, 4, 2, FAST)
    base = "κ=0.21 L=16 hmc"
    assert name_for(library, request, " mine ") == "mine"
    assert name_for(library, request, "") == base
    make_ensemble(request, library.path(base))
    make_ensemble(request, library.path(f"{base} (2)"))
    assert name_for(library, request, "") == f"{base} (3)"
    other = EnsembleRequest(Phi4(16, 0.21, 0.05), "hmc", 8)
    assert name_for(library, other, "") == "κ=0.21 λ=0.05 L=16 hmc"


@pytest.mark.parametrize(
    ("size", "words"), [(0, "0 B"), (999, "999 B"), (999.7, "1 kB"), (4.1e6, "4.1 MB"), (1e9, "1 GB"), (3e13, "30 TB")]
)
def test_bytes_in_words(size, words):
    assert in_bytes(size) == words
