"""What files say of their channels: names, colours and display windows, from OME-XML, ImageJ and OME-Zarr.

A colour that all channels share, or black, tells nothing apart and counts as not said; so does a window that is the
whole range, a name that two channels share, and ImageJ's label of a slice. Windows of fractions do not hold: pixels
are kept as whole numbers.

Source:
    OME data model, Channel Name/Fluor/Color (32 bit, red first); NGFF `omero.channels` (label, color, window); the
    ImageJ tags IJMetadata (Labels, LUTs, Ranges).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ssrl_core.datasets.imageset import Channel
from ssrl_core.datasets.readers.ome_planes import images_of, tag

_MOST_KEPT = 65535  # of whatever type, pixels are kept as 8 or 16 bit
Said = tuple[Channel, ...]  # one for each channel; "" or None where nothing is said; () = nothing at all
_SLICE = re.compile(r"\b[czt]:\d|\.(?:tiff?|czi|nd2|lif|lsm|oi[bf]|stk|dv|png|jpe?g)\b", re.IGNORECASE)


def of_tiff(tiff: Any, count: int) -> Said:
    """The channels of an opened `TiffFile`, whose images have `count` of them."""
    if tiff.is_ome and tiff.ome_metadata:
        return told(of_ome_xml(tiff.ome_metadata), count)
    if tiff.is_imagej and tiff.imagej_metadata:
        return told(_of_imagej(tiff.imagej_metadata, count, np.dtype(tiff.series[0].dtype)), count)
    return ()


def of_ome_xml(text: str) -> list[Channel]:
    """The channels of the first image of an OME-XML document; none where it cannot be read."""
    image = next(iter(images_of(text)), None)
    if image is None:
        return []
    found = [element.attrib for element in image.iter() if tag(element) == "Channel"]
    return [Channel((c.get("Name") or c.get("Fluor") or "").strip(), _of_number(c.get("Color"))) for c in found]


def of_omero(channels: Iterable[Mapping[str, Any]], count: int, dtype: np.dtype[Any]) -> Said:
    """The channels of `omero` in an OME-Zarr group.

    Args:
        dtype: of the pixels in the file.
    """
    named = []
    for channel in channels:
        window = channel.get("window")
        shown = _shown(window, dtype) if isinstance(window, Mapping) else None
        named.append(Channel(str(channel.get("label") or "").strip(), hexadecimal(channel.get("color")), shown))
    return told(named, count)


def _shown(window: Mapping[str, Any], dtype: np.dtype[Any]) -> tuple[float, float] | None:
    """(start, end), where they are not all that the channel may hold (min, max)."""
    start, end = window.get("start"), window.get("end")
    return None if (start, end) == (window.get("min"), window.get("max")) else _window(start, end, dtype)


def told(found: Sequence[Channel], count: int) -> Said:
    """What was found, without what tells no channel from another; () where it does not fit the images."""
    if len(found) != count:
        return ()
    names, colours = [c.name for c in found], [c.colour for c in found]
    named = all(names) and len(set(names)) == count
    coloured = count == 1 or len(set(filter(None, colours))) > 1
    kept = [
        Channel(c.name if named else "", c.colour if coloured else "", c.window)
        for c in found
    ]  # fmt: skip
    return tuple(kept) if any(c != Channel("", "") for c in kept) else ()


def tinted(said: Said, tint: str, count: int) -> Said:
    """What is said of an image's channels, with the tint of its palette where it has one channel of no other colour."""
    if not tint or count != 1:
        return said
    only = said[0] if said else Channel("", "")
    return (replace(only, colour=only.colour or tint),)


def names_of(said: Said) -> tuple[str, ...] | None:
    """The names, if every channel has one."""
    return tuple(c.name for c in said) if said and all(c.name for c in said) else None


def hexadecimal(text: Any) -> str:
    """`#rrggbb` of `RRGGBB`, with or without # and opacity; "" where it is no colour, or black."""
    found = re.fullmatch(r"#?([0-9a-fA-F]{6})(?:[0-9a-fA-F]{2})?", str(text or "").strip())
    return f"#{found.group(1).lower()}" if found and int(found.group(1), 16) else ""


def _of_number(text: str | None) -> str:
    """OME's colour: a signed number of 32 bits, red in the highest."""
    try:
        return hexadecimal(f"{int(text or '') & 0xFFFFFFFF:08x}")
    except ValueError:
        return ""


def _of_imagej(said: Mapping[str, Any], count: int, dtype: np.dtype[Any]) -> list[Channel]:
    labels = _names_in(said.get("Labels") or [], count)
    ranges, tables = list(said.get("Ranges") or []), said.get("LUTs") or []
    found = []
    for i in range(count):
        name = labels[i] if len(labels) == count else ""
        colour = _last_of(tables[i]) if len(tables) == count else ""
        window = _window(ranges[2 * i], ranges[2 * i + 1], dtype) if len(ranges) == 2 * count else None
        found.append(Channel(name, colour, window))
    return found


def _names_in(labels: str | Sequence[Any], count: int) -> list[str]:
    """The channels' names in ImageJ's labels of planes, channels fastest; [] where they name slices or files.

    A label is a channel's where all its planes have it.
    """
    lines = [str(label).split("\n", 1)[0].strip() for label in ([labels] if isinstance(labels, str) else labels)]
    names = lines[:count]
    if len(names) < count or any(line != names[i % count] for i, line in enumerate(lines)):
        return []
    return [] if any(map(_SLICE.search, names)) else names


def _last_of(table: Any) -> str:
    """The brightest colour of a table (3, 256)."""
    return hexadecimal("".join(f"{int(part[-1]):02x}" for part in table))


def _window(start: Any, end: Any, dtype: np.dtype[Any]) -> tuple[float, float] | None:
    """(black, full), if they are numbers, in this order, of whole pixel values, and not their whole range."""
    try:
        low, high = float(start), float(end)
    except (TypeError, ValueError):
        return None
    if dtype.kind not in "iu" or not -math.inf < low < high < math.inf:
        return None
    return None if low <= 0 and high >= min(np.iinfo(dtype).max, _MOST_KEPT) else (low, high)
