"""What ``stoqlab bench hmc`` measures: site updates a second of HMC, and of two leapfrogs to compare it with.

A site update is one step of the integrator at one site. The engine's figure is that of whole trajectories: momenta
drawn, energies, decisions and sign flips included, on all cores. The NumPy leapfrog is the one of published notebooks,
``numpy.roll``, one chain at a time in one thread; the C kernel does the leapfrog alone, on all cores. All three are
measured in turn, several times, and the best of each counts, so that load from elsewhere hits them alike.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from core.devices import cores
from core.noise import Noise
from core.samplers import driver, hmc
from core.samplers.starts import mixed_start
from core.theories.phi4 import Phi4

SOURCE = Path(__file__).with_name("leapfrog.c")
COMPILED = ("-c", "-O3", "-march=native", "-fopenmp", "-ffast-math", "-fPIC")
LINKED = ("-shared", "-fopenmp")
"""Without -ffast-math: a library linked with it turns subnormal numbers to zero in the whole process that loads it."""
KAPPA, LAM, STEP_SIZE = 0.27, 0.022, 0.02
NUMPY_UPDATES = 2**20
"""Site updates of one measurement of the NumPy leapfrog: it is slow, and always goes at the same pace."""
UPDATES_PER_SITE = 500
"""Of one measurement of the others, at most: long enough that starting and joining threads does not count."""

Leapfrog = Callable[[np.ndarray, np.ndarray, int], None]


@dataclass(frozen=True)
class Row:
    """Site updates a second at ``n_steps`` steps per trajectory; ``c`` is None where there is no compiler."""

    n_steps: int
    stoqlab: float
    numpy: float
    c: float | None

    @property
    def numpy_ratio(self) -> float:
        """How many times faster than the NumPy leapfrog."""
        return self.stoqlab / self.numpy

    @property
    def c_ratio(self) -> float | None:
        """The rate as a fraction of the C kernel's."""
        return None if self.c is None else self.stoqlab / self.c


def measure(extent: int, chains: int, n_steps: tuple[int, ...], rounds: int = 5) -> list[Row]:
    """One row for each number of steps: ``chains`` float32 chains on extent², the best of ``rounds``."""
    theory = Phi4(extent, KAPPA, LAM)
    torch.set_num_threads(1)  # the pool's threads are the parallelism
    x = mixed_start(theory, chains, Noise(1))
    compiled = compiled_leapfrog()
    rows = []
    for steps in n_steps:
        repeats, few = max(1, UPDATES_PER_SITE // steps), x[: max(1, NUMPY_UPDATES // (theory.volume * steps))]
        ours, by_hand, in_c = [], [], []
        _hmc_rate(theory, x, steps, 1)  # compiles, or reads the compiled kernel
        for _ in range(rounds):
            ours.append(_hmc_rate(theory, x, steps, repeats))
            by_hand.append(_leapfrog_rate(numpy_leapfrog, few, steps, 1))
            if compiled is not None:
                in_c.append(_leapfrog_rate(compiled, x, steps, repeats))
        rows.append(Row(steps, max(ours), max(by_hand), max(in_c, default=None)))
    return rows


def numpy_leapfrog(phi: np.ndarray, p: np.ndarray, steps: int) -> None:
    """The leapfrog as one writes it by hand, chain after chain of (chains, L, L), in place."""
    for chain in range(len(phi)):
        x, q = phi[chain], p[chain]
        q = q + np.float32(STEP_SIZE / 2) * _numpy_force(x)
        for i in range(steps):
            x = x + np.float32(STEP_SIZE) * q
            q = q + np.float32(STEP_SIZE if i < steps - 1 else STEP_SIZE / 2) * _numpy_force(x)
        phi[chain], p[chain] = x, q


def _numpy_force(x: np.ndarray) -> np.ndarray:
    neighbours = np.roll(x, 1, 0) + np.roll(x, -1, 0) + np.roll(x, 1, 1) + np.roll(x, -1, 1)
    return 2 * KAPPA * neighbours - 2 * (1 - 2 * LAM) * x - 4 * LAM * x**3


def compiled_leapfrog() -> Leapfrog | None:
    """The C kernel on all cores, or None where there is no compiler or it does not compile."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        compiled, library = Path(folder) / "leapfrog.o", Path(folder) / "leapfrog.so"
        for command in ((*COMPILED, str(SOURCE), "-o", str(compiled)), (*LINKED, str(compiled), "-o", str(library))):
            if subprocess.run([compiler, *command], capture_output=True, check=False).returncode:
                return None
        kernel = ctypes.CDLL(str(library)).leapfrog  # stays loaded when the file is gone
    kernel.restype = None
    pointer, number = np.ctypeslib.ndpointer(np.float32, 3, flags="C_CONTIGUOUS"), ctypes.c_float
    whole = ctypes.c_int
    kernel.argtypes = [pointer, pointer, whole, whole, whole, number, number, number, whole, whole]

    def leapfrog(phi: np.ndarray, p: np.ndarray, steps: int) -> None:
        kernel(phi, p, *phi.shape, KAPPA, LAM, STEP_SIZE, steps, cores())

    return leapfrog


def _leapfrog_rate(leapfrog: Leapfrog, x: torch.Tensor, steps: int, repeats: int) -> float:
    phi, p = x.clone().numpy(), Noise(2).normal(0, tuple(x.shape), x.dtype).numpy()
    start = time.perf_counter()
    for _ in range(repeats):
        leapfrog(phi, p, steps)
    return phi.size * steps * repeats / (time.perf_counter() - start)


def _hmc_rate(theory: Phi4, x: torch.Tensor, steps: int, trajectories: int) -> float:
    state = hmc.init(theory, x, STEP_SIZE, STEP_SIZE * steps, flip=True)
    start = time.perf_counter()
    *_, frame = driver.frames(state, hmc.step, Noise(3), trajectories)
    seconds = time.perf_counter() - start
    return x.numel() * frame.state.clock / STEP_SIZE / seconds
