"""Random numbers by address instead of by order.

Every normal or uniform deviate is a pure function of (seed, stream, step, path, component), computed with the
counter-based generator Philox-4x32-10 (Salmon et al., SC'11, doi:10.1145/2063384.2063405) and Box–Muller. So path
i of a run is the same whether it is computed alone, among 10⁶ others, in chunks, on any number of threads, and a
preview with few paths shows the first paths of the full run. CPU (numba) and GPU (torch) turn the same bits into the
same numbers, to rounding.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass, replace
from typing import Any

import numba as nb
import numpy as np
import torch
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

_M0, _M1 = 0xD2511F53, 0xCD9E8D57  # Philox multipliers and Weyl constants
_W0, _W1 = 0x9E3779B9, 0xBB67AE85
_MASK = 0xFFFFFFFF
_SCALE = 2.0**-32
_TWO_PI = 2 * np.pi
_LOG_2 = math.log(2)
_BITS_OF_SQRT_HALF = 0x3FE6A09E667F3BCD


@nb.njit(inline="always")
def philox(c0, c1, c2, c3, k0, k1):  # pragma: no cover (compiled)
    """Four random words from a counter of four words and a key of two, all uint32."""
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


def _reinterpret(source: types.Type, target: types.Type, llvm: ir.Type) -> Any:
    """A compiled function that reads the 64 bits of one type as another."""

    def typing(_context: Any, _value: Any) -> Any:
        return target(source), lambda _context, builder, _signature, arguments: builder.bitcast(arguments[0], llvm)

    return intrinsic(typing)


_to_bits = _reinterpret(types.float64, types.int64, ir.IntType(64))
_from_bits = _reinterpret(types.int64, types.float64, ir.DoubleType())

# Logarithm, sine and cosine are written out, without branches or calls, so that the loop over counters compiles to
# vector instructions: ten times faster than the library's. Polynomials of fdlibm (Sun Microsystems 1993; __ieee754_log,
# __kernel_sin, __kernel_cos), relative error below 1e-15.


@nb.njit(inline="always")
def box_muller_radius(word):  # pragma: no cover (compiled)
    """√(-2 log u), u = (word + ½)/2³²."""
    bits = _to_bits((word + 0.5) * _SCALE)
    k = (bits - _BITS_OF_SQRT_HALF) >> 52
    m = _from_bits(bits - (k << 52))  # u = 2^k m, √½ <= m < √2
    s = (m - 1.0) / (m + 1.0)
    z = s * s
    p = 1.818357216161805012e-01 + z * (1.531383769920937332e-01 + z * 1.479819860511658591e-01)
    p = 3.999999999940941908e-01 + z * (2.857142874366239149e-01 + z * (2.222219843214978396e-01 + z * p))
    return np.sqrt(-2.0 * (k * _LOG_2 + s * (2.0 + z * (6.666666666666735130e-01 + z * p))))


@nb.njit(inline="always")
def _circle(word):  # pragma: no cover (compiled)
    """cos θ and sin θ, θ = 2π (word + ½)/2³²."""
    quarters = (word + 0.5) * (4 * _SCALE)
    q = np.int64(quarters + 0.5)
    x = (quarters - q) * (np.pi / 2)  # θ = q π/2 + x, |x| <= π/4
    z = x * x
    p = 2.75573137070700676789e-06 + z * (-2.50507602534068634195e-08 + z * 1.58969099521155010221e-10)
    p = 8.33333333332248946124e-03 + z * (-1.98412698298579493134e-04 + z * p)
    s = x + x * z * (-1.66666666666666324348e-01 + z * p)
    p = -2.75573143513906633035e-07 + z * (2.08757232129817482790e-09 + z * -1.13596475577881948265e-11)
    p = -1.38888888888741095749e-03 + z * (2.48015872894767294178e-05 + z * p)
    c = 1.0 - 0.5 * z + z * z * (4.16666666666666019037e-02 + z * p)
    odd = (q & 1) != 0
    cos, sin = (s, c) if odd else (c, s)
    return (-cos if ((q + 1) & 2) != 0 else cos), (-sin if (q & 2) != 0 else sin)


@nb.njit(inline="always")
def _four_normals(counter, step, k0, k1):  # pragma: no cover (compiled)
    low, high = np.uint32(counter), np.uint32(counter >> 32)
    a, b, c, d = philox(low, high, np.uint32(step), np.uint32(0), np.uint32(k0), np.uint32(k1))
    r0, r1 = box_muller_radius(a), box_muller_radius(c)
    (c0, s0), (c1, s1) = _circle(b), _circle(d)
    return r0 * c0, r0 * s0, r1 * c1, r1 * s1


@nb.njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
def fill_normal(out, start, step, k0, k1):  # pragma: no cover (compiled)
    """``out`` takes the N(0, 1) deviates from number ``start`` on; step and key words as `Noise.address` gives them."""
    # Deviate number j sits in word j % 4 of counter j // 4. Whole counters go in one plain loop, then the counters cut
    # by either end.
    end = start + out.size
    first, last = (start + 3) // 4, end // 4
    whole = out[4 * first - start :]
    for i in range(last - first):
        z0, z1, z2, z3 = _four_normals(first + i, step, k0, k1)
        whole[4 * i], whole[4 * i + 1], whole[4 * i + 2], whole[4 * i + 3] = z0, z1, z2, z3
    for j in range(start, min(4 * first, end)):
        out[j - start] = _four_normals(first - 1, step, k0, k1)[j % 4]
    for j in range(max(4 * last, start), end):
        out[j - start] = _four_normals(last, step, k0, k1)[j % 4]


@nb.njit(nogil=True, cache=True)
def fill_uniform(out, start, step, k0, k1):  # pragma: no cover (compiled)
    """The same for deviates uniform in the open (0, 1)."""
    # Two words make one 52-bit number; the fourth counter word keeps these apart from the normals.
    end = start + out.size
    for counter in range(start // 2, (end + 1) // 2):
        low, high = np.uint32(counter), np.uint32(counter >> 32)
        a, b, c, d = philox(low, high, np.uint32(step), np.uint32(1), np.uint32(k0), np.uint32(k1))
        u = (
            ((a >> np.uint32(6)) * 2.0**26 + (b >> np.uint32(6)) + 0.5) * 2.0**-52,
            ((c >> np.uint32(6)) * 2.0**26 + (d >> np.uint32(6)) + 0.5) * 2.0**-52,
        )
        for word in range(2):
            j = 2 * counter + word
            if start <= j < end:
                out[j - start] = u[word]


def philox_torch(counter: torch.Tensor, step: int, k0: int, k1: int) -> tuple[torch.Tensor, ...]:
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
    words = philox_torch(torch.arange(low, high, dtype=torch.int64, device=device), step, k0, k1)
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

    def address(self, step: int) -> tuple[int, int, int, int]:
        """What a compiled kernel needs to draw the deviates of a step itself: first path, step and two key words.

        Raises ValueError for a step out of range.
        """
        self._range(step, (0,))
        return self.first, step, *self._key

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
        start, count = self._range(step, shape)
        device = torch.device(device)
        if device.type != "cpu":
            return _normal_torch(start, count, step, *self._key, device).to(dtype).reshape(shape)
        out = np.empty(count, dtype=np.float32 if dtype == torch.float32 else np.float64)
        fill_normal(out, start, step, *self._key)
        return torch.from_numpy(out).to(dtype).reshape(shape)

    def uniform(
        self, step: int, shape: tuple[int, ...], dtype: torch.dtype = torch.float64, device: torch.device | str = "cpu"
    ) -> torch.Tensor:
        """Deviates uniform in the open (0, 1), of 52 bits, for one step; ``shape[0]`` runs over paths."""
        start, count = self._range(step, shape)
        out = np.empty(count)
        fill_uniform(out, start, step, *self._key)
        below_one = 1 - torch.finfo(dtype).eps / 2  # rounding to float32 could give 1
        return torch.from_numpy(out).to(device=device, dtype=dtype).clamp_(max=below_one).reshape(shape)

    def _range(self, step: int, shape: tuple[int, ...]) -> tuple[int, int]:
        if not 0 <= step < 2**32:
            raise ValueError(f"step must be an integer from 0 to 2^32 - 1, got {step!r}")
        components = math.prod(shape[1:])
        return self.first * components, shape[0] * components
