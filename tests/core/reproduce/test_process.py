"""Scripts and command lines of forward and backward processes give the numbers of the run that they are made of."""

import json
import shlex

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.cli.arguments import make
from core.diffusion.gaussian import GaussianScore
from core.diffusion.learned import pretrained
from core.diffusion.record import Record
from core.diffusion.run import run_backward, run_forward
from core.diffusion.training import Trainer, TrainingConfig
from core.reproduce.code import schedule_words, target_code, target_words
from core.reproduce.process import ProcessRun
from core.schedule import VE, VP, Cosine, LinearVP, Tabulated
from core.statistics.cumulants import PowerSums
from core.theories.registry import make_target
from tests.core.reproduce.running import run_command, run_here, run_script, table

DRAWN = Tabulated((0.0, 0.4, 1.0), (1.0, 2.5, 6.0), True)


def order(target, schedule, model=None, **changes):
    usual = {"solver": "euler", "grid": "uniform", "steps": 60, "paths": 700, "prior": "matched", "seed": 3}
    return ProcessRun(target, schedule, target if model is None else model, **(usual | {"frames": 7} | changes))


def numbers(run: ProcessRun):
    """The two tables that the script of a line has to print."""
    record = Record(frames=run.frames)
    backward = run_backward(
        run.target, run.schedule, run.model, solver=run.solver, grid=run.grid, steps=run.steps, paths=run.paths,
        prior=run.prior, seed=run.seed, record=record,
    )  # fmt: skip
    start = PowerSums(shift=float(run.target.mean[0]))
    start.add(run_forward(run.target, run.schedule, paths=run.paths, seed=run.seed).start)
    there, end, exact = start.cumulants(), backward.cumulants(), run.target.cumulants(8)
    ends = [[n, exact[n], there.value[0, n], there.error[0, n], end.value[n], end.error[n]] for n in range(1, 9)]
    assert backward.frames is not None
    assert backward.frames.sums is not None
    way = backward.frames.sums.cumulants()
    pairs = np.stack([way.value, way.error], axis=-1)[:, [2, 4, 6, 8]].reshape(len(way.value), 8)
    return ends, np.column_stack([backward.frames.times, pairs]).tolist()


RUNS = [
    order(make_target("two-peak"), VE(10.0)),
    order(make_target("two-peak"), VP(5.0), solver="heun", grid="karras", prior="noise", seed=11),
    order(make_target("double-well", mu2=-0.7, g=0.31), LinearVP(0.2, 15.0), solver="flow", grid="variance"),
    order(make_target("formula", text="x**4/4 - x**2"), Cosine(), solver="ancestral", steps=30),
    order(
        make_target("mixture", means=[-1e-5, 1.25], stds=[0.3, 0.51], weights=[0.65, 0.36]), DRAWN, weights=[0.65, 0.36]
    ),
    order(make_target("two-peak"), VE(10.0), pretrained(make_target("two-peak")), solver="multistep", steps=20),
    order(
        make_target("two-peak"), VE(10.0), GaussianScore(*(lambda t: (t.mean, t.covariance))(make_target("two-peak")))
    ),
]
NAMES = ["VE", "VP", "quartic", "formula", "mixture, drawn", "shipped score", "Gaussian score"]


@pytest.mark.parametrize("run", RUNS, ids=NAMES)
def test_the_script_prints_the_numbers_of_the_run_to_the_last_bit(run):
    ends, way = numbers(run)
    printed = table(run_here(run.recipe().script))
    assert printed == ends + way


@pytest.mark.parametrize("run", RUNS, ids=NAMES)
def test_the_command_line_makes_the_same_samples(run, capsys):
    from core.cli import main

    assert main([*shlex.split(run.recipe().command)[1:], "--json"]) == 0
    made = json.loads(capsys.readouterr().out)["cumulants"]
    ends, _ = numbers(run)
    for row in ends:
        found = made[str(int(row[0]))]
        assert (found["exact"], found["value"], found["error"]) == (row[1], row[4], row[5])


def test_script_and_command_line_run_outside_this_process(tmp_path):
    run = RUNS[2]
    ends, way = numbers(run)
    assert table(run_script(run.recipe().script, tmp_path)) == ends + way
    made = json.loads(run_command(run.recipe().command + " --json", tmp_path))["cumulants"]
    assert made["4"]["value"] == ends[3][4]


def test_a_score_that_was_trained_is_trained_again(tmp_path):
    target = make_target("two-peak")
    trainer = Trainer(target, TrainingConfig.of(1, steps=40, samples=3000), seed=5)
    trainer.run()
    complete = order(target, VE(10.0), trainer.score())
    ends, way = numbers(complete)
    assert table(run_here(complete.recipe().script)) == ends + way
    made = run_command(complete.recipe().command + " --json", tmp_path).splitlines()[-1]
    assert json.loads(made)["cumulants"]["2"]["value"] == ends[1][4]

    early = Trainer(target, TrainingConfig.of(1, steps=40, samples=3000), seed=5)
    early.run(steps=25)
    stopped = order(target, VE(10.0), early.score())
    assert "stopped early" in stopped.recipe().script_note
    assert table(run_here(stopped.recipe().script)) == [row for part in numbers(stopped) for row in part]


def test_the_script_of_the_plane_prints_the_variance_of_every_frame():
    run = order(make_target("spiral", thickness=0.08), VP(5.0), steps=25, paths=300, frames=5)
    recipe = run.recipe()
    assert recipe.command == ""
    assert "one-dimensional" in recipe.command_note
    record = Record(frames=5, bundle=300)
    back = run_backward(run.target, run.schedule, steps=25, paths=300, seed=3, record=record).frames
    there = run_forward(run.target, run.schedule, paths=300, seed=3, record=record).frames
    assert back is not None
    wanted = [
        [float(t), float(x.var(axis=0).mean())] for f in (there, back) for t, x in zip(f.times, f.paths, strict=True)
    ]
    assert table(run_here(recipe.script)) == wanted


def test_the_head_of_a_script_names_versions_and_seed():
    head = RUNS[1].recipe().script.splitlines()[:2]
    assert "seed 11" in head[0]
    assert all(name in head[1] for name in ("StoqLab", "Python", "numpy", "torch", "numba"))


finite = st.floats(-3.0, 3.0, allow_subnormal=False)
positive = st.floats(0.05, 2.0)


@settings(max_examples=60, deadline=None)
@given(
    parts=st.lists(st.tuples(positive, finite, positive), min_size=1, max_size=5),
    mu2=st.floats(-4, 4),
    g=st.floats(0.05, 6),
)
def test_every_target_comes_back_from_its_code_and_from_its_words(parts, mu2, g):
    import argparse

    from core.cli.arguments import ONE_DIMENSION, add_target

    weights, means, stds = zip(*parts, strict=True)
    parser = argparse.ArgumentParser()
    add_target(parser, ONE_DIMENSION)
    double = "double-well" if mu2 < 0 else "quartic"
    for target, given_weights in (
        (make_target("mixture", weights=weights, means=means, stds=stds), weights),
        (make_target(double, mu2=mu2, g=g), None),
    ):
        again = eval(target_code(target, given_weights), {"make_target": make_target})
        assert repr(again) == repr(target)
        words = [str(word) for word in target_words(target, given_weights)]
        assert repr(make(parser.parse_args(words))) == repr(target)


def test_words_of_a_schedule_are_refused_where_they_do_not_belong(capsys):
    from core.cli import main

    assert schedule_words(VE(2.5)) == ["--schedule", "ve", "--sigma", "2.5"]
    for words, sentence in (
        ("--schedule cosine --beta-max 3", "--beta-max belongs to the schedule vp-linear"),
        ("--schedule drawn", "--points"),
        ("--formula x**2", "--formula belongs to formula"),
    ):
        with pytest.raises(SystemExit, match="2"):
            main(["toy", "two-peak", *words.split()])
        assert sentence in capsys.readouterr().err
