"""φ⁴ near its critical point by HMC and by the cluster algorithm: two ensembles, written, measured and compared.

python examples/phi4_ensembles.py [FOLDER]
"""

import sys
import tempfile
from pathlib import Path

from core import EnsembleRequest, Phi4, compare, make_ensemble, measure, open_ensemble

theory = Phi4(16, 0.26, 0.022)  # lattice 16 × 16, κ, λ
folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
found = {}
for sampler, seed in (("hmc", 1), ("cluster", 2)):
    path = folder / f"{sampler}.nc"
    made = make_ensemble(EnsembleRequest(theory, sampler, 20_000, seed=seed), path, force=True)
    print(f"{path}: {made.n_configs} configurations in {made.seconds:.1f} s")
    with open_ensemble(path) as ensemble:
        found[sampler] = measure(theory, ensemble.blocks())

comparison = compare(found["hmc"], found["cluster"])
print(f"\n{'':<18}{'HMC':>22}{'cluster':>22}{'σ':>8}")
for name, (a, b, sigma) in comparison.observables.items():
    print(f"{name:<18}{f'{a.value:.5f} ± {a.error:.5f}':>22}{f'{b.value:.5f} ± {b.error:.5f}':>22}{sigma:>8.1f}")
