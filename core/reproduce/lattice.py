"""A live simulation of a lattice field as a script: every command at the update at which it came."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.ensembles.command import command_line
from core.ensembles.request import EnsembleRequest
from core.reproduce.recipe import Recipe, stamp
from core.samplers.algorithms import find
from core.samplers.simulation import Simulation

CONFIGURATIONS = 1000
EXACT = "Repeats what was done to these chains, update by update."
FRESH = (
    "Too much was done to these chains to be written down, or one of them ran away: the script makes new ones with the "
    "present settings, of the same law."
)
ENSEMBLE = "Makes an ensemble of the same law, thermalised and thinned by itself, to a file; not these very chains."
CHOICES = ("flip", "fourier", "kind", "integrator", "overrelaxation")
"""Parameters of the algorithms that are a matter of taste and not of tuning."""


def simulation_recipe(simulation: Simulation, settings: Mapping[str, Any]) -> Recipe:
    """Of a simulation as it is between two blocks. The script prints averages with their errors and τ_int."""
    return simulation.between(lambda: _recipe(simulation, settings))


def _recipe(simulation: Simulation, settings: Mapping[str, Any]) -> Recipe:
    updates, since = simulation.state.count, simulation.statistics.steps
    theory, name, chains = simulation.theory, simulation.algorithm, len(simulation.state.x)
    whole = simulation.deeds is not None
    deeds = simulation.deeds if simulation.deeds is not None else []
    first = simulation.begun if whole else _fresh(simulation, settings)
    end = updates if whole else since
    body = [f"simulation = Simulation({_arguments(first)})"]
    at = 0
    for deed in deeds:
        if deed.updates > at:
            body.append(f"simulation.advance({deed.updates - at}, measure=False)")
            at = deed.updates
        body.append(f"simulation.{deed.name}({_arguments(deed.arguments)})")
    body += [
        f"frame = simulation.advance({end - at}, measure=False)",
        "",
        'print("updates", frame.updates, "of which in the averages", frame.since)',
        "statistics = simulation.statistics",
        'print("# mean, error, τ_int")',
        'for name in ("abs_m", "phi2", "action"):',
        "    found = statistics.average(name)",
        "    print(name, *map(float, (found.mean, found.error, found.tau)))",
        'print("chi", *map(float, statistics.susceptibility()))',
        'print("binder", *map(float, statistics.binder()))',
        'print("acceptance", float(statistics.acceptance()))',
    ]
    imports = "from core.samplers.simulation import Simulation\nfrom core.theories.phi4 import Phi4\n"
    title = f"{name} of {theory!r}, {chains} chains; seed {first['seed']}"
    request = EnsembleRequest(
        theory, name, CONFIGURATIONS, start=str(settings.get("start", "mixed")), seed=int(first["seed"]),
        parameters={n: v for n, v in simulation.parameters.items() if n in CHOICES and n in find(name).parameters},
    )  # fmt: skip
    script = "\n".join([stamp(title) + imports, *body, ""])
    return Recipe(script, command_line(request, "ensemble.nc"), EXACT if whole else FRESH, ENSEMBLE, settings)


def _fresh(simulation: Simulation, settings: Mapping[str, Any]) -> dict[str, Any]:
    return dict(simulation.begun) | {
        "theory": simulation.theory, "algorithm": simulation.algorithm, "parameters": simulation.parameters,
        "chains": len(simulation.state.x), "start": settings.get("start", "mixed"),
    }  # fmt: skip


def _arguments(given: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={_plain(value)!r}" for name, value in given.items() if value is not None)


def _plain(value: Any) -> Any:
    """Without numpy's numbers, whose text is no plain Python."""
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [tuple(map(float, point)) for point in value]
    return value.item() if hasattr(value, "item") else value
