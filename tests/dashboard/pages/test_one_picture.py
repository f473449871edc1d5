"""What the one-dimensional tab draws, against exact results."""

import numpy as np
import pytest
import torch

from core.diffusion.gaussian import GaussianScore
from core.jobs import Token
from dashboard.pages.one.order import Order
from dashboard.pages.one.picture import FAST, full_quality, paint, pictures, preview
from dashboard.pages.one.scene import build_scene, heat_map
from dashboard.pages.one.state import OneState

CASES = {
    "two-peak, VE": {"target": "two-peak", "schedule": "ve"},
    "asymmetric mixture, VP": {"target": "mixture", "schedule": "vp"},
    "quartic, drawn, karras": {"target": "quartic", "schedule": "drawn", "drawn": "0:1 0.5:8 1:60", "grid": "karras"},
}


def order(score: str = "exact", **choices) -> Order:
    """What the page orders for these choices; Heun's steps, whose bias is below the noise of the tests."""
    state = OneState(**({"solver": "heun", "seed": 3} | choices))
    target = state.make_target()
    model = GaussianScore(target.mean, target.covariance) if score == "gaussian" else target
    return Order(
        target, state.make_schedule(), model, score, state.solver, state.grid, state.steps, state.paths,
        state.prior, state.seed,
    )  # fmt: skip


@pytest.fixture(scope="module", params=CASES)
def run(request):
    """An order and its full picture."""
    wanted = order(**CASES[request.param])
    return wanted, paint(wanted, full_quality(wanted), Token())


def levels(picture):
    return zip(np.maximum(picture.f, 1e-300), picture.root_xi**2, strict=True)


def test_the_exact_density_is_normalised(run):
    _, picture = run
    # The frame leaves out 1e-6 of the probability; the trapezoidal rule is exact for what has decayed at both ends.
    assert np.trapezoid(picture.exact, picture.x, axis=1) == pytest.approx(1, abs=1e-5)


def test_the_histograms_are_draws_from_the_exact_law(run):
    wanted, picture = run
    widths = np.diff(picture.edges, axis=1)
    squares = []
    for i, (f, xi) in enumerate(levels(picture)):
        inside = picture.edges[i, :-1, None] + widths[i, :, None] * (np.arange(9) + 0.5) / 9
        density = wanted.target.log_prob(torch.from_numpy(inside.reshape(-1, 1)), f, xi).exp().numpy()
        p = density.reshape(inside.shape).mean(axis=1) * widths[i]
        counted = picture.histogram[i] * widths[i] * picture.paths
        z = ((counted - picture.paths * p) / np.sqrt(picture.paths * p * (1 - p)))[picture.paths * p > 20]
        # Some 7000 bins in all, neighbouring frames alike: 5 standard deviations are passed once in 200 such pictures.
        assert np.abs(z).max() < 5
        squares.append(np.mean(z**2))
    assert np.mean(squares) == pytest.approx(1, abs=0.12)  # frames share paths: the error of this mean is about 0.03


def test_fokker_planck_agrees_with_the_exact_density(run):
    _, picture = run
    deviation = np.abs(picture.fokker_planck - picture.exact).max(axis=1) / picture.exact.max(axis=1)
    assert deviation.max() < 0.008  # 400 cells and a matched start


def test_cumulants_follow_the_prediction(run):
    wanted, picture = run
    kappa0 = wanted.target.cumulants(8)
    for n, curve in picture.cumulants.items():
        predicted = kappa0[n] * picture.f**n + (picture.root_xi**2 if n == 2 else 0)
        assert curve.predicted == pytest.approx(predicted, rel=1e-9, abs=1e-9 * kappa0[2] ** (n / 2))
        assert (np.abs(curve.value - predicted) < 5 * curve.error).all()
        assert curve.error.min() > 0


def test_without_the_noise_of_the_same_paths_cumulants_are_those_of_the_data_scaled(run):
    """The measured noise is taken away, so that the data's statistical error remains, however wild κₙ itself is."""
    _, picture = run
    ahead = slice(0, picture.turn)
    for n, curve in picture.cumulants.items():
        assert curve.variate is not None
        assert np.isnan(curve.variate[picture.turn :]).all()
        remaining = 5 * curve.error[0] * picture.f[ahead] ** n
        assert (np.abs(curve.variate[ahead] - curve.predicted[ahead]) <= remaining).all()


def test_odd_cumulants_are_shown_where_they_are_not_zero():
    token = Token()
    assert set(paint(order(), FAST, token).cumulants) == {2, 4, 6, 8}
    skewed = paint(order(target="mixture"), FAST, token)
    assert set(skewed.cumulants) == {1, 2, 3, 4, 6, 8}
    kappa = skewed.cumulants
    m2 = kappa[2].predicted + kappa[1].predicted ** 2
    assert skewed.moments[2].predicted == pytest.approx(m2)


def test_a_curve_that_is_only_noise_says_so():
    few = paint(order(paths=500), FAST, Token())
    note = few.cumulants[8].note
    assert note.startswith("only noise from t ≈")
    t = float(note.split("≈ ")[1].split()[0])
    # √(8! κ₂⁸/N) passes |κ₈| = 272 at κ₂ = 2.35, Ξ = 1.29, t = 0.42 (VE, σ = 10); frames lie 1/18 apart.
    assert 0.41 < t < 0.5
    assert few.cumulants[2].note == ""
    assert few.moments[8].note == ""


def test_the_generating_functional_is_predicted_and_measured(run):
    _, picture = run
    J = picture.J / picture.spread[:, None]
    weight = np.exp(J[:, :, None] * picture.x[:, None, :]) * picture.exact[:, None, :]
    integral = np.log(np.trapezoid(weight, picture.x[:, None, :], axis=2))
    # At two spreads the tilt lifts the 1e-6 beyond the frame to some 2e-3 of the integral.
    assert picture.w_predicted == pytest.approx(integral, abs=4e-3)
    near = np.abs(picture.J) <= 1.01
    off = np.abs(picture.w_value - picture.w_predicted)[:, near]
    error = picture.w_error[:, near]
    # 4000 samples in 16 blocks: an error that is itself uncertain by a fifth, and 120 frames of few independent ones.
    assert (off <= 6 * error + 1e-12).all()
    moved = error > 1e-12
    assert np.sqrt(np.mean((off[moved] / error[moved]) ** 2)) < 1.6


def test_the_score_is_the_slope_of_the_exact_density(run):
    wanted, picture = run
    for i in (0, picture.turn // 2, picture.turn, len(picture.t) - 1):
        seen = picture.exact[i] > 1e-3 * picture.exact[i].max()
        slope = np.gradient(np.log(np.maximum(picture.exact[i], 1e-300)), picture.x[i])
        size = np.abs(picture.score_exact[i][seen]).max()
        assert picture.score_exact[i][seen] == pytest.approx(slope[seen], abs=0.04 * size)
    assert picture.score_used is picture.score_exact or (picture.score_used == picture.score_exact).all()
    ahead = np.arange(len(picture.t)) < picture.turn
    damping = 0.5 * picture.x * wanted.schedule.preserving
    assert picture.drift[ahead] == pytest.approx(-damping[ahead])
    assert picture.drift[~ahead] == pytest.approx((damping + picture.score_used)[~ahead])


def test_the_gaussian_score_is_a_straight_line():
    wanted = order("gaussian", target="mixture")
    picture = paint(wanted, FAST, Token())
    line = -(picture.x - picture.centre[:, None]) / picture.spread[:, None] ** 2
    assert picture.score_used == pytest.approx(line)
    assert picture.score_name == "gaussian"
    end = picture.cumulants[4]
    assert abs(end.value[-1]) < 6 * end.error[-1]  # it brings back the variance, not the peaks
    assert abs(end.predicted[-1]) > 8 * end.error[-1]


@pytest.mark.parametrize("schedule", ["ve", "vp", "cosine"])
def test_marks_lie_where_noise_equals_signal_and_where_the_peaks_merge(schedule):
    """Two peaks ±1 of width ¼: κ₂ = 17/16, and the density has one maximum from σ̃² = 1 - 1/16 on."""
    wanted = order(schedule=schedule)
    marks = {mark.label: mark.position for mark in paint(wanted, FAST, Token()).marks}
    end = wanted.schedule.t_max
    drowns = float(wanted.schedule.t_of_sigma(np.sqrt(17 / 16))) / end
    merge = float(wanted.schedule.t_of_sigma(np.sqrt(15 / 16))) / end
    assert marks == {
        "drowns": pytest.approx(drowns, abs=1e-9),
        "emerges": pytest.approx(2 - drowns, abs=1e-9),
        "peaks merge": pytest.approx(merge, abs=1e-3),
        "peak chosen": pytest.approx(2 - merge, abs=1e-3),
    }


@pytest.mark.parametrize("choices", [{}, {"schedule": "vp"}, {"target": "formula"}])
def test_a_preview_marks_the_merging_peaks_to_within_a_frame(choices):
    wanted = order(**{"target": "quartic"} | choices)
    exact = [m.position for m in paint(wanted, full_quality(wanted), Token()).marks]
    quick = preview(wanted, Token())
    assert quick is not None
    spacing = np.diff(quick.positions).max()
    assert len(exact) == 4  # noise = signal and peaks merge, there and back
    np.testing.assert_allclose([m.position for m in quick.marks], exact, atol=spacing)


def test_marks_appear_only_where_there_is_something_to_mark():
    one_well = paint(order(target="quartic", mu2=1.0), FAST, Token())
    assert [mark.label for mark in one_well.marks] == ["drowns", "emerges"]
    weak = paint(order(schedule="drawn", drawn="0:0.1 1:0.1"), FAST, Token())
    assert weak.marks == []


def test_the_first_paths_are_the_same_however_many_there_are():
    few, many = order(paths=500), order(paths=9000)
    a, b = (paint(wanted, full_quality(few), Token()) for wanted in (few, many))
    assert a.paths == 500
    many_in_full = paint(many, full_quality(many), Token())
    assert many_in_full.paths == 9000
    assert (a.bundle == b.bundle).all()
    assert (a.bundle == many_in_full.bundle).all()


def test_a_preview_starts_from_the_data_and_the_prior_of_the_full_run():
    wanted = order(paths=4000)
    quick, full = pictures(wanted, Token())
    assert (quick.preview, full.preview) == (True, False)
    assert quick.paths == FAST.paths < full.paths == 4000
    assert torch.equal(quick.forward.start, full.forward.start[: quick.paths])
    assert quick.bundle[:, quick.turn] == pytest.approx(full.bundle[:, full.turn])


def test_a_preview_takes_the_steps_that_it_needs():
    """48 Euler steps of VP at σ = 25 multiply a path by -5.5 each; the preview takes enough not to."""
    wanted = order(schedule="vp", sigma=25.0, solver="euler")
    quick = paint(wanted, FAST, Token())
    assert np.abs(quick.bundle / quick.spread).max() < 6
    assert not quick.warnings


def test_where_a_preview_is_impossible_the_full_picture_comes_alone():
    wanted = order(schedule="vp", sigma=50.0, grid="log", solver="ancestral", steps=400, paths=500)
    with pytest.raises(FloatingPointError, match="too long"):
        paint(wanted, FAST, Token())
    assert preview(wanted, Token()) is None
    (only,) = pictures(wanted, Token())
    assert not only.preview
    with pytest.raises(FloatingPointError, match="take more steps"):
        list(pictures(order(schedule="vp", sigma=50.0, grid="log", solver="ancestral", steps=20), Token()))


def test_a_prior_of_pure_noise_is_what_fokker_planck_shows_too():
    """N(0, Ξ) instead of the matched law: Fokker–Planck starts from it as well, and the page says so."""
    picture = paint(order(prior="noise", sigma=2.0), FAST, Token())
    assert picture.warnings
    start, x = picture.fokker_planck[picture.turn], picture.x[picture.turn]
    variance = np.trapezoid(start * x**2, x)
    assert variance == pytest.approx(picture.root_xi[picture.turn] ** 2, rel=5e-3)
    assert variance < 0.75 * picture.spread[picture.turn] ** 2


def test_the_scene_carries_the_picture(run):
    _, picture = run
    scene = build_scene(picture)
    panels = {panel.id: panel for panel in scene.panels}
    assert np.asarray(scene.positions) == pytest.approx(picture.positions)
    assert {f"k{n}" for n in picture.cumulants} < set(panels)
    bars, solved, exact = panels["density"].series
    assert bars.heights is picture.histogram
    assert solved.y is picture.fokker_planck
    assert exact.y is picture.exact
    forward, backward = panels["k2"].series[2].y, panels["k2"].series[3].y
    assert np.isnan(forward[picture.turn :]).all()
    assert np.isnan(backward[: picture.turn]).all()
    heat = panels["bundle"].series[0]
    assert heat.data.max(axis=0) == pytest.approx(255)  # each column is scaled to its own maximum
    assert all(0 <= mark.position <= 2 for mark in scene.marks)
    assert [c.split()[0] for c in scene.captions].count("forward") == picture.turn
    with_moments = {panel.id: panel.title for panel in build_scene(picture, moments=True).panels}
    assert with_moments["k4"] == "μ₄"


@pytest.mark.parametrize(
    ("target", "score", "solved"),
    [("two-peak", "exact", True), ("quartic", "gaussian", True), ("quartic", "exact", False)],
)
def test_a_quick_picture_solves_fokker_planck_where_the_score_is_a_closed_form(target, score, solved):
    """Elsewhere the curve is NaN, which is not drawn, and the heat map shows the exact density both ways."""
    picture = paint(order(score, target=target), FAST, Token())
    assert np.isfinite(picture.fokker_planck).all() == solved
    assert np.isnan(picture.fokker_planck).all() == (not solved)
    back = slice(picture.turn, None)
    if solved:
        assert (picture.density[back] == picture.fokker_planck[back]).all()
    else:
        assert (picture.density == picture.exact).all()
    if score == "exact":
        assert np.trapezoid(picture.density, picture.x, axis=1) == pytest.approx(1, abs=1e-3)
    assert heat_map(picture)[0].max(axis=0) == pytest.approx(255)
    (curve,) = (s for s in build_scene(picture).panels[0].series if s.label == "Fokker–Planck")
    assert curve.y is picture.fokker_planck
