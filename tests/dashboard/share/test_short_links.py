"""Short links: kept, found, bounded, and never trusted."""

import sqlite3
from contextlib import closing
from urllib.parse import parse_qsl

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from dashboard.share import links
from dashboard.share.links import LONGEST, Links, canonical, opened

names = st.text("abcdefghij_", min_size=1, max_size=8)
queries = st.dictionaries(
    names, st.text(st.characters(exclude_categories=("Cs",)), max_size=20), min_size=1, max_size=8
)


@pytest.fixture
def kept(tmp_path, monkeypatch):
    monkeypatch.setenv("STOQLAB_HOME", str(tmp_path))
    return Links()


def said_by(search):
    said = []
    return opened(search, said.append), said


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(queries)
def test_a_state_comes_back_whatever_the_order_of_its_keys(kept, pairs):
    query = links.urlencode(pairs)
    key = kept.keep(query)
    assert key == kept.keep(links.urlencode(dict(reversed(pairs.items()))))
    assert len(key) == links.SHORTEST
    found, said = said_by(f"?s={key}")
    assert dict(parse_qsl(found, keep_blank_values=True)) == {k: v for k, v in pairs.items() if k != "s"}
    assert not said


def test_what_else_stands_in_the_address_stays_and_locks_of_the_link_win(kept):
    key = kept.keep("page=one&lock=sigma")
    found, _ = said_by(f"?s={key}&theme=dark&lock=")
    assert dict(parse_qsl(found)) == {"page": "one", "lock": "sigma", "theme": "dark"}
    assert said_by("?page=one&sigma=3") == ("?page=one&sigma=3", [])


@pytest.mark.parametrize("key", ["abcdefgh", "../../etc", "x", "' OR 1=1 --", "a" * 5000, "ABCDEFGH"])
def test_an_unknown_id_is_a_sentence_and_the_page_opens_all_the_same(kept, key):
    kept.keep("page=one")
    found, said = said_by("?page=lattice&s=" + links.urlencode({"": key})[1:])
    assert dict(parse_qsl(found)) == {"page": "lattice"}
    (sentence,) = said
    assert "short link" in sentence
    assert len(sentence) < 200


def test_a_changed_or_damaged_entry_is_refused(kept):
    key = kept.keep("page=one&sigma=3")
    with closing(sqlite3.connect(kept.path)) as file, file:
        file.execute("UPDATE links SET query = 'page=one&sigma=4'")
    with pytest.raises(ValueError, match="damaged"):
        kept.find(key)
    kept.path.write_bytes(b"this is not a database, but long enough to be looked at" * 100)
    with pytest.raises(ValueError, match="cannot be read"):
        kept.find(key)
    with pytest.raises(OSError, match="cannot be written"):
        kept.keep("page=one")


def test_the_number_and_the_size_are_bounded_and_what_is_used_stays(kept, monkeypatch):
    clock = iter(range(10_000))
    monkeypatch.setattr(links.time, "time", lambda: next(clock))
    few = Links(kept.path, most=3)
    first, *others = (few.keep(f"page=one&seed={n}") for n in range(3))
    few.find(first)
    few.keep("page=one&seed=3")
    assert few.find(first) == "page=one&seed=0"
    with pytest.raises(ValueError, match="There is no short link"):
        few.find(others[0])
    with pytest.raises(ValueError, match=f"short links take {LONGEST}"):
        few.keep("called=" + "x" * LONGEST)


def test_two_addresses_with_the_same_beginning_of_their_hashes_get_different_ids(kept, monkeypatch):
    monkeypatch.setattr(links, "_hash", lambda text: "abcdefgh" + ("2222" if "sigma=1" in text else "3333"))
    one, other = kept.keep("sigma=1"), kept.keep("sigma=2")
    assert (one, other) == ("abcdefgh", "abcdefgh3")
    assert kept.keep("sigma=2") == other
    assert (kept.find(one), kept.find(other)) == ("sigma=1", "sigma=2")


def test_a_short_link_is_no_part_of_a_state():
    assert canonical("?b=2&s=abcdefgh&a=1") == "a=1&b=2"
