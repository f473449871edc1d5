"""The colours are safe for eyes that see fewer of them: palettes order by lightness alone, lines stay apart.

Lightness is L* of CIE 1976. The dichromacies are those of Viénot, Brettel and Mollon (1999) and, for tritanopia, the
first half plane of Brettel, Viénot and Mollon (1997), as matrices on linear RGB.
"""

import numpy as np
import pytest

from dashboard import style
from dashboard.pages.lattice.state import PALETTES as FIELD_PALETTES
from dashboard.stage.colours import COLOURS, PALETTES, palette

NORMAL = np.eye(3)
BLINDNESS = {
    "normal": NORMAL,
    "protanopia": np.array([[0.11238, 0.88762, 0.0], [0.11238, 0.88762, 0.0], [0.00401, -0.00401, 1.0]]),
    "deuteranopia": np.array([[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]]),
    "tritanopia": np.array([[1.01277, 0.13548, -0.14826], [-0.01243, 0.86812, 0.14431], [0.07589, 0.80500, 0.11911]]),
}
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175], [0.0193339, 0.119192, 0.9503041]]
)
TOGETHER = [("forward", "backward"), ("exact", "learned"), ("k2", "k4"), ("data", "learned"), ("exact", "fp")]
"""Roles whose lines share a picture."""
SEQUENTIAL = ("sequential", "grey")
DIVERGING = ("diverging", *(name for name in FIELD_PALETTES.values() if name != "diverging"))


def linear(rgb):
    """Linear RGB in 0 … 1 of sRGB bytes."""
    c = np.asarray(rgb, float) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def lab(light):
    """CIE L*a*b* (D65) of linear RGB."""
    t = np.clip(light, 0, 1) @ TO_XYZ.T / TO_XYZ.sum(axis=1)
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1)


def seen(rgb, kind):
    return lab(linear(np.asarray(list(rgb) if isinstance(rgb, bytes) else rgb)) @ BLINDNESS[kind].T)


def table(name, dark):
    return np.frombuffer(palette(name, dark), np.uint8).reshape(256, 3)


@pytest.mark.parametrize("kind", BLINDNESS)
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("name", SEQUENTIAL)
def test_a_sequential_palette_goes_one_way_in_lightness(name, dark, kind):
    lightness = seen(table(name, dark), kind)[:, 0]
    way = np.sign(lightness[-1] - lightness[0])
    steps = way * np.diff(lightness[::8])
    assert steps.min() > 0
    assert abs(lightness[-1] - lightness[0]) > 60


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("name", DIVERGING)
def test_a_diverging_palette_is_symmetric_in_lightness_and_turns_in_the_middle(name, dark):
    lightness = seen(table(name, dark), "normal")[:, 0]
    assert np.abs(lightness - lightness[::-1]).max() < 5
    half = lightness[128::8]
    way = np.sign(half[-1] - half[0])
    assert (way * np.diff(half)).min() > 0
    assert abs(half[-1] - half[0]) > 30


@pytest.mark.parametrize("kind", BLINDNESS)
@pytest.mark.parametrize("dark", [False, True])
def test_both_signs_of_the_field_are_told_apart_with_the_palette_that_is_set(dark, kind):
    ends = seen(table("diverging", dark), kind)
    for level in (0, 32, 64):
        assert np.linalg.norm(ends[level] - ends[255 - level]) > 25


@pytest.mark.parametrize("kind", BLINDNESS)
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("pair", TOGETHER)
def test_lines_that_share_a_picture_stay_apart(pair, theme, kind):
    one, other = (seen(bytes.fromhex(COLOURS[theme][role][1:7]), kind) for role in pair)
    assert np.linalg.norm(np.asarray(one) - np.asarray(other)) > 12


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("role", "least"), [("ink", 7.0), ("quiet", 4.5), ("accent", 4.5)])
@pytest.mark.parametrize("ground", ["ground", "paper"])
def test_text_has_the_contrast_of_level_aa(theme, role, least, ground):
    ink = {"light": style.LIGHT, "dark": style.DARK}[theme]

    def luminance(colour):
        return float(linear(list(bytes.fromhex(colour[1:]))) @ [0.2126, 0.7152, 0.0722])

    low, high = sorted((luminance(ink[role]), luminance(ink[ground])))
    assert (high + 0.05) / (low + 0.05) >= least


def test_every_palette_is_checked():
    assert set(PALETTES) - {*SEQUENTIAL, "diverging"} == {"cyclic"}  # an angle has no order
    assert {"diverging"} <= set(FIELD_PALETTES.values())
