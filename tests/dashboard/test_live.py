"""From a working thread to the page, without a session: calls are made at once, until the page is closed."""

import threading

from dashboard.live import Live

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


def test_a_result_that_cannot_be_shown_is_an_error_of_this_page_and_the_next_is_shown(caplog):
    errors, shown = [], []

    def deliver(result):
        if result == "odd":
            raise KeyError("no such panel")
        shown.append(result)

    live = Live(deliver, errors.append)
    for result in ("odd", "good"):
        live.submit(lambda token, result=result: iter([result]))
        future = live._latest.future
        if future is not None:
            future.result(PATIENCE)
    assert [type(error) for error in errors] == [KeyError]
    assert shown == ["good"]
    assert "a result could not be shown" in caplog.text
    assert "Traceback" in caplog.text


def test_only_what_nobody_expected_is_in_the_log(caplog):
    errors = []
    live = Live(lambda _: None, errors.append)
    for error in (ValueError("steps must be at least 1"), FloatingPointError("diverged"), IndexError("list")):

        def stages(token, error=error):
            yield "quick"
            raise error

        live.submit(stages)
        future = live._latest.future
        if future is not None:
            future.result(PATIENCE)
    assert len(errors) == 3
    assert [record.getMessage() for record in caplog.records] == ["a request failed: list"]
    assert "IndexError" in caplog.text
