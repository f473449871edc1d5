"""From a working thread to the page, without a session: calls are made at once, until the page is closed."""

import threading

from dashboard.live import Live, sentence

PATIENCE = 30.0


def test_results_and_errors_are_delivered():
    done, results, errors = threading.Event(), [], []

    def fail(error):
        errors.append(str(error))
        done.set()

    live = Live(results.append, fail)

    def stages(token):
        yield "quick"
        raise ValueError("no better one")

    live.submit(stages)
    assert done.wait(PATIENCE)
    assert (results, errors) == (["quick"], ["no better one"])


def test_nothing_is_delivered_once_the_page_is_closed():
    started, gate, results = threading.Event(), threading.Event(), []
    live = Live(results.append, results.append)

    def stages(token):
        started.set()
        gate.wait(PATIENCE)
        yield "late"

    live.submit(stages)
    assert started.wait(PATIENCE)
    future = live._latest.future
    live.close()
    gate.set()
    if future is not None:
        future.result(PATIENCE)
    live.soon(results.append, "later still")
    assert results == []


def test_an_error_is_shown_as_a_sentence():
    assert sentence(ValueError("steps must be at least 1")) == "Steps must be at least 1"
    assert sentence(MemoryError()) == "MemoryError"
