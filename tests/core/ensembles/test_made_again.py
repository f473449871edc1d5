"""What a plan says about the request that makes it again, and what the library knows of runs that did not end."""

import math

import numpy as np
import pytest

from core.ensembles.files import open_ensemble
from core.ensembles.library import Library
from core.ensembles.make import make_ensemble
from core.ensembles.parts import Parts, Work
from core.ensembles.plan import make_plan
from core.ensembles.request import EnsembleRequest
from core.jobs import Token
from core.theories.phi4 import Phi4

THEORY = Phi4(4, 0.25, 0.1)
REQUESTS = [
    EnsembleRequest(THEORY, "hmc", 40, seed=8),
    EnsembleRequest(THEORY, "cluster", 40, 4, 3, 2, {"kind": "swendsen-wang"}, "hot"),
    EnsembleRequest(THEORY, "langevin", 8, 2, parameters={"step_size": 0.01}, start="cold"),
    EnsembleRequest(THEORY, "hmc", 5, protocol="published", parameters={"n_steps": 7}),
]


@pytest.fixture
def library(tmp_path):
    return Library(tmp_path / "ensembles")


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda r: f"{r.sampler}-{r.protocol or r.start}")
def test_the_request_of_a_plan_leaves_nothing_open_and_makes_the_same_chains(request_, tmp_path):
    make_ensemble(request_, tmp_path / "a.nc")
    with open_ensemble(tmp_path / "a.nc") as first:
        plan = first.plan
        assert plan is not None
        again = make_plan(plan.request())
        names = ("theory", "sampler", "start", "protocol", "seed", "chains", "draws", "therm", "thin", "warm_up")
        assert [getattr(again, n) for n in names] == [getattr(plan, n) for n in names]
        assert again.parameters == pytest.approx(dict(plan.parameters))
        make_ensemble(plan.request(), tmp_path / "b.nc")
        with open_ensemble(tmp_path / "b.nc") as second:
            (a,), (b,) = first.blocks(), second.blocks()
            assert np.array_equal(a, b)


def test_an_entry_knows_acceptance_and_magnetisation(library):
    make_ensemble(EnsembleRequest(THEORY, "hmc", 400, 8, 20, 2, {"step_size": 0.2, "n_steps": 5}), library.path("a"))
    entry = library["a"]
    with open_ensemble(entry.path) as reader:
        scalars = reader.scalars()
    assert entry.planned == entry.n_configs == 400
    assert entry.acceptance == pytest.approx(scalars["acceptance"].mean())
    value, error = entry.abs_m
    size = np.abs(scalars["magnetisation"])
    assert value == pytest.approx(size.mean())
    assert size.std() / math.sqrt(400) * 0.7 < error < size.std() / math.sqrt(400) * 3
    assert Library(library.folder).list() == [entry]  # from the index
    make_ensemble(EnsembleRequest(THEORY, "langevin", 1, 1, 5, 1, {"step_size": 0.01}), library.path("b"))
    assert library["b"].acceptance is None
    assert library["b"].abs_m[1] is None


def test_runs_without_a_file_are_told_and_can_be_discarded(library):
    request = EnsembleRequest(THEORY, "hmc", 4000, 4, 10, 3, {"step_size": 0.2, "n_steps": 5})
    assert library.unfinished() == {}
    token = Token()

    def stop(progress):
        if progress.phase == "thermalising":
            token.cancel()

    result = make_ensemble(request, library.path("x"), progress=stop, token=token)
    assert result.n_configs == 0
    assert library.list() == []
    assert list(library.unfinished()) == ["x"]
    plan = library.unfinished()["x"]
    assert (plan.configs, plan.chains, plan.therm, plan.thin) == (4000, 4, 10, 3)
    library.discard("x")
    assert library.unfinished() == {}
    assert not list(library.folder.glob(".x*"))
    library.discard("x")  # there is nothing left to do


def test_a_finished_ensemble_is_not_unfinished(library):
    token = Token()

    def stop(progress):
        if progress.phase == "sampling" and progress.done >= 8:
            token.cancel()

    request = EnsembleRequest(THEORY, "hmc", 40_000, 4, 10, 3, {"step_size": 0.2, "n_steps": 5})
    result = make_ensemble(request, library.path("x"), progress=stop, token=token)
    assert 0 < result.n_configs < 40_000
    entry = library["x"]
    assert (entry.n_configs, entry.planned) == (result.n_configs, 40_000)
    assert library.unfinished() == {}
    parts = Parts(library.path("x"))  # as while somebody makes it longer
    with parts.locked():
        with open_ensemble(entry.path) as reader:
            assert reader.plan is not None
            parts.start(Work(reader.plan))
        assert library.unfinished() == {}


@pytest.mark.parametrize("shape", [(6,), (4, 2, 2)])
def test_lattices_of_any_dimension_are_listed(library, shape):
    make_ensemble(
        EnsembleRequest(Phi4(shape, 0.1, 0.1), "metropolis", 4, 2, 2, 1, {"step_size": 1.0}), library.path("a")
    )
    assert library["a"].shape == shape
    assert Library(library.folder).list() == [library["a"]]
