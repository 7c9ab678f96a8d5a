"""The palette can be told apart, also by who sees no red or no green, on a light and on a dark ground.

Distances are those of CIE Lab (1976); about 2.3 is a difference that can just be noticed. The loss of red (protanopia) or
green (deuteranopia) is simulated in linear RGB with the matrices of Machado, Oliveira and Fernandes (2009), "A
physiologically-based model for simulation of color vision deficiency". Contrasts are WCAG's.
"""

import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from contract import colours

SCHEMES = ("light", "dark")
VISIONS = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}
XYZ_OF_RGB = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
LUMINANCE = XYZ_OF_RGB[1]
SEGMENTS_APART = {"normal": 30, "protanopia": 20, "deuteranopia": 20}
OPPOSITES_APART = {"normal": 50, "protanopia": 30, "deuteranopia": 30}
NOT_A_SEGMENTS = ("anomaly", "highlight", "above", "below", "rose", "fell", "shop", "muted")
ROOT = Path(__file__).parent.parent


def linear(text):
    """A colour such as "#d9003c" as linear RGB, 0 to 1."""
    values = np.array([int(text[start : start + 2], 16) / 255 for start in (1, 3, 5)])
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(text, vision):
    seen = np.clip(VISIONS[vision] @ linear(text), 0, 1)
    ratios = XYZ_OF_RGB @ seen / XYZ_OF_RGB.sum(axis=1)
    x, y, z = np.where(ratios > (6 / 29) ** 3, np.cbrt(ratios), ratios / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def apart(one, other, scheme, vision):
    return np.linalg.norm(lab(getattr(one, scheme), vision) - lab(getattr(other, scheme), vision))


def contrast(one, other, scheme):
    low, high = sorted(LUMINANCE @ linear(getattr(colour, scheme)) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def test_the_measure_knows_what_the_colour_blind_confuse():
    red, green = colours.Colour("red", "#c00000", "#c00000"), colours.Colour("green", "#606000", "#606000")
    assert apart(red, green, "light", "normal") > 50
    assert apart(red, green, "light", "deuteranopia") < 15
    white = colours.Colour("white", "#ffffff", "#ffffff")
    assert lab("#ffffff", "normal") == pytest.approx([100, 0, 0], abs=0.01)
    assert contrast(white, colours.Colour("black", "#000000", "#000000"), "light") == pytest.approx(21)


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_segments_are_told_apart(scheme, vision):
    distances = {
        (one.name, other.name): apart(one, other, scheme, vision)
        for one, other in combinations(colours.SEGMENTS, 2)
    }
    assert min(distances.values()) >= SEGMENTS_APART[vision], min(distances, key=distances.get)


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("meaning", NOT_A_SEGMENTS)
def test_what_is_not_a_segment_has_no_segments_colour(meaning, scheme, vision):
    least = 8 if meaning in ("shop", "muted") else 16  # greys stand beside segments, never among them
    for segment in colours.SEGMENTS:
        assert apart(colours.MEANINGS[meaning], segment, scheme, vision) >= least, segment.name


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
    ("one", "other"), [("above", "below"), ("rose", "fell"), ("anomaly", "highlight"), ("above", "same")]
)
def test_opposites_are_told_apart(one, other, scheme, vision):
    distance = apart(colours.MEANINGS[one], colours.MEANINGS[other], scheme, vision)
    assert distance >= OPPOSITES_APART[vision]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_marks_stand_out_from_the_ground_and_text_can_be_read(scheme):
    for ground in (colours.SHEET, colours.GROUND):
        for mark in (*colours.SEGMENTS, colours.ANOMALY, colours.HIGHLIGHT, colours.SHOP, colours.MUTED):
            assert contrast(mark, ground, scheme) >= 3, mark
    for ground in (colours.ABOVE, colours.BELOW, colours.SAME, colours.ROSE, colours.FELL, colours.SHEET):
        assert contrast(colours.INK, ground, scheme) >= 4.5, ground


def test_twenty_four_segments_have_a_look_of_their_own_that_follows_from_their_number():
    looks = [
        (colours.segment_colour(number), colours.segment_shape(number), colours.segment_variable(number))
        for number in range(24)
    ]
    assert len(set(looks)) == 24
    assert [shape for _, shape, _ in looks[:9]] == ["circle"] * 8 + ["diamond"]
    assert looks[9][2] == looks[1][2] == "segment-1"


def test_the_style_sheet_holds_every_colour_in_both_schemes():
    light, dark = colours.style_sheet().split("@media")
    for number, colour in enumerate(colours.SEGMENTS):
        assert f"--segment-{number}: {colour.light};" in light
        assert f"--segment-{number}: {colour.dark};" in dark
    for name, colour in colours.MEANINGS.items():
        assert f"--{name}: {colour.light};" in light
        assert f"--{name}: {colour.dark};" in dark


@pytest.mark.parametrize("file", ["serving/static/ui.css", "training/report/templates/report.html"])
def test_no_page_gives_a_colour_of_the_palette_another_value(file):
    text = (ROOT / file).read_text(encoding="utf-8")
    screen = text.split("@media print")[0]
    values = {colour for shades in colours.MEANINGS.values() for colour in (shades.light, shades.dark)}
    values |= {colour for shades in colours.SEGMENTS for colour in (shades.light, shades.dark)}
    assert values & set(re.findall(r"#[0-9a-f]{6}", screen)) - {"#ffffff"} == set()
    assert not set(re.findall(r"--([a-z0-9-]+):", screen)) & {*colours.MEANINGS, "segment-0"}


@pytest.mark.parametrize("folder", ["serving", "training"])
def test_no_other_code_names_a_hue(folder):
    sources = [*(ROOT / folder).rglob("*.py"), *(ROOT / folder).rglob("*.js")]
    assert sources
    for source in sources:
        hues = re.findall(r"#[0-9a-fA-F]{6}\b", source.read_text(encoding="utf-8"))
        assert {hue for hue in hues if len({hue[1:3], hue[3:5], hue[5:]}) > 1} == set(), source
