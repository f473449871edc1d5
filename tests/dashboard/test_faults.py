"""Errors in sentences: what the engine says, and what to say where nobody wrote a sentence."""

import logging

import numpy as np
import pytest
import torch

from dashboard.faults import answer_events, sentence


def numpy_error():
    try:
        np.linalg.inv(np.zeros((2, 2)))
    except np.linalg.LinAlgError as error:
        return error


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (ValueError("steps must be at least 1"), "Steps must be at least 1"),
        (FloatingPointError("the chain runs away"), "The chain runs away"),
        (FileNotFoundError("there is no file x"), "There is no file x"),
        (MemoryError(), "There is not enough memory for this: ask for less."),
        (torch.OutOfMemoryError("CUDA out of memory. Tried"), "There is not enough memory for this: ask for less."),
        (KeyError("x"), "Something went wrong here (KeyError: 'x'). The log of the server says more."),
        (ValueError(), "Something went wrong here (ValueError). The log of the server says more."),
        (numpy_error(), "Something went wrong here (LinAlgError: Singular matrix). The log of the server says more."),
    ],
)
def test_an_error_is_shown_as_a_sentence(error, says):
    assert sentence(error) == says


def test_an_error_of_a_callback_is_said_and_logged_once(caplog):
    said = []
    handle = answer_events(said.append)
    handle(ValueError("kappa must not be negative"))
    assert not caplog.records
    handle(TypeError("no"))
    assert said == [
        "Kappa must not be negative", "Something went wrong here (TypeError: no). The log of the server says more.",
    ]  # fmt: skip
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert caplog.records[0].exc_info
