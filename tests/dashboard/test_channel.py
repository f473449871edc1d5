"""What a page streams: the newest of every part, one message a frame, two under way at most."""

import json
import threading

import pytest

from dashboard.stage import Line, Panel, Scene, Stage
from dashboard.stage import channel as channel_module
from dashboard.stage.channel import CREDIT, Channel, parts
from dashboard.stage.pack import Packed, unpack


class Browser:
    """The other end: keeps the messages; ``loop`` holds what is handed over to the server's loop."""

    def __init__(self, channel):
        self.channel, self.messages, self.loop, self.left = channel, [], [], 0
        self.attach()

    def attach(self):
        self.channel.attach(self.messages.append, self.loop.append, self._leave)
        self.run()

    def _leave(self):
        self.left += 1

    def run(self):
        while self.loop:
            self.loop.pop(0)()

    def got(self, i=-1):
        return {head["to"]: head.get("value") for head, _ in parts(self.messages[i])}


@pytest.fixture
def channel():
    return Channel()


def test_what_is_posted_together_is_one_message(channel):
    browser = Browser(channel)
    with channel.together():
        for name in "abc":
            channel.post(name, name.upper())
        browser.run()
        assert not browser.messages
    browser.run()
    assert [browser.got(i) for i in range(len(browser.messages))] == [{"a": "A", "b": "B", "c": "C"}]


def test_two_are_under_way_and_the_newest_waits(channel):
    browser = Browser(channel)
    for i in range(10):
        channel.post("a", i)
        browser.run()
    assert [browser.got(i)["a"] for i in range(len(browser.messages))] == [0, 1]
    assert len(browser.messages) == CREDIT
    channel.drawn(1)
    assert browser.got() == {"a": 9}
    channel.post("a", "late")
    channel.drawn(1)  # said twice: no more credit for it
    browser.run()
    assert len(browser.messages) == CREDIT + 1
    channel.drawn(3)  # of the second nothing was heard, but it came before
    assert browser.got() == {"a": "late"}


def test_a_form_is_sent_once_and_again_to_a_new_browser(channel):
    browser = Browser(channel)
    for values in (b"12345678", b"abcdefgh"):
        channel.post("a", Packed(b"form", values), era=3)
        browser.run()
    (first, whole), (second, rest) = (next(parts(m)) for m in browser.messages)
    assert (whole, rest) == (b"form12345678", b"abcdefgh")
    assert (first["new"], second["new"]) == (True, False)
    assert first["form"] == second["form"]
    assert first["era"] == 3
    other = Browser(channel)
    assert [data for _, data in parts(other.messages[0])] == [b"formabcdefgh"]
    browser.run()
    assert browser.left == 1  # the first one was let go
    channel.drawn(3)
    channel.post("a", Packed(b"other", b"abcdefgh"))
    other.run()
    assert next(parts(other.messages[1]))[1] == b"otherabcdefgh"


def test_who_comes_late_gets_the_newest_of_everything_that_is_still_true(channel):
    for name in "abc":
        channel.post(name, name)
    channel.post("a", "new")
    channel.forget("b")
    assert Browser(channel).got() == {"a": "new", "c": "c"}


def test_every_message_is_a_multiple_of_eight_where_arrays_begin(channel):
    browser = Browser(channel)
    for text in ("", "κ", "a long text", "φ⁴"):
        channel.post("a", text)
        channel.post("b", Packed(b"12345678", b"x" * 16))
        browser.run()
        channel.drawn(len(browser.messages))
    for message in browser.messages:
        assert (4 + int.from_bytes(message[:4], "little")) % 8 == 0


@pytest.mark.parametrize("frame", [0, 2, 2**32 - 1])
def test_an_answer_to_what_was_never_sent_is_refused(channel, frame):
    browser = Browser(channel)
    channel.post("a", 1)
    browser.run()
    with pytest.raises(ValueError, match=f"frame {frame} was never sent"):
        channel.drawn(frame)


def test_watched_while_somebody_draws(channel, monkeypatch):
    assert channel.watched  # the browser is still loading the page
    monkeypatch.setattr(channel_module, "ABSENCE", 0.0)
    assert not channel.watched
    browser = Browser(channel)
    assert channel.watched
    channel.post("a", 1)
    browser.run()
    assert not channel.watched  # a hidden tab draws nothing
    channel.drawn(1)
    assert channel.watched
    channel.detach(browser.messages.append)
    assert not channel.watched


def test_a_runner_waits_for_room(channel):
    browser = Browser(channel)
    for i in range(CREDIT):
        channel.post("a", i)
        browser.run()
    assert not channel._room.is_set()
    channel.drawn(1)
    assert channel._room.is_set()


def test_many_threads_lose_nothing_that_is_newest(channel):
    browser = Browser(channel)
    workers = [
        threading.Thread(target=lambda name=name: [channel.post(name, i) for i in range(200)]) for name in "abcd"
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    browser.run()
    for _ in range(10):
        channel.drawn(len(browser.messages))
    seen = {}
    for message in browser.messages:
        seen |= {head["to"]: head["value"] for head, _ in parts(message)}
    assert seen == dict.fromkeys("abcd", 199)


class TestStageOnAChannel:
    @pytest.fixture
    def stage(self, monkeypatch, channel):
        monkeypatch.setattr("dashboard.stage.streamed.channel_of", lambda document: channel)
        stage = Stage()
        self.messages = []
        monkeypatch.setattr(stage, "_send_msg", self.messages.append)
        return stage

    @staticmethod
    def scene(i):
        return Scene([0.0], [Panel("a", [Line([0, 1], [0, i])])])

    def test_scenes_come_on_the_channel_as_they_are(self, stage, channel):
        browser = Browser(channel)
        stage.push(self.scene(1))
        browser.run()
        head, data = next(parts(browser.messages[0]))
        assert f"{channel.token}/{head['to']}" == stage.stream
        assert data == self.scene(1).block
        assert json.dumps(unpack(data)[0]["panels"][0]["id"]) == '"a"'
        assert not self.messages

    def test_a_scene_that_is_shown_ends_the_stream_and_begins_an_era(self, stage, channel):
        stage.push(self.scene(1))
        stage.show(self.scene(2))
        browser = Browser(channel)
        assert not browser.messages
        stage.push(self.scene(3))
        browser.run()
        assert next(parts(browser.messages[0]))[0]["era"] == stage.era == 1

    def test_a_browser_without_the_socket_gets_messages(self, stage, channel):
        stage.push(self.scene(1))
        stage._handle_msg({"ready": True})
        assert [message["scene"] for message in self.messages] == [self.scene(1).block]
        stage.push(self.scene(2))
        assert len(self.messages) == 2


def test_a_value_that_json_has_no_word_for_is_refused_at_once():
    channel = Channel()
    with pytest.raises(ValueError, match="JSON compliant"):
        channel.post("numbers", {"x": float("nan")})
    assert not channel._waiting
