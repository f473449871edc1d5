"""The models trained here: a folder of checkpoints beside the library of ensembles.

The folder is ``models`` in the user's data folder, or in the one that the environment variable STOQLAB_HOME names.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from core.diffusion.model_entry import look
from core.shelf import Shelf, home
from core.store import atomic_path

SUFFIX = ".safetensors"


class ModelLibrary(Shelf):
    """The checkpoints in a folder, by default the user's. Nothing is made until something is saved."""

    suffix, what = SUFFIX, "model"

    def __init__(self, folder: str | Path | None = None) -> None:
        super().__init__(Path(folder) if folder is not None else home() / "models")

    def list(self) -> list[Path]:
        """The files of all models, the latest first; the name of a model is the stem of its file."""
        return self.files()

    def unfinished(self) -> dict[str, tuple[int, int]]:
        """Models whose training was interrupted: the step that each has reached, and how many were planned.

        Reads the heads of the files, those that have changed since the last call: not for a loop of events.
        """
        found = {path.stem: look(path).unfinished for path in self.list()}
        return {name: steps for name, steps in found.items() if steps is not None}

    def save(self, name: str, file: str | Path, force: bool = False) -> Path:
        """Copy a checkpoint into the library under ``name``, whole or not at all.

        Raises ValueError for a bad name, FileExistsError for one that is taken, unless ``force``.
        """
        path = self.path(name)
        with atomic_path(path, force) as temporary:
            shutil.copyfile(file, temporary)
        return path
