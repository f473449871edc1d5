"""What the browser asks a stage to save, made in a thread of the pool and sent to it as one message."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from core.jobs import request_pool
from dashboard.faults import note, sentence

if TYPE_CHECKING:
    from dashboard.stage.component import Stage

KINDS = ("csv", "netcdf", "script", "command")
NOTHING = "There is no picture yet."


def answer(stage: Stage, request: Any) -> None:
    """Answer {"export": number, "kind": one of KINDS, "position": number}; anything else is dropped.

    The answer is {"export": number} with "file", "text" and "note", or "problem", a sentence. One at a time.
    """
    try:
        number, kind, position = int(request["export"]), request["kind"], float(request["position"])
    except (KeyError, TypeError, ValueError, OverflowError):
        return
    if kind not in KINDS or not math.isfinite(position):
        return
    if not stage.saving.acquire(blocking=False):
        stage.send({"export": number, "problem": "Another file is being made; one moment."})
        return

    def work() -> None:
        try:
            reply = make(stage, kind, position)
        except Exception as error:
            note(error, "an export failed")
            reply = {"problem": sentence(error)}
        finally:
            stage.saving.release()
        stage.send({"export": number} | reply)

    request_pool().submit(work)


def _settings(stage: Stage) -> dict[str, Any]:
    """Those that made the picture; none while it is a preview."""
    try:
        recipe = stage.recipe() if stage.recipe is not None else None
    except ValueError:
        return {}
    return {} if recipe is None else dict(recipe.settings)


def make(stage: Stage, kind: str, position: float) -> dict[str, Any]:
    """The answer without its number. ValueError where there is nothing to save."""
    from dashboard.export.dataset import netcdf, scene_dataset
    from dashboard.export.table import scene_table

    scene = stage.scene
    if scene is None:
        raise ValueError(NOTHING)
    if kind in ("script", "command"):
        recipe = stage.recipe() if stage.recipe is not None else None
        if recipe is None:
            raise ValueError(NOTHING)
        if kind == "script":
            return {"text": recipe.script, "note": recipe.script_note}
        return {"text": recipe.command and recipe.command + "\n", "note": recipe.command_note}
    settings = _settings(stage)
    if kind == "csv":
        return {"file": scene_table(scene, position, stage.label, settings).encode()}
    return {"file": netcdf(scene_dataset(scene, stage.label, settings))}
