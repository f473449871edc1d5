"""Trainings in processes of their own. Each test waits for real ones, of a few seconds, on a 4×4 lattice."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from core.diffusion.field_model import FieldModel
from core.diffusion.model_library import ModelLibrary
from core.diffusion.training_jobs import TrainingJobs
from core.diffusion.training_pace import Pace
from core.diffusion.training_request import Continuation, TrainingRequest
from core.ensembles.make import make_ensemble
from core.ensembles.request import EnsembleRequest
from core.theories.phi4 import Phi4

PATIENCE = 120.0  # seconds that a busy machine may take
ENDLESS = 1_000_000


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "tiny.nc"
    make_ensemble(EnsembleRequest(Phi4(4, 0.2, 0.022), "cluster", 1280, chains=128, thin=4), path)
    return path


@pytest.fixture
def jobs(tmp_path):
    jobs = TrainingJobs(ModelLibrary(tmp_path / "models"))
    yield jobs
    for job in jobs.jobs():
        job.cancel()
    until(lambda: not any(alive(job) for job in jobs.jobs()))


def until(condition, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def reach(job, *states):
    until(lambda: job.state in states or job.over)
    assert job.state in states, (job.state, job.error)


def alive(job):
    return job._process is not None and job._process.is_alive()


def request(ensemble, steps, **options):
    return TrainingRequest(ensemble, steps=steps, **{"batch": 16, "threads": 1} | options)


def test_a_training_outlives_who_started_it_and_the_next_waits_for_it(jobs, ensemble):
    class Session:
        def __init__(self):
            self.job = jobs.start(request(ensemble, 60))

    seen = []
    jobs.watch(seen.append)
    number = Session().job.id  # and the session is gone
    second = jobs.start(request(ensemble, ENDLESS))
    first = jobs.job(number)
    assert second.state == "waiting"
    assert jobs.ahead(second) == [first]
    assert first.left is None
    reach(first, "finished")
    assert seen.count(first) > 10
    jobs.unwatch(seen.append)
    jobs.unwatch(seen.append)
    assert first.why == "All steps are done. The network is in the library as “tiny small”."
    assert (first.progress.step, first.progress.steps) == (60, 60)
    assert [v.step for v in first.history] == sorted(v.step for v in first.history)
    assert first.history[-1].step == 60
    assert len(first.history[-1].excess) == len(first.history[-1].edges) - 1
    assert first.pictures is not None
    assert first.pictures.step == 60
    assert first.pictures.made.shape == first.pictures.real.shape == (8, 4, 4)
    assert first.begun is not None
    assert "tiny.nc" in first.begun.data
    assert "σ̃ from" in first.begun.levels

    assert first.table is not None
    assert (first.table.step, first.table.held_out) == (60, 120)  # 12 of 128 chains
    rows = {row.name: row for row in first.table.rows}
    for row in rows.values():
        error = np.hypot(row.data[1], row.network[1])
        assert row.sigma == pytest.approx((row.network[0] - row.data[0]) / error)
    assert abs(rows["φ²"].sigma) < 5  # it is in the baseline
    assert rows["κ₄/κ₂²"].data[0] < -0.1  # of the data; a Gaussian has 0

    model = FieldModel.load(first.path)
    assert first.path == jobs.library.path("tiny small")
    assert (model.record.steps, model.record.threads, model.kappa_range) == (60, 1, (0.2, 0.2))

    reach(second, "preparing", "training")
    assert jobs.ahead(second) == []
    assert second.title == "tiny small (2)"
    second.cancel()
    until(lambda: not alive(second))
    assert second.state == "cancelled"
    until(lambda: jobs.library.list() == [first.path])


def test_pause_save_resume_and_stop(jobs, ensemble):
    job = jobs.start(request(ensemble, ENDLESS))
    with pytest.raises(ValueError, match="is preparing: it cannot pause now"):
        job.pause()
    with pytest.raises(ValueError, match="nothing to save yet"):
        job.save("early")
    reach(job, "training")
    until(lambda: job.progress.step > 5)
    until(lambda: job.left is not None)
    assert job.left > 100  # of a million steps
    with pytest.raises(ValueError, match="name must begin"):
        job.save("../x")

    job.pause()
    reach(job, "paused")
    rest = job.progress.step
    assert job.left is None
    saved = job.save("snapshot")
    assert FieldModel.load(saved).record.steps == rest
    with pytest.raises(FileExistsError, match=r"snapshot\.safetensors exists already"):
        job.save("snapshot")
    time.sleep(0.5)
    assert job.progress.step == rest

    job.resume()
    until(lambda: job.progress.step > rest)
    assert job.state == "training"
    copy = job.save(Path(saved).with_name("later.safetensors"))
    assert FieldModel.load(copy).record.steps >= rest

    job.stop()
    assert job.state == "stopping"
    reach(job, "finished")
    assert job.why.startswith("Stopped on request.")
    assert FieldModel.load(job.path).record.steps == job.progress.step
    assert job.save("at the end").exists()
    with pytest.raises(ValueError, match="is finished: it cannot stop now"):
        job.stop()


def test_a_killed_process_leaves_its_last_checkpoint_and_a_sentence(jobs, ensemble):
    job = jobs.start(request(ensemble, ENDLESS), name="victim")
    reach(job, "training")
    until(lambda: job.progress.step > 2)
    job.save("copy")
    os.kill(job._process.pid, signal.SIGKILL)
    reach(job, "failed")
    step = FieldModel.load(job.path).record.steps
    assert job.error.startswith("The training process has ended by signal 9")
    assert job.error.endswith(f"its checkpoint of step {step} is in the library as “victim”.")
    assert jobs.library.unfinished()["victim"] == (step, ENDLESS)

    again = jobs.start(Continuation(job.path))
    assert again.title == "victim"
    reach(again, "training")
    assert again.begun is not None
    until(lambda: again.progress.step > step)
    assert [v.step for v in again.history][: len(job.history)] == [v.step for v in job.history if v.step <= step]
    with pytest.raises(FileExistsError, match="'victim' is there already"):
        jobs.start(Continuation(job.path))
    again.cancel()
    assert again.why == "Discarded; what it had begun with was kept."
    until(lambda: not alive(again))
    assert FieldModel.load(job.path).record.steps >= step


def test_data_that_cannot_be_read_end_in_a_sentence(jobs, tmp_path):
    path = tmp_path / "broken.nc"
    path.write_bytes(b"no ensemble")
    job = jobs.start(request(path, 10))
    reach(job, "failed")
    assert "broken.nc is not an ensemble in NetCDF" in job.error
    assert jobs.library.list() == []


def test_names_and_the_length_of_the_queue(jobs, ensemble):
    held = TrainingJobs(jobs.library, at_once=0)  # nothing begins
    first = held.start(request(ensemble, 1), name="mine")
    with pytest.raises(FileExistsError, match="'mine' is there already"):
        held.start(request(ensemble, 1), name="mine")
    with pytest.raises(ValueError, match="name must begin"):
        held.start(request(ensemble, 1), name="a/b")
    others = [held.start(request(ensemble, 1)) for _ in range(7)]
    assert others[1].title == "tiny small (2)"
    with pytest.raises(ValueError, match="8 trainings wait already"):
        held.start(request(ensemble, 1))
    first.stop()  # nothing to keep yet
    assert first.state == "cancelled"
    assert held.ahead(others[0]) == []
    first.cancel()
    first.begin()  # its turn came just when it was cancelled
    assert (first.state, first._process) == ("cancelled", None)
    assert held.start(request(ensemble, 1), name="mine").state == "waiting"
    with pytest.raises(KeyError):
        held.job("99")


SERVER = """
import sys, time
from pathlib import Path
from core.diffusion.model_library import ModelLibrary
from core.diffusion.training_jobs import TrainingJobs
from core.diffusion.training_request import Continuation, TrainingRequest

if __name__ == "__main__":
    jobs = TrainingJobs(ModelLibrary(sys.argv[2]))
    job = jobs.start(TrainingRequest(Path(sys.argv[1]), steps=1_000_000, batch=16, threads=1))
    while job.progress.step < 3:
        assert not job.over, job.error
        time.sleep(0.05)
    print(job._process.pid, flush=True)
    time.sleep(300)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_a_training_ends_with_its_server_and_keeps_what_it_has_learned(tmp_path, ensemble, how):
    script = tmp_path / "server.py"
    script.write_text(SERVER)
    command = [sys.executable, str(script), str(ensemble), str(tmp_path / "models")]
    root = str(Path(__file__).parents[3])
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=os.environ | {"PYTHONPATH": root}
    ) as server:
        assert server.stdout is not None
        trainer = int(server.stdout.readline())
        server.send_signal(how)
        server.wait(PATIENCE)
    until(lambda: not Path(f"/proc/{trainer}").exists())
    (path,) = ModelLibrary(tmp_path / "models").list()
    assert FieldModel.load(path).record.steps >= 3


def test_time_left_is_unknown_at_first(monkeypatch):
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    pace = Pace()
    assert pace.rate is None
    pace.add(10)
    assert pace.rate is None
    now += 1.0
    pace.add(20)
    assert pace.rate is None  # too short a time
    now += 4.0
    pace.add(30)
    assert pace.rate == pytest.approx(4.0)
    for _ in range(100):  # slower from now on: what was measured long ago no longer counts
        now += 1.0
        pace.add(pace._reports[-1][1] + 1)
    assert pace.rate == pytest.approx(1.0)
