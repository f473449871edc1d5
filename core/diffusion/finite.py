"""A network whose numbers are not finite is named, before a run takes the blame for it."""

from __future__ import annotations

import math

from core.contracts import Tensor


def require_finite(out: Tensor, x: Tensor, sigma: float) -> Tensor:
    """``out``, which a network gives for ``x`` at the noise level σ̃ = ``sigma``.

    Raises FloatingPointError where that is not finite although x is. Looks on the CPU only: elsewhere it would hold up
    the queue, and the integrator notices some steps later.
    """
    # One pass: a sum is not finite if any of its terms is not. It may also have overflowed.
    if out.device.type != "cpu" or math.isfinite(out.sum().item()):
        return out
    if bool(x.isfinite().all()) and not bool(out.isfinite().all()):
        raise FloatingPointError(
            f"the learned score gives numbers that are not finite at the noise level σ̃ = {sigma:.3g}: its weights are "
            "damaged, or its training has diverged; choose another model, or train it again"
        )
    return out
