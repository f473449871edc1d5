"""Set-up of all tests."""

import os

# Several test processes share the cores; with OpenMP's pool of one thread a core in each they would only wait.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

torch.set_num_threads(1)
