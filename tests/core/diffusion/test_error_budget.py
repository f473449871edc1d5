"""The parts of an error budget: all vanish for a free field, and a wrong part shows in its own column as it must."""

import json

import numpy as np
import pytest
import torch

from core.contracts import Cancelled
from core.diffusion.budget_runs import Runs
from core.diffusion.coarse_noise import CoarseNoise
from core.diffusion.error_budget import COLUMNS, error_budget
from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.field_noise import noise_range, schedule_reaching
from core.diffusion.grids import time_grid
from core.diffusion.solver_table import solver_table
from core.jobs import Token
from core.noise import Noise
from core.schedule import VE
from core.theories.phi4 import Phi4

SIGMAS = 4.5  # of some 10³ comparisons with fixed seeds
THEORY = Phi4(8, 0.22, 0.0)
FREE = FieldGaussianScore(THEORY.free_propagator())
G = FREE.connected
DATA = FREE.draw_prior(4000, 1.0, 0.0, Noise(5))


def schedule(name="ve", level=None):
    return schedule_reaching(name, level or noise_range(FREE).high)


def budget(score=FREE, process=None, **options):
    options = {"theory": THEORY, "n": 2000, "reference_steps": 120, **options}
    return error_budget(score, DATA, process or schedule(), **options)


def deviations(found, column):
    value, error = found.columns[column]
    return np.abs(value) / error


def phi2(found, column):
    return tuple(float(a[found.names.index("phi2")]) for a in found.columns[column])


def vanishes(found, *columns):
    for column in columns:
        assert deviations(found, column).max() < SIGMAS, column


@pytest.mark.parametrize("name", ["ve", "vp", "cosine"])
@pytest.mark.parametrize("solver", ["exponential", "exponential-sde"])
def test_every_column_vanishes_for_a_free_field_with_its_score(name, solver):
    found = budget(process=schedule(name), solver=solver, steps=10)
    vanishes(found, *COLUMNS, "total", "prior, matched")
    if solver == "exponential":  # no paired noise here: only rounding is left
        for column in ("discretisation", "cut-off"):
            assert np.abs(found.columns[column].value[:3] / found.data.value[:3]).max() < 3e-6
    else:  # and here the Brownian path is shared: without it the error would be √2 statistical ones
        k = found.names.index("phi2")
        assert found.columns["discretisation"].error[k] < 0.6 * found.generated.error[k]


@pytest.mark.parametrize("name", ["ve", "vp"])
def test_the_prior_of_the_papers_shows_in_its_column_alone(name):
    process = schedule(name)
    found = budget(process=process, prior="noise")
    f, xi = float(process.f(process.t_max)), float(process.xi(process.t_max))
    exact = float((G * (xi / (f**2 * G + xi) - 1)).mean())  # the flow multiplies the variance of a mode by G/(f²G + Ξ)
    value, error = phi2(found, "prior")
    assert abs(value - exact) < SIGMAS * error < abs(exact) / 2
    vanishes(found, "discretisation", "cut-off", "score", "prior, matched")
    assert any("N(0, Ξ)" in sentence for sentence in found.warnings)


def test_few_euler_steps_show_in_the_discretisation_alone():
    found = budget(solver="euler", grid="log", steps=5)
    (row,) = solver_table(FREE, schedule(), solvers=("euler",), grids=("log",), steps=(5,))
    exact = row.phi2 * (G.mean() + found.lowest**2)  # on the law at the lowest level
    value, error = phi2(found, "discretisation")
    assert abs(value - exact) < SIGMAS * error < abs(exact) / 10
    vanishes(found, "prior", "score")
    assert any("unstable" in sentence for sentence in found.warnings)


def test_a_raised_cut_off_shows_in_its_column_alone():
    found = budget(solver="flow", steps=60, lowest=0.2)
    value, error = phi2(found, "cut-off")
    assert abs(value - 0.2**2) < SIGMAS * error < 0.2**2 / 10
    vanishes(found, "prior", "score")
    assert abs(phi2(found, "discretisation")[0]) < 0.05 * 0.2**2
    assert found.lowest == pytest.approx(0.2)


@pytest.mark.parametrize("solver", ["exponential", "exponential-sde"])
def test_a_wrong_propagator_shows_in_the_score_alone(solver):
    wrong = FieldGaussianScore(1.05 * G)
    found = budget(wrong, gaussian=FREE, solver=solver, n=4000)
    value, error = phi2(found, "score")
    if solver == "exponential":  # the flow from the exact law at the top
        top = noise_range(FREE).high ** 2
        exact = float(((G + top) * 1.05 * G / (1.05 * G + top) - G).mean())
        assert abs(value - exact) < SIGMAS * error < abs(exact)
    assert value > SIGMAS * error
    vanishes(found, "prior")
    for column in ("discretisation", "cut-off"):
        assert abs(phi2(found, column)[0]) < 0.02 * value + SIGMAS * phi2(found, column)[1]


def test_columns_add_up_to_the_total():
    found = budget(prior="noise", solver="ancestral", n=500)
    total = sum(found.columns[column].value for column in COLUMNS)
    np.testing.assert_allclose(total, found.columns["total"].value, atol=1e-12, rtol=1e-9)
    np.testing.assert_allclose(found.columns["total"].value, found.generated.value - found.data.value, atol=1e-12)


def test_correlations_of_the_data_count_in_the_errors():
    # 100 independent configurations, each forty times in a row: the error of the mean is that of 100.
    chains = DATA[:100].repeat_interleave(40, dim=0).reshape(10, 400, 8, 8)
    found = error_budget(FREE, chains, schedule(), theory=THEORY, n=256, reference_steps=30, steps=5)
    phi2_of = DATA[:100].double().square().flatten(1).mean(1).numpy()
    expected = phi2_of.std(ddof=1) / np.sqrt(100)
    assert found.data.error[found.names.index("phi2")] == pytest.approx(expected, rel=0.4)  # blind: a third of it
    assert found.data_n == 4000


def test_without_an_action_its_density_is_left_out_and_numbers_are_json():
    found = error_budget(FREE, DATA, schedule(), n=64, reference_steps=20, steps=5)
    assert "action" not in found.names
    report = json.loads(json.dumps(found.as_json(), allow_nan=False))
    assert set(report["columns"]) >= {*COLUMNS, "total"}
    assert report["columns"]["score"]["phi2"]["value"] == pytest.approx(found.columns["score"].value[0])
    text = found.as_text()
    assert all(title in text for title in ("φ²", "|M|", "κ₈/κ₂⁴", *COLUMNS))


def test_path_i_is_the_same_in_any_chunk():
    runs = Runs(FREE, FREE, schedule(), "exponential-sde", "karras", 5, None, "noise", 20, torch.device("cpu"))
    whole, part = runs.ends(DATA[:16], Noise(1), None), runs.ends(DATA[8:16], Noise(1).starting_at(8), None)
    for name, a, b in zip(runs.names, whole, part, strict=True):
        torch.testing.assert_close(a[8:], b, msg=name)
    assert not any(torch.allclose(a[:8], b) for a, b in zip(whole, part, strict=True))


def test_coarse_noise_follows_the_same_brownian_path():
    process = VE(10.0)
    fine = time_grid(process, 12, "log", 1e-3)
    noise, coarse = Noise(3), fine[::4]
    on_coarse = CoarseNoise(noise, process, fine, coarse)

    def end(source, times):
        increments = -np.diff(process.u(times))
        shape = (5000, 1)
        steps = [source.normal(i, shape, torch.float64, "cpu") for i in range(len(increments))]
        return sum(float(v) ** 0.5 * eta for v, eta in zip(increments, steps, strict=True)), steps

    a, (first, *_) = end(on_coarse, coarse)
    torch.testing.assert_close(a, end(noise, fine)[0])
    assert abs(float(first.var()) - 1) < SIGMAS * (2 / 5000) ** 0.5
    with pytest.raises(ValueError, match="one of the fine grid"):
        CoarseNoise(noise, process, fine, np.array([fine[0], 0.5 * (fine[1] + fine[2])]))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"n": 3}, "n must be at least 16"),
        ({"solver": "leapfrog"}, "solver must be one of"),
        ({"grid": "square"}, "grid must be one of"),
        ({"prior": "flat"}, "prior must be one of"),
        ({"lowest": -1.0}, "lowest must be a positive"),
        ({"theory": Phi4(4, 0.2, 0.0)}, "the theory lives on"),
    ],
)
def test_bad_arguments_are_refused_in_a_sentence(change, sentence):
    with pytest.raises(ValueError, match=sentence):
        budget(**change)


def test_data_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"data must be at least 16 configurations of shape \(8, 8\)"):
        error_budget(FREE, DATA[:, :4], schedule(), n=16)


def test_it_can_be_cancelled():
    token = Token()
    with pytest.raises(Cancelled):
        budget(token=token, progress=lambda done, total: token.cancel())
