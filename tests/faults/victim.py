"""What is killed: `python -m tests.faults.victim train|ensemble|library FOLDER`. Prints a line for each deed."""

import sys
from pathlib import Path

import numpy as np

from core.diffusion.field_config import FieldTrainingConfig
from core.diffusion.field_live import LiveRequest, LiveSource
from core.diffusion.field_network import NetworkConfig
from core.diffusion.field_training import FieldTrainer
from core.ensembles import make, run
from core.ensembles.request import EnsembleRequest
from core.library import catalogue
from core.library.intake import import_file
from core.theories.phi4 import Phi4

STEPS, CONFIGS, ARRAYS = 6000, 4000, 6
SECONDS = 0.5
"""Between two checkpoints of the training."""


def say(*words):
    print(*words, flush=True)


def trainer(path: Path) -> FieldTrainer:
    """A short training on fresh fields of 8², at its beginning or where its checkpoint has it."""
    if path.exists():
        return FieldTrainer.load(path, None, "cpu")
    source = LiveSource(LiveRequest.over([(8, 8)], (0.25,), (0.022,), 3))
    size = NetworkConfig(channels=4, hidden=8, gate=8, blocks=1, embedding=8)
    return FieldTrainer(source, FieldTrainingConfig(steps=STEPS, batch=8), size, 5, "cpu", 1)


def train(path: Path) -> None:
    """Train to the end, with a checkpoint every SECONDS."""
    going = trainer(path)
    going.save(path, force=True)
    say("step", going.step)
    going.run(callback=lambda p: say("step", p.step), checkpoint=path, every=SECONDS / 60)


def ensemble(path: Path) -> None:
    """Make an ensemble in tiny blocks, with all that is written on the way."""
    run.BLOCK_SECONDS = run.SHARE = make.CHECKPOINT_SECONDS = 0.0
    request = EnsembleRequest(
        Phi4((6, 4), 0.25, 0.1), "hmc", CONFIGS, 4, 200, 5, {"step_size": 0.1, "n_steps": 4}, seed=8
    )
    make.make_ensemble(request, path, resume=True, progress=lambda p: say(p.phase, p.done))


def library(folder: Path) -> None:
    """Import arrays, delete and bring back, round and round."""
    rng = np.random.default_rng()
    while True:
        present = [item for item in catalogue.catalogue() if item.kind == "array"]
        gone = catalogue.deleted()
        if len(present) + len(gone) < ARRAYS:
            file = folder / "fields.npy"
            np.save(file, rng.standard_normal((500, 8, 8)).astype(np.float32))
            say("importing")
            say("imported", import_file(file).name)
        elif present and (len(gone) < 2 or rng.random() < 0.5):
            catalogue.remove(present[rng.integers(len(present))].key)
            say("removed")
        else:
            catalogue.restore(gone[rng.integers(len(gone))].key)
            say("restored")


if __name__ == "__main__":
    kind, place = sys.argv[1], Path(sys.argv[2])
    {"train": train, "ensemble": ensemble, "library": library}[kind](place)
