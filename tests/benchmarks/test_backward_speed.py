"""Paths × steps per second of the backward process in one dimension, exact and learned score.

The baseline is the loop one would write by hand: NumPy, Euler, all paths at once, deviates from NumPy's generator.
Figures are in ``extra_info["path-steps per second"]``; see them with ``--benchmark-json`` or in the printed names.
"""

import numpy as np
import pytest

from core.diffusion.record import Record
from core.diffusion.run import run_backward
from core.schedule import VE
from core.theories.mixture import two_peaks

pytestmark = pytest.mark.benchmark
PATHS, STEPS = 200_000, 100


def numpy_euler(paths: int, steps: int) -> np.ndarray:
    """Two peaks, VE with σ = 10: x += g² s dt + g √dt η."""
    generator = np.random.default_rng(0)
    sigma, times = 10.0, np.linspace(1.0, 1e-3, steps + 1)
    xi = (sigma ** (2 * times) - 1) / (2 * np.log(sigma))
    x = np.sqrt(xi[0] + 1.0625) * generator.standard_normal(paths)
    for i in range(steps):
        dt, g2, v = times[i] - times[i + 1], sigma ** (2 * times[i]), 0.0625 + xi[i]
        x = x + g2 * dt * (np.tanh(x / v) - x) / v
        if i + 1 < steps:
            x = x + np.sqrt(g2 * dt) * generator.standard_normal(paths)
    return x


def report(benchmark, capsys, name: str) -> None:
    rate = PATHS * STEPS / benchmark.stats.stats.median
    benchmark.extra_info["path-steps per second"] = rate
    with capsys.disabled():
        print(f"\n{name}: {rate / 1e6:.1f} million paths × steps per second")


def test_numpy_baseline(benchmark, capsys):
    x = benchmark.pedantic(numpy_euler, (PATHS, STEPS), rounds=3, warmup_rounds=1)
    assert abs(x.var() - 1.06) < 0.03
    report(benchmark, capsys, "NumPy loop over all paths, exact score, euler")


@pytest.mark.parametrize("solver", ["euler", "heun", "flow", "ancestral", "pc", "multistep"])
def test_exact_score(benchmark, capsys, solver):
    def work():
        return run_backward(two_peaks(), VE(10.0), steps=STEPS, paths=PATHS, solver=solver)

    run = benchmark.pedantic(work, rounds=3, warmup_rounds=1)
    assert abs(float(run.samples.var()) - 1.06) < 0.05
    report(benchmark, capsys, f"exact score, {solver}")


def test_learned_score(benchmark, capsys):
    from core.diffusion.training import Trainer, TrainingConfig

    trainer = Trainer(two_peaks(), TrainingConfig(steps=20, samples=2000))  # speed does not depend on the weights
    trainer.run()
    model = trainer.score()

    def work():
        return run_backward(two_peaks(), VE(10.0), model, steps=STEPS, paths=PATHS)

    benchmark.pedantic(work, rounds=3, warmup_rounds=1)
    report(benchmark, capsys, "learned score, euler")


def test_preview_with_recording(benchmark):
    """What a moving slider waits for: 2000 paths, 100 steps, 100 frames."""
    benchmark(run_backward, two_peaks(), VE(10.0), steps=100, paths=2000, record=Record(frames=100))
