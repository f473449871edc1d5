"""The published cumulants of φ⁴ at κ = 0.4, λ = 0.022 on 32 × 32 (arXiv:2309.17082), and what to know about them."""

from __future__ import annotations

import math

from core.statistics.errors import Measured
from core.theories.phi4 import Phi4

TITLE = "Published, HMC"
CUMULANTS = {
    "kappa2": Measured(0.39597, 0.00004),
    "kappa4": Measured(-0.29453, 0.00006),
    "kappa6": Measured(0.90108, 0.00028),
    "kappa8": Measured(-5.8689, 0.0025),
}
"""Of 10⁵ configurations whose fields are mapped to [-1, 1] by their global minimum and maximum."""
CAVEAT = (
    "Published (arXiv:2309.17082): 10⁵ configurations with fields mapped to [−1, 1], so that only ratios such as "
    "κ₄/κ₂² compare. They are not in equilibrium: a hot start and 129 trajectories of unit length leave a domain wall "
    "in some 70 % of the configurations, and give these ratios. In equilibrium they are −1.94623(1), 15.3571(2) and "
    "−257.522(4)."
)


def belongs_to(theory: Phi4) -> bool:
    """Whether the published cumulants are those of this theory."""
    return theory.event == (32, 32) and math.isclose(theory.kappa, 0.4) and math.isclose(theory.lam, 0.022)


def ratios() -> dict[str, Measured]:
    """κ₄/κ₂², κ₆/κ₂³ and κ₈/κ₂⁴ by the names of ``core.statistics.measure``, errors as if all κ were independent."""
    k2, found = CUMULANTS["kappa2"], {}
    for n in (4, 6, 8):
        k = CUMULANTS[f"kappa{n}"]
        ratio = k.value / k2.value ** (n // 2)
        error = abs(ratio) * math.hypot(k.error / k.value, n // 2 * k2.error / k2.value)
        found[f"kappa{n}_ratio"] = Measured(ratio, error)
    return found
