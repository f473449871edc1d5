"""Whatever comes from outside is either taken or refused in a sentence: addresses, formulas, files, names, messages.

``STOQLAB_FUZZ=1000`` makes as many examples of each.
"""

import json
import os
import string
import warnings

import hypothesis.strategies as st
import numpy as np
import panel as pn
import pytest
from hypothesis import HealthCheck, given, settings

from core.diffusion.field_model import shipped
from core.ensembles.files import open_ensemble
from core.ensembles.request import EnsembleRequest
from core.library import catalogue
from core.library.intake import import_file
from core.shelf import Shelf, safe_name
from core.theories.formula import Formula
from dashboard.curve_editor.component import check_points
from dashboard.shell import build_page
from dashboard.stage.channel import Channel
from dashboard.stage.component import Stage

EXAMPLES = int(os.environ.get("STOQLAB_FUZZ", "40"))
FUZZ = settings(
    max_examples=EXAMPLES, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
FEW = settings(FUZZ, max_examples=max(8, EXAMPLES // 5))

PAGES = ("home", "one", "lattice", "diffusion", "compare", "library", "field", "nothing", "../../etc/passwd")
KEYS = (
    "kappa", "lam", "L", "seed", "paths", "steps", "tab", "sigma", "schedule", "target", "score", "solver", "grid",
    "model", "ensemble", "curve", "algorithm", "start", "chains", "speed", "potential", "mixture", "mu2", "g", "theme",
    "lock", "hide", "embed", "panel", "present", "story", "s", "a.kappa", "b.kappa", "room", "correction",
)  # fmt: skip
NASTY = (
    "nan", "inf", "-inf", "1e400", "-1", "0", "99999999999999999999", "1e-320", "", "null", "[]", "{}", "../../x",
    "<script>alert(1)</script>", "x" * 5000, "\x00", "٣", "True", "0x10", "1,2;3", "__import__('os')", "%s%n", "'; --",
)  # fmt: skip
texts = st.one_of(
    st.sampled_from(NASTY), st.floats().map(str), st.integers().map(str),
    st.text(st.characters(exclude_categories=("Cs",)), max_size=40),
)  # fmt: skip


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("STOQLAB_HOME", str(tmp_path / "home"))
    return tmp_path


@FEW
@given(st.sampled_from(PAGES), st.dictionaries(st.sampled_from(KEYS), texts, max_size=6))
def test_any_address_opens_a_page(page, pairs):
    from urllib.parse import urlencode

    built, shell = build_page("?" + urlencode({"page": page} | {"L": "16"} | pairs))
    try:
        assert built.main
        for message in shell.messages:
            assert "could not be built" not in message.object
            assert "<script>" not in message.object
    finally:
        shell.close()
        pn.state._views.clear()


def outcome(call):
    """What the call gives and '', or None and the sentence of its refusal."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return call(), ""
        except ValueError as refused:
            return None, str(refused)


def is_sentence(text):
    return 10 < len(text) < 1000


letters = st.text(string.ascii_letters + string.digits + "+-*/^()., _[]{}'\"=!<>:;@#%&|~\\∞π", max_size=60)


@FUZZ
@given(st.one_of(letters, st.sampled_from(NASTY), st.text(max_size=30)))
def test_any_formula_is_a_potential_or_refused(text):
    found, refused = outcome(lambda: Formula(text))
    assert is_sentence(refused) if found is None else np.isfinite(found.covariance).all()


def valid_model() -> bytes:
    return shipped()["phi4_L32_k0.40"].read_bytes()


def valid_array(tmp_path) -> bytes:
    path = tmp_path / "valid.npy"
    np.save(path, np.random.default_rng(1).standard_normal((30, 4, 4)).astype(np.float32))
    return path.read_bytes()


def valid_ensemble(tmp_path) -> bytes:
    from core.ensembles.make import make_ensemble
    from core.theories.phi4 import Phi4

    path = tmp_path / "valid.nc"
    make_ensemble(EnsembleRequest(Phi4(4, 0.2, 0.02), "cluster", 32, 4, 20, 1, seed=1), path, force=True)
    return path.read_bytes()


@st.composite
def damage(draw):
    """What to do to the bytes of a file: cut it, overwrite some, or replace all of it."""
    kind = draw(st.sampled_from(("cut", "patch", "bytes")))
    if kind == "bytes":
        return lambda valid: draw(st.binary(max_size=400))
    if kind == "cut":
        part = draw(st.floats(0, 1))
        return lambda valid: valid[: int(part * len(valid))]
    where, what = draw(st.floats(0, 0.999)), draw(st.binary(min_size=1, max_size=40))
    early = draw(st.booleans())  # headers are what matters

    def patched(valid):
        at = int(where * (min(len(valid), 4000) if early else len(valid)))
        return valid[:at] + what + valid[at + len(what) :]

    return patched


@FUZZ
@given(change=damage(), suffix=st.sampled_from((".npy", ".safetensors")), name=st.text(max_size=30))
def test_any_file_is_taken_whole_or_refused(tmp_path, change, suffix, name):
    valid = valid_model() if suffix == ".safetensors" else valid_array(tmp_path)
    path = tmp_path / "upload"
    path.write_bytes(change(valid))
    taken, refused = outcome(lambda: import_file(path, file_name=f"{name}{suffix}"))
    assert is_sentence(refused) if taken is None else is_whole(taken)
    assert {p.name for p in tmp_path.iterdir()} <= {"home", "valid.npy", "upload"}
    assert not list((tmp_path / "home").rglob("*.tmp"))


def is_whole(taken):
    item = next(i for i in catalogue.catalogue() if i.kind == taken.kind and i.name == taken.name)
    return not item.problem


@pytest.mark.parametrize(
    "header", ["{'descr': '<f4', 'shape': (3, 4, 4])}", '{\'descr\': """', "  {\n }\n x", "((" * 2000]
)
def test_what_numpy_stumbles_over_is_refused(tmp_path, header):
    text = header.encode() + b"\n"
    path = tmp_path / "upload.npy"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(200))
    for call in (lambda: import_file(path), lambda: open_ensemble(path)):
        taken, refused = outcome(call)
        assert taken is None
        assert "damaged" in refused


@settings(FUZZ, max_examples=max(3, EXAMPLES // 10))
@given(change=damage())
def test_any_ensemble_is_taken_whole_or_refused_in_a_process_of_its_own(tmp_path, change):
    from core.library.apart import import_apart

    path = tmp_path / "upload.nc"
    path.write_bytes(change(valid_ensemble(tmp_path)))
    taken, refused = outcome(lambda: import_apart(path, file_name="upload.nc"))
    assert is_sentence(refused) if taken is None else is_whole(taken)


class Files(Shelf):
    suffix, what = ".x", "file"


@FUZZ
@given(st.one_of(st.text(max_size=60), st.sampled_from(NASTY), st.from_regex(r"(\.\./|/|\\|~|\.)+\w*")))
def test_no_name_leads_out_of_the_folder(tmp_path, name):
    shelf = Files(tmp_path / "shelf")
    try:
        path = shelf.path(name)
    except ValueError:
        pass
    else:
        assert path.parent == shelf.folder
        assert path.resolve().parent == shelf.folder.resolve()
    assert shelf.path(safe_name(name)).parent == shelf.folder  # what is made safe is always taken


jsons = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=8,
)
messages = st.one_of(
    jsons,
    st.fixed_dictionaries({"paint": jsons, "begins": jsons}),
    st.fixed_dictionaries({"drawn": jsons}),
    st.fixed_dictionaries({"ready": jsons}),
)


@FUZZ
@given(messages)
def test_any_message_to_a_stage_is_understood_or_refused(message):
    stage, painted = Stage(), []
    stage.on_paint(lambda points, begins: painted.extend(points))
    refused = outcome(lambda: stage._handle_msg(message))[1]
    assert not refused or is_sentence(refused)
    for point in painted:
        assert len(point) == 2
        assert np.isfinite(point).all()


@FUZZ
@given(st.integers(0, 2**32 - 1))
def test_any_number_on_the_frame_socket_is_taken_or_refused(number):
    channel = Channel()
    refused = outcome(lambda: channel.drawn(number))[1]
    assert is_sentence(refused)  # nothing has been sent yet


@FUZZ
@given(jsons)
def test_any_curve_is_checked(points):
    try:
        check_points(points)
    except (ValueError, TypeError):
        return
    values = np.array(points, dtype=float)
    assert values.shape[1] == 2
    assert np.isfinite(values).all()
    json.dumps(points)
