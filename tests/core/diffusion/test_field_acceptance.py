"""The shipped models against equilibrium: φ⁴ on 32² at λ = 0.022, without correction, observable by observable.

The reference is a cluster ensemble made on the spot, from another algorithm with its own random numbers. Baseline and
learned score make 2·10⁴ configurations each with the default sampler; the table is printed with ``-s``.
"""

import math
from functools import cache

import numpy as np
import pytest
import torch

from core.diffusion.field_generate import generate_fields
from core.diffusion.field_model import FieldModel, shipped
from core.diffusion.field_noise import noise_range, schedule_reaching
from core.ensembles.plan import make_plan
from core.ensembles.request import EnsembleRequest
from core.ensembles.run import generate
from core.noise import Noise
from core.schedule import Tabulated
from core.statistics.averages import OBSERVABLES
from core.statistics.compare import Compared, compare
from core.statistics.format import with_error
from core.statistics.measure import TITLES, Measurement, measure
from core.theories.phi4 import Phi4

pytestmark = pytest.mark.slow

KAPPAS = (0.21, 0.27, 0.40)
CONFIGS, REFERENCE = 20_000, 102_400
SIGMAS = 3.0
KNOWN = {
    (0.27, "chi"): 0.05,
    (0.27, "kappa4_ratio"): 0.015,
    (0.27, "kappa6_ratio"): 0.025,
    (0.27, "kappa8_ratio"): 0.03,
}
"""What is known to miss the goal of 3σ (and of 3 % for χ), and how far off in relative terms it may be."""


def model(kappa: float) -> FieldModel:
    return FieldModel.load(shipped()[f"phi4_L32_k{kappa:.2f}"])


@cache
def reference(kappa: float) -> Measurement:
    theory = Phi4(32, kappa, 0.022)
    plan = make_plan(EnsembleRequest(theory, "cluster", REFERENCE, seed=77))
    groups: dict[int, list[np.ndarray]] = {}
    for block in generate(plan):
        groups.setdefault(block.first_chain, []).append(block.fields)
    return measure(theory, [np.concatenate([np.concatenate(parts, axis=1) for parts in groups.values()])])


def generated(score, schedule, n: int, **options) -> Measurement:
    x = generate_fields(score, schedule, n, noise=Noise(2025), **options)
    return measure(Phi4(32, score.kappa, score.lam), [x.numpy()[None]], independent=True)


class Baseline:
    """The Gaussian part of a learned score alone."""

    def __init__(self, score) -> None:
        self.gaussian, self.kappa, self.lam, self.score = score.gaussian, score.kappa, score.lam, score.gaussian.score


def level(score) -> float:
    return noise_range(score.gaussian).high


def show(kappa: float, rows: dict[str, dict[str, Compared]]) -> None:
    print(f"\nκ = {kappa}: {CONFIGS} configurations without correction, against {REFERENCE} of the cluster algorithm")
    print(f"{'':<8}{'reference':>18}" + "".join(f"{name:>18}{'σ':>8}{'%':>9}" for name in rows))
    for name in OBSERVABLES:
        line = ""
        for found in (rows[kind][name] for kind in rows):
            percent = 100 * (found.a.value / found.b.value - 1)
            line += f"{with_error(*found.a[:2]):>18}{found.sigma:>+8.1f}{percent:>+9.2f}"
        print(f"{TITLES[name]:<8}{with_error(*next(iter(rows.values()))[name].b[:2]):>18}{line}")


@pytest.mark.parametrize("kappa", KAPPAS)
def test_observables_of_the_shipped_models(kappa):
    score, known = model(kappa).at(), reference(kappa)
    schedule = schedule_reaching("ve", level(score))
    found = {
        name: compare(generated(of, schedule, CONFIGS), known)
        for name, of in (("baseline", Baseline(score)), ("learned", score))
    }
    show(kappa, {name: comparison.observables for name, comparison in found.items()})
    learned = found["learned"].observables
    misses = {name for name in OBSERVABLES if not abs(learned[name].sigma) < SIGMAS and (kappa, name) not in KNOWN}
    assert not misses, {name: learned[name] for name in misses}
    bounds = {name: allowed for (at, name), allowed in KNOWN.items() if at == kappa}
    for name, allowed in (bounds | ({"abs_m": 0.01} if kappa == 0.27 else {})).items():
        a, b, _ = learned[name]
        assert b.error < 0.55 * a.error, "the reference must be the better known of the two"
        assert abs(a.value / b.value - 1) < allowed, name


def drawn(last: float) -> Tabulated:
    """A hand-drawn g, with a dip, that ends at the level ``last``."""
    times, values = (0.0, 0.3, 0.5, 0.7, 1.0), np.array([0.1, 2.0, 1.0, 6.0, 30.0])
    scale = last / float(Tabulated(times, tuple(values)).sigma(1.0))
    return Tabulated(times, tuple(values * scale))


@pytest.mark.parametrize("kappa", KAPPAS)
def test_one_network_serves_every_schedule(kappa):
    score, n = model(kappa).at(), 1024
    last = level(score)
    schedules = {name: schedule_reaching(name, last) for name in ("ve", "vp", "cosine")} | {"drawn": drawn(last)}
    for schedule in schedules.values():
        assert float(schedule.sigma(schedule.t_max)) == pytest.approx(last, rel=1e-6)
    first = generated(score, schedules["ve"], n, grid="karras", steps=30)
    # With steps at the same noise levels the paths are the same. Steps uniform in t are at other levels for each; those
    # of the cosine schedule, whose g diverges at its end, would all lie below the level where the sign is decided.
    elsewhere = dict.fromkeys(schedules, ("uniform", 100)) | {"cosine": ("karras", 60)}
    for name, schedule in schedules.items():
        for (grid, steps), allowed in ((("karras", 30), 0.1), (elsewhere[name], 1.0)):
            found = generated(score, schedule, n, grid=grid, steps=steps)
            off = {key: found.observables[key].value - first.observables[key].value for key in OBSERVABLES}
            off = {key: value / first.observables[key].error / math.sqrt(2) for key, value in off.items()}
            print(f"κ = {kappa}, {name}, {steps} steps, {grid}: {off} σ from VE")
            assert max(map(abs, off.values())) < allowed, (name, grid)


@pytest.mark.parametrize("kappa", KAPPAS)
def test_fields_of_all_schedules_are_the_same_fields(kappa):
    score = model(kappa).at()
    last = level(score)
    schedules = (schedule_reaching(name, last) for name in ("ve", "vp"))
    ve, vp = (generate_fields(score, s, 64, noise=Noise(3), grid="karras") for s in schedules)
    spread = float(ve.std())
    assert float((ve - vp).abs().median()) < 1e-3 * spread
    assert torch.corrcoef(torch.stack([ve.flatten(), vp.flatten()]))[0, 1] > 0.999
