"""Numbers with errors."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.statistics.format import thousands, with_error

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (1.0692, 0.0006, "1.0692(6)"),
        (-272.7, 0.6, "−272.7(6)"),
        (0.39597, 0.00004, "0.39597(4)"),
        (0.62203, 0.00014, "0.62203(14)"),
        (-2.00123, 0.00199, "−2.0012(20)"),
        (1.23, 0.096, "1.23(10)"),
        (1.23, 0.094, "1.23(9)"),
        (-272.44, 1.32, "−272.4(1.3)"),
        (16.0, 1.0, "16.0(1.0)"),
        (12.3, 3, "12(3)"),
        (1.5, 2.4, "2(2)"),
        (270, 35, "270(40)"),
        (272, 12, "272(12)"),
        (123456, 321, "1.235(3)·10⁵"),
        (-272, 24310, "0(2)·10⁴"),
        (99999, 100, "10.000(10)·10⁴"),
        (1.2e-5, 3e-6, "1.2(3)·10⁻⁵"),
        (0, 1e-5, "0.0(1.0)·10⁻⁵"),
        (0, 0.003, "0.000(3)"),
        (-0.0001, 0.02, "0.00(2)"),
        (3.1, 0, "3.1"),
        (3.1, None, "3.1"),
        (1.0625, NAN, "1.0625"),
        (-271.987654, INF, "−271.988"),
        (1e-9, None, "1·10⁻⁹"),
        (-2.5e7, None, "−2.5·10⁷"),
        (0.0, 0.0, "0"),
        (None, None, "–"),
        (None, 1.0, "–"),
        (NAN, 1.0, "–"),
        (INF, 1.0, "∞"),
        (-INF, None, "−∞"),
    ],
)
def test_table(value, error, text):
    assert with_error(value, error) == text


SUPERSCRIPTS = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


@given(st.floats(-1e12, 1e12), st.floats(1e-9, 1e9))
def test_what_is_read_back_is_within_rounding(value, error):
    """Parsed again: the value to half a unit of the error's last digit, the error to 5 % (one digit: half of it)."""
    match = re.fullmatch(r"(−?)([\d.]+)\(([\d.]+)\)(?:·10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+))?", with_error(value, error))
    assert match, with_error(value, error)
    sign, mantissa, digits, power = match.groups()
    scale = 10.0 ** int(power.translate(SUPERSCRIPTS)) if power else 1.0
    decimals = len(mantissa.partition(".")[2])
    read_error = float(digits) * scale if "." in digits or decimals == 0 else float(digits) * scale / 10**decimals
    read_value = float(mantissa) * scale * (-1 if sign else 1)
    assert read_error == pytest.approx(error, rel=0.26)
    assert abs(read_value - value) <= 0.51 * max(read_error, error) + 1e-15 * abs(value)
    assert 1 <= len(digits.replace(".", "").strip("0")) <= 2


def test_negative_error():
    with pytest.raises(ValueError, match="must not be negative"):
        with_error(1.0, -0.1)


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (999, "999"), (1500, "1\u202f500"), (1234567, "1\u202f234\u202f567"), (-1000, "−1\u202f000")],
)
def test_counts_are_grouped_by_thousands(count, text):
    assert thousands(count) == text
