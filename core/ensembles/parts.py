"""An ensemble in the making: a folder beside the file to be, with one small file for each finished block.

A process may be killed at any moment: every file in the folder is whole or not there. ``plan.json`` says what is being
made and what of it an earlier file holds already; ``warming.*.npz`` is how far a group of chains is on its way into
equilibrium, ``block.*.npz`` holds finished draws.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core.ensembles.plan import Plan
from core.ensembles.run import Block, Warming
from core.store import atomic_path

FORMAT = 1
_BLOCK = re.compile(r"block\.c(\d+)\+(\d+)\.d(\d+)\+(\d+)\.npz")


@dataclass(frozen=True)
class Work:
    """What is being made: the ``plan``, of which an earlier file has ``base`` = (chains, draws) already.

    ``seconds`` were spent on that file. ``replaces`` says that a file of the final name is to be overwritten.
    """

    plan: Plan
    base: tuple[int, int] = (0, 0)
    seconds: float = 0.0
    replaces: bool = False


class Parts:
    """The folder of an ensemble that is to become the file ``path``. Use it inside ``locked``."""

    def __init__(self, path: Path) -> None:
        self.folder = path.with_name(f".{path.name}.part")
        self._path = path

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every other process out. Raises BlockingIOError if one is at work on this ensemble."""
        from filelock import FileLock, Timeout

        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / "lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise BlockingIOError(f"{self._path} is being written by another process") from None
        try:
            yield
        finally:
            if self.folder.exists() and os.listdir(self.folder) in ([], ["lock"]):
                self.clear()
            lock.release()

    def work(self) -> Work | None:
        """What is being made here, None for nothing. Raises ValueError if that cannot be read."""
        try:
            data = json.loads((self.folder / "plan.json").read_text())
            if data["format"] != FORMAT:
                raise ValueError(f"format {data['format']!r}, where this version reads {FORMAT}")
            base = (int(data["base"][0]), int(data["base"][1]))
            return Work(Plan.from_json(data["plan"]), base, float(data["seconds"]), bool(data["replaces"]))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise ValueError(f"{self.folder} cannot be gone on with ({error}); start anew with force") from error

    def start(self, work: Work) -> None:
        """Say what is being made."""
        data = {"format": FORMAT, "plan": work.plan.to_json(), "base": list(work.base)}
        data |= {"seconds": work.seconds, "replaces": work.replaces}
        with atomic_path(self.folder / "plan.json", force=True) as temporary:
            temporary.write_text(json.dumps(data, allow_nan=False))

    def discard(self) -> None:
        """Forget everything but the lock."""
        (self.folder / "plan.json").unlink(missing_ok=True)  # first: without it the rest means nothing
        for file in self.folder.iterdir():
            if file.name != "lock":
                file.unlink()

    def clear(self) -> None:
        """Remove the folder."""
        (self.folder / "plan.json").unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def exists(self) -> bool:
        """Whether something was begun here."""
        return (self.folder / "plan.json").exists()

    def add(self, block: Block, seconds: float) -> None:
        """Keep a finished block and the ``seconds`` it took."""
        chains, draws = block.fields.shape[:2]
        name = f"block.c{block.first_chain}+{chains}.d{block.first}+{draws}.npz"
        arrays = {k: getattr(block, k) for k in ("fields", *SCALARS)}
        self._save(name, arrays | {"seconds": np.array(seconds)})
        self._warming(block.first_chain).unlink(missing_ok=True)

    def blocks(self) -> list[tuple[int, int, int, int, Path]]:
        """(first chain, chains, first draw, draws, file) of every finished block, in order."""
        found = []
        for file in self.folder.iterdir():
            if match := _BLOCK.fullmatch(file.name):
                found.append((*map(int, match.groups()), file))
        return sorted(found)

    def read(self, file: Path, names: Iterable[str]) -> dict[str, np.ndarray]:
        """Some arrays of a finished block."""
        with np.load(file) as data:
            return {name: data[name] for name in names}

    def save_warming(self, first_chain: int, warming: Warming) -> None:
        """Keep how far a group of chains has got on its way into equilibrium."""
        self._save(self._warming(first_chain).name, {"done": np.array(warming.done), "x": warming.x.numpy()})

    def warming(self, first_chain: int) -> Warming | None:
        """How far a group of chains has got, None where that was not kept."""
        file = self._warming(first_chain)
        if not file.exists():
            return None
        with np.load(file) as data:
            return Warming(int(data["done"]), torch.from_numpy(data["x"]))

    def _warming(self, first_chain: int) -> Path:
        return self.folder / f"warming.c{first_chain}.npz"

    def _save(self, name: str, arrays: dict[str, Any]) -> None:
        with atomic_path(self.folder / name, force=True) as temporary, temporary.open("wb") as file:
            np.savez(file, **arrays)


SCALARS = ("magnetisation", "phi_squared", "action", "acceptance")
"""What is kept of each configuration beside the field."""
