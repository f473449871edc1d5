"""Numbers with their errors, as papers print them: 1.0692(6)."""

from __future__ import annotations

from decimal import Decimal
from math import isfinite, isnan

MINUS = "−"
NARROW_SPACE = "\u202f"
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def with_error(value: float | None, error: float | None = None) -> str:
    """``value`` with its error in units of its last digits: 1.0692(6), −272.7(6), 0.39597(4).

    The error has one digit, or two where its first is 1: 0.62203(14). An error of 1 or more is written with its own
    point, 272.4(1.3); from 100 on, and where value and error both are below 10⁻³, a power of ten is taken out:
    1.235(3)·10⁵. Without a known error (None, NaN, infinite) or with an exact value (error 0) it has six significant
    digits and no bracket. A value of None or NaN is "–". Raises ValueError for a negative error.
    """
    if error is not None and error < 0:
        raise ValueError(f"error must not be negative, got {error}")
    if value is None or isnan(value):
        return "–"
    if not isfinite(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    if error is None or not isfinite(error) or error == 0:
        mantissa, _, exponent = f"{value:.6g}".partition("e")
        return mantissa.replace("-", MINUS) + (_power_of_ten(int(exponent)) if exponent else "")
    size = max(abs(value), error)
    power = Decimal(repr(float(size))).adjusted() if error >= 100 or size < 1e-3 else 0
    v, e = (Decimal(repr(float(a))).scaleb(-power) for a in (value, error))
    last_digit = e.adjusted() - (e.as_tuple().digits[0] == 1)
    v, e = round(v, -last_digit), round(e, -last_digit)
    digits = f"{e:f}" if e >= 1 else str(int(e.scaleb(-last_digit)))
    sign = MINUS if v < 0 else ""
    return f"{sign}{abs(v):f}({digits})" + (_power_of_ten(power) if power else "")


def thousands(count: int) -> str:
    """A count in groups of three digits, parted by narrow no-break spaces as ISO 80000-1 has it: 20 000."""
    return f"{count:,}".replace(",", NARROW_SPACE).replace("-", MINUS)


def _power_of_ten(exponent: int) -> str:
    return "·10" + str(exponent).translate(_SUPERSCRIPT)
