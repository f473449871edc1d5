"""The page *Diffusion* with an ensemble of the library instead of one made on the spot."""

import numpy as np
import pytest
import torch

from core.ensembles.files import open_ensemble
from core.ensembles.library import Library
from core.ensembles.make import make_ensemble
from core.ensembles.request import EnsembleRequest
from core.jobs import Token
from core.theories.phi4 import Phi4
from dashboard.pages.diffusion import library as field_library
from dashboard.pages.diffusion.data import flat, halves, measured
from dashboard.pages.diffusion.library import StoredEnsemble, choices, load, stored
from dashboard.pages.diffusion.sidebar import OF_THE_FILE
from tests.core.statistics.synthetic import free_fields
from tests.dashboard.pages.conftest import play_tab

FAST = {"step_size": 0.2, "n_steps": 5}
SMALL = "L=32&configurations=64&sweeps=60&paths=32&model="


@pytest.fixture
def library(tmp_path, monkeypatch):
    monkeypatch.setenv("STOQLAB_HOME", str(tmp_path))
    field_library.load.cache_clear()
    return Library()


@pytest.fixture
def keep(library):
    """``keep("name", shape, kappa)`` puts a short ensemble into the library and gives all of its fields."""

    def make(name, shape=(16, 16), kappa=0.21, configs=48, chains=6, **options):
        request = EnsembleRequest(Phi4(shape, kappa, 0.022), "hmc", configs, chains, 10, 2, FAST, **options)
        make_ensemble(request, library.path(name))
        with open_ensemble(library.path(name)) as reader:
            return reader.read(0, chains, 0, configs // chains)

    return make


@pytest.fixture
def field(shells, library):
    return lambda query="": play_tab(shells(f"?page=diffusion&{SMALL}&{query}"))


def test_it_is_dissolved_and_its_couplings_are_adopted(keep, field, wait):
    kept = keep("mine", kappa=0.22)
    view = field("ensemble=mine")
    assert (view.state.kappa, view.state.lam, view.state.L) == (0.22, 0.022, 16)
    wait(lambda: not view.stage.busy)
    run = view.outcome.run
    shown = run.forward.fields[0]
    assert all(any(np.array_equal(x, y) for y in kept.reshape(-1, 16, 16)) for x in shown)
    assert "**Data.** 48 configurations of “mine” from the library: φ⁴ on 16 × 16, κ = 0.22" in view.text.object
    assert "too narrow by √(2τ_int)" in view.text.object
    assert all(view.controls.widgets[name].disabled for name in OF_THE_FILE)


def test_it_is_chosen_on_the_page_and_left_again(keep, field, wait):
    keep("mine", kappa=0.22)
    view = field("kappa=0.25")
    assert list(view.controls.widgets["ensemble"].options.values()) == ["", "mine"]
    wait(lambda: not view.stage.busy)
    assert "Data" not in view.text.object
    view.state.ensemble = "mine"
    wait(lambda: not view.stage.busy and "mine" in view.text.object)
    view.state.ensemble = ""
    assert not view.controls.widgets["kappa"].disabled
    wait(lambda: not view.stage.busy and "mine" not in view.text.object)
    assert view.state.kappa == 0.22


def test_its_warnings_are_shown(keep, field, wait, library):
    request = EnsembleRequest(Phi4(16, 0.4, 0.022), "hmc", 40, protocol="published")
    make_ensemble(request, library.path("walls"))
    view = field("ensemble=walls")
    wait(lambda: not view.stage.busy)
    assert view.note.visible
    assert "published protocol" in view.note.object
    assert "too narrow" not in view.text.object  # one configuration of each chain


def test_lattices_and_couplings_beyond_the_controls_work(keep, field, wait):
    keep("long", shape=(6, 10), kappa=0.02)
    view = field("ensemble=long")
    wait(lambda: not view.stage.busy)
    assert view.stage.error == ""
    assert "6 × 10, κ = 0.02" in view.text.object
    assert view.outcome.run.forward.fields.shape[2:] == (6, 10)


def test_one_that_is_not_there_is_told(keep, shells, wait):
    keep("mine")
    shell = shells(f"?page=diffusion&{SMALL}&ensemble=other")
    view = play_tab(shell)
    assert "ensemble = &#x27;other&#x27; in the address cannot be used" in shell.messages[0].object
    assert view.state.ensemble == ""


def test_one_that_disappears_gets_a_sentence(keep, field, wait, library):
    keep("mine")
    view = field("ensemble=mine")
    wait(lambda: not view.stage.busy)
    library.remove("mine")
    view.state.steps = 31
    assert "no ensemble “mine”; choose “Made on the spot” or one of those there are: none yet" in view.stage.error


def test_only_two_dimensions_are_offered(keep, library):
    keep("line", shape=(16,))
    keep("square")
    library.path("bad").write_text("nonsense")
    assert list(choices().values()) == ["", "square"]
    with pytest.raises(ValueError, match="lattices in two dimensions"):
        stored("line")
    with pytest.raises(ValueError, match="cannot be read"):
        stored("bad")


def test_configurations_are_spread_over_chains_and_draws(keep, monkeypatch):
    kept = keep("mine")
    monkeypatch.setattr(field_library, "MOST", 12)
    found = load(stored("mine"))
    assert np.array_equal(found.fields.numpy(), np.concatenate([kept[:, 0], kept[:, -1]]))
    assert np.array_equal(found.series.numpy(), np.stack([kept[:, 0], kept[:, -1]], axis=1))
    load.cache_clear()
    monkeypatch.setattr(field_library, "MOST", 9)
    assert np.array_equal(load(stored("mine")).series.numpy(), kept[:, -1:])
    load.cache_clear()
    monkeypatch.setattr(field_library, "MOST", 4)
    assert np.array_equal(load(stored("mine")).series.numpy(), kept[:4, -1:])
    keep("one", configs=1, chains=1)
    with pytest.raises(ValueError, match="single configuration"):
        load(stored("one"))


def test_the_errors_of_chains_know_their_autocorrelation():
    """Every configuration stands eight times in its chain: its errors are those of the single ones."""
    theory = Phi4(8, 0.2, 0.0)
    once = torch.from_numpy(free_fields(theory, 800, 1)).float()
    chains = once.reshape(4, 200, 8, 8).repeat_interleave(8, dim=1)
    kept = StoredEnsemble("mine", theory, chains.swapaxes(0, 1).flatten(0, 1), None, 4)
    assert torch.equal(kept.series, chains)
    singly, chained = (measured(theory, data, Token()).observables for data in (once, kept.series))
    for name in ("kappa2", "action", "chi"):
        assert chained[name].value == pytest.approx(singly[name].value)
        assert chained[name].error == pytest.approx(singly[name].error, rel=0.3)


@pytest.mark.parametrize(("chains", "first", "second"), [(0, 24, 24), (6, (3, 8), (3, 8)), (1, (1, 24), (1, 24))])
def test_halves_are_of_different_chains_where_there_are_two(chains, first, second):
    theory = Phi4(4, 0.2, 0.0)
    fields = torch.arange(48.0).reshape(48, 1, 1).expand(48, 4, 4)
    data = StoredEnsemble("mine", theory, fields, None, chains).series
    found = halves(data, theory)
    for half, shape in zip(found, (first, second), strict=True):
        assert tuple(half.shape[: half.ndim - 2]) == (shape if isinstance(shape, tuple) else (shape,))
    assert sorted(torch.cat([flat(half, theory)[:, 0, 0] for half in found]).tolist()) == list(range(48))
    if chains > 1:
        of = [set((flat(half, theory)[:, 0, 0] % chains).tolist()) for half in found]
        assert not of[0] & of[1]
