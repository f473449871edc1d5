"""The forward process on a lattice ensemble, predicted from its start and measured at chosen times, side by side.

Predicted at time t from the ensemble at t = 0 alone, and measured on fields that the exact transition made noisy
(``core.diffusion.field_prediction`` states the formulas of arXiv:2410.21212, section 3):

    κ_n(t) = fⁿ κ_n + Ξ δ_{n2}     G(r; t) = f² G(r) + Ξ δ_{r0}     ⟨|φ_p|²⟩/V = f² G_p + Ξ
    G_c^(4)(x_1 … x_4; t) = f⁴ G_c^(4)(x_1 … x_4)                  W[J; t] = ½ J² Ξ + W[f J; 0]

for sources of unit norm: J at one site, ``O = φ_x``, and J/√V at every site, the zero mode, ``O = V^{-1/2} Σ φ``.
All is symmetrised by φ → -φ, so ``W[J] = log ⟨cosh(J O)⟩``. Errors come from blocks of consecutive configurations.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from core.contracts import Tensor
from core.diffusion import field_prediction as law
from core.diffusion.forward import transition
from core.jobs import Token, map_chunks, one_thread
from core.noise import Noise
from core.schedule import Schedule
from core.statistics.field_frames import Edges, FrameStatistics, FrameSums, block_run, frame_statistics
from core.statistics.jackknife import Estimate, jackknife
from core.statistics.n_point import ConnectedFunction, Point, product_series

STRENGTHS = (0.5, 1.0, 1.5, 2.0, 3.0)
"""Sources J, in units of the inverse standard deviation of O at t = 0."""
CARRIED = 100.0
"""Configurations that must carry an average of exponentials for it to be trusted."""
_CHUNK = 2**17  # sites that one work item carries


class Functional(NamedTuple):
    """W[J] for one source at F times.

    ``J`` (N,), ``W`` (F, N). ``effective`` (F, N) is the number (Σ w)²/Σ w² of configurations that carry the average
    of w = cosh(J O): where it is small the tail dominates, W follows the largest |O| there happens to be, and its error
    cannot be trusted.
    """

    J: np.ndarray
    W: Estimate
    effective: np.ndarray

    @property
    def trusted(self) -> np.ndarray:
        """Where the tail does not dominate, (F, N)."""
        return self.effective >= CARRIED


@dataclass(frozen=True, eq=False)
class ForwardFunctions:
    """Functions of the forward process at F ``times``, predicted or measured.

    ``cumulants`` (F, 9), ``correlator`` (F, K) at r = 0 … L/2 and ``structure`` (F, K) at p = 2πk/L as of
    ``core.statistics.field_frames``; ``four_point`` (F, Q) of the Q sets of ``points``; ``site`` and ``zero_mode`` are
    the two sources.
    """

    times: np.ndarray
    cumulants: Estimate
    correlator: Estimate
    structure: Estimate
    points: tuple[tuple[Point, ...], ...]
    four_point: Estimate
    site: Functional
    zero_mode: Functional


def separations(event: tuple[int, ...]) -> tuple[tuple[Point, ...], ...]:
    """Sets of four points for ⟨φ_0 φ_0 φ_r φ_r⟩_c, r = 0, 1, 2 and a quarter of the extent along the first axis."""
    origin = (0,) * len(event)
    distances = sorted({0, 1, 2 % event[0], event[0] // 4})
    return tuple((origin, origin, (r, *origin[1:]), (r, *origin[1:])) for r in distances)


def predicted_functions(
    fields: Tensor,
    schedule: Schedule,
    times: Sequence[float] | np.ndarray,
    *,
    points: Sequence[Sequence[Point]] | None = None,
    strengths: Sequence[float] = STRENGTHS,
    token: Token | None = None,
) -> ForwardFunctions:
    """What the ensemble ``fields`` (n, *event) at t = 0 says of all ``times``, with the ensemble's errors.

    ``points`` are sets of four points, by default ``separations``; ``strengths`` the sources J in units of the inverse
    standard deviation of O at t = 0. Raises ValueError for fewer than two configurations, points that are not four or
    not of the lattice's dimension, and times outside the process; Cancelled once ``token`` is.
    """
    times = _checked(fields, schedule, times)
    if points is not None and any(len(chosen) != 4 for chosen in points):
        raise ValueError(f"points must be sets of four, got {points}")
    sets = tuple(tuple(chosen) for chosen in (separations(tuple(fields.shape[1:])) if points is None else points))
    f, xi = np.asarray(schedule.f(times), dtype=float), np.asarray(schedule.xi(times), dtype=float)
    sources = [np.asarray(strengths, dtype=float) / spread for spread in _spreads(fields)]
    damped, where = np.unique(f, return_inverse=True)  # one f only where nothing is damped
    start = _measure(fields, lambda x, first, frame: x, 1, sets, [np.outer(damped, J).ravel() for J in sources], token)

    def functional(J: np.ndarray, rows: np.ndarray) -> Functional:
        found = _functional(J, rows.reshape(len(fields), len(damped), len(J)).swapaxes(0, 1)[where])
        return found._replace(W=Estimate(found.W.value + J**2 * xi[:, None] / 2, found.W.error))

    frames = start.frames
    cumulants, correlator, structure, four_point = (
        Estimate(e.value[0], e.error[0])
        for e in (frames.cumulants, frames.correlator, frames.structure, start.four_point)
    )
    site, zero_mode = (functional(J, rows[0]) for J, rows in zip(sources, start.log_weights, strict=True))
    return ForwardFunctions(
        times,
        law.predict_cumulants(cumulants, schedule, times),
        law.predict_correlator(correlator, schedule, times),
        law.predict_structure(structure, schedule, times),
        sets,
        law.predict_four_point(four_point, schedule, times),
        site,
        zero_mode,
    )


def measured_functions(
    prediction: ForwardFunctions, fields: Tensor, schedule: Schedule, noise: Noise, token: Token | None = None
) -> ForwardFunctions:
    """The same functions at the same times, points and sources, of ``fields`` (n, *event) dissolved by ``noise``.

    Every time has noise of its own, so that times are independent given the ensemble. With other fields than those of
    the prediction the two have independent errors. Raises ValueError and Cancelled as ``predicted_functions``.
    """
    times = _checked(fields, schedule, prediction.times)

    def dissolved(x: Tensor, first: int, frame: int) -> Tensor:
        return transition(x, schedule, float(times[frame]), noise.starting_at(first), frame)

    sources = [prediction.site.J, prediction.zero_mode.J]
    found = _measure(fields, dissolved, len(times), prediction.points, sources, token)
    frames = found.frames
    site, zero_mode = (_functional(J, rows) for J, rows in zip(sources, found.log_weights, strict=True))
    return ForwardFunctions(
        times,
        frames.cumulants,
        frames.correlator,
        frames.structure,
        prediction.points,
        found.four_point,
        site,
        zero_mode,
    )


class _Measured(NamedTuple):
    """``log_weights`` of the site and of the zero mode, log cosh(J O), each (F, n, N)."""

    frames: FrameStatistics
    four_point: Estimate
    log_weights: tuple[np.ndarray, np.ndarray]


def _measure(
    fields: Tensor,
    at: Callable[[Tensor, int, int], Tensor],
    frames: int,
    sets: Sequence[Sequence[Point]],
    sources: Sequence[np.ndarray],
    token: Token | None,
) -> _Measured:
    """Everything at ``frames`` times, where ``at(x, first, frame)`` makes of the data x what it is at that time."""
    event, n = tuple(fields.shape[1:]), len(fields)
    connected = [ConnectedFunction(points) for points in sets]
    nowhere = np.tile([-1.0, 1.0], (frames, 1))  # histograms are not wanted
    edges, run = Edges(nowhere, nowhere), block_run(n)

    def work(first: int, count: int) -> tuple[FrameSums, list[np.ndarray], np.ndarray, np.ndarray]:
        sums = FrameSums(edges, event, run, first, count)
        products = [np.empty((frames, count, len(function.groups))) for function in connected]
        site, zero_mode = (np.empty((frames, count, len(J))) for J in sources)
        data = fields[first : first + count].float()
        for frame in range(frames):
            if token is not None:
                token.check()
            x = at(data, first, frame)
            sums.add(frame, x)
            for function, rows in zip(connected, products, strict=True):
                rows[frame] = np.stack([product_series(x, group) for group in function.groups], axis=1)
            site[frame] = _mean_log_cosh(x.flatten(1).numpy(), sources[0])
            total = x.double().flatten(1).sum(1, keepdim=True).numpy() / math.sqrt(x[0].numel())
            zero_mode[frame] = _mean_log_cosh(total, sources[1])
        return sums, products, site, zero_mode

    with one_thread():
        parts = map_chunks(work, n, max(1, _CHUNK // math.prod(event)), token)
    sums, products, site, zero_mode = zip(*parts, strict=True)
    four_point = [
        _jackknifed(lambda mean, of=function.value: of(mean)[..., None], np.concatenate(rows, axis=1))
        for function, rows in zip(connected, zip(*products, strict=True), strict=True)
    ]
    return _Measured(
        frame_statistics(sums),
        Estimate(*(np.concatenate(column, axis=-1) for column in zip(*four_point, strict=True))),
        (np.concatenate(site, axis=1), np.concatenate(zero_mode, axis=1)),
    )


def _mean_log_cosh(values: np.ndarray, J: np.ndarray) -> np.ndarray:
    """log of the mean of cosh(J O) over the values O (n, any) of each configuration, (n, N)."""
    size = np.abs(values)
    result = np.empty((len(values), len(J)))
    for i, strength in enumerate(J):
        exponent = strength * size
        top = exponent.max(axis=1, keepdims=True)
        mean = (np.exp(exponent - top) + np.exp(-exponent - top)).mean(axis=1, dtype=float) / 2
        result[:, i] = top[:, 0] + np.log(mean)
    return result


def _functional(J: np.ndarray, log_weights: np.ndarray) -> Functional:
    """W[J] from log cosh(J O) of each configuration, (F, n, N)."""
    top = log_weights.max(axis=1)
    weights = np.exp(log_weights - top[:, None])
    W = _jackknifed(lambda mean: np.log(mean) + top, weights)
    return Functional(J, W, weights.sum(axis=1) ** 2 / (weights**2).sum(axis=1))


def _jackknifed(function: Callable[[np.ndarray], np.ndarray], rows: np.ndarray) -> Estimate:
    """``function`` of the means (…, F, Q) of ``rows`` (F, n, Q), with errors from blocks of configurations."""
    n = rows.shape[1]
    starts = np.arange(0, n, block_run(n))
    sums = np.moveaxis(np.add.reduceat(rows, starts, axis=1), 1, 0)
    number = np.broadcast_to(np.diff(starts, append=n)[:, None, None].astype(float), (*sums.shape[:2], 1))
    return jackknife(
        lambda s: function(s[..., :-1] / s[..., -1:]), np.concatenate([sums, number], axis=-1), number
    ).estimate


def _spreads(fields: Tensor) -> tuple[float, float]:
    """Standard deviation of φ_x and of V^{-1/2} Σ φ, odd moments being 0."""
    phi2 = fields.double().square().mean().item()
    zero = fields.double().flatten(1).sum(1).square().mean().item() / fields[0].numel()
    return math.sqrt(phi2), math.sqrt(zero)


def _checked(fields: Tensor, schedule: Schedule, times: Sequence[float] | np.ndarray) -> np.ndarray:
    times = np.asarray(times, dtype=float)
    if len(fields) < 2:
        raise ValueError(f"an ensemble needs at least two configurations, got {len(fields)}")
    if times.ndim != 1 or len(times) == 0 or times.min() < 0 or times.max() > schedule.t_max:
        raise ValueError(f"times must lie between 0 and {schedule.t_max:g}, got {times}")
    return times
