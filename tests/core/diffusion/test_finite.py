"""A network whose numbers are not finite is what a run is said to have failed of."""

import copy

import numpy as np
import pytest
import torch

from core.diffusion.field_run import run_field
from core.diffusion.finite import require_finite
from core.diffusion.learned import LearnedScore, pretrained
from core.diffusion.run import run_backward
from core.schedule import make_schedule
from core.theories.registry import make_target
from tests.core.diffusion.test_field_model import FIELDS, model

DAMAGED = "the learned score gives numbers that are not finite at the noise level .* weights are damaged"


def test_a_damaged_network_of_fields_ends_the_run_with_its_name():
    damaged = model()
    with torch.no_grad():
        next(iter(damaged.network.parameters())).fill_(torch.nan)
    with pytest.raises(FloatingPointError, match=DAMAGED):
        run_field(FIELDS, make_schedule("ve", 10.0), score=damaged.at((8, 8), 0.22, 0.02), paths=5, steps=10)


def test_a_damaged_network_of_one_variable_ends_the_run_with_its_name():
    target = make_target("two-peak")
    shipped = pretrained(target)
    assert isinstance(shipped, LearnedScore)
    damaged, nodes = copy.copy(shipped), shipped._table(1.0)
    damaged._table = lambda sigma: np.full_like(nodes, np.nan)  # type: ignore[method-assign]
    with pytest.raises(FloatingPointError, match=DAMAGED):
        run_backward(target, make_schedule("ve", 10.0), damaged, steps=10, paths=100)


def test_what_is_finite_passes_and_so_does_what_a_path_that_left_is_given():
    x, huge = torch.ones(4), torch.full((4,), 3e38)
    assert require_finite(x, x, 1.0) is x
    assert require_finite(huge, x, 1.0) is huge  # its sum overflows, it does not
    lost = torch.tensor([torch.inf, 1.0])
    assert require_finite(lost, lost, 1.0) is lost  # the integrator will say so
    with pytest.raises(FloatingPointError, match=DAMAGED):
        require_finite(lost, x, 1.0)
