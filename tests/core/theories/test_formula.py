"""Typed potentials: what they compute, and what they refuse."""

import math
import os
import string
import subprocess
import sys
from contextlib import suppress

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import polygamma
from scipy.stats import gumbel_l, kstest

from core.noise import Noise
from core.theories.expression import FUNCTIONS, parse
from core.theories.formula import Formula
from core.theories.potential import Quartic

GOOD = [
    ("x^2/2", lambda x: x**2 / 2),
    ("-0.5*x**2 + 0.4*x^4/24", lambda x: -0.5 * x**2 + 0.4 * x**4 / 24),
    ("x^2/2 + 2*cos(3*x)", lambda x: x**2 / 2 + 2 * math.cos(3 * x)),
    ("exp(x) - x", lambda x: math.exp(x) - x),
    ("abs(x)^3 - tanh(x)", lambda x: abs(x) ** 3 - math.tanh(x)),
    ("x*atan(x)*pi + sqrt(1 + x^2)/e", lambda x: x * math.atan(x) * math.pi + math.sqrt(1 + x * x) / math.e),
    ("cosh(x) - sinh(x/2) + sin(x)", lambda x: math.cosh(x) - math.sinh(x / 2) + math.sin(x)),
    ("30*log(2 + x^2)", lambda x: 30 * math.log(2 + x * x)),
    ("2*-x + x**2 - -1e-2", lambda x: -2 * x + x**2 + 0.01),
    ("x^2^2", lambda x: x**4),
]


@pytest.mark.parametrize(("text", "function"), GOOD, ids=[text for text, _ in GOOD])
def test_action_and_force(text, function):
    target = Formula(text)
    x = np.linspace(-1.7, 1.9, 37)
    np.testing.assert_allclose(target.action_at(x), [function(v) for v in x], rtol=1e-12, atol=1e-12)
    h = 1e-5
    numerical = [-(function(v + h) - function(v - h)) / (2 * h) for v in x]
    np.testing.assert_allclose(target.force_at(x), numerical, rtol=1e-6, atol=1e-6)
    assert target.score_error(0.8, 0.36) < 1e-6
    assert target.latex().startswith("S(x) = ")


def test_the_typed_quartic_is_the_quartic():
    typed, known = Formula("-x^2/2 + 0.4*x^4/24"), Quartic(-1.0, 0.4)
    np.testing.assert_allclose(typed.cumulants(), known.cumulants(), rtol=1e-11)
    x = known.sample(100, Noise(1))
    torch.testing.assert_close(typed.score(x, 0.6, 0.64), known.score(x, 0.6, 0.64), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(typed.sample(100, Noise(1)), x, rtol=0, atol=1e-11)


def test_an_asymmetric_law_with_known_cumulants():
    """S = e^x - x is the Gumbel law mirrored: κ_n = ψ^{(n-1)}(1), W[J] = log Γ(1 + J) for J > -1."""
    target = Formula("exp(x) - x")
    expected = [0.0, *(float(polygamma(n - 1, 1)) for n in range(1, 9))]
    np.testing.assert_allclose(target.cumulants(8), expected, rtol=1e-9)
    J = np.array([-2.0, -0.9, 0.5, 6.0])
    np.testing.assert_allclose(target.log_generating(J)[1:], [math.lgamma(1 + j) for j in J[1:]], atol=1e-10)
    assert target.log_generating(J)[0] == np.inf
    assert kstest(target.sample(20_000, Noise(2))[:, 0].numpy(), gumbel_l.cdf).pvalue > 1e-4


@pytest.mark.parametrize(
    ("text", "mean", "variance"),
    [
        ("(x - 1000)^2/1e-6", 1000, 5e-7),  # a needle far from the origin
        ("1e-12*x^2", 0, 5e11),
        ("1e12*x^2", 0, 5e-13),
        ("x^2/2 + 700", 0, 1),
        ("1/(1+x^2)^0 * (x+40)^2/2", -40, 1),
        ("x^2 + 1/x^2", 0, 1.5),
        ("x^2 - log(x^2)", 0, 1.5),
        ("x^3/(2*x)", 0, 1),
        ("x^2/2 + x/x", 0, 1),
    ],
)
def test_wells_are_found_wherever_they_are(text, mean, variance):
    target = Formula(text)
    assert target.mean[0] == pytest.approx(mean, abs=1e-9 * math.sqrt(variance) + 1e-12 * abs(mean))
    assert target.covariance[0, 0] == pytest.approx(variance, rel=1e-8)


def test_a_wall_within_reach_ends_the_law():
    """S = x² |log(x + 2)| is real for x > -2 only, where it becomes infinite."""

    def weighted(n: int) -> float:
        return quad(lambda x: x**n * math.exp(-(x**2) * abs(math.log(x + 2))), -2, 12, points=[-1, 0])[0]

    target = Formula("abs(log(x+2))*x^2")
    assert target.mean[0] == pytest.approx(weighted(1) / weighted(0), abs=1e-7)
    assert target.moments(2)[2] == pytest.approx(weighted(2) / weighted(0), abs=1e-7)


REFUSED = [
    ("", "empty"),
    ("   ", "empty"),
    ("x^", "cannot be read"),
    ("(x", "cannot be read"),
    ("2x", r"products need a \*"),
    ("2(x)", r"products need a \*"),
    ("x(x+1)", r"products need a \*"),
    ("y^2", "unknown name 'y'"),
    ("sin", "needs an argument"),
    ("sin()", "takes one argument"),
    ("log(x)^2*eval(x)", "unknown function 'eval'"),
    ("x^x", "exponents"),
    ("2^x + x^2", "exponents"),
    ("x^21", "exponents"),
    ("9**9**9", "exponents"),
    ("((((9**20)**20)**20)**20)*x^2", "constant"),
    ("(((x^20)^20)^20)", "must not exceed 64"),
    ("1/0 + x^2", "constant"),
    ("sqrt(-1) + x^2", "constant"),
    ("exp(exp(exp(9))) + x^2", "constant"),
    ("x/(x-x) + x^2", "not a finite real"),
    ("1e400*x^2", "numbers in the potential"),
    ("x + " * 60 + "x^2", "characters"),
    ("sin(" * 31 + "x" + ")" * 31 + "+ x^2", "nested"),
    ("-x^2", "falls to minus infinity"),
    ("x^3", "falls to minus infinity as x → -∞"),
    ("-x^3", r"falls to minus infinity as x → \+∞"),
    ("x^4 - x^6/1e9", "falls to minus infinity"),
    ("exp(x) - exp(2*x) + x^2", "falls to minus infinity"),
    ("x^2 - 1/x^2", "falls to minus infinity"),
    ("x^2 - 1/abs(x - 3.0001234)", "near x = 3.00012"),
    ("x^4 + x/(x - 2)", "near x = 2"),
    ("x^4 + 1/(x - 1)", "near x = 1"),
    ("x^2 + 1/x", "falls to minus infinity near x"),
    ("1", "grows too slowly"),
    ("0*x", "grows too slowly"),
    ("log(1 + x^2)", "grows too slowly"),
    ("4*log(1 + x^2)", "grows too slowly"),  # normalisable, but without an eighth moment
    ("cos(x)", "grows too slowly"),
    ("exp(x)", "grows too slowly as x → -∞"),
    ("log(x) + x^2", "not a real number at x = -"),
    ("sqrt(x^2 - 1) + x^2", "not a real number"),
    ("x^2.5", "not a real number"),
    ("1000*cos(1000*x) + x^2", "too much structure"),
]


@pytest.mark.parametrize(("text", "word"), REFUSED, ids=[t[:30] for t, _ in REFUSED])
def test_refused_with_a_reason(text, word):
    with pytest.raises(ValueError, match=word):
        Formula(text)


NASTY = [
    "__import__('os').system('echo pwned > {marker}')",
    "().__class__.__bases__[0].__subclasses__()",
    "x.__class__",
    "x.__init__.__globals__",
    "open(x)",
    "exec(x)",
    "getattr(x, x)",
    "globals()",
    "lambda: x",
    "(lambda x: x)(x)",
    "[x for x in x]",
    "{x}",
    "x if x else x",
    "x and x",
    "not x",
    "~x",
    "x < 1",
    "x @ x",
    "x % 2",
    "x // 2",
    "x[0]",
    "x := 1",
    "x; x",
    "x\nx",
    "x = 1",
    "f'{x}'",
    "'x'",
    "b'x'",
    "1j*x",
    "True*x^2",
    "None",
    "...",
    "*x",
    "sin(*x)",
    "sin(x=x)",
    "sin(x, x)",
    "x # comment",
    "x\x00",
    "x\\",
    "ｅｖａｌ(x)",
    "х^2",  # a Cyrillic letter
    "x²",
    "S(x)",
    "Symbol(x)",
    "zoo",
    "oo*x^2",
    "nan",
    "I*x",
    "E*x^2",
    "inf",
    "x^2 + diff(x)",
    "Integer(10)^x",
    "-" * 150 + "x",
]


@pytest.mark.parametrize("text", NASTY)
def test_nothing_but_arithmetic_gets_through(text, tmp_path):
    marker = tmp_path / "marker"
    with pytest.raises(ValueError, match=r"potential|argument"):
        parse(text.replace("{marker}", str(marker)))
    assert not marker.exists()


@pytest.mark.parametrize("value", [None, 3, b"x^2", ["x"]])
def test_only_text_is_a_formula(value):
    with pytest.raises(ValueError, match="potential is a text"):
        parse(value)


@given(st.text(max_size=80))
@settings(max_examples=300, deadline=None)
def test_any_text_is_parsed_or_refused(text):
    _parse_or_refuse(text)


PIECES = [
    *FUNCTIONS,
    "x",
    "x",
    "(",
    ")",
    "(",
    ")",
    "**",
    "^",
    "*",
    "/",
    "+",
    "-",
    ".",
    "e",
    "pi",
    "1",
    "20",
    "1e3",
    " ",
]


@given(st.lists(st.sampled_from([*PIECES, *string.ascii_letters[:4], "_"]), max_size=30).map("".join))
@settings(max_examples=500, deadline=2000)
def test_any_sequence_of_pieces_is_parsed_or_refused(text):
    _parse_or_refuse(text)


def _parse_or_refuse(text):
    with suppress(ValueError):
        assert {str(s) for s in parse(text).free_symbols} <= {"x"}


@given(st.recursive(
    st.sampled_from(["x", "2", "0.5", "x^2"]),
    lambda inner: st.tuples(st.sampled_from("+-*/"), inner, inner).map(lambda t: f"({t[1]} {t[0]} {t[2]})")
    | st.tuples(st.sampled_from(sorted(FUNCTIONS)), inner).map(lambda t: f"{t[0]}({t[1]})"),
    max_leaves=6,
))  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_a_well_formed_potential_gives_a_law_or_a_reason(text):
    """x^4/4 confines many of these; the others must be refused, and none may give a nan."""
    try:
        target = Formula(f"x^4/4 + {text}")
    except ValueError:
        return
    x = target.sample(50, Noise(1))
    assert np.all(np.isfinite(target.cumulants(4)))
    assert torch.isfinite(target.score(x, 0.7, 0.51)).all()
    assert torch.isfinite(target.log_prob(x, 0.7, 0.51)).all()


def test_removable_singularities_are_filled():
    target = Formula("x^2/2 + sin(x)/x")
    zero = torch.zeros(1, 1, dtype=torch.float64)
    assert target.action(zero).item() == pytest.approx(1.0)
    assert target.force(zero).item() == pytest.approx(0.0, abs=1e-6)
    assert Formula("x^4/4 + x/atan(x)").mean[0] == pytest.approx(0.0, abs=1e-12)


def test_presets_are_made_without_sympy():
    """Reading a formula costs most of a second of import, which nobody else should pay."""
    code = (
        "import sys; from core.theories.registry import PRESETS; PRESETS['two-peak']; assert 'sympy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, timeout=120)
