"""The noise that a grid of half as many steps feels on the same Brownian path, for the exponential solvers."""

import math


class CoarseNoise:
    """Noise for ``fine[::2]`` made of the deviates that ``noise`` gives for ``fine``.

    In one dimension and with propagator G, two steps t → m → s add ``√v_1`` and ``√v_2``, the first of which reaches s
    multiplied by ``f(m,s) V(s)/V(m)``; their sum has the variance of one step t → s. ``spread(t, s)²`` is
    ``V(s) Ξ(t,s)/V(t)``.
    """

    def __init__(self, noise, schedule, fine, propagator: float) -> None:
        def law(t):
            return float(schedule.f(t)) ** 2 * propagator + float(schedule.xi(t))

        def spread(t, s):
            return math.sqrt(law(s) * float(schedule.xi(t, s)) / law(t))

        self.noise, self.weights = noise, []
        for t, m, s in zip(fine[:-2:2], fine[1:-1:2], fine[2::2], strict=True):
            reach = float(schedule.f(m, s)) * law(s) / law(m)
            self.weights.append((reach * spread(t, m) / spread(t, s), spread(m, s) / spread(t, s)))

    def normal(self, step, shape, dtype, device):
        first, second = self.weights[step]
        eta = [self.noise.normal(2 * step + i, shape, dtype, device) for i in (0, 1)]
        return first * eta[0] + second * eta[1]
