"""Two scenes as one: equal settings give equal bits, axes and colours are shared, and both follow one position."""

import numpy as np
import pytest
import torch

from core.jobs import Token
from core.schedule import make_schedule
from dashboard.pages.compare.axis import common_axis
from dashboard.pages.compare.fields import Fields
from dashboard.pages.compare.line import Line
from dashboard.pages.compare.pair_scene import axis_of, curves, together
from dashboard.pages.compare.plane import Plane
from dashboard.stage import Image
from dashboard.stage import Line as Curve

SMALL = {"paths": 600, "steps": 40}
CASES = {
    "line": (Line, SMALL),
    "plane": (Plane, SMALL),
    "fields": (Fields, {"L": 16, "configurations": 32, "sweeps": 20, "paths": 32, "steps": 12, "model": ""}),
}
VE, VP = make_schedule("ve", 10.0), make_schedule("vp", 10.0)
CLOCK = np.array([0.0, 0.25, 0.5, 0.75, 1.0, 1.0001, 1.25, 1.5, 1.75, 1.999])


@pytest.fixture
def token():
    return Token()


def run(kind, seed, token, **values):
    state = kind.make_state()
    state.param.update(**values)
    return [r for r in kind.runs(kind.order(state, seed), token) if not isinstance(r, str)][-1]


def scene_of(kind, a, b, clock="t", shown=1):
    sides = kind.side(a), kind.side(b)
    axis = axis_of(*sides, clock)
    return together(axis, kind.pictures(a, b, sides, axis, shown), curves(*sides, axis, kind.curves(a, b)), *sides)


def panels(scene):
    return {panel.id: panel for panel in scene.panels}


def arrays(panel):
    return [s.values(name) for s in panel.series for name in s.arrays if s.values(name) is not None]


def same(left, right):
    pairs = list(zip(arrays(left), arrays(right), strict=True))
    return bool(pairs) and all(np.array_equal(x, y, equal_nan=x.dtype.kind == "f") for x, y in pairs)


@pytest.mark.parametrize("clock", ["t", "level"])
@pytest.mark.parametrize("room", CASES)
def test_the_same_settings_give_the_same_pictures_and_another_seed_others(room, clock, token):
    kind, values = CASES[room][0](), CASES[room][1]
    a, b = (run(kind, 3, token, **values) for _ in "ab")  # computed twice
    assert a is not b
    found = panels(scene_of(kind, a, b, clock))
    names = [name.removeprefix("a_") for name in found if name.startswith("a_")]
    assert names
    for name in names:
        assert same(found[f"a_{name}"], found[f"b_{name}"])
    table = kind.table(a, b, token)
    assert np.array_equal(table.found.a.value, table.found.b.value)
    assert np.all(table.found.difference.value == 0)

    other = panels(scene_of(kind, *(run(kind, 4, token, **values) for _ in "ab"), clock))
    for which in "ab":
        for name in names:
            assert not same(found[f"{which}_{name}"], other[f"{which}_{name}"])


def test_another_schedule_changes_b_alone(token):
    kind = Line()
    a, b = run(kind, 3, token, **SMALL), run(kind, 3, token, schedule="vp", **SMALL)
    assert torch.equal(a.picture.forward.start, b.picture.forward.start)  # the same data
    both, alone = panels(scene_of(kind, a, b)), panels(scene_of(kind, a, a))
    assert same(both["a_bundle"], alone["a_bundle"])
    assert not same(both["b_bundle"], alone["b_bundle"])
    limits = [both[f"{w}_density"].xlim for w in "ab"]
    assert np.array_equal(*limits)
    own = [np.asarray(alone[f"{w}_density"].xlim) for w in "ab"]
    assert np.all(limits[0][:, 1] >= own[0][:, 1] - 1e-9)
    turned = panels(scene_of(kind, b, a))
    assert np.array_equal(turned["a_density"].xlim, limits[0])
    assert np.array_equal(turned["b_density"].ylim, both["a_density"].ylim)


def test_curves_of_both_are_over_each_other_in_their_colours(token):
    kind = Line()
    a, b = run(kind, 3, token, **SMALL), run(kind, 3, token, schedule="vp", **SMALL)
    k4 = panels(scene_of(kind, a, b))["k4"]
    lines = [s for s in k4.series if isinstance(s, Curve)]
    assert {s.color for s in lines} == {"k2", "k4"}
    assert {s.label for s in lines} <= {"A", "B", ""}
    predicted = {s.color: s.y for s in lines if s.dash}
    assert np.allclose(predicted["k2"], predicted["k2"][0])  # conserved under VE
    middle = len(predicted["k4"]) // 2
    assert abs(predicted["k4"][middle]) < 1e-6  # gone under VP


def test_fields_have_one_colour_scale_that_holds_the_wider_one(token):
    kind, values = Fields(), CASES["fields"][1]
    a, b = run(kind, 1, token, kappa=0.21, **values), run(kind, 1, token, kappa=0.27, **values)
    found = panels(scene_of(kind, a, b, shown=4))
    images = {w: [s for s in found[f"{w}_field"].series if isinstance(s, Image)] for w in "ab"}
    assert len(images["a"]) == len(images["b"]) == 4
    assert np.array_equal(images["a"][0].limits, images["b"][3].limits)
    start = np.sqrt(max(r.run.forward.cumulants.value[0, 2] for r in (a, b)))
    assert images["a"][0].limits[0, 1] == pytest.approx(2.5 * start, rel=1e-6)
    assert kind.table(a, b, token).silent == ("⟨S⟩/V",)
    assert kind.table(a, a, token).silent == ()


def test_at_equal_t_both_have_the_time_of_the_position():
    axis = common_axis(CLOCK, VE, CLOCK, VP, "t")
    assert np.array_equal(axis.a.frames, axis.b.frames)
    assert np.allclose(axis.positions, CLOCK, atol=2e-4)
    assert axis.captions[2].startswith("forward   t = 0.500   σ̃ = ")
    assert axis.captions[2].count("|") == 1


def test_at_equal_noise_both_have_the_level_of_the_position_and_the_shorter_one_waits():
    fine = np.concatenate([np.linspace(0, 1, 400), np.linspace(1.0001, 2, 400)])
    axis = common_axis(fine, VE, fine, VP, "level")
    assert len(axis.positions) < 140
    assert {0.0, 1.0, 2.0} <= set(axis.positions)
    assert {text for _, text in axis.ticks} == {"data", "σ̃ = 1", "σ̃ = 10", "noise", "samples"}  # a decade beyond VE
    sa, sb = axis.a.sigma[axis.a.frames], axis.b.sigma[axis.b.frames]
    end = float(VE.sigma(VE.t_max))
    inside = (sb < 0.95 * end) & (sb > 0.2)
    assert inside.sum() > 20
    assert np.allclose(np.log(sa[inside]), np.log(sb[inside]), atol=0.1)
    assert np.all(sa[(sb > 1.1 * end)] == pytest.approx(end, rel=0.02))
    ahead = axis.positions <= 1
    assert np.all(np.diff(axis.a.frames[ahead]) >= 0)
    assert np.all(axis.a.frames[ahead] < 400)
    assert np.all(axis.a.frames[~ahead] >= 400)
