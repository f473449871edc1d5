"""Making files: whole or not at all, never the wrong one, and gone on with bit for bit after every kind of end."""

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from core.ensembles import make, run
from core.ensembles.files import open_ensemble
from core.ensembles.make import make_ensemble
from core.ensembles.parts import SCALARS, Parts
from core.ensembles.plan import make_plan
from core.ensembles.request import EnsembleRequest
from core.jobs import Token
from core.samplers.algorithms import ALGORITHMS
from core.theories.phi4 import Phi4

SCRIPT = Path(__file__).with_name("killable.py")
ROOT = Path(__file__).parents[3]
THEORY = Phi4((6, 4), 0.25, 0.1)


def request(sampler="hmc", configs=40, chains=4, **more):
    parameters = {"step_size": 0.1, **({"n_steps": 4} if sampler == "hmc" else {})}
    given = {"theory": THEORY, "therm": 37, "thin": 2, "parameters": parameters, "seed": 8} | more
    return EnsembleRequest(sampler=sampler, configs=configs, chains=chains, **given)


def contents(path):
    with open_ensemble(path) as reader:
        fields = reader.read(0, reader.stored[0], 0, reader.stored[1])
        return {"fields": fields, **reader.scalars()}


def assert_same(path, other):
    a, b = contents(path), contents(other)
    assert a.keys() == b.keys() == {"fields", *SCALARS}
    for name, values in a.items():
        np.testing.assert_array_equal(values, b[name])


class StopAfter:
    """Cancels a run at the n-th report of a phase."""

    def __init__(self, phase, n):
        self.token, self._phase, self._left = Token(), phase, n

    def __call__(self, progress):
        self._left -= progress.phase == self._phase
        if self._left == 0:
            self.token.cancel()


@pytest.fixture
def tiny_blocks(monkeypatch):
    monkeypatch.setattr(run, "BLOCK_SECONDS", 0.0)
    monkeypatch.setattr(run, "SHARE", 0.0)
    monkeypatch.setattr(make, "CHECKPOINT_SECONDS", 0.0)


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def test_a_file_and_nothing_beside_it(tmp_path):
    reports = []
    result = make_ensemble(request(), tmp_path / "new" / "F.nc", progress=reports.append)
    assert names(tmp_path / "new") == ["F.nc"]
    assert (result.n_configs, result.chains, result.sampler, result.complete) == (40, 4, "hmc", True)
    assert 0 < result.acceptance <= 1
    assert result.tau_int > 0
    phases = [r.phase for r in reports]
    assert list(dict.fromkeys(phases)) == ["planning", "thermalising", "sampling", "writing"]
    work = [r.work for r in reports]
    assert work == sorted(work)
    assert work[-1] == reports[-1].all_work == 4 * (37 + 10 * 2)


@pytest.mark.parametrize("sampler", ALGORITHMS)
def test_an_interrupted_run_goes_on_bit_for_bit(tmp_path, tiny_blocks, sampler):
    make_ensemble(request(sampler), tmp_path / "whole.nc")
    path = tmp_path / "F.nc"
    stop = StopAfter("thermalising", 2)
    result = make_ensemble(request(sampler), path, progress=stop, token=stop.token)
    assert (result.n_configs, result.complete, path.exists()) == (0, False, False)
    for draws in (3, 7):
        stop = StopAfter("sampling", draws - (0 if draws == 3 else 3))
        result = make_ensemble(request(sampler), path, resume=True, progress=stop, token=stop.token)
        assert (result.n_configs, result.complete) == (4 * draws, False)
        assert contents(path)["fields"].shape[:2] == (4, draws)
    result = make_ensemble(request(sampler), path, resume=True)
    assert result.complete
    assert_same(path, tmp_path / "whole.nc")
    assert names(tmp_path) == ["F.nc", "whole.nc"]


@pytest.mark.parametrize("sampler", ALGORITHMS)
def test_a_finished_file_can_be_made_longer(tmp_path, sampler):
    make_ensemble(request(sampler, 80), tmp_path / "whole.nc")
    make_ensemble(request(sampler, 20), tmp_path / "F.nc")
    result = make_ensemble(request(sampler, 80), tmp_path / "F.nc", resume=True)
    assert result.n_configs == 80
    assert_same(tmp_path / "F.nc", tmp_path / "whole.nc")


def test_an_ensemble_of_independent_chains_gets_more_of_them(tmp_path):
    def published(configs):
        return EnsembleRequest(THEORY, "hmc", configs, protocol="published", seed=4)

    make_ensemble(published(30), tmp_path / "whole.nc")
    make_ensemble(published(10), tmp_path / "F.nc")
    make_ensemble(published(30), tmp_path / "F.nc", resume=True)
    assert_same(tmp_path / "F.nc", tmp_path / "whole.nc")
    with open_ensemble(tmp_path / "F.nc") as reader:
        assert reader.independent
        assert reader.attributes["equilibrium"] == "not in equilibrium"
        assert "not in equilibrium" in reader.attributes["warnings"][0]


def test_groups_of_chains_interrupted_one_after_the_other(tmp_path, tiny_blocks, monkeypatch):
    make_ensemble(request(chains=8, configs=48), tmp_path / "whole.nc")
    monkeypatch.setattr(run, "GROUP_BYTES", 3 * 4 * THEORY.volume)
    path = tmp_path / "F.nc"
    for blocks, done in ((2, (3, 2)), (3, (3, 5)), (8, (6, 6))):
        stop = StopAfter("sampling", blocks)
        result = make_ensemble(request(chains=8, configs=48), path, resume=True, progress=stop, token=stop.token)
        assert contents(path)["fields"].shape[:2] == done
        assert not result.complete
    assert make_ensemble(request(chains=8, configs=48), path, resume=True).n_configs == 48
    assert_same(path, tmp_path / "whole.nc")
    assert names(tmp_path) == ["F.nc", "whole.nc"]


def wait_until(condition, process):
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        if process.poll() is not None:
            return
        time.sleep(0.002)


def killed(path, sampler, configs, condition):
    """Start a run in a process of its own and kill it once the condition holds."""
    with subprocess.Popen(
        [sys.executable, str(SCRIPT), str(path), sampler, str(configs)], cwd=ROOT, stdout=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    ) as process:  # fmt: skip
        wait_until(condition, process)
        process.send_signal(signal.SIGKILL)
    return process.returncode == -signal.SIGKILL


def test_kill_9_at_any_moment(tmp_path):
    # Six processes, each killed later than the one before, and a seventh run that ends.
    sys.path.insert(0, str(SCRIPT.parent))
    try:
        import killable
    finally:
        sys.path.pop(0)
    configs = 400
    path, parts = tmp_path / "F.nc", Parts(tmp_path / "F.nc")
    blocks = lambda: len(list(parts.folder.glob("block.*.npz")))  # noqa: E731
    moments = [
        parts.folder.exists,
        (parts.folder / "plan.json").exists,
        lambda: any(parts.folder.glob("warming.*.npz")),
        lambda: blocks() >= 1,
        lambda: blocks() >= 30,
        (parts.folder / "assembled.nc").exists,
    ]
    assert [killed(path, "hmc", configs, moment) for moment in moments[:5]] == [True] * 5
    assert not path.exists()
    assert 30 <= blocks() < 100
    killed(path, "hmc", configs, moments[5])  # may come too late to hit it
    result = make_ensemble(killable.request("hmc", configs), path, resume=True)
    assert (result.n_configs, result.complete) == (configs, True)
    make_ensemble(killable.request("hmc", configs), tmp_path / "whole.nc")
    assert_same(path, tmp_path / "whole.nc")
    assert names(tmp_path) == ["F.nc", "whole.nc"]


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ALGORITHMS)
def test_kill_9_every_algorithm_while_it_samples_and_while_it_is_extended(tmp_path, sampler):
    sys.path.insert(0, str(SCRIPT.parent))
    try:
        import killable
    finally:
        sys.path.pop(0)
    path, parts = tmp_path / "F.nc", Parts(tmp_path / "F.nc")
    for configs, least in ((80, 7), (400, 20)):
        assert killed(path, sampler, configs, lambda least=least: len(list(parts.folder.glob("block.*"))) >= least)
        make_ensemble(killable.request(sampler, configs), path, resume=True)
    make_ensemble(killable.request(sampler, 400), tmp_path / "whole.nc")
    assert_same(path, tmp_path / "whole.nc")


def test_nothing_is_overwritten_unless_forced(tmp_path):
    path = tmp_path / "F.nc"
    make_ensemble(request(), path)
    before = path.read_bytes()
    with pytest.raises(FileExistsError, match=r"F.nc exists; overwrite it with force, or go on with it with resume"):
        make_ensemble(request(seed=9), path)
    assert path.read_bytes() == before
    make_ensemble(request(seed=9), path, force=True)
    with open_ensemble(path) as reader:
        assert reader.attributes["seed"] == 9


def test_the_old_file_stays_until_the_new_one_is_there(tmp_path, tiny_blocks):
    path = tmp_path / "F.nc"
    make_ensemble(request(), path)
    before = path.read_bytes()
    stop = StopAfter("thermalising", 1)
    make_ensemble(request(seed=9), path, force=True, progress=stop, token=stop.token)
    assert path.read_bytes() == before
    make_ensemble(request(seed=9), path, resume=True)  # goes on with the new one
    with open_ensemble(path) as reader:
        assert reader.attributes["seed"] == 9


def test_an_interrupted_run_is_not_lost_by_accident(tmp_path, tiny_blocks):
    stop = StopAfter("thermalising", 1)
    make_ensemble(request(), tmp_path / "F.nc", progress=stop, token=stop.token)
    with pytest.raises(FileExistsError, match="was interrupted; go on with resume, or start anew with force"):
        make_ensemble(request(), tmp_path / "F.nc")


def test_going_on_where_there_is_nothing_left_to_do(tmp_path):
    path = tmp_path / "F.nc"
    made = make_ensemble(request(), path)
    before = path.stat()
    assert make_ensemble(request(), path, resume=True) == made
    assert path.stat() == before


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"theory": Phi4((6, 4), 0.26, 0.1)}, "kappa = 0.25 there, 0.26 asked for"),
        ({"theory": Phi4((4, 6), 0.25, 0.1)}, r"shape = \[6, 4\] there, \[4, 6\] asked for"),
        ({"seed": 9}, "seed = 8 there, 9 asked for"),
        ({"therm": 38}, "therm = 37 there, 38 asked for"),
        ({"start": "cold"}, "start = mixed there, cold asked for"),
        ({"chains": 2}, "chains = 4 there, 2 asked for"),
        ({"parameters": {"step_size": 0.2}}, "step_size = 0.1 there, 0.2 asked for"),
        ({"sampler": "metropolis"}, "sampler = hmc there, metropolis asked for"),
        ({"configs": 36}, "configs must be at least the 40 of the ensemble to go on with, got 36"),
        ({"configs": 42, "chains": None}, "the next one is 44"),
    ],
    ids=lambda v: next(iter(v)) if isinstance(v, dict) else "",
)
@pytest.mark.parametrize("interrupted", [False, True])
def test_going_on_with_something_else_is_refused(tmp_path, tiny_blocks, change, sentence, interrupted):
    stop = StopAfter("thermalising", 1 if interrupted else -1)
    make_ensemble(request(), tmp_path / "F.nc", progress=stop, token=stop.token)
    with pytest.raises(ValueError, match=sentence):
        make_ensemble(request(**change), tmp_path / "F.nc", resume=True)
    make_ensemble(request(), tmp_path / "F.nc", resume=True)


def test_going_on_without_repeating_what_was_given(tmp_path):
    make_ensemble(request(configs=20), tmp_path / "F.nc")
    again = EnsembleRequest(THEORY, "hmc", 40, seed=8)
    assert make_ensemble(again, tmp_path / "F.nc", resume=True).chains == 4
    make_ensemble(request(configs=40), tmp_path / "whole.nc")
    assert_same(tmp_path / "F.nc", tmp_path / "whole.nc")


def test_two_runs_of_one_file_do_not_mix(tmp_path):
    path = tmp_path / "F.nc"
    with Parts(path).locked(), pytest.raises(BlockingIOError, match=r"F.nc is being written by another process"):
        make_ensemble(request(), path)
    make_ensemble(request(), path)
    assert names(tmp_path) == ["F.nc"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 99}', '{"format": 1, "plan": {}}'])
def test_a_damaged_plan(tmp_path, text):
    parts = Parts(tmp_path / "F.nc")
    parts.folder.mkdir()
    (parts.folder / "plan.json").write_text(text)
    with pytest.raises(ValueError, match="cannot be gone on with"):
        make_ensemble(request(), tmp_path / "F.nc", resume=True)
    make_ensemble(request(), tmp_path / "F.nc", force=True)
    assert names(tmp_path) == ["F.nc"]


def test_acceptance_0_is_reported(tmp_path):
    result = make_ensemble(request(parameters={"step_size": 30.0, "n_steps": 3}), tmp_path / "F.nc")
    assert result.acceptance == 0
    assert "acceptance is 0 %" in result.warnings[0]


def test_a_hot_start_deep_in_the_broken_phase_is_reported(tmp_path):
    hot = EnsembleRequest(Phi4(32, 0.4, 0.022), "hmc", 240, 12, 40, 2, start="hot")
    sentences = " ".join(make_ensemble(hot, tmp_path / "F.nc").warnings)
    assert "R̂" in sentences
    assert "hold a domain wall" in sentences


def test_a_langevin_chain_that_runs_away_ends_the_run(tmp_path):
    with pytest.raises(FloatingPointError, match="ran away"):
        make_ensemble(request("langevin", parameters={"step_size": 5.0}), tmp_path / "F.nc")
    assert not (tmp_path / "F.nc").exists()


@pytest.mark.parametrize("draws", [1, 12])
def test_a_file_that_may_not_grow(tmp_path, tiny_blocks, draws):
    # A limit on the size of files stands for a quota: first blocks do not fit, or the whole does not.
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    big = EnsembleRequest(Phi4(32, 0.2, 0.1), "hmc", 40 * draws, 40, 1, 1, {"step_size": 0.1, "n_steps": 1})
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**17 if draws == 1 else 2**20, limits[1]))
    try:
        with pytest.raises(OSError, match=r"F.nc could not be written: .*is kept for resume"):
            make_ensemble(big, tmp_path / "F.nc")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not (tmp_path / "F.nc").exists()
    make_ensemble(big, tmp_path / "F.nc", resume=True)
    make_ensemble(big, tmp_path / "whole.nc")
    assert_same(tmp_path / "F.nc", tmp_path / "whole.nc")


def test_a_full_disk(tmp_path, tiny_blocks):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    big = EnsembleRequest(Phi4(32, 0.2, 0.1), "hmc", 400, 40, 1, 1, {"step_size": 0.1, "n_steps": 1})
    try:
        with pytest.raises(OSError, match="No space left on device; what was done is kept for resume"):
            make_ensemble(big, disk / "F.nc", progress=lambda _: (disk / "other").write_bytes(bytes(7 * 10**6)))
        (disk / "other").unlink()
        assert names(disk) == [".F.nc.part"]
        make_ensemble(big, disk / "F.nc", resume=True)
        make_ensemble(big, tmp_path / "whole.nc")
        assert_same(disk / "F.nc", tmp_path / "whole.nc")
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize(
    ("extent", "configs", "error", "sentence"),
    [
        (32, 10**11, OSError, "100000000000 configurations on 32 × 32 sites take 819 TB on the disk"),
        (10**6, 1, MemoryError, "chains on 1000000 × 1000000 sites take 128 TB of memory"),
    ],
)
def test_an_ensemble_that_cannot_fit_is_refused_at_once(tmp_path, extent, configs, error, sentence):
    with pytest.raises(error, match=sentence):
        make_ensemble(EnsembleRequest(Phi4(extent, 0.2, 0.1), "hmc", configs), tmp_path / "F.nc")
    assert names(tmp_path) == []


def test_hot_chains_caught_between_walls_are_not_waited_for_without_end():
    plan = make_plan(EnsembleRequest(Phi4(32, 0.4, 0.022), "hmc", 100, start="hot", parameters={"n_steps": 10}))
    assert "hot pilots were still caught" in plan.warnings[0]
    assert plan.therm < 5000
    assert plan.thin < 20  # that of ordered chains: caught ones never forget


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="could not be written: Not a directory"):
        make_ensemble(request(), tmp_path / "file" / "F.nc")
    with pytest.raises(OSError, match="is a folder; name a file in it"):
        make_ensemble(request(), tmp_path)
    with pytest.raises(OSError, match="could not be written"):
        make_ensemble(request(), "/proc/F.nc")


def test_an_interrupted_extension_loses_nothing_of_the_file(tmp_path, tiny_blocks, monkeypatch):
    path = tmp_path / "F.nc"
    make_ensemble(request(chains=8, configs=16), path)
    before = path.read_bytes()
    monkeypatch.setattr(run, "GROUP_BYTES", 3 * 4 * THEORY.volume)
    stop = StopAfter("sampling", 4)  # three chains have six draws now, more than the file in all
    result = make_ensemble(request(chains=8, configs=48), path, resume=True, progress=stop, token=stop.token)
    assert (result.n_configs, result.complete) == (16, False)
    assert path.read_bytes() == before
    make_ensemble(request(chains=8, configs=48), path, resume=True)
    make_ensemble(request(chains=8, configs=48), tmp_path / "whole.nc")
    assert_same(path, tmp_path / "whole.nc")
    assert names(tmp_path) == ["F.nc", "whole.nc"]


def test_a_file_that_appears_meanwhile_is_kept(tmp_path):
    path = tmp_path / "F.nc"

    def put_one_there(progress):
        if progress.phase == "writing":
            path.write_text("theirs")

    with pytest.raises(FileExistsError, match="has appeared meanwhile; move it away and go on with resume"):
        make_ensemble(request(), path, progress=put_one_there)
    assert path.read_text() == "theirs"
    path.unlink()
    assert make_ensemble(request(), path, resume=True).complete


def test_a_longer_ensemble_that_cannot_fit_is_refused_at_once(tmp_path):
    path = tmp_path / "F.nc"
    make_ensemble(request("hmc", 12), path)
    before = path.read_bytes()
    with pytest.raises(OSError, match=r"on the disk while the file is put together"):
        make_ensemble(request("hmc", 4 * 10**15), path, resume=True)
    assert path.read_bytes() == before


@pytest.mark.parametrize("length", [252, 300])
def test_a_name_that_is_too_long(tmp_path, length):
    with pytest.raises(ValueError, match=r"the name of the file is too long"):
        make_ensemble(request("hmc", 12), tmp_path / ("a" * length + ".nc"))
    assert list(tmp_path.iterdir()) == []
