"""Two peaks dissolve into noise and come back: cumulants of the backward process beside the exact ones.

python examples/two_peaks.py
"""

from core import VE, VP, make_target, run_backward

target = make_target("two-peak")
exact = target.cumulants()
print(f"{'':<22}" + "".join(f"{f'κ_{order}':>22}" for order in (2, 4, 6, 8)))
print(f"{'exact':<22}" + "".join(f"{exact[order]:>22.4f}" for order in (2, 4, 6, 8)))
for schedule in (VE(10.0), VP(10.0)):
    for solver in ("euler", "heun", "flow"):
        run = run_backward(target, schedule, solver=solver, grid="karras", steps=200, paths=200_000, seed=1)
        found = run.cumulants()
        row = "".join(f"{f'{found.value[n]:.4f} ± {found.error[n]:.4f}':>22}" for n in (2, 4, 6, 8))
        print(f"{type(schedule).__name__ + ', ' + solver:<22}{row}")
