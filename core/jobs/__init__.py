"""Where work runs: a pool of threads shared fairly, requests of which the newest wins, results shared, and jobs.

numba kernels and torch operators release the interpreter lock, so threads are enough; each works with one torch
thread, because the pool itself is the parallelism.
"""

from core.jobs.latest import Latest
from core.jobs.pool import REQUESTS, map_chunks, pool, request_pool
from core.jobs.shared import Shared
from core.jobs.threads import one_thread, torch_threads
from core.jobs.token import Token, present_owner, working_for

__all__ = [
    "REQUESTS",
    "Latest",
    "Shared",
    "Token",
    "map_chunks",
    "one_thread",
    "pool",
    "present_owner",
    "request_pool",
    "torch_threads",
    "working_for",
]
