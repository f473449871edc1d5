"""The models trained here: a folder of checkpoints beside the library of ensembles.

The folder is ``models`` in the user's data folder, or in the one that the environment variable STOQLAB_HOME names.
"""

from __future__ import annotations

import shutil
from functools import lru_cache
from pathlib import Path

from core.diffusion import checkpoint
from core.ensembles.library import Library, default_folder
from core.store import atomic_path

SUFFIX = ".safetensors"


class ModelLibrary:
    """The checkpoints in a folder, by default the user's. Nothing is made until something is saved."""

    def __init__(self, folder: str | Path | None = None) -> None:
        self.folder = Path(folder) if folder is not None else default_folder().with_name("models")

    def path(self, name: str) -> Path:
        """Where the model ``name`` is, or would be. ValueError for a name that is not safe as a file name."""
        Library(self.folder).path(name)
        return self.folder / f"{name}{SUFFIX}"

    def list(self) -> list[Path]:
        """The files of all models, the latest first; the name of a model is the stem of its file."""
        if not self.folder.is_dir():
            return []
        found = []
        for path in self.folder.glob(f"*{SUFFIX}"):
            if path.name.startswith("."):
                continue
            try:
                found.append((-path.stat().st_mtime, path.name, path))
            except FileNotFoundError:  # removed by somebody else just now
                continue
        return [path for _, _, path in sorted(found)]

    def unfinished(self) -> dict[str, tuple[int, int]]:
        """Models whose training was interrupted: the step that each has reached, and how many were planned."""
        found = {path.stem: _unfinished(path, path.stat().st_mtime) for path in self.list()}
        return {name: steps for name, steps in found.items() if steps is not None}

    def free_name(self, wanted: str) -> str:
        """``wanted``, or with a number behind it if that name is taken. ValueError for an unsafe name."""
        number, name = 1, wanted
        while self.path(name).exists():
            number += 1
            name = f"{wanted} ({number})"
        return name

    def save(self, name: str, file: str | Path, force: bool = False) -> Path:
        """Copy a checkpoint into the library under ``name``, whole or not at all.

        Raises ValueError for a bad name, FileExistsError for one that is taken, unless ``force``.
        """
        path = self.path(name)
        with atomic_path(path, force) as temporary:
            shutil.copyfile(file, temporary)
        return path

    def remove(self, name: str) -> None:
        """Delete a model. FileNotFoundError if there is none of that name."""
        path = self.path(name)
        if not path.exists():
            raise FileNotFoundError(f"the library has no model {name!r}")
        path.unlink()


@lru_cache(maxsize=256)
def _unfinished(path: Path, modified: float) -> tuple[int, int] | None:
    try:
        _, header = checkpoint.read(path)
        step, trainer = int(header["training"]["steps"]), header["trainer"]
        steps = int(trainer["steps"] or 0)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return (step, steps) if step < steps and not trainer["ended"] else None
