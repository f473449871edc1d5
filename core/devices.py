"""Which device computes, and how many threads torch may take."""

from __future__ import annotations

import os

import torch

DEVICES = ("auto", "cpu", "cuda", "mps")


def pick_device(name: str = "auto") -> torch.device:
    """The device called ``name``; ``auto`` takes cuda, else mps, else cpu. ValueError where it is not there."""
    has = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device(next(d for d in ("cuda", "mps", "cpu") if has[d]))
    if name not in has:
        raise ValueError(f"device must be one of {', '.join(DEVICES)}, got {name!r}")
    if not has[name]:
        raise ValueError(f"device {name!r} is not available here; there is {', '.join(d for d in has if has[d])}")
    return torch.device(name)


def describe(device: torch.device) -> str:
    """A few words for a header: the GPU's name, or the number of CPU cores."""
    if device.type == "cuda":
        return f"GPU: {torch.cuda.get_device_name(device)}"
    return "GPU: Apple (mps)" if device.type == "mps" else f"CPU: {cores()} cores"


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
