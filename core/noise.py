"""Random numbers by address instead of by order.

Every normal or uniform deviate is a pure function of (seed, stream, step, path, component), computed with the
counter-based generator Philox-4x32-10 (Salmon et al., SC'11, doi:10.1145/2063384.2063405) and Box–Muller. So path
i of a run is the same whether it is computed alone, among 10⁶ others, in chunks, on any number of threads, and a
preview with few paths shows the first paths of the full run. CPU (numba) and GPU (torch) draw the same bits.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass, replace

import numba as nb
import numpy as np
import torch

_M0, _M1 = 0xD2511F53, 0xCD9E8D57  # Philox multipliers and Weyl constants
_W0, _W1 = 0x9E3779B9, 0xBB67AE85
_MASK = 0xFFFFFFFF
_SCALE = 2.0**-32
_TWO_PI = 2 * np.pi


@nb.njit(inline="always")
def _philox(c0, c1, c2, c3, k0, k1):  # pragma: no cover (compiled)
    for _ in range(10):
        p0 = np.uint64(_M0) * np.uint64(c0)
        p1 = np.uint64(_M1) * np.uint64(c2)
        c0, c1, c2, c3 = (
            np.uint32(p1 >> np.uint64(32)) ^ c1 ^ k0,
            np.uint32(p1),
            np.uint32(p0 >> np.uint64(32)) ^ c3 ^ k1,
            np.uint32(p0),
        )
        k0 = np.uint32(k0 + np.uint32(_W0))
        k1 = np.uint32(k1 + np.uint32(_W1))
    return c0, c1, c2, c3


@nb.njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
def _fill_normal(out, start, step, k0, k1):  # pragma: no cover (compiled)
    # Deviate number j sits in word j % 4 of counter j // 4; `out` takes the numbers from `start` on.
    end = start + out.size
    for counter in range(start // 4, (end + 3) // 4):
        low, high = np.uint32(counter), np.uint32(counter >> 32)
        a, b, c, d = _philox(low, high, np.uint32(step), np.uint32(0), np.uint32(k0), np.uint32(k1))
        r0, t0 = np.sqrt(-2.0 * np.log((a + 0.5) * _SCALE)), _TWO_PI * _SCALE * (b + 0.5)
        r1, t1 = np.sqrt(-2.0 * np.log((c + 0.5) * _SCALE)), _TWO_PI * _SCALE * (d + 0.5)
        z = (r0 * np.cos(t0), r0 * np.sin(t0), r1 * np.cos(t1), r1 * np.sin(t1))
        for word in range(4):
            j = 4 * counter + word
            if start <= j < end:
                out[j - start] = z[word]


@nb.njit(nogil=True, cache=True)
def _fill_uniform(out, start, step, k0, k1):  # pragma: no cover (compiled)
    # Two words make one 53-bit number; the fourth counter word keeps these apart from the normals.
    end = start + out.size
    for counter in range(start // 2, (end + 1) // 2):
        low, high = np.uint32(counter), np.uint32(counter >> 32)
        a, b, c, d = _philox(low, high, np.uint32(step), np.uint32(1), np.uint32(k0), np.uint32(k1))
        u = (
            ((a >> np.uint32(5)) * 67108864.0 + (b >> np.uint32(6)) + 0.5) / 9007199254740992.0,
            ((c >> np.uint32(5)) * 67108864.0 + (d >> np.uint32(6)) + 0.5) / 9007199254740992.0,
        )
        for word in range(2):
            j = 2 * counter + word
            if start <= j < end:
                out[j - start] = u[word]


def _philox_torch(counter: torch.Tensor, step: int, k0: int, k1: int) -> tuple[torch.Tensor, ...]:
    """The same ten rounds on int64 tensors holding uint32 values (products wrap, which keeps their bits)."""
    c0, c1 = counter & _MASK, counter >> 32
    c2, c3 = torch.full_like(c0, step), torch.zeros_like(c0)
    for _ in range(10):
        p0, p1 = c0 * _M0, c2 * _M1
        c0, c1, c2, c3 = ((p1 >> 32) & _MASK) ^ c1 ^ k0, p1 & _MASK, ((p0 >> 32) & _MASK) ^ c3 ^ k1, p0 & _MASK
        k0, k1 = (k0 + _W0) & _MASK, (k1 + _W1) & _MASK
    return c0, c1, c2, c3


def _normal_torch(start: int, count: int, step: int, k0: int, k1: int, device: torch.device) -> torch.Tensor:
    low, high = start // 4, (start + count + 3) // 4
    words = _philox_torch(torch.arange(low, high, dtype=torch.int64, device=device), step, k0, k1)
    real = torch.float32 if device.type == "mps" else torch.float64
    u = [(w.to(real) + 0.5) * _SCALE for w in words]
    r0, r1 = torch.sqrt(-2 * torch.log(u[0])), torch.sqrt(-2 * torch.log(u[2]))
    t0, t1 = _TWO_PI * u[1], _TWO_PI * u[3]
    z = torch.stack([r0 * torch.cos(t0), r0 * torch.sin(t0), r1 * torch.cos(t1), r1 * torch.sin(t1)], dim=-1)
    return z.reshape(-1)[start - 4 * low : start - 4 * low + count]


@dataclass(frozen=True)
class Noise:
    """A source of deviates: ``seed`` and ``stream`` name it, ``first`` is the index of its path 0.

    Streams with different names are independent. Steps run from 0 to 2³²-1; numbers are laid out path after path,
    so a path's deviates depend on how many components a path has, not on how many paths there are. Normal deviates
    carry 32 bits and reach ±6.6.
    """

    seed: int
    stream: str = "noise"
    first: int = 0

    def __post_init__(self) -> None:
        if not (isinstance(self.seed, int | np.integer) and 0 <= self.seed < 2**63):
            raise ValueError(f"seed must be an integer from 0 to 2^63 - 1, got {self.seed!r}")

    def of(self, stream: str) -> Noise:
        """An independent source for another purpose, from the same seed."""
        return replace(self, stream=f"{self.stream}/{stream}")

    def starting_at(self, path: int) -> Noise:
        """The same source seen from path number ``path`` on."""
        return replace(self, first=self.first + path)

    @property
    def _key(self) -> tuple[int, int]:
        # splitmix64 of the seed, with the stream's name folded in
        z = (int(self.seed) + 0x9E3779B97F4A7C15 * (1 + zlib.crc32(self.stream.encode()))) & (2**64 - 1)
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & (2**64 - 1)
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & (2**64 - 1)
        z ^= z >> 31
        return z & _MASK, z >> 32

    def normal(
        self, step: int, shape: tuple[int, ...], dtype: torch.dtype = torch.float64, device: torch.device | str = "cpu"
    ) -> torch.Tensor:
        """N(0, 1) deviates of the given shape for one step; ``shape[0]`` runs over paths."""
        start, count = self._range(shape)
        device = torch.device(device)
        if device.type != "cpu":
            return _normal_torch(start, count, step, *self._key, device).to(dtype).reshape(shape)
        out = np.empty(count, dtype=np.float32 if dtype == torch.float32 else np.float64)
        _fill_normal(out, start, step, *self._key)
        return torch.from_numpy(out).to(dtype).reshape(shape)

    def uniform(
        self, step: int, shape: tuple[int, ...], dtype: torch.dtype = torch.float64, device: torch.device | str = "cpu"
    ) -> torch.Tensor:
        """Deviates uniform in (0, 1) with 53 bits, of the given shape for one step; ``shape[0]`` runs over paths."""
        start, count = self._range(shape)
        out = np.empty(count)
        _fill_uniform(out, start, step, *self._key)
        return torch.from_numpy(out).to(device=device, dtype=dtype).reshape(shape)

    def _range(self, shape: tuple[int, ...]) -> tuple[int, int]:
        components = math.prod(shape[1:])
        return self.first * components, shape[0] * components
