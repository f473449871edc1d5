"""The stage without a browser: scenes are checked, packed and streamed."""

import json
import threading

import numpy as np
import pytest
from bokeh.document import Document

from dashboard.stage import Arrows, Band, Bars, Bundle, Image, Line, Mark, Panel, Points, Rule, Scene, Stage, colour
from dashboard.stage.channel import CREDIT
from dashboard.stage.colours import COLOURS, palette
from dashboard.stage.pack import pack, unpack
from tests.dashboard.stage_demo import demo_scene

T = np.linspace(0, 2, 5)
X = np.linspace(-1, 1, 7)


def scene(*series, **panel):
    return Scene(T, [Panel("main", list(series), **panel)])


def array(reference, data):
    """An array of a block as the browser reads it."""
    dtype = {"f4": "<f4", "u1": np.uint8}[reference["type"]]
    count = int(np.prod(reference["shape"], dtype=int))
    return np.frombuffer(data, dtype, count, reference["offset"]).reshape(reference["shape"])


def limits(shown: Scene, axis: str) -> np.ndarray:
    header, data = unpack(shown.block)
    return array(header["panels"][0][axis], data)


class TestBlock:
    def test_all_series_come_back_bit_by_bit(self):
        rng = np.random.default_rng(0)
        rows = rng.standard_normal((5, 7)).astype(np.float32)
        picture = rng.integers(0, 256, (5, 3, 4), dtype=np.uint8)
        span = np.stack([-np.arange(1.0, 6), np.arange(1.0, 6)], 1)
        series = [
            Line(X, rows, "line"),
            Band(X, rows, rows + 1, "band"),
            Bars(np.linspace(-1, 1, 8), rows, "bars"),
            Points(rows, rows, "forward"),
            Bundle(T, rows[:, :5], "k2"),
            Image(picture, (0, 1, 0, 1), limits=span),
            Arrows(X, X, rows, rows),
            Rule(x=T),
        ]
        header, data = unpack(scene(*series).block)
        for wanted, packed in zip(series, header["panels"][0]["series"], strict=True):
            assert packed["kind"] == wanted.kind
            for name, reference in packed["arrays"].items():
                value = np.asarray(getattr(wanted, name))
                kind = np.uint8 if value.dtype == np.uint8 else np.float32
                np.testing.assert_array_equal(array(reference, data), value.astype(kind))
                assert reference["offset"] % 8 == 0
                assert reference["moving"] == wanted.moves(name)

    def test_arrays_begin_at_a_multiple_of_eight(self):
        for title in ("", "a", "κ", "κ₂ of a field"):
            block = scene(Line(X, X), title=title).block
            assert (4 + int.from_bytes(block[:4], "little")) % 8 == 0

    def test_a_shared_array_is_stored_once(self):
        rows = np.zeros((5, 20000))
        once = len(scene(Line(np.arange(20000), rows)).block)
        twice = len(scene(Line(np.arange(20000), rows), Line(np.arange(20000), rows)).block)
        assert twice - once < rows.size

    def test_infinite_values_become_gaps(self):
        header, data = unpack(scene(Line(X, np.where(X > 0, np.inf, X))).block)
        y = array(header["panels"][0]["series"][0]["arrays"]["y"], data)
        assert np.isnan(y[X > 0]).all()
        assert np.isfinite(y[X <= 0]).all()

    def test_scenes_of_one_form_differ_in_their_values_alone(self):
        first, second = (pack(scene(Line(X, X * i), Image(np.full((2, 3), i, np.uint8), (0, 1, 0, 1)))) for i in (1, 2))
        assert first.form == second.form
        assert first.values != second.values
        assert palette("diverging") in first.form
        assert palette("diverging") not in first.values
        assert pack(scene(Line(X, X), title="other")).form != pack(scene(Line(X, X))).form
        assert pack(scene(Line(X[1:], X[1:]))).form != pack(scene(Line(X, X))).form

    def test_the_block_is_made_once(self):
        shown = scene(Line(X, X))
        assert shown.block is shown.block

    def test_header_is_strict_json(self):
        with pytest.raises(ValueError, match="JSON"):
            _ = Scene(T, [Panel("main")], marks=[Mark(float("nan"), "never")]).block

    def test_demo_fits_in_a_few_megabytes(self):
        assert len(demo_scene().block) < 12e6


class TestLimits:
    def test_given_limits_are_kept_and_open_ends_come_from_the_data(self):
        shown = scene(Line(X, X**2), xlim=(-3, 3), ylim=(None, 7))
        np.testing.assert_allclose(limits(shown, "xlim"), [-3, 3])
        np.testing.assert_allclose(limits(shown, "ylim"), [0, 7])

    def test_all_frames_count_and_gaps_do_not(self):
        y = np.outer(np.arange(5.0), X)
        y[0, 0] = np.nan
        low, high = limits(scene(Line(X, y)), "ylim")
        assert -4.6 < low < -4
        assert 4 < high < 4.6

    def test_histograms_stand_on_zero(self):
        assert limits(scene(Bars(np.arange(8.0), np.full(7, 5.0))), "ylim")[0] == 0

    def test_moving_axes(self):
        moving = np.stack([-np.arange(1.0, 6), np.arange(1.0, 6)], 1)
        header, _ = unpack(scene(Line(X, X), xlim=moving).block)
        assert header["panels"][0]["xlim"]["moving"]

    def test_logarithmic_axes_ignore_what_is_not_positive(self):
        low, high = limits(scene(Line(X, 10.0 ** np.arange(7) * (X > -0.5)), log_y=True), "ylim")
        assert 0 < low < 100
        assert high > 1e6

    def test_a_constant_gets_room(self):
        low, high = limits(scene(Line(X, np.full(7, 3.0))), "ylim")
        assert low < 3 < high

    def test_a_clock_spans_the_positions(self):
        np.testing.assert_allclose(limits(scene(Line(T, T), clock=True), "xlim"), [0, 2])

    def test_images_fill_their_axes(self):
        shown = scene(Image(np.zeros((2, 2), np.uint8), (0, 4, -1, 1)))
        np.testing.assert_allclose(limits(shown, "xlim"), [0, 4])
        np.testing.assert_allclose(limits(shown, "ylim"), [-1, 1])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Scene([0, 0, 1], []), "positions must rise"),
        (lambda: Scene([], []), "at least one"),
        (lambda: Scene(T, [], captions=["one"]), "1 captions for 5"),
        (lambda: Scene(T, [Panel("a"), Panel("a")]), "same id"),
        (lambda: Scene(T, [Panel("a")], areas=["b"]), "no place in areas"),
        (lambda: Scene(T, [], duration=0), "duration is 0"),
        (lambda: Scene(T, [Panel("two words")]), "plain name"),
        (lambda: scene(Line(X, np.zeros((4, 7)))), "4 frames; the scene has 5"),
        (lambda: scene(Line(X, np.zeros(6))), "different lengths"),
        (lambda: scene(Line(X, np.zeros((2, 5, 7)))), "axes"),
        (lambda: scene(Bars(X, X)), "one more edge"),
        (lambda: scene(Image(np.zeros((2, 2)), (0, 1, 0, 1))), "uint8"),
        (lambda: scene(Image(np.zeros((2, 2), np.uint8), (0, 1, 0, 1), palette="rainbows")), "palette is 'rainbows'"),
        (lambda: scene(Rule()), "either x or y"),
        (lambda: scene(Line(X, X, color="bleu")), "color is 'bleu'"),
        (lambda: scene(Line(X, X), log_y=True, symlog_y=True), "exclude each other"),
        (lambda: scene(Line(X, X), aspect="square"), "aspect is 'square'"),
        (lambda: scene(Line(X, X), xlim=np.zeros((3, 2))), "xlim has shape"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_sentence(make, words):
    with pytest.raises(ValueError, match=words):
        make()


class TestColours:
    @staticmethod
    def luminance(colour_text):
        parts = np.array([int(colour_text[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return linear @ [0.2126, 0.7152, 0.0722]

    @pytest.mark.parametrize(("theme", "paper"), [("light", "#ffffff"), ("dark", "#1a1d22")])
    def test_lines_stand_out_from_the_paper(self, theme, paper):
        for role, text in COLOURS[theme].items():
            high, low = sorted([self.luminance(text), self.luminance(paper)], reverse=True)
            assert (high + 0.05) / (low + 0.05) >= 3, role

    def test_roles(self):
        assert colour("exact") != colour("exact", dark=True)
        with pytest.raises(ValueError, match="colour is 'nothing'"):
            colour("nothing")

    def test_diverging_palette_is_symmetric_in_lightness(self):
        table = np.frombuffer(palette("diverging"), np.uint8).reshape(256, 3).astype(float)
        assert table.shape == (256, 3)
        assert table[127:129].min() > 200
        assert table[0, 2] > table[0, 0]
        assert table[255, 0] > table[255, 2]


class TestStage:
    def test_show_sets_the_block_and_clears_the_error(self):
        stage = Stage(error="broken")
        shown = scene(Line(X, X))
        stage.show(shown)
        assert stage.block is shown.block
        assert stage.error == ""
        assert stage.scene is shown

    def test_position_is_kept_unless_told(self):
        stage = Stage(position=1.5)
        stage.show(scene(Line(X, X)))
        assert stage.position == 1.5
        stage.show(Scene([1.0, 2.0], [Panel("main")]), keep_position=False)
        assert stage.position == 1.0
        assert stage.rewinds == 1

    def test_sessions_share_one_block(self):
        shown = scene(Line(X, X))
        models = []
        for _ in range(2):
            stage = Stage()
            stage.show(shown)
            models.append(stage.get_root(Document()))
        assert models[0].data.block is models[1].data.block

    def test_the_module_is_one_file_with_one_export(self):
        text = Stage._esm
        assert [line for line in text.splitlines() if line.startswith("import ")] == []
        assert text.count("\nexport ") == 1
        assert json.dumps(COLOURS["light"]["exact"]) in text
        assert "http" not in text.replace("http://www.w3.org", "")


class TestPush:
    @pytest.fixture
    def sent(self, monkeypatch):
        messages = []
        monkeypatch.setattr(Stage, "_send_msg", lambda self, message: messages.append(message))
        return messages

    @staticmethod
    def numbered(i):
        return scene(Line(X, X * i), title=str(i))

    def test_no_more_than_the_credit_is_under_way_and_the_newest_wins(self, sent):
        stage = Stage()
        for i in range(10):
            stage.push(self.numbered(i))
        assert len(sent) == CREDIT
        stage._handle_msg({"drawn": sent[0]["serial"]})
        assert len(sent) == CREDIT + 1
        assert unpack(sent[-1]["scene"])[0]["panels"][0]["title"] == "9"
        stage._handle_msg({"drawn": sent[-1]["serial"]})
        assert len(sent) == CREDIT + 1

    def test_a_new_view_gets_the_newest_scene(self, sent):
        stage = Stage()
        stage.push(self.numbered(1))
        stage._handle_msg({"ready": True})
        assert len(sent) == 2
        assert sent[0]["scene"] == sent[1]["scene"]

    @staticmethod
    def whole(message):
        return "scene" in message

    def test_the_same_form_is_sent_once(self, sent):
        stage = Stage()
        for i in (1, 2, 3):
            stage.push(scene(Line(X, X * i)))
            stage._handle_msg({"drawn": i})
        assert [self.whole(message) for message in sent] == [True, False, False]
        assert [message["form"] for message in sent[1:]] == [1, 1]
        assert len(sent[1]["values"]) < len(sent[0]["scene"]) / 3
        third = scene(Line(X, X * 3)).block
        assert third.endswith(sent[2]["values"])
        assert third[: -len(sent[2]["values"])] == pack(scene(Line(X, X * 1))).form

    def test_another_form_is_sent_whole(self, sent):
        stage = Stage()
        for i, series in enumerate([Line(X, X), Line(X[1:], X[1:]), Line(X[1:], X[1:]), Line(X, X)]):
            stage.push(scene(series))
            stage._handle_msg({"drawn": i + 1})
        assert [self.whole(message) for message in sent] == [True, True, False, True]
        assert sent[2]["form"] == sent[1]["serial"]

    @pytest.mark.parametrize("event", ["ready", "show", "lost"])
    def test_a_whole_scene_is_sent_where_a_view_may_not_know_the_form(self, sent, monkeypatch, event):
        stage = Stage()
        for i in (1, 2):
            stage.push(scene(Line(X, X * i)))
            stage._handle_msg({"drawn": i})
        if event == "ready":
            stage._handle_msg({"ready": True})
        if event == "show":
            stage.show(scene(Line(X, X)))
        if event == "lost":
            monkeypatch.setattr("dashboard.stage.component.PATIENCE", -1.0)
        stage.push(scene(Line(X, X * 3)))
        assert [self.whole(message) for message in sent[:3]] == [True, False, True]

    def test_waiting_ends_with_an_answer(self, sent):
        stage = Stage()
        stage.wait(60)
        for i in range(CREDIT):
            stage.push(self.numbered(i))
        assert not stage._room.is_set()
        answer = threading.Timer(0.05, stage._handle_msg, [{"drawn": 1}])
        answer.start()
        stage.wait(60)
        answer.join()
        assert stage._sent - stage._acknowledged < CREDIT

    def test_a_lost_acknowledgement_does_not_stop_the_stream(self, sent, monkeypatch):
        stage = Stage()
        for i in range(4):
            stage.push(self.numbered(i))
        monkeypatch.setattr("dashboard.stage.component.PATIENCE", -1.0)
        stage.push(self.numbered(4))
        assert len(sent) == CREDIT + 1

    def test_show_ends_the_stream(self, sent):
        stage = Stage()
        for i in range(4):
            stage.push(self.numbered(i))
        stage.show(self.numbered(99))
        stage._handle_msg({"drawn": 2})
        stage._handle_msg({"ready": True})
        assert len(sent) == CREDIT

    def test_many_threads(self, sent):
        stage = Stage()
        workers = [threading.Thread(target=lambda: [stage.push(self.numbered(i)) for i in range(20)]) for _ in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert len(sent) == CREDIT
        assert len({message["serial"] for message in sent}) == CREDIT


def test_a_stage_that_gets_no_answer_is_not_watched(monkeypatch):
    monkeypatch.setattr("dashboard.stage.component.ABSENCE", 0.0)
    stage = Stage()
    monkeypatch.setattr(stage, "_send_msg", lambda message: None)
    assert stage.watched
    stage.push(Scene(positions=[0.0], panels=[Panel("a")]))
    assert not stage.watched
    stage._handle_msg({"drawn": 1})
    assert stage.watched


def test_a_lost_picture_is_followed_by_another(monkeypatch):
    for name in ("ABSENCE", "PROBE"):
        monkeypatch.setattr(f"dashboard.stage.component.{name}", 0.0)
    stage = Stage()
    monkeypatch.setattr(stage, "_send_msg", lambda message: None)
    stage.push(Scene(positions=[0.0], panels=[Panel("a")]))
    assert stage.watched
