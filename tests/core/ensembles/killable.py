"""Makes an ensemble in tiny blocks, to be killed by a test: ``killable.py FILE SAMPLER CONFIGS``, with --resume."""

import sys

from core.ensembles import make, run
from core.ensembles.request import EnsembleRequest
from core.theories.phi4 import Phi4

CHAINS, THERM, THIN = 4, 200, 5


def request(sampler, configs):
    parameters = {"step_size": 0.1, **({"n_steps": 4} if sampler == "hmc" else {})}
    return EnsembleRequest(Phi4((6, 4), 0.25, 0.1), sampler, configs, CHAINS, THERM, THIN, parameters, seed=8)


if __name__ == "__main__":
    run.BLOCK_SECONDS = run.SHARE = 0.0  # a block for each draw
    make.CHECKPOINT_SECONDS = 0.0
    file, name, configs = sys.argv[1:]
    result = make.make_ensemble(request(name, int(configs)), file, resume=True)
    print(result.n_configs)
