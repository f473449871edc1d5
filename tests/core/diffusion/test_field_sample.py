"""Generated ensembles: equilibrium stays, corrections remove the error of a bad score, threads do not matter."""

import math
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.integrate import quad

from core.contracts import Cancelled
from core.diffusion import field_sample
from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.field_request import CORRECTIONS, SampleRequest
from core.diffusion.field_sample import sample
from core.diffusion.field_source import Bound, bind
from core.ensembles.files import open_ensemble
from core.ensembles.generated import Origin
from core.jobs import Token
from core.schedule import VE, Tabulated
from core.schedule_record import schedule_of
from core.statistics.errors import mean
from core.theories.phi4 import Phi4
from core.theories.potential import Quartic
from tests.core.diffusion.imperfect import OBSERVABLES, SIGMAS, Faulty, small, within
from tests.core.diffusion.test_field_model import model as random_model

FREE = Phi4(8, 0.2, 0.0)
GAUSSIAN = FieldGaussianScore(FREE.free_propagator())
EXACT = Bound(GAUSSIAN, FREE, "free field")
LAM = 0.5
"""Of the sites without hopping: a pure quartic, far from Gaussian."""


class Bad(Faulty):
    """A wrong score with the Gaussian of the right one as its baseline."""

    def __init__(self, gaussian, factor, shift):
        super().__init__(gaussian, factor, shift)
        self.gaussian = gaussian


def model():
    """A network of random weights, whose correction is kept small."""
    made = random_model()
    made.network.out.mul_(0.02)
    made.network.out_level.weight.mul_(0.02)
    return made


class Sites:
    """The exact score of a lattice without hopping: every site by itself, at every noise level."""

    def __init__(self, event):
        self.site = Quartic(2 * (1 - 2 * LAM), 24 * LAM)
        self.gaussian = FieldGaussianScore(np.full(event, float(self.site.covariance[0, 0])))

    def score(self, x, f=1.0, xi=0.0):
        return self.site.score(x.double().reshape(-1, 1), f, xi).reshape(x.shape).to(x.dtype)

    def divergence(self, x, f, xi):
        h = 1e-4 * math.sqrt(xi)
        return ((self.score(x + h, f, xi) - self.score(x - h, f, xi)) / (2 * h)).flatten(1).sum(1)


def estimate(result, function):
    """Mean of a function of configurations (n, *event), with its error."""
    chains, draws = result.fields.shape[:2]
    values = function(result.fields.flatten(0, 1)).double().numpy().reshape(chains, draws)
    return mean(values, result.independent)


def moment(n):
    """⟨φⁿ⟩ of a site with weight exp(-λ φ⁴ - (1-2λ) φ²)."""
    parts = [quad(lambda x, k=k: x**k * math.exp(-(1 - 2 * LAM) * x**2 - LAM * x**4), -8, 8)[0] for k in (n, 0)]
    return parts[0] / parts[1]


@pytest.mark.parametrize("correction", CORRECTIONS)
def test_a_free_field_in_equilibrium_stays_there(correction):
    """The exact score makes exact configurations, which every correction must leave as they are: all modes' power."""
    steps = 16 if correction == "metropolis" else None
    r = sample(SampleRequest(3200, correction=correction, steps=steps, seed=5), EXACT, device="cpu")
    modes = torch.fft.fft2(r.fields.flatten(0, 1).double()).abs().square() / 64
    chains, draws = r.fields.shape[:2]
    exact = FREE.free_propagator()
    for p in ((0, 0), (0, 1), (1, 1), (2, 3), (4, 4)):
        found = mean(modes[:, *p].numpy().reshape(chains, draws), r.independent)
        assert abs(within(found, exact[p])) < SIGMAS, p
    assert r.ess > 0.999
    assert r.warnings == ()
    if correction in ("path", "metropolis"):
        assert r.fields.shape[0] == 16
        assert r.acceptance > 0.99
        assert r.check is None
    else:
        assert r.fields.shape[:2] == (1, 3200)
        assert r.check is not None
        assert r.check.level == "green"
        assert math.isnan(r.acceptance) == (correction == "none")


@pytest.mark.parametrize("correction", CORRECTIONS)
def test_an_interacting_lattice_in_equilibrium_stays_there(correction):
    """Sites without hopping have an exact score too, which is not Gaussian; the truth is an integral."""
    theory = Phi4(4, 0.0, LAM)
    steps = {"path": 20, "metropolis": 16}.get(correction, 100)
    r = sample(SampleRequest(1600, correction=correction, steps=steps, seed=6, check=32), Bound(Sites((4, 4)), theory))
    for n in (2, 4):
        assert abs(within(estimate(r, lambda x, n=n: x.pow(n).flatten(1).mean(1)), moment(n))) < SIGMAS, n
    if correction in ("path", "metropolis"):
        assert r.acceptance > (0.5 if correction == "path" else 0.9)


@pytest.mark.parametrize("correction", ["none", "path", "metropolis"])
@pytest.mark.parametrize(("kappa", "factor"), [(0.21, 0.85), (0.3, 0.95)])
def test_weights_recover_the_truth_from_a_deliberately_bad_score(correction, kappa, factor):
    """Of φ⁴ on 4 × 4. Without the correction the same score is far off: the error is there to be removed."""
    lattice = small(kappa)
    bad = Bound(Bad(lattice.gaussian, factor, 0.02), lattice.theory, "bad")
    steps = 10 if correction == "metropolis" else 30
    r = sample(SampleRequest(4800, correction=correction, steps=steps, seed=9, check=256), bad, device="cpu")
    off = [within(estimate(r, OBSERVABLES[name]), *lattice.truth[name]) for name in OBSERVABLES]
    if correction == "none":
        assert max(map(abs, off)) > 10
        assert r.check is not None
        assert r.check.level == "amber"
        assert r.check.sentence in r.warnings
    else:
        assert max(map(abs, off)) < SIGMAS, off
        assert 0.01 < r.ess < 0.9
        assert 0.05 < r.acceptance < 0.95


def test_a_short_correction_improves_what_it_can_reach():
    """HMC removes the error at short distances of a bad score on 4 × 4 where the signs are free (κ = 0.21)."""
    lattice = small(0.21)
    bad = Bound(Bad(lattice.gaussian, 0.85, 0.0), lattice.theory, "bad")
    request = SampleRequest(3000, correction="hmc", correction_steps=20, seed=2, check=0)
    r = sample(request, bad, device="cpu")
    assert r.check is None
    assert math.isnan(r.ess)
    assert r.acceptance > 0.5
    for name, observable in OBSERVABLES.items():
        assert abs(within(estimate(r, observable), *lattice.truth[name])) < SIGMAS, name


@pytest.mark.parametrize("correction", CORRECTIONS)
def test_the_same_seed_gives_the_same_bits_on_any_number_of_threads(monkeypatch, correction):
    """With a network of random weights; all that depends on the cores is told that there are others."""
    bound = bind(model())
    steps, n = (2, 24) if correction == "metropolis" else (5, 300)
    request = SampleRequest(n, correction=correction, steps=steps, check=8, seed=3)
    runs = []
    for cores in (1, 3):
        for module in ("core.diffusion.field_generate", "core.jobs.pool"):
            monkeypatch.setattr(sys.modules[module], "cores", lambda n=cores: n)
        runs.append(sample(request, bound, device="cpu", patience=math.inf))
    one, other = runs
    assert torch.equal(one.fields, other.fields)
    assert one.ess == other.ess
    again = sample(replace(request, seed=4), bound, device="cpu", patience=math.inf)
    assert not torch.equal(one.fields, again.fields)


def test_more_configurations_begin_with_the_same_ones():
    few, many = (sample(SampleRequest(n, check=0), bind(model()), device="cpu").fields[0] for n in (5, 40))
    assert torch.equal(few, many[:5])


@pytest.mark.parametrize(("solver", "evaluations"), [("exponential", 12), ("heun", 24), ("ancestral", 12), ("pc", 23)])
def test_evaluations_are_counted(solver, evaluations):
    assert sample(SampleRequest(10, solver=solver, steps=12, check=0), EXACT).evaluations == evaluations


def test_evaluations_of_chains_count_what_was_dropped():
    r = sample(SampleRequest(640, correction="path", steps=10, chains=8), EXACT)
    assert r.correction == {"kind": "path", "chains": 8, "dropped": 8, "proposals": 704}
    assert r.evaluations == 11


def test_warnings_of_the_process():
    short = sample(SampleRequest(50, VE(1.05), prior="noise", check=0), EXACT)
    assert any("never dissolves" in w for w in short.warnings)
    assert any("leaves out the field's own zero mode" in w for w in short.warnings)
    euler = sample(SampleRequest(50, solver="euler", grid="variance", steps=4, check=0), EXACT)
    assert any("Euler's step is unstable" in w for w in euler.warnings)


def test_few_effective_proposals_are_told():
    lattice = small(0.3)
    r = sample(SampleRequest(200, correction="path", seed=1), Bound(Bad(lattice.gaussian, 0.5, 0.2), lattice.theory))
    assert any("are worth" in w for w in r.warnings)
    assert any("of the proposals were accepted" in w for w in r.warnings)


@pytest.mark.parametrize("correction", ["none", "hmc", "path", "metropolis"])
def test_the_file_says_what_was_done(tmp_path, correction):
    drawn = Tabulated((0.0, 0.5, 1.0), (0.5, 5.0, 20.0))
    request = SampleRequest(128, drawn, steps=12, correction=correction, check=32, seed=11)
    r = sample(request, EXACT, device="cpu")
    r.save(tmp_path / "G.nc")
    with open_ensemble(tmp_path / "G.nc") as reader:
        origin = Origin.of(reader)
        stored = torch.from_numpy(np.concatenate(list(reader.blocks()), axis=1))
        scalars = reader.scalars()
    assert origin is not None
    assert torch.equal(stored, r.fields)
    assert schedule_of(origin.schedule) == drawn
    solver = {"path": "ancestral", "metropolis": "runge-kutta"}.get(correction, "exponential")
    assert (origin.seed, origin.steps, origin.solver, origin.model) == (11, 12, solver, "free field")
    assert origin.correction["kind"] == correction
    assert origin.ess == r.ess
    if correction == "none":
        assert origin.check["paths"] == 32
        assert origin.check["level"] == "green"
    if correction == "hmc":
        assert origin.correction["steps"] == 5
        assert origin.correction["step_size"] > 0
    if correction in ("path", "metropolis"):
        assert scalars["log_weight"].shape == r.fields.shape[:2]
    if correction == "metropolis":  # log q + log w = -S, and q of the exact score is e^{-S}/Z
        actions = FREE.action(r.fields.flatten(0, 1)).numpy().reshape(r.fields.shape[:2])
        np.testing.assert_allclose(scalars["log_likelihood"] + scalars["log_weight"], -actions, atol=1e-3)
        log_z = 0.5 * np.log(2 * np.pi * FREE.free_propagator()).sum()
        np.testing.assert_allclose(scalars["log_likelihood"], -actions - log_z, atol=0.05)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"configs": 0}, "configs must be a whole number of at least 1, got 0"),
        ({"configs": None}, "configs must be a whole number of at least 1, got None"),
        ({"steps": 1}, "steps must be a whole number of at least 2, got 1"),
        ({"solver": "rk4"}, "solver must be one of euler, .*, got 'rk4'"),
        ({"grid": "even"}, "grid must be one of uniform, .*, got 'even'"),
        ({"prior": "flat"}, "prior must be one of matched, noise, got 'flat'"),
        ({"correction": "magic"}, "correction must be one of none, mala, hmc, path, metropolis, got 'magic'"),
        ({"correction_steps": 3}, "correction_steps and step_size belong to the corrections mala and hmc, got 'none'"),
        ({"step_size": 0.1, "correction": "path"}, "belong to the corrections mala and hmc, got 'path'"),
        ({"step_size": -0.1, "correction": "mala"}, "step_size must be a positive number, got -0.1"),
        ({"chains": 4}, "chains belong to the corrections path and metropolis, got 'none'"),
        ({"chains": 3, "correction": "path"}, "chains must divide the 100 configurations, got 3"),
        ({"correction": "metropolis", "prior": "noise"}, "metropolis starts from the matched prior, got prior 'noise'"),
        ({"schedule": "zigzag"}, "schedule must be one of ve, vp, vp-linear, cosine, got 'zigzag'"),
        ({"seed": -1}, "seed must be an integer from 0"),
    ],
)
def test_bad_requests(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        sample(SampleRequest(**{"configs": 100, **options}), EXACT)


def test_what_the_action_is_needed_for(tmp_path):
    unknown = Bound(GAUSSIAN, None, "unknown")
    with pytest.raises(ValueError, match="the correction hmc needs the action"):
        sample(SampleRequest(4, correction="hmc"), unknown)
    r = sample(SampleRequest(4), unknown)
    assert r.check is None
    with pytest.raises(ValueError, match="kappa and lam must be given for an ensemble file"):
        r.save(tmp_path / "G.nc")


def test_a_divergence_that_takes_hours_is_refused(monkeypatch):
    bound = bind(model())
    with pytest.raises(ValueError, match=r"would take about .* 64 backward passes for each of 384 evaluations"):
        sample(SampleRequest(100_000, correction="metropolis"), bound, device="cpu")


def test_cancelling():
    token = Token()
    token.cancel()
    for correction in CORRECTIONS:
        with pytest.raises(Cancelled):
            sample(SampleRequest(64, correction=correction), EXACT, token=token)


def test_progress_reaches_the_end():
    seen = []
    sample(SampleRequest(300, correction="path"), EXACT, progress=lambda *state: seen.append(state))
    assert seen[-1] == ("sampling", 332, 332)  # four chains of 75 that drop 8


@pytest.mark.parametrize("correction", ["none", "path"])
def test_what_does_not_fit_into_memory_is_refused_at_once(correction):
    with pytest.raises(MemoryError, match=r"configurations of 64 sites take .* PB of memory, this computer has"):
        sample(SampleRequest(10**13, correction=correction), EXACT)


def test_pieces_of_proposals_make_the_same_chains(monkeypatch):
    request = SampleRequest(300, correction="path", seed=8)
    whole = sample(request, EXACT)
    monkeypatch.setattr(field_sample, "_PIECE", 64 * 37)
    pieces = sample(request, EXACT)
    assert torch.equal(whole.fields, pieces.fields)
    np.testing.assert_array_equal(whole.log_weight, pieces.log_weight)
