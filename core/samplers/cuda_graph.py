"""Molecular dynamics on a CUDA device without the cost of launching each operation.

One kick and the drift after it are recorded as a CUDA graph, whose lengths are numbers on the device; a trajectory
replays it. Each thread keeps a graph of its own, because a graph works on memory of its own.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

import torch

from core.samplers.integrators import Mover, Moves, move, one_by_one, pairs

if TYPE_CHECKING:
    from core.samplers.fourier import FourierKernel

Tensor = torch.Tensor
log = logging.getLogger(__name__)
_kept = threading.local()


def replay(
    theory: Any, x: Tensor, p: Tensor, moves: Moves, kernel: FourierKernel | None = None
) -> tuple[Tensor, Tensor]:
    """The end point of the moves from (x, p), fields on a CUDA device (see ``integrators.integrate``).

    Where no graph can be recorded the operations run one by one.
    """
    what = (theory, kernel, x.shape, x.dtype, x.device)
    if getattr(_kept, "what", None) != what:
        _kept.what, _kept.mover = what, _recorded(theory, x, p, kernel)
    return _kept.mover(theory, x, p, moves, kernel)


def _recorded(theory: Any, x: Tensor, p: Tensor, kernel: FourierKernel | None) -> Mover:
    """A mover for this theory, kernel, and shape of the fields."""
    field, momentum = x.clone(), p.clone()
    lengths = torch.zeros(2, dtype=x.dtype, device=x.device)

    def step() -> None:
        new, changed = move(theory, field, momentum, lengths[0], lengths[1], kernel)
        field.copy_(new)
        momentum.copy_(changed)

    try:
        aside = torch.cuda.Stream(x.device)
        aside.wait_stream(torch.cuda.current_stream(x.device))
        with torch.cuda.stream(aside):
            step()  # libraries make their plans outside of the recording
        torch.cuda.current_stream(x.device).wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            step()
    except RuntimeError as error:
        log.warning("no CUDA graph (%s): operations run one by one", error)
        return one_by_one

    def replayed(_theory: Any, x: Tensor, p: Tensor, moves: Moves, _kernel: Any) -> tuple[Tensor, Tensor]:
        field.copy_(x)
        momentum.copy_(p)
        for row in torch.tensor(pairs(moves), dtype=x.dtype).to(x.device):
            lengths.copy_(row)
            graph.replay()
        return field.clone(), momentum.clone()

    return replayed
