"""Make the field models that are shipped in ``assets/models``: ``python -m core.diffusion.field_recipes [NAME …]``.

Each is the small network, trained on fresh configurations of φ⁴ at λ = 0.022 on 32 × 32 from cluster chains, with
seed 1 and one thread: as ``stoqlab train phi4 --L 32 --kappa K --lam 0.022 --levels adaptive --steps N --seed 1
--threads 1`` does it, but that the table of the magnetisation is fitted to six times as many fields, and without the
state from which training could go on. A thousand steps take two to four minutes of one core, the table another four.
A run that was interrupted goes on where it last wrote its state, in a folder beside the model's file.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

from core.diffusion.field_live import LiveRequest, LiveSource
from core.diffusion.field_model import MODELS
from core.diffusion.field_training import FieldTrainer, FieldTrainingConfig

EVENT, LAM, SEED = (32, 32), 0.022, 1
CALIBRATION = 12_288


class Recipe(NamedTuple):
    """One value of κ, or the two ends of a range; steps of training."""

    kappas: tuple[float, ...]
    steps: int


SHIPPED = {
    "phi4_L32_k0.21": Recipe((0.21,), 800),
    "phi4_L32_k0.27": Recipe((0.27,), 8000),
    "phi4_L32_k0.40": Recipe((0.4,), 800),
    "phi4_L32_conditioned": Recipe((0.2, 0.4), 3000),
}


def trainer(name: str, folder: Path) -> FieldTrainer:
    """The training of this name, at its beginning or where its state in ``folder`` has it."""
    state = _state(name, folder)
    if state.is_file():
        return FieldTrainer.load(state, None, "cpu")
    recipe = SHIPPED[name]
    source = LiveSource(LiveRequest.over([EVENT], recipe.kappas, [LAM], SEED))
    config = FieldTrainingConfig(steps=recipe.steps, levels="adaptive", calibration=CALIBRATION)
    return FieldTrainer(source, config, "small", SEED, "cpu", 1)


def make(name: str, folder: Path = MODELS) -> Path:
    """Train the model of this name and write its file, overwriting the one there is."""
    state, path, training = _state(name, folder), folder / f"{name}.safetensors", trainer(name, folder)
    state.parent.mkdir(exist_ok=True)
    training.run(checkpoint=state)
    training.model(name).save(path, force=True)
    state.unlink()
    state.parent.rmdir()
    print(f"{path}: {training.step} steps in {training.seconds:.0f} s")
    if training.final is not None:
        print(
            f"  better than the Gaussian baseline by {-training.final.total:.4f}({training.final.total_error:.4f}) nats"
        )
    return path


def _state(name: str, folder: Path) -> Path:
    return folder / f"{name}.training" / "state.safetensors"


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the field models that are shipped.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(SHIPPED)} (default all)")
    names = parser.parse_args().names
    for name in names or SHIPPED:
        if name not in SHIPPED:
            parser.error(f"{name!r} is not one of {', '.join(SHIPPED)}")
        make(name)


if __name__ == "__main__":
    main()
