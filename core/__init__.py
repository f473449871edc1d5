"""StoqLab's engine: diffusion processes and stochastic quantisation, without any user interface.

What most scripts need is at hand here, loaded when it is first used::

    from core import VE, make_target, run_backward

    run = run_backward(make_target("two-peak"), VE(10.0), solver="heun", steps=200, paths=10_000, seed=1)
    print(run.cumulants().value[[2, 4, 6, 8]])

The names in ``__all__`` keep their meaning from version to version; everything else may change.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from core.diffusion.error_budget import error_budget
    from core.diffusion.field_config import FieldTrainingConfig
    from core.diffusion.field_generate import generate_fields
    from core.diffusion.field_live import LiveRequest, LiveSource
    from core.diffusion.field_model import FieldModel, shipped
    from core.diffusion.field_noise import schedule_reaching
    from core.diffusion.field_request import SampleRequest
    from core.diffusion.field_run import run_field
    from core.diffusion.field_sample import sample
    from core.diffusion.field_source import bind, bind_ensemble
    from core.diffusion.field_training import FieldTrainer
    from core.diffusion.run import run_backward, run_forward
    from core.ensembles.files import open_ensemble
    from core.ensembles.library import Library
    from core.ensembles.make import make_ensemble
    from core.ensembles.request import EnsembleRequest
    from core.jobs import Token
    from core.noise import Noise
    from core.schedule import VE, VP, Cosine, LinearVP, Schedule, Tabulated, make_schedule
    from core.statistics.compare import compare
    from core.statistics.measure import measure
    from core.theories.mixture import GaussianMixture
    from core.theories.phi4 import Phi4
    from core.theories.potential import Quartic
    from core.theories.registry import make_target

_PLACES = {
    "core.diffusion.error_budget": ("error_budget",),
    "core.diffusion.field_config": ("FieldTrainingConfig",),
    "core.diffusion.field_generate": ("generate_fields",),
    "core.diffusion.field_live": ("LiveRequest", "LiveSource"),
    "core.diffusion.field_model": ("FieldModel", "shipped"),
    "core.diffusion.field_noise": ("schedule_reaching",),
    "core.diffusion.field_request": ("SampleRequest",),
    "core.diffusion.field_run": ("run_field",),
    "core.diffusion.field_sample": ("sample",),
    "core.diffusion.field_source": ("bind", "bind_ensemble"),
    "core.diffusion.field_training": ("FieldTrainer",),
    "core.diffusion.run": ("run_backward", "run_forward"),
    "core.ensembles.files": ("open_ensemble",),
    "core.ensembles.library": ("Library",),
    "core.ensembles.make": ("make_ensemble",),
    "core.ensembles.request": ("EnsembleRequest",),
    "core.jobs": ("Token",),
    "core.noise": ("Noise",),
    "core.schedule": ("VE", "VP", "Cosine", "LinearVP", "Schedule", "Tabulated", "make_schedule"),
    "core.statistics.compare": ("compare",),
    "core.statistics.measure": ("measure",),
    "core.theories.mixture": ("GaussianMixture",),
    "core.theories.phi4": ("Phi4",),
    "core.theories.potential": ("Quartic",),
    "core.theories.registry": ("make_target",),
}

__all__ = [
    "VE",
    "VP",
    "Cosine",
    "EnsembleRequest",
    "FieldModel",
    "FieldTrainer",
    "FieldTrainingConfig",
    "GaussianMixture",
    "Library",
    "LinearVP",
    "LiveRequest",
    "LiveSource",
    "Noise",
    "Phi4",
    "Quartic",
    "SampleRequest",
    "Schedule",
    "Tabulated",
    "Token",
    "bind",
    "bind_ensemble",
    "compare",
    "error_budget",
    "generate_fields",
    "make_ensemble",
    "make_schedule",
    "make_target",
    "measure",
    "open_ensemble",
    "run_backward",
    "run_field",
    "run_forward",
    "sample",
    "schedule_reaching",
    "shipped",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    for module, names in _PLACES.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module 'core' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
