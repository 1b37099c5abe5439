"""What files say of their channels: names, colours and display windows, from OME-XML, ImageJ and OME-Zarr.

A colour that all channels share, or black, tells nothing apart and counts as not said; so does a window that is the
whole range, and a name that two channels share. Windows of fractions do not hold: pixels are kept as whole numbers.

Source:
    OME data model, Channel Name/Fluor/Color (32 bit, red first); NGFF `omero.channels` (label, color, window); the
    ImageJ tags IJMetadata (Labels, LUTs, Ranges).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ssrl_core.datasets.imageset import Channel
from ssrl_core.datasets.readers.ome_planes import images_of, tag

_MOST_KEPT = 65535  # of whatever type, pixels are kept as 8 or 16 bit
Said = tuple[Channel, ...]  # one for each channel; "" or None where nothing is said; () = nothing at all


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
    labels = [str(label).strip() for label in said.get("Labels") or []][:count]
    ranges, tables = list(said.get("Ranges") or []), said.get("LUTs") or []
    found = []
    for i in range(count):
        name = labels[i] if len(labels) == count else ""
        colour = _last_of(tables[i]) if len(tables) == count else ""
        window = _window(ranges[2 * i], ranges[2 * i + 1], dtype) if len(ranges) == 2 * count else None
        found.append(Channel(name, colour, window))
    return found


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
