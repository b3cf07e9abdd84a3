"""Colours stay apart for every eye, and on white."""

from itertools import combinations, pairwise

import numpy as np
import pytest

from kit import palette
from kit.cosmonapse.types import SignalType

# Machado, Oliveira and Fernandes (2009), severity 1.0, on linear RGB.
SIGHT = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}
LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
OKLAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def linear(colour: str) -> np.ndarray:
    channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def difference(one: str, other: str, sight: str) -> float:
    seen = [np.clip(SIGHT[sight] @ linear(colour), 0, 1) for colour in (one, other)]
    first, second = (100 * OKLAB @ np.cbrt(LMS @ light) for light in seen)
    return float(np.linalg.norm(first - second))


def contrast_on_white(colour: str) -> float:
    return float(1.05 / (linear(colour) @ np.array([0.2126, 0.7152, 0.0722]) + 0.05))


GROUP_COLOURS = [colour for group, colour in palette.GROUPS.items() if group != "unknown"]


@pytest.mark.parametrize("sight", SIGHT)
def test_any_two_group_colours_differ(sight: str) -> None:
    for one, other in combinations(GROUP_COLOURS, 2):
        assert difference(one, other, sight) >= 8.9, (one, other)


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize("looks", ["KINDS", "STATUSES", "PRESENCE"])
def test_any_two_looks_of_a_family_differ_in_colour(sight: str, looks: str) -> None:
    colours = [look.colour for name, look in getattr(palette, looks).items() if name != "unknown"]
    for one, other in combinations(colours, 2):
        assert difference(one, other, sight) >= 8.9, (one, other)


@pytest.mark.parametrize("sight", SIGHT)
def test_neighbours_in_a_series_differ(sight: str) -> None:
    for one, other in pairwise(look.colour for look in palette.SERIES):
        assert difference(one, other, sight) >= 8.9


def test_colours_stand_out_from_white() -> None:
    families = (palette.KINDS, palette.STATUSES, palette.PRESENCE, palette.FINDINGS)
    used = [*palette.GROUPS.values(), *(look.colour for family in families for look in family.values())]
    for colour in {*used, *(look.colour for look in palette.SERIES), palette.INK}:
        assert contrast_on_white(colour) >= 3.0, colour
    assert contrast_on_white(palette.INK) >= 7
    assert contrast_on_white(palette.MUTED) >= 4.5


def test_text_on_the_tint_of_a_box_is_readable() -> None:
    for colour in palette.GROUPS.values():
        light = linear(palette.tint(colour, 0.16)) @ np.array([0.2126, 0.7152, 0.0722])
        dark = linear(palette.INK) @ np.array([0.2126, 0.7152, 0.0722])
        assert (light + 0.05) / (dark + 0.05) >= 7


def test_nothing_depends_on_colour_alone() -> None:
    for channel in (palette.MARKERS, palette.HATCHES):
        assert list(channel) == list(palette.GROUPS)
        assert len(set(channel.values())) == len(channel)
    for looks in (palette.KINDS, palette.STATUSES, palette.PRESENCE):
        assert len({look.hatch for look in looks.values()}) >= len(looks) - 1
    assert len({(look.marker, look.dash) for look in palette.SERIES}) == len(palette.SERIES)
    assert len(set(palette.DASHES.values())) == len(palette.DASHES)


def test_an_error_is_not_taken_for_what_ends_well() -> None:
    error, final = (palette.MARKS[palette.mark_of(name)] for name in ("ERROR", "FINAL"))
    assert error == palette.STATUSES["failed"]
    assert error.marker != final.marker
    for sight in SIGHT:
        assert difference(error.colour, final.colour, sight) >= 8.9
    signals = [palette.MARKS[name] for name in (*palette.GROUPS, *palette.ALARMS)]
    for channel in ("marker", "hatch"):
        assert len({(look.colour, getattr(look, channel)) for look in signals}) == len(signals)


def test_every_type_has_the_group_of_the_protocol() -> None:
    assert len(palette.TYPES) == 32
    assert set(palette.TYPES.values()) == set(palette.GROUPS) - {"unknown"}
    assert palette.group_of("NO_SUCH_TYPE") == palette.group_of(None) == "unknown"
    assert palette.look_of(palette.KINDS, "no such kind") == palette.KINDS["unknown"]


def test_types_are_those_of_the_signal_vocabulary() -> None:
    assert set(palette.TYPES) == {member.value for member in SignalType}
