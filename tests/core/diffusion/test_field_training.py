import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from core.diffusion import checkpoint
from core.diffusion.field_baseline import Propagators
from core.diffusion.field_data import ArraySource
from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.field_live import LiveRequest, LiveSource
from core.diffusion.field_model import FieldModel
from core.diffusion.field_network import NetworkConfig
from core.diffusion.field_training import FieldTrainer, FieldTrainingConfig
from core.diffusion.learned import LearnedScore
from core.jobs import Token
from core.noise import Noise
from core.theories.phi4 import Phi4

SIZE = NetworkConfig(4, 16, 16, 1, 16)
TINY = FieldTrainingConfig(steps=36, batch=16, warmup=10)
LIVE = LiveRequest(((4, 4),), (0.15, 0.2), (0.2,), 5)


def free_source(n=400, L=4, kappa=0.2):
    """Exact draws of a free field as chains of one configuration."""
    g = FieldGaussianScore(Phi4(L, kappa, 0.0).free_propagator())
    return ArraySource([(kappa, 0.0, g.draw_prior(n, 1.0, 0.0, Noise(8)).numpy()[:, None])])


def trained(source, config, **options):
    trainer = FieldTrainer(source, config, SIZE, **{"seed": 1, "threads": 1} | options)
    trainer.run()
    return trainer


def contents(path):
    """Tensors of a checkpoint, and its record without the times that it took."""
    tensors, header = checkpoint.read(path)
    header["training"]["seconds"] = 0
    for entry in [*header["training"]["history"], header["trainer"]["final"] or {}]:
        entry["seconds"] = 0
    return tensors, header


@pytest.mark.parametrize("kind", ["file", "live"])
@pytest.mark.parametrize("levels", ["uniform", "adaptive"])
def test_a_stopped_and_reloaded_run_goes_on_to_the_same_bits(tmp_path, monkeypatch, kind, levels):
    monkeypatch.setattr("core.diffusion.field_steps.ADAPT_EVERY", 15)  # at 3, 18 and 33

    def source():
        return free_source() if kind == "file" else LiveSource(LIVE)

    config = replace(TINY, levels=levels, patience=50)
    whole, part = (FieldTrainer(source(), config, SIZE, seed=5, threads=1) for _ in range(2))
    whole.run(checkpoint=tmp_path / "whole")
    for stop in (7, 13):
        part.run(stop, checkpoint=tmp_path / "part")
        part = FieldTrainer.load(tmp_path / "part", source() if kind == "file" else None)
    assert part.step == 20
    assert part.run(checkpoint=tmp_path / "part") == 36
    a, b = contents(tmp_path / "whole"), contents(tmp_path / "part")
    assert a[1] == b[1]
    assert a[0].keys() == b[0].keys()
    assert any(name.startswith("training.exp_avg_sq") for name in a[0])
    assert any(name.startswith("training.best") for name in a[0])
    assert all(torch.equal(a[0][name], b[0][name]) for name in a[0])
    assert (len(set(whole.levels.shares)) > 1) == (levels == "adaptive")


def test_a_finished_run_reads_back_finished(tmp_path):
    trainer = trained(free_source(), TINY)
    trainer.save(tmp_path / "m")
    again = FieldTrainer.load(tmp_path / "m", free_source())
    assert again.finished
    assert again.final == trainer.final
    assert again.run() == 36
    with pytest.raises(FileExistsError):
        trainer.save(tmp_path / "m")


def test_files_are_found_again(tmp_path):
    from core.diffusion.field_data import open_files

    fields = free_source().laws[0].gaussian.draw_prior(100, 1.0, 0.0, Noise(8)).numpy()
    np.save(tmp_path / "a.npy", fields)
    FieldTrainer(open_files([tmp_path / "a.npy"], 0.2, 0.0), TINY, SIZE, threads=1).save(tmp_path / "m")
    assert FieldTrainer.load(tmp_path / "m").source.laws[0].kappa == 0.2
    fields[7] += 1e-3
    np.save(tmp_path / "a.npy", fields)
    with pytest.raises(ValueError, match="the data differ"):
        FieldTrainer.load(tmp_path / "m")


def test_a_free_field_needs_no_network_and_keeps_none():
    """With the action known the target is the baseline's, so that nothing is learned, up to the baseline's own error.

    The fit to n = 20 000 draws has the relative error 1/√(n · mirror images) in G, whose square is what is left in
    the loss, ½ Σ_p (δG/G)² W²-like a band: below 16 · ½/20000 = 4e-4.
    """
    trainer = trained(free_source(20_000), replace(TINY, steps=300, batch=64))
    assert trainer.final is not None
    assert max(trainer.final.baseline) < 4e-4
    assert max(trainer.final.loss) < 4e-4
    assert abs(trainer.final.total) < 2e-3


def test_a_free_field_with_the_target_of_the_data_stays_at_the_baseline():
    trainer = trained(free_source(20_000), replace(TINY, steps=300, batch=64, target="dsm"))
    assert trainer.target == "dsm"
    assert trainer.final is not None
    # validation knows the action, so what the network has learned of the noise shows without noise: of the ½ Σ W
    # nats of the field's own, 5 a unit of log σ̃, next to nothing
    assert 0 <= trainer.final.total < 0.1


@pytest.fixture(scope="module")
def interacting():
    """One network from the data alone and one with the action, on fresh configurations of one theory."""
    config = replace(TINY, steps=300, batch=128, warmup=50)
    request = LiveRequest(((4, 4),), (0.2,), (0.2,), 5)
    return {target: trained(LiveSource(request), replace(config, target=target)) for target in ("tsm", "dsm")}


def test_both_targets_lead_to_the_same_denoiser(interacting):
    law, (low, high) = interacting["tsm"].source.laws[0], interacting["tsm"].model().sigma_range
    sigma = torch.tensor(np.geomspace(low, high, len(law.held_out)), dtype=torch.float32)
    x = law.held_out + sigma[:, None, None] * Noise(9).normal(0, tuple(law.held_out.shape), torch.float32)
    propagators = Propagators.of(interacting["tsm"].baselines)

    def correction(target):
        """(D - B)/σ̃ of the network."""
        with torch.inference_mode():
            return sigma[:, None, None] * interacting[target].model().network(x, sigma, propagators)

    def nats(y):
        return float(y.square().flatten(1).sum(1).mean()) / 2 * math.log(high / low)

    assert nats(correction("tsm")) > 0.07
    assert nats(correction("tsm") - correction("dsm")) < 0.1 * nats(correction("tsm"))  # measured 0.04 to 0.06


def test_it_learns_what_the_interaction_does(interacting):
    for trainer in interacting.values():
        assert trainer.final is not None
        assert trainer.final.total < -8 * trainer.final.total_error
        assert trainer.history[0].total > trainer.final.total
        assert trainer.record.validation == trainer.final.by_band()


def test_several_couplings_and_lattices_make_a_conditioned_model(tmp_path):
    request = LiveRequest(((4, 4), (6, 6)), (0.15, 0.2), (0.2,), 5)
    trainer = trained(LiveSource(request), TINY)
    model = trainer.model()
    assert model.conditioned
    assert model.kappa_range == (0.15, 0.2)
    assert len(model.baselines) == 4
    trainer.save(tmp_path / "m.safetensors")
    read = FieldModel.load(tmp_path / "m.safetensors")
    assert read.digest == model.digest
    x = Noise(4).normal(0, (3, 6, 6), torch.float32)
    scores = [m.at((6, 6), 0.17, 0.2).score(x, 1.0, 0.3) for m in (read, model)]
    assert torch.allclose(*scores, atol=1e-5)  # a file keeps its baselines in single precision


def test_the_record_holds_what_a_reader_asks_for():
    trainer = trained(free_source(), TINY)
    record = json.loads(json.dumps(trainer.model().contents()[1]))["training"]
    assert record["theory"] == "phi4"
    assert record["couplings"] == [[0.2, 0.0]]
    assert (record["steps"], record["seed"], record["target"], record["threads"]) == (36, 1, "tsm", 1)
    assert record["digest"] == trainer.source.digest
    assert record["config"]["batch"] == 16
    assert record["torch"] == torch.__version__
    assert [v["step"] for v in record["history"]] == [10, 20, 36]
    assert (record["sigma_min"], record["sigma_max"]) == (trainer.levels.low, trainer.levels.high)
    assert f"{record['sigma_min']:.3g}" in record["levels"]


def test_an_array_of_unknown_couplings_is_learned_from_the_data_alone():
    fields = free_source().laws[0].held_out.numpy()[None]
    trainer = trained(ArraySource([(None, None, fields)]), TINY)
    assert (trainer.target, trainer.record.theory, trainer.record.couplings) == ("dsm", "", [])
    assert trainer.model().at().score(torch.zeros(2, 4, 4), 1.0, 0.5).abs().max() == 0
    with pytest.raises(ValueError, match="needs the action"):
        FieldTrainer(ArraySource([(None, None, fields)]), replace(TINY, target="tsm"), SIZE)


def test_minutes_become_a_number_of_steps_that_is_kept(tmp_path):
    config = FieldTrainingConfig(minutes=0.05, batch=8)
    trainer = FieldTrainer(free_source(), config, SIZE, threads=1)
    trainer.run(24)
    assert trainer.steps is None
    trainer.run(1)
    planned = trainer.steps
    assert planned is not None
    trainer.save(tmp_path / "m")
    again = FieldTrainer.load(tmp_path / "m", free_source())
    assert again.steps == planned
    again.run()
    # all of them, unless the machine has become much slower since
    assert again.step == planned or again.seconds > 60 * config.minutes
    assert config.rate_at(1000, 1000) == pytest.approx(1e-3 * config.rate)


def test_the_number_of_steps_fills_the_minutes():
    trainer = FieldTrainer(free_source(), FieldTrainingConfig(minutes=1.0), SIZE, threads=1)
    trainer.step, trainer.seconds = 5, 1.0
    trainer._plan()
    assert trainer.steps is None
    trainer.step, trainer.seconds = 25, 3.0
    trainer._plan()
    assert trainer.steps == 25 + 540  # 57 - 3 s are left beside validation, at 2 s for 20 steps


def test_the_rate_does_not_depend_on_the_length_before_that_is_known():
    config = FieldTrainingConfig(minutes=1)
    assert config.warmup > 25
    assert config.rate_at(20, None) == config.rate_at(20, 1000) == pytest.approx(0.2 * config.rate)
    assert config.rate_at(100, 1000) == pytest.approx(config.rate)
    assert config.rate_at(550, 1000) == pytest.approx(0.5 * config.rate)


def test_cancel():
    trainer, token = FieldTrainer(free_source(), replace(TINY, steps=10**6), SIZE, threads=1), Token()
    worker = threading.Thread(target=lambda: trainer.run(token=token), daemon=True)
    worker.start()
    while trainer.step < 5 and worker.is_alive():
        time.sleep(0.02)
    token.cancel()
    worker.join(timeout=60)
    assert not worker.is_alive()
    assert 5 <= trainer.step < 10**6
    assert not trainer.finished


def test_progress_is_told():
    told = []
    trainer = FieldTrainer(free_source(), TINY, SIZE, threads=1)
    trainer.run(callback=told.append)
    assert told[-1].step == told[-1].steps == 36
    assert [p.validation.step for p in told if p.new] == [10, 20, 36]
    assert all(math.isfinite(p.loss) for p in told)
    assert [p.seconds for p in told] == sorted(p.seconds for p in told)


def test_an_early_stop_gives_the_best_weights(tmp_path):
    """From 18 configurations the network can only learn their noise: the validation turns."""
    fields = free_source(20).laws[0].gaussian.draw_prior(20, 1.0, 0.0, Noise(8)).numpy()[None]
    config = replace(TINY, steps=4000, batch=32, rate=2e-2, target="dsm", patience=4)
    trainer = trained(ArraySource([(0.2, 0.0, fields)]), config)
    assert "Stopped early" in trainer.ended
    assert trainer.finished
    assert trainer.step < 4000
    best = min(trainer.history, key=lambda v: v.total)
    assert best.step < trainer.step
    assert trainer.history.index(best) == len(trainer.history) - 5
    assert trainer.validate().total == pytest.approx(best.total, abs=1e-6)
    assert trainer.final == trainer.validate(512)
    trainer.save(tmp_path / "m")
    assert FieldTrainer.load(tmp_path / "m", ArraySource([(0.2, 0.0, fields)])).model().digest == trainer.model().digest


def test_divergence_is_a_sentence_and_leaves_the_last_checkpoint(tmp_path):
    trainer = FieldTrainer(free_source(), replace(TINY, target="dsm"), SIZE, threads=1)
    trainer.run(10, checkpoint=tmp_path / "m")
    with torch.no_grad():
        trainer._network.out += math.nan
    with pytest.raises(ArithmeticError, match=r"diverged at step \d+; try a smaller rate than 0.008"):
        trainer.run(checkpoint=tmp_path / "m")
    assert FieldModel.load(tmp_path / "m").record.steps == 10


KILLED = """
import sys
sys.path.insert(0, {root!r})
from core.diffusion.field_live import LiveRequest, LiveSource
from core.diffusion.field_network import NetworkConfig
from core.diffusion.field_training import FieldTrainer, FieldTrainingConfig
source = LiveSource(LiveRequest(((4, 4),), (0.2,), (0.2,), 5))
trainer = FieldTrainer(source, FieldTrainingConfig(steps=10**6, batch=8), NetworkConfig(4, 16, 16, 1, 16), threads=1)
trainer.run(checkpoint={path!r}, every=0.0, callback=lambda p: print(p.step, flush=True))
"""


def test_a_killed_run_leaves_the_last_checkpoint_readable(tmp_path):
    path = tmp_path / "m.safetensors"
    script = KILLED.format(root=str(Path(__file__).parents[3]), path=str(path))
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(6):  # a checkpoint is being written at any time after the first
            process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
    trainer = FieldTrainer.load(path)
    assert trainer.step > 0
    assert trainer.run(3) == trainer.step
    assert FieldModel.load(path).record.steps <= trainer.step - 3


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"steps": None}, "either steps or minutes"),
        ({"minutes": 1.0}, "either steps or minutes"),
        ({"steps": 0}, "steps must be at least 1"),
        ({"batch": 0}, "batch must be at least 1"),
        ({"rate": -1.0}, "rate must be a positive finite number, got -1"),
        ({"rate": math.nan}, "rate must be"),
        ({"target": "all"}, "target must be one of auto, dsm, tsm, got 'all'"),
        ({"levels": "all"}, "levels must be one of"),
        ({"patience": -1}, "must not be negative"),
    ],
)
def test_bad_configurations_get_a_sentence(changes, words):
    with pytest.raises(ValueError, match=words):
        replace(TINY, **changes)


def test_bad_options_get_a_sentence(tmp_path):
    source = free_source(40)
    for options, words in (
        ({"network": "huge"}, "preset must be one of small, large.* got 'huge'"),
        ({"threads": 0}, "threads must be from 1"),
        ({"device": "abacus"}, "device must be one of"),
        ({"config": replace(TINY, mixed=True), "device": "cpu"}, "are for CUDA"),
        ({"config": replace(TINY, sigma_min=5.0, sigma_max=1.0)}, "must rise"),
        ({"seed": -1}, "seed must be"),
    ):
        with pytest.raises(ValueError, match=words):
            FieldTrainer(source, **{"config": TINY} | options)
    with pytest.raises(FileNotFoundError):
        FieldTrainer.load(tmp_path / "none")
    trained(source, TINY).model().save(tmp_path / "model")
    with pytest.raises(ValueError, match="no training state"):
        FieldTrainer.load(tmp_path / "model", source)
    toy = next((Path(__file__).parents[3] / "assets/models").glob("two-peak.safetensors"))
    assert LearnedScore.load(toy)
    with pytest.raises(ValueError, match="toy target"):
        FieldTrainer.load(toy, source)
