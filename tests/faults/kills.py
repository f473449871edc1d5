"""Kill -9 at random moments, and see what was lost: ``python -m tests.faults.kills [--kills 50] [--seed 1]``."""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from core.diffusion import checkpoint
from core.ensembles.files import open_ensemble
from core.library import catalogue
from core.library.arrays import open_fields
from tests.faults import victim

ROOT = Path(__file__).parents[2]
LONGEST = 4.0
"""Seconds after its first word that a process lives at most; half of them live a tenth of it."""


@dataclass
class Row:
    """One line of the table: what was ``done``, how many ``kills``, what was ``lost`` in words and at most."""

    done: str
    kills: int = 0
    ended: int = 0
    worst: float = 0.0
    lost: str = ""
    wrong: list[str] = field(default_factory=list)


def killed(kind: str, place: Path, seconds: float) -> tuple[list[str], float, bool]:
    """Run the victim until so long after its first word; what it said, when it was killed (Unix time) and whether."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.victim", kind, str(place)], cwd=ROOT, text=True, stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert process.stdout is not None
    said = [process.stdout.readline()]
    reader = threading.Thread(target=lambda: said.extend(process.stdout), daemon=True)
    reader.start()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
    when = time.time()
    process.wait()
    reader.join()
    if process.returncode not in (0, -signal.SIGKILL):
        raise RuntimeError(f"the process failed by itself: {''.join(said[-3:])}")
    return [line for line in said if line.endswith("\n")], when, process.returncode != 0


def moments(rng: random.Random, kills: int) -> list[float]:
    return [rng.uniform(0, LONGEST * (0.1 if rng.random() < 0.5 else 1.0)) for _ in range(kills)]


def of_training(folder: Path, rng: random.Random, kills: int) -> Row:
    """A training: after each kill its checkpoint can be read, at the end it is that of a run that nobody touched."""
    row, path = Row("training"), folder / "training.safetensors"
    for seconds in moments(rng, kills):
        said, when, was = killed("train", path, seconds)
        row.kills, row.ended = row.kills + was, row.ended + (not was)
        age, told = when - path.stat().st_mtime, int(said[-1].split()[1])
        kept = victim.trainer(path).step
        row.worst = max(row.worst, age if was and told > kept else 0.0)
        if not was:
            path.unlink()
    for name in ("training.safetensors", "whole.safetensors"):
        victim.train(folder / name)
    (a, _), (b, _) = (checkpoint.read(folder / name) for name in ("training.safetensors", "whole.safetensors"))
    if a.keys() != b.keys() or not all(torch.equal(a[name], b[name]) for name in a):
        row.wrong.append("the model is not that of an undisturbed run")
    row.lost = f"at most the steps of the last {row.worst:.2f} s (checkpoints every {victim.SECONDS} s)"
    return row


def of_ensemble(folder: Path, rng: random.Random, kills: int) -> Row:
    """An ensemble: never a half-written file under its name; at the end that of a run that nobody touched."""
    row, path = Row("ensemble"), folder / "ensemble.nc"
    for seconds in moments(rng, kills):
        _, _, was = killed("ensemble", path, seconds)
        row.kills, row.ended = row.kills + was, row.ended + (not was)
        if path.exists():
            with open_ensemble(path) as found:
                if found.configs != victim.CONFIGS:
                    row.wrong.append(f"a file of {found.configs} configurations under the final name")
            path.rename(folder / "ended.nc")
    for name in ("ensemble.nc", "whole.nc"):
        victim.ensemble(folder / name)
    fields = []
    for name in ("ensemble.nc", "whole.nc"):
        with open_ensemble(folder / name) as found:
            fields.append(np.concatenate(list(found.blocks()), axis=1))
    if not np.array_equal(*fields):
        row.wrong.append("the configurations are not those of an undisturbed run")
    row.lost = "at most the block that was under way"
    return row


def of_library(folder: Path, rng: random.Random, kills: int) -> Row:
    """The library: everything is in it or in its trash, once, and can be read; only an import under way may be gone."""
    row, known = Row("library"), 0
    os.environ["STOQLAB_HOME"] = str(folder / "home")
    for seconds in moments(rng, kills):
        said, _, was = killed("library", folder, seconds)
        row.kills, row.ended = row.kills + was, row.ended + (not was)
        present = [item for item in catalogue.catalogue() if item.kind == "array"]
        gone, imported = catalogue.deleted(), sum(line.startswith("imported") for line in said)
        under_way = int(said[-1].startswith("importing"))
        found = len(present) + len(gone)
        if not known + imported <= found <= known + imported + under_way:
            row.wrong.append(f"{found} of {known + imported} files are there")
        known = found
        for item in present:
            assert item.path is not None
            if item.problem or open_fields(item.path).shape != (500, 8, 8):
                row.wrong.append(f"{item.name} cannot be read")
    row.lost = "an import that was under way, nothing else"
    return row


def table(kills: int, seed: int, folder: Path) -> list[Row]:
    """``kills`` in all, over the three."""
    rng, share = random.Random(seed), kills // 3
    return [
        of_training(folder, rng, share),
        of_ensemble(folder, rng, share),
        of_library(folder, rng, kills - 2 * share),
    ]


def as_text(rows: list[Row]) -> str:
    """The table in Markdown."""
    lines = ["| what | killed | ended before | lost | wrong |", "|---|---|---|---|---|"]
    lines += [f"| {r.done} | {r.kills} | {r.ended} | {r.lost} | {'; '.join(r.wrong) or 'nothing'} |" for r in rows]
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        rows = table(arguments.kills, arguments.seed, Path(place))
    print(as_text(rows))
    sys.exit(any(row.wrong for row in rows))
