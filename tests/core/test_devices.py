"""Choice of the device."""

import pytest
import torch

from core.devices import DEVICES, cores, describe, pick_device


def test_cpu_is_always_there():
    assert pick_device("cpu") == torch.device("cpu")
    assert describe(torch.device("cpu")) == f"CPU: {cores()} cores"


def test_auto_takes_the_best_there_is():
    has_gpu = torch.cuda.is_available() or torch.backends.mps.is_available()
    assert (pick_device().type != "cpu") == has_gpu
    torch.zeros(1, device=pick_device("auto"))


def test_unknown_device_is_named():
    with pytest.raises(ValueError, match="device must be one of auto, cpu, cuda, mps, got 'tpu'"):
        pick_device("tpu")


@pytest.mark.parametrize("name", [d for d in DEVICES if d not in ("auto", "cpu")])
def test_missing_device_says_what_there_is(name):
    has = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if has[name]:
        assert pick_device(name).type == name
    else:
        with pytest.raises(ValueError, match=f"'{name}' is not available here; there is .*cpu"):
            pick_device(name)


def test_cores():
    assert cores() >= 1
