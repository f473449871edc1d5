import dataclasses
import json
import pickle

import pytest
import torch
from safetensors.torch import save_file

from core.diffusion import checkpoint
from core.diffusion.learned import LearnedScore, pretrained
from core.diffusion.recipes import SHIPPED
from core.diffusion.training import Trainer, TrainingConfig
from core.noise import Noise
from core.theories.registry import PRESETS

SMALL = TrainingConfig(steps=100, batch=256, width=16, samples=5000)


@pytest.fixture(scope="module")
def trainer():
    trainer = Trainer(PRESETS["mixture"], SMALL, seed=3)
    trainer.run(60)
    return trainer


@pytest.fixture
def file(trainer, tmp_path):
    trainer.score().save(tmp_path / "score.safetensors")
    return tmp_path / "score.safetensors"


@pytest.mark.parametrize("name", ["mixture", "three-peak"])
def test_a_saved_score_comes_back_the_same(name, tmp_path):
    trainer = Trainer(PRESETS[name], SMALL, seed=1)
    trainer.run(55)
    score = trainer.score()
    score.save(tmp_path / "a.safetensors")
    trainer.save(tmp_path / "b.safetensors")
    x = 2 * Noise(2).normal(0, (100, score.dim))
    for path in ("a.safetensors", "b.safetensors"):
        again = LearnedScore.load(tmp_path / path)
        assert again.record == score.record
        assert (again.mean == score.mean).all()
        assert (again.covariance == score.covariance).all()
        for f, xi in ((1.0, 0.3), (0.4, 0.84), (1.0, 0.0)):
            assert torch.equal(again.score(x, f, xi), score.score(x, f, xi))


def test_the_record_tells_where_the_score_comes_from(file):
    record = LearnedScore.load(file).record
    assert (record.target, record.law) == ("mixture", repr(PRESETS["mixture"]))
    assert (record.samples, record.steps, record.seed, record.threads) == (5000, 60, 3, 1)
    assert record.seconds > 0
    assert record.history[0][0] == 50
    assert record.loss == record.history[-1][1]
    assert record.config == dataclasses.asdict(SMALL)


def test_an_existing_file_is_overwritten_only_by_force(trainer, file):
    with pytest.raises(FileExistsError, match="exists already"):
        trainer.score().save(file)
    with pytest.raises(FileExistsError, match="exists already"):
        trainer.save(file)
    trainer.save(file, force=True)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file .*none\.safetensors"):
        LearnedScore.load(tmp_path / "none.safetensors")


@pytest.mark.parametrize("keep", [0, 5, 100, -1, -3000])
def test_a_file_cut_short_is_refused(file, keep):
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(ValueError, match="damaged or cut short"):
        LearnedScore.load(file)


def test_a_foreign_file_is_refused(tmp_path):
    path = tmp_path / "foreign"
    path.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(ValueError, match="not a learned score"):
        LearnedScore.load(path)
    save_file({"a": torch.zeros(3)}, path)
    with pytest.raises(ValueError, match=r"not a learned score of StoqLab"):
        LearnedScore.load(path)


def test_numbers_that_are_not_finite_are_refused(file, tmp_path):
    tensors, record = checkpoint.read(file)
    tensors["network.out.bias"][0] = float("nan")
    checkpoint.write(tmp_path / "bad", tensors, record)
    with pytest.raises(ValueError, match=r"network\.out\.bias holds numbers that are not finite"):
        LearnedScore.load(tmp_path / "bad")


def test_a_missing_tensor_and_a_newer_format_are_refused(file, tmp_path):
    tensors, record = checkpoint.read(file)
    del tensors["network.out.bias"]
    checkpoint.write(tmp_path / "less", tensors, record)
    with pytest.raises(ValueError, match="not a complete learned score"):
        LearnedScore.load(tmp_path / "less")
    save_file({}, tmp_path / "newer", metadata={"stoqlab.score": json.dumps({"format": 99})})
    with pytest.raises(ValueError, match="format 99"):
        LearnedScore.load(tmp_path / "newer")


def test_training_cannot_go_on_from_a_score_alone_or_on_other_samples(trainer, file, tmp_path):
    with pytest.raises(ValueError, match="no training state"):
        Trainer.load(file, PRESETS["mixture"])
    trainer.save(tmp_path / "all")
    with pytest.raises(ValueError, match="samples differ"):
        Trainer.load(tmp_path / "all", PRESETS["two-peak"])


def test_shipped_scores_belong_to_the_presets_and_to_nothing_else():
    for name in SHIPPED:
        model = pretrained(PRESETS[name])
        assert model is not None
        assert model.record.law == repr(PRESETS[name])
        assert model.record.steps == model.record.config["steps"]
    other = dataclasses.replace(PRESETS["two-peak"], stds=(0.3, 0.3))
    assert pretrained(other) is None
