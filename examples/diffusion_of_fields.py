"""Fields of φ⁴ out of noise by a shipped network: as it makes them, and with path weights that make them exact.

python examples/diffusion_of_fields.py
"""

import tempfile
from pathlib import Path

from core import (
    EnsembleRequest,
    FieldModel,
    SampleRequest,
    bind,
    compare,
    make_ensemble,
    measure,
    open_ensemble,
    sample,
    shipped,
)  # fmt: skip

model = FieldModel.load(shipped()["phi4_L32_k0.21"])
bound = bind(model)  # to the lattice and the couplings of its training
theory = bound.theory
assert theory is not None  # it was trained with the action known
print(f"{model.name}: φ⁴ on {theory.event}, κ = {theory.kappa}, λ = {theory.lam}")

with tempfile.TemporaryDirectory() as folder:
    made = make_ensemble(EnsembleRequest(theory, "cluster", 10_240, seed=7), Path(folder) / "cluster.nc")
    with open_ensemble(made.path) as ensemble:
        exact = measure(theory, ensemble.blocks())

print(f"\n{'':<10}{'cluster':>24}", end="")
columns = {}
for name, request in (
    ("as generated", SampleRequest(1024, steps=30, seed=1)),
    ("path weights", SampleRequest(512, correction="path", chains=8, seed=2)),
):
    result = sample(request, bound)
    found = measure(theory, [result.fields.numpy()], independent=result.independent)
    columns[name] = compare(found, exact).observables
    print(f"{name:>24}{'σ':>6}", end="")
print()
for name in ("abs_m", "phi2", "action", "chi", "schwinger_dyson"):
    b = next(iter(columns.values()))[name].b
    row = f"{name:<16}"[:16] + f"{f'{b.value:.4f} ± {b.error:.4f}':>18}"
    for observables in columns.values():
        a, _, sigma = observables[name]
        row += f"{f'{a.value:.4f} ± {a.error:.4f}':>24}{sigma:>6.1f}"
    print(row)
