"""Set-up of all tests."""

import os
import tempfile

# Several test processes share the cores; with OpenMP's pool of one thread a core in each they would only wait.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

torch.set_num_threads(1)

# No test may see or touch the user's library.
_home = tempfile.TemporaryDirectory(prefix="stoqlab-tests-")
os.environ["STOQLAB_HOME"] = _home.name
