"""Colours by role, so that a quantity keeps its colour in every picture, and palettes for images.

The hues are those of Okabe and Ito and of Paul Tol's bright set (distinguishable with red-green and blue-yellow
blindness), darkened on white and lightened on black until a 1.5 pixel line has a contrast of at least 3 to 1.
"""

from functools import lru_cache
from types import MappingProxyType

import colorcet
import numpy as np

from dashboard import style

_LIGHT = {
    "exact": "#16191d",
    "fp": "#aa3377",
    "forward": "#0072b2",
    "backward": "#d55e00",
    "data": "#00875f",
    "learned": "#a87500",
    "gauss": "#1a8fb4",
    "noise": "#7b828a",
    "k1": "#6a4fa3",
    "k2": "#0072b2",
    "k3": "#1a8fb4",
    "k4": "#d55e00",
    "k5": "#a87500",
    "k6": "#00875f",
    "k7": "#882255",
    "k8": "#aa3377",
    "accent": style.LIGHT["accent"],
    "muted": "#858c94",
}
_DARK = {
    "exact": "#f3f5f7",
    "fp": "#ee8fc4",
    "forward": "#5cb3f2",
    "backward": "#ff9350",
    "data": "#3fcf9f",
    "learned": "#f2c14e",
    "gauss": "#6fdcea",
    "noise": "#a2a9b1",
    "k1": "#b9a5ee",
    "k2": "#5cb3f2",
    "k3": "#6fdcea",
    "k4": "#ff9350",
    "k5": "#f2c14e",
    "k6": "#3fcf9f",
    "k7": "#e0769f",
    "k8": "#ee8fc4",
    "accent": style.DARK["accent"],
    "muted": "#8d959e",
}
COLOURS = MappingProxyType({"light": _LIGHT, "dark": _DARK})
ROLES = tuple(_LIGHT)
INK = MappingProxyType({"light": style.LIGHT, "dark": style.DARK})

# The lowest value of a sequential palette has the colour of the paper, which differs between the themes.
PALETTES = MappingProxyType(
    {
        "diverging": ("CET_D1", "CET_D1"),
        "sequential": ("CET_L17", "CET_L8"),
        "grey": ("CET_L1", "CET_L1"),
        "cyclic": ("CET_C6", "CET_C6"),
    }
)


def colour(role: str, dark: bool = False) -> str:
    """The CSS colour of a role (see `ROLES`), for widgets and tables beside the pictures."""
    if role not in ROLES:
        raise ValueError(f"colour is {role!r}; it must be one of {', '.join(ROLES)}")
    return COLOURS["dark" if dark else "light"][role]


def check_colour(text: str) -> None:
    """Accept a role or a CSS colour written with # or as a function such as rgb(…); ValueError otherwise."""
    if text not in ROLES and not text.startswith(("#", "rgb", "hsl", "oklch")):
        raise ValueError(f"color is {text!r}; it must be a CSS colour such as '#0072b2' or one of {', '.join(ROLES)}")


@lru_cache(maxsize=32)
def palette(name: str, dark: bool = False) -> bytes:
    """256 RGB triples, 768 bytes: one of `PALETTES` or any perceptually uniform palette that colorcet names."""
    known = PALETTES.get(name, (name, name))[dark]
    if known not in colorcet.palette or len(colorcet.palette[known]) != 256:
        raise ValueError(f"palette is {name!r}; it must be one of {', '.join(PALETTES)} or a colorcet name like CET_L3")
    return np.array([list(bytes.fromhex(entry[1:])) for entry in colorcet.palette[known]], np.uint8).tobytes()
