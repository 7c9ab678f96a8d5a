"""The one palette of figures, report and dashboard. tests/test_colours.py proves that it can be told apart.

A segment's colour follows from its number, so that it stays the same from version to version. Beyond eight segments
the hues come again in another shape: another swatch, another mark on the map, hatched bars. What is not a segment
(unusual customers, above or below the shop, rose or fell, highlights) has a colour that no segment has.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Colour:
    """A colour's everyday name, and its value on a light and on a dark ground."""

    name: str
    light: str
    dark: str


SEGMENTS = (
    Colour("blue", "#568df8", "#78b3fe"),
    Colour("gold", "#b47906", "#f9c947"),
    Colour("magenta", "#c81378", "#ca76a8"),
    Colour("green", "#0f7a40", "#228854"),
    Colour("indigo", "#3f3586", "#8862d3"),
    Colour("coral", "#e26c73", "#e78b4b"),
    Colour("teal", "#139aa7", "#63d3ea"),
    Colour("brown", "#762c07", "#ffd0a2"),
)
SHAPES = ("circle", "diamond", "square")  # of the first eight segments, of the next, and of those after them

ANOMALY = Colour("black", "#16181c", "#f4f5f7")
HIGHLIGHT = Colour("red", "#d9003c", "#ff5d78")  # the chosen, the mean, the point that a title speaks of
ABOVE = Colour("yellow", "#eec83e", "#7d6011")  # than the shop as a whole
BELOW = Colour("blue", "#51b7fa", "#0b6ba0")
SAME = Colour("grey", "#f4f3ef", "#2a2e35")
ROSE = Colour("green", "#67e37f", "#1e4b25")  # to a more valuable segment
FELL = Colour("pink", "#eebee1", "#7d086a")
SHOP = Colour("slate", "#44586a", "#a9bccb")  # all customers together
MUTED = Colour("grey", "#8a8a8a", "#666e76")  # what others are compared with

GROUND = Colour("ground", "#fbfbf9", "#15171b")
SHEET = Colour("sheet", "#ffffff", "#1c1f24")  # what charts and tables lie on
INK = Colour("ink", "#1b1d21", "#e9eaec")

MEANINGS = {
    "anomaly": ANOMALY,
    "highlight": HIGHLIGHT,
    "above": ABOVE,
    "below": BELOW,
    "same": SAME,
    "rose": ROSE,
    "fell": FELL,
    "shop": SHOP,
    "muted": MUTED,
    "ground": GROUND,
    "sheet": SHEET,
    "ink": INK,
}


def segment_colour(number: int) -> Colour:
    """The colour of the segment with this number."""
    return SEGMENTS[number % len(SEGMENTS)]


def segment_shape(number: int) -> str:
    """The shape of its marks: one of SHAPES."""
    return SHAPES[number // len(SEGMENTS) % len(SHAPES)]


def segment_variable(number: int) -> str:
    """The name of the segment's colour among those of `style_sheet`."""
    return f"segment-{number % len(SEGMENTS)}"


def style_sheet() -> str:
    """The palette as CSS variables: --segment-0, --anomaly and so on.

    A page with the class `paper` on its root is light whatever the screen says.
    """
    named = {segment_variable(number): colour for number, colour in enumerate(SEGMENTS)} | MEANINGS
    light = " ".join(f"--{name}: {colour.light};" for name, colour in named.items())
    dark = " ".join(f"--{name}: {colour.dark};" for name, colour in named.items())
    return (
        f":root {{ {light} }}\n"
        f"@media screen and (prefers-color-scheme: dark) {{ :root:not(.paper) {{ {dark} }} }}"
    )
