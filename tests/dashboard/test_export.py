"""Data files of a scene without a browser, and what a stage answers to requests for them."""

import csv
import io
import threading

import numpy as np
import pytest
import xarray as xr

from core.reproduce import Recipe
from dashboard.export.answer import answer
from dashboard.export.dataset import netcdf, scene_dataset
from dashboard.export.table import COLUMNS, frame_at, scene_table
from dashboard.stage import Band, Bars, Bundle, Image, Line, Panel, Points, Rule, Scene, Stage

T = np.array([0.0, 0.5, 1.0])
X = np.linspace(0, 1, 4)
Y = np.arange(12.0).reshape(3, 4) / 7
BYTES = np.array([[[0, 255], [51, 102]]] * 3, np.uint8)
LIMITS = np.array([[-1.0, 1.0], [-2.0, 2.0], [-4.0, 4.0]])
SCENE = Scene(
    T,
    [
        Panel("a", [Line(X, Y, "exact"), Line(X, 2 * Y, "exact"), Rule(y=0.5)], title="A", xlabel="x", ylabel="P"),
        Panel("b", [Band(X, Y[0], Y[1], "κ₂"), Bars(np.arange(5.0), Y, "seen"), Points(X, X, "data")], title="B"),
        Panel("c", [Bundle(T, Y[:, :3], label="paths")], clock=True),
        Panel("d", [Image(BYTES, (0, 2, 0, 2), limits=LIMITS, label="φ")], title="Field"),
    ],
    captions=["one", "two", "three"],
    areas=["a b c d"],
)


def test_the_file_has_every_frame_at_full_precision(tmp_path):
    settings = {"kappa": 0.27, "score": "exact", "fit": True}
    (tmp_path / "scene.nc").write_bytes(netcdf(scene_dataset(SCENE, "A label", settings)))
    data = xr.open_dataset(tmp_path / "scene.nc", engine="h5netcdf")
    assert np.array_equal(data.position, T)
    assert data.caption.values.tolist() == ["one", "two", "three"]
    assert np.array_equal(data.a_exact_y, Y)
    assert np.array_equal(data.a_exact_1_y, 2 * Y)
    assert data.a_exact_y.dims == ("position", "a_exact_point")
    assert data.a_exact_y.attrs["units"] == "1"
    assert data.a_exact_y.attrs["long_name"] == "A: exact: P"
    assert np.array_equal(data["b_κ₂_high"], Y[1])
    assert data.b_seen_edges.size == 5
    assert data.c_paths_y.shape == (3, 3)
    assert float(data.a_rule2_y) == 0.5
    wanted = LIMITS[:, :1, None] + BYTES / 255 * (LIMITS[:, 1] - LIMITS[:, 0])[:, None, None]
    assert np.allclose(data["d_φ_value"], wanted, rtol=1e-6)
    assert data["d_φ_x"].values.tolist() == [0.5, 1.5]
    assert data.attrs["title"] == "A label"
    assert (data.attrs["setting_kappa"], data.attrs["setting_fit"]) == (0.27, "True")


def test_the_table_has_what_is_seen_at_a_position():
    text = scene_table(SCENE, 0.7, "A label", {"kappa": 0.27})
    lines = text.splitlines()
    head = [line for line in lines if line.startswith("#")]
    assert head[1:] == ["# position = 0.5", "# two", "# kappa = 0.27"]
    rows = list(csv.DictReader(io.StringIO("\n".join(lines[len(head) :]))))
    assert tuple(rows[0]) == COLUMNS
    exact = [row for row in rows if row["panel"] == "A" and row["kind"] == "line"]
    assert [float(row["y"]) for row in exact[:4]] == Y[1].tolist()
    assert {row["y_name"] for row in exact} == {"P"}
    seen = [row for row in rows if row["series"] == "seen"]
    assert [(row["x_low"], row["x_high"]) for row in seen][1] == ("1.0", "2.0")
    assert [row["path"] for row in rows if row["kind"] == "bundle"] == list("000111222")
    field = [row for row in rows if row["kind"] == "image"]
    assert [float(row["value"]) for row in field] == pytest.approx([-2, 2, -1.2, -0.4])
    assert (field[1]["x"], field[1]["y"]) == ("1.5", "0.5")
    band = next(row for row in rows if row["kind"] == "band")
    assert (float(band["y_low"]), float(band["y_high"])) == (Y[0, 0], Y[1, 0])


@pytest.mark.parametrize(("position", "frame"), [(-3, 0), (0, 0), (0.4999999, 1), (0.99, 1), (1, 2), (9, 2)])
def test_the_frame_is_the_last_one_before_a_position(position, frame):
    assert frame_at(SCENE, position) == frame


@pytest.fixture
def stage(monkeypatch):
    """A stage whose messages to the browser are in ``stage.said``, once ``stage.told`` is set."""
    made = Stage()
    made.said, made.told = [], threading.Event()
    monkeypatch.setattr(made, "send", lambda message: (made.said.append(message), made.told.set()))
    return made


def ask(stage, request):
    stage.told.clear()
    answer(stage, request)
    assert stage.told.wait(30)
    return stage.said[-1]


def test_a_stage_answers_with_files_and_with_sentences(stage):
    request = {"export": 4, "kind": "csv", "position": 0.5}
    assert ask(stage, request) == {"export": 4, "problem": "There is no picture yet."}
    stage.show(SCENE)
    assert ask(stage, request)["file"].decode() == scene_table(SCENE, 0.5, stage.label)
    assert ask(stage, request | {"kind": "netcdf"})["file"][:4] == b"\x89HDF"
    assert "problem" in ask(stage, request | {"kind": "script"})
    stage.reproduces(lambda: Recipe("print(1)\n", "", "how", "no command", {"L": 8}))
    assert stage.reproducible
    assert ask(stage, request | {"kind": "script"}) == {"export": 4, "text": "print(1)\n", "note": "how"}
    assert ask(stage, request | {"kind": "command"}) == {"export": 4, "text": "", "note": "no command"}
    assert "# L = 8" in ask(stage, request)["file"].decode()

    def preview():
        raise ValueError("this is a preview")

    stage.reproduces(preview)
    assert ask(stage, request | {"kind": "script"})["problem"] == "This is a preview"
    assert "file" in ask(stage, request)


@pytest.mark.parametrize(
    "request_",
    [
        {"export": 1}, {"export": "x", "kind": "csv", "position": 0}, {"export": 1, "kind": "../csv", "position": 0},
        {"export": 1, "kind": "csv", "position": float("nan")}, {"export": 1e400, "kind": "csv", "position": 0},
        {"export": 1, "kind": ["csv"], "position": 0},
    ],
)  # fmt: skip
def test_nonsense_is_dropped(stage, request_):
    stage.show(SCENE)
    answer(stage, request_)
    assert not stage.told.wait(0.2)
    assert not stage.saving.locked()


def test_one_file_at_a_time(stage):
    stage.show(SCENE)
    with stage.saving:
        reply = ask(stage, {"export": 1, "kind": "csv", "position": 0})
    assert "one moment" in reply["problem"]
    assert "file" in ask(stage, {"export": 2, "kind": "csv", "position": 0})


def test_a_request_does_not_end_the_socket(stage):
    channel = object()
    stage._channel = channel
    stage._handle_msg({"export": 1, "kind": "nothing", "position": 0})
    assert stage._channel is channel
