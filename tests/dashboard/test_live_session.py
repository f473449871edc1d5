"""From a working thread to the page of a session: results wait for the page, and keep their order."""

import panel as pn
import pytest
from bokeh.document import Document
from panel.io.state import set_curdoc

from dashboard.live import Live


class Context:
    """What a document knows of its session."""


@pytest.fixture
def session():
    """A document of a session whose page is not yet loaded; gives the callbacks that its loop would run."""
    document = Document()
    context = Context()
    document._session_context = lambda: context  # type: ignore[assignment]
    with set_curdoc(document):
        yield document


def run(document: Document, backwards: bool = False) -> None:
    """The session's loop: what waits, in any order."""
    callbacks = list(document.session_callbacks)
    for callback in sorted(callbacks, key=lambda c: c.id, reverse=backwards):
        document.remove_next_tick_callback(callback)
        callback.callback()


def loaded(document: Document) -> None:
    """The browser has shown the page."""
    with set_curdoc(document):
        pn.state._on_load(document)


def stages(*results):
    def work(token):
        yield from results

    return work


@pytest.mark.parametrize("backwards", [False, True])
def test_results_wait_for_the_page_and_keep_their_order(session, backwards):
    got = []
    live = Live(got.append, got.append)
    live.submit(stages("quick", "full", "table"))
    future = live._latest.future
    if future is not None:
        future.result(timeout=10)
    run(session, backwards)
    assert got == []
    loaded(session)
    assert got == ["quick", "full", "table"]
    live.soon(got.append, "later")
    assert got[-1] == "table"
    run(session)
    assert got[-1] == "later"


def test_a_page_opens_with_its_quick_result(session):
    got = []
    live = Live(got.append, got.append)
    live.submit(stages("full"), at_once=lambda token: "quick")
    assert got == ["quick"]  # and nothing slower: the rest comes by the loop
    loaded(session)
    live.submit(stages("next"), at_once=lambda token: got.append("not on a loaded page"))
    assert "not on a loaded page" not in got
    live.close()


def test_a_page_without_a_quick_result_waits_for_its_loop(session):
    got = []
    live = Live(got.append, got.append)
    live.submit(stages("full"), at_once=lambda token: None)
    assert got == []
    live.close()


def test_a_quick_result_that_fails_is_told(session):
    def fails(token):
        raise ValueError("sigma must be positive")

    said = []
    Live(said.append, lambda error: said.append(str(error))).submit(stages(), at_once=fails)
    assert said == ["sigma must be positive"]


def test_nothing_arrives_after_the_end(session):
    got = []
    live = Live(got.append, got.append)
    loaded(session)
    live.soon(got.append, "on its way")
    live.close()
    run(session)
    live.soon(got.append, "too late")
    live.submit(stages("never"))
    run(session)
    assert got == []
