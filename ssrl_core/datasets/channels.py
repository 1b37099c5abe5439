"""Names and colours of channels: those that were given, those that nobody gave, and others in their place."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ssrl_core.datasets.imageset import Channel
from ssrl_core.errors import SpecError

GREY = "#ffffff"
RGB = (("red", "#ff0000"), ("green", "#00ff00"), ("blue", "#0000ff"))
# By what is stained; the first that is found in a channel's name decides.
STAINS = (
    ("dna|dapi|hoechst|nucle|histone", "#3d7dff"),
    ("actin|phalloidin", "#ff3dd0"),
    ("tubulin|microtub", "#3ddc5a"),
    ("mito", "#ff5a3d"),
    ("golgi|membrane", "#ffc53d"),
    (r"(?:\b|orig)er\b|rna", "#3de0ff"),
)
SPARE = ("#3d7dff", "#ff3dd0", "#3ddc5a", "#ffc53d", "#3de0ff", "#ff5a3d", "#b48cff", "#c8ff3d")


def nucleus_channel(names: Sequence[str]) -> int | None:
    """Number of the first channel whose name says that nuclei are stained in it (DNA, DAPI, Hoechst, …)."""
    return next((n for n, name in enumerate(names) if re.search(STAINS[0][0], name, re.IGNORECASE)), None)


def default_channels(given: Sequence[Channel | str] | None, count: int, *, where: str) -> tuple[Channel, ...]:
    """Channels with names and colours.

    Args:
        given: channels, or names only, or None; one of them without a name or a colour gets the usual one.
        count: how many channels the images have.

    Raises:
        SpecError: not as many names as channels, or a name twice.
    """
    if given is None:
        return _unnamed(count)
    named = [item if isinstance(item, Channel) else Channel(str(item).strip(), "") for item in given]
    if len(named) == count and not any(c.name for c in named):
        named = [replace(usual, colour=c.colour or usual.colour, window=c.window)
                 for c, usual in zip(named, _unnamed(count), strict=True)]  # fmt: skip
    if len(named) != count or len({c.name for c in named}) != count:
        raise SpecError.at(where, "channels", f"{count} different names", [c.name for c in named])
    return tuple(c if c.colour else replace(c, colour=_colour(c.name, i, count)) for i, c in enumerate(named))


def as_json(channels: Sequence[Channel]) -> list[dict[str, Any]]:
    """As imageset.json keeps them (docs/contracts.md C2)."""
    return [{"name": c.name, "colour": c.colour} | ({"window": list(c.window)} if c.window else {}) for c in channels]


def from_json(items: Sequence[Mapping[str, Any]]) -> tuple[Channel, ...]:
    """What `as_json` gave.

    Raises:
        KeyError, TypeError, ValueError: it is something else.
    """
    found = []
    for item in items:
        low, high = item.get("window") or (0, 0)
        found.append(Channel(item["name"], item["colour"], (float(low), float(high)) if low < high else None))
    return tuple(found)


def changed(
    channels: Sequence[Channel],
    *,
    names: Sequence[str] | None = None,
    colours: Sequence[str] | None = None,
    windows: Sequence[Sequence[float] | None] | None = None,
    where: str,
) -> tuple[Channel, ...]:
    """Channels with other names, colours or display windows; None leaves them as they are.

    Raises:
        SpecError: not one for each channel, a name twice or empty, no colour, or a window that is no range.
    """
    for field, given in (("names", names), ("colours", colours), ("windows", windows)):
        if given is not None and len(given) != len(channels):
            raise SpecError.at(where, field, f"{len(channels)}, one for each channel", list(given))
    new_names = [str(n).strip() for n in names] if names is not None else [c.name for c in channels]
    if not all(new_names) or len(set(new_names)) != len(new_names):
        raise SpecError.at(where, "names", "different for each channel", new_names)
    new_colours = [_checked_colour(c, where) for c in (colours or [c.colour for c in channels])]
    new_windows = [
        _checked_window(w, where) for w in (windows if windows is not None else [c.window for c in channels])
    ]
    return tuple(map(Channel, new_names, new_colours, new_windows))


def _checked_colour(colour: str, where: str) -> str:
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", str(colour).strip()):
        raise SpecError.at(where, "colours", "#rrggbb, such as #3d7dff", colour)
    return str(colour).strip().lower()


def _checked_window(window: Sequence[float] | None, where: str) -> tuple[float, float] | None:
    if window is None:
        return None
    low, high = (float(v) for v in window) if len(window) == 2 else (0.0, 0.0)
    if not -math.inf < low < high < math.inf:
        rule = "two pixel values, that of black below that of full"
        raise SpecError.at(where, "windows", rule, list(window))
    return low, high


def _unnamed(count: int) -> tuple[Channel, ...]:
    if count == 1:
        return (Channel("grey", GREY),)
    if count == 3:
        return tuple(Channel(name, colour) for name, colour in RGB)
    return tuple(Channel(f"channel-{i + 1}", SPARE[i % len(SPARE)]) for i in range(count))


def _colour(name: str, place: int, count: int) -> str:
    for pattern, colour in STAINS:
        if re.search(pattern, name.lower()):
            return colour
    for known, colour in RGB:
        if name.lower() in (known, known[0]):
            return colour
    return GREY if count == 1 else SPARE[place % len(SPARE)]
