"""Make the scores that are shipped in ``assets/models``: ``python -m core.diffusion.recipes [NAME …]``.

Each is the usual training (``TrainingConfig.of``) on a million samples of a preset target, with seed 1; the same as
``stoqlab toy-train NAME --seed 1``, less the state from which training could go on. Takes about a minute of one core
each in one dimension.
"""

from __future__ import annotations

import argparse

from core.diffusion.learned import MODELS
from core.diffusion.training import Trainer
from core.theories.registry import PRESETS

SHIPPED = ("two-peak", "mixture", "double-well", "three-peak")
SEED = 1


def make(name: str) -> None:
    """Train on the preset ``name`` and write its file, overwriting the one there is."""
    trainer = Trainer(PRESETS[name], seed=SEED, device="cpu")
    trainer.run()
    path = MODELS / f"{name}.safetensors"
    trainer.score().save(path, force=True)
    print(f"{path}: {trainer.step} steps in {trainer.seconds:.0f} s")
    for band in trainer.validate():
        print(f"  σ̃ {band.low:8.3f} to {band.high:8.3f}: loss {band.loss:.5f}, Gaussian {band.gaussian:.5f}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the scores that are shipped.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(SHIPPED)} (default all)")
    names = parser.parse_args().names
    for name in names or SHIPPED:
        if name not in SHIPPED:
            parser.error(f"{name!r} is not one of {', '.join(SHIPPED)}")
        make(name)


if __name__ == "__main__":
    main()
