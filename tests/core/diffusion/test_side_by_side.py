"""Langevin chains and runs of the diffusion process: on the free field everything is known at every time."""

from functools import cache

import numpy as np
import pytest

from core.contracts import Cancelled
from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.field_generate import backward_times
from core.diffusion.field_noise import noise_range, schedule_reaching
from core.diffusion.langevin_track import RECORDS
from core.diffusion.side_by_side import side_by_side, side_by_side_stages
from core.diffusion.side_by_side_tracks import NAMES
from core.jobs import Token
from core.noise import Noise
from core.schedule import VE
from core.theories.phi4 import Phi4

SIGMAS = 4.5
THEORY = Phi4(8, 0.2, 0.0)
G = THEORY.free_propagator()
SCORE = FieldGaussianScore(G)
SCHEDULE = schedule_reaching("ve", noise_range(SCORE).high)
DATA = SCORE.draw_prior(2000, 1.0, 0.0, Noise(11))
N, EPSILON, DURATION, RUNS = 400, 0.05, 1200, 3


def both(**options):
    return side_by_side(THEORY, SCORE, SCHEDULE, DATA, **{"n": 16, "duration": 40, "runs": 1, **options})


@cache
def free():
    return both(n=N, epsilon=EPSILON, duration=DURATION, runs=RUNS, seed=3, shown=4)


def pulls(found, exact):
    return (found.value - exact) / found.error


def variances(steps):
    """⟨|φ_p|²⟩/V (steps, modes) of the chains: v ← (1 - ε/G)² v + 2ε from v = 1."""
    a = ((1 - EPSILON / G) ** 2).ravel()
    end = 2 * EPSILON / (1 - a)
    return end + (1 - end) * a ** np.asarray(steps)[:, None]


def test_both_end_where_theory_says():
    # The chains' law has G/(1 - ε/2G) in place of G: the step's bias, which the diffusion process does not have.
    result = free()
    biased = G / (1 - EPSILON / (2 * G))
    assert biased.mean() / G.mean() > 1.02
    for track, g in ((result.quantisation, biased), (result.diffusion, G)):
        exact = [g.mean(), np.sqrt(2 * g[0, 0] / (np.pi * 64)), (g / G).mean() / 2, 0.0]
        assert np.abs(pulls(track.result, exact)).max() < SIGMAS
        assert (track.result.error < [0.02, 0.02, 0.01, 0.05]).all()
    exact = [G.mean(), np.sqrt(2 * G[0, 0] / (np.pi * 64)), 0.5, 0.0]
    assert np.abs(pulls(result.reference, exact)).max() < SIGMAS
    assert result.reference_drift == pytest.approx(np.sqrt((1 / G).mean()), rel=0.02)


def test_a_small_step_takes_the_chains_to_the_exact_law():
    found = both(n=200, epsilon=0.005, duration=3000, seed=1).quantisation
    assert abs(pulls(found.result, [G.mean(), 0, 0, 0])[0]) < SIGMAS
    assert found.result.error[0] < 0.005


def test_the_chains_thermalise_as_theory_says():
    found = free().quantisation
    v = variances(found.evaluations)
    exact = np.stack([v.mean(1), np.sqrt(2 * v[:, 0] / (np.pi * 64)), (v / G.ravel()).mean(1) / 2], axis=1)
    z = pulls(found.observables, np.concatenate([exact, np.zeros((len(v), 1))], axis=1))
    assert np.abs(z).max() < 5.5  # of 4 × 400 correlated numbers
    assert abs((z**2).mean() - 1) < 0.5
    assert found.evaluations[[0, 1, -1]].tolist() == [0, 1, 1200]
    assert found.drift == pytest.approx(np.sqrt((v / G.ravel() ** 2).mean(1)), rel=0.03)


def test_the_runs_come_out_of_noise_as_theory_says():
    found = free().diffusion
    frames = len(found.step) // RUNS
    levels = np.asarray(SCHEDULE.sigma(backward_times(SCORE, SCHEDULE)))
    v = G.ravel() + levels[:, None] ** 2
    z = (found.observables.value[:, 0] - np.tile(v.mean(1), RUNS)) / found.observables.error[:, 0]
    assert np.abs(z).max() < SIGMAS
    drift = np.sqrt((1 / v).mean(1))
    drift[1:] = drift[:-1]  # where the score was asked last
    assert found.drift == pytest.approx(np.tile(drift, RUNS), rel=0.03)
    assert found.run.tolist() == sorted(list(range(1, RUNS + 1)) * frames)
    assert found.step[:frames].tolist() == list(range(31))
    assert found.evaluations[[frames - 1, frames, -1]].tolist() == [30, 30, 90]


def test_runs_are_independent_and_each_makes_the_estimate_better():
    found = free().diffusion
    ends = found.fields[found.estimated_at]
    assert len(ends) == RUNS
    overlap = np.corrcoef(ends.reshape(RUNS, -1))
    assert np.abs(overlap[np.triu_indices(RUNS, 1)]).max() < SIGMAS * np.sqrt(1 / 64)
    assert found.step[found.estimated_at].tolist() == [30] * RUNS
    assert found.estimate.value[0] == pytest.approx(found.observables.value[found.estimated_at[0]])
    error = found.estimate.error[:, 0]
    assert error[0] / error[2] == pytest.approx(np.sqrt(3), rel=0.3)


def test_the_autocorrelation_time_is_that_of_the_modes():
    # φ² sums the modes' squares, whose correlations fall as (1 - ε/G)^2t, in records every few steps.
    found = free().quantisation
    every = -(-DURATION // RECORDS)
    v, a = variances([10**6])[0], ((1 - EPSILON / G) ** 2).ravel() ** every
    exact = every * (v**2 * (1 + a) / (1 - a) / 2).sum() / (v**2).sum()
    tau = found.tau["phi2"]
    assert abs(tau.tau_int - exact) < 5 * tau.tau_int_error
    assert tau.tau_int_error < 0.2 * exact
    assert found.slowest.tau_int >= tau.tau_int
    assert found.independent(N) == pytest.approx(N * 600 / (2 * found.slowest.tau_int))


def test_the_error_of_the_long_run_is_that_of_correlated_data():
    # Var φ² = 2 Σ v²/V² for each configuration; the later half of the run counts, DURATION/2 ≫ τ steps of N chains.
    found = free().quantisation
    v, a = variances([10**6])[0], ((1 - EPSILON / G) ** 2).ravel()
    tau = (v**2 * (1 + a) / (1 - a) / 2).sum() / (v**2).sum()
    expected = np.sqrt(2 * tau * 2 * (v**2).sum() / 64**2 / (N * DURATION / 2))
    assert found.result.error[0] == pytest.approx(expected, rel=4 / np.sqrt(2 * 64))


def test_it_says_whether_the_chains_have_settled():
    assert free().quantisation.settled
    assert not both(n=200, epsilon=0.002, duration=60).quantisation.settled


def test_chains_and_paths_do_not_depend_on_their_number():
    few, many = both(n=8, shown=8, runs=2, seed=5), both(n=150, shown=8, runs=2, seed=5)
    assert np.array_equal(few.quantisation.fields, many.quantisation.fields)
    assert few.diffusion.fields == pytest.approx(many.diffusion.fields, abs=1e-4)
    other = both(n=8, shown=8, runs=2, seed=6)
    assert np.abs(few.quantisation.fields - other.quantisation.fields).max() > 0.1
    assert np.abs(few.diffusion.fields - other.diffusion.fields).max() > 0.1


def test_every_run_is_shown_as_soon_as_it_has_ended():
    stages = list(side_by_side_stages(THEORY, SCORE, SCHEDULE, DATA, n=16, duration=40, runs=3))
    assert [int(stage.diffusion.run[-1]) for stage in stages] == [1, 2, 3]
    for stage in stages[:2]:
        count = len(stage.diffusion.step)
        assert np.array_equal(stage.diffusion.fields, stages[2].diffusion.fields[:count])
        assert stage.quantisation is stages[2].quantisation


def test_all_fields_differ():
    result = both(n=1100, shown=1100, duration=8, steps=4)  # in two chunks at least, whatever the cores
    for track in (result.quantisation, result.diffusion):
        for fields in (track.fields[0], track.fields[-1]):
            assert len(np.unique(fields[:, 0, 0])) == 1100


def test_the_clock_counts_seconds_of_both():
    result = both(n=100, runs=2)
    for track in (result.quantisation, result.diffusion):
        assert (np.diff(track.seconds) >= 0).all()
        assert track.seconds[0] == 0 < track.seconds[-1]
        assert len(track.fields) == len(track.shown_at)
    d = result.diffusion
    assert d.seconds[30] == d.seconds[31]  # the next run begins where the one before ends


def test_the_distance_from_the_reference_is_in_joint_errors():
    result = free()
    value, error = result.diffusion.result
    expected = (value - result.reference.value) / np.hypot(error, result.reference.error)
    assert result.sigma(result.diffusion) == pytest.approx(expected)
    assert abs(result.sigma(result.quantisation)[0]) > abs(result.sigma(result.diffusion)[0])
    assert len(expected) == len(NAMES)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"n": 4}, "n must be at least 8, got 4"),
        ({"duration": 2}, "duration must be at least 8, got 2"),
        ({"runs": 0}, "runs must be at least 1, got 0"),
        ({"shown": 17}, "shown must be from 1 to n = 16, got 17"),
        ({"epsilon": 0.0}, "epsilon"),
    ],
)
def test_bad_arguments_are_refused_in_a_sentence(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        both(**options)


def test_lattices_must_agree():
    with pytest.raises(ValueError, match=r"theory lives on a lattice of \(16, 16\), the score on \(8, 8\)"):
        side_by_side(Phi4(16, 0.2, 0.0), SCORE, SCHEDULE, DATA)
    with pytest.raises(ValueError, match="data must hold at least 8"):
        side_by_side(THEORY, SCORE, SCHEDULE, DATA[:4])


def test_a_step_too_large_runs_away():
    with pytest.raises(FloatingPointError, match="too large"):
        side_by_side(Phi4(8, 0.4, 0.022), SCORE, VE(20.0), DATA, n=16, epsilon=1.0, duration=200)


def test_it_stops_when_nobody_wants_it_any_more():
    token = Token()
    token.cancel()
    with pytest.raises(Cancelled):
        both(token=token)


def test_a_reference_of_chains_is_worth_its_independent_draws():
    """Every configuration stands eight times in its chain: the errors are those of the single ones."""
    singly = both().reference
    chains = DATA.reshape(4, 500, 8, 8).repeat_interleave(8, dim=1)
    chained = side_by_side(THEORY, SCORE, SCHEDULE, chains, n=16, duration=40, runs=1).reference
    assert chained.value == pytest.approx(singly.value)
    assert chained.error == pytest.approx(singly.error, rel=0.3)
