"""A page in a frame: the pictures alone, and what is asked for in vain is said."""

import panel as pn
import pytest

from dashboard.embed import frame, stages
from dashboard.shell import build_page
from dashboard.stage import Stage


def main_of(page):
    (column,) = page.main
    return column


@pytest.fixture
def embedded():
    made = []

    def build(query):
        page, shell = build_page(query)
        made.append(shell)
        return page, shell

    yield build
    for shell in made:
        shell.close()


def test_only_the_pictures_of_the_tab_in_front_are_there(embedded):
    page, _ = embedded("?page=lattice&L=16&embed=1")
    assert list(page.sidebar) == []
    found = list(stages([main_of(page)]))
    assert [stage.label for stage in found] == ["The lattice field while it moves", "Observables of the lattice field"]
    assert not main_of(page).select(lambda item: "control-brush" in getattr(item, "css_classes", []))
    whole, _ = embedded("?page=lattice&L=16")
    assert len(list(whole.sidebar)) > 2
    assert main_of(whole).select(lambda item: "control-brush" in getattr(item, "css_classes", []))


def test_one_panel_and_no_play_controls(embedded):
    page, _ = embedded("?page=home&embed=1&panel=density&detail=low")
    (stage,) = stages([main_of(page)])
    assert not stage.controls
    assert any('[data-panel="density"]' in sheet for sheet in stage.stylesheets)
    page, _ = embedded("?page=home&embed=true")
    (stage,) = stages([main_of(page)])
    assert stage.controls
    assert not any("data-panel" in sheet for sheet in stage.stylesheets)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("detail=huge", ("detail = 'huge'", "low or full")),
        ("panel=nothing", ("panel = 'nothing'", "must be one of")),
        ('panel=x"]{}', ("must be one of",)),
    ],
)
def test_what_cannot_be_is_said_and_never_reaches_a_style_sheet(embedded, query, words):
    page, shell = embedded(f"?page=home&embed=1&{query}")
    (message,) = shell.messages
    assert all(word in message.object.replace("&#x27;", "'") for word in words)
    (stage,) = stages([main_of(page)])
    assert not any("{}" in sheet for sheet in stage.stylesheets)


def test_a_page_without_a_picture_says_so():
    from dashboard.address import Address

    (text,) = frame(Address("?embed=1", lambda sentence: None), [pn.pane.Markdown("words")], lambda *_: None)
    assert "no picture" in text.object


def test_stages_of_tabs_that_are_not_in_front_are_left_out():
    first, second = Stage(label="first"), Stage(label="second")
    assert list(stages([pn.Column(pn.Tabs(("a", first), ("b", second), active=1))])) == [second]
