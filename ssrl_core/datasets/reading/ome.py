"""What OME-XML, ImageJ and OME-Zarr say: where each plane lies, and names, colours and windows of the channels.

A short document may claim any number of planes; only as many are followed as a plate may have. A colour that all
channels share, or black, tells nothing apart and counts as not said; so does a window that is the whole range, a name
that two channels share, and ImageJ's label of a slice. Windows of fractions do not hold: pixels are kept as whole
numbers.

Source:
    OME-TIFF specification: TiffData (IFD, PlaneCount, FirstC, FirstZ, FirstT), UUID FileName, Pixels DimensionOrder.
    OME data model, Channel Name/Fluor/Color (32 bit, red first); NGFF `omero.channels` (label, color, window); the
    ImageJ tags IJMetadata (Labels, LUTs, Ranges).
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ParseError

import numpy as np
from defusedxml import ElementTree

from ssrl_core.datasets.imageset import Channel

Place = tuple[int, int, int]  # channel, depth, time
Planes = dict[Place, tuple[Path, int]]  # place -> file, page
MOST_OF_AN_IMAGE, MOST_PLANES = 100_000, 1_000_000  # that are followed of an image, and of a document
_LETTERS = "CZT"


def images_of(text: str) -> list[Element]:
    """The Image elements of an OME-XML document; none where it cannot be read."""
    if not text or "<!DOCTYPE" in text or "<!ENTITY" in text:
        return []  # entities could swell; OME-XML has none
    try:
        return [element for element in ElementTree.fromstring(text).iter() if tag(element) == "Image"]
    except (ParseError, ValueError):
        return []


def planes_in(text: str, path: Path) -> Iterator[Planes]:
    """The planes of each image of a document whose file is named; those of no name are left out.

    Args:
        path: the file that the document lies in.
    """
    left = MOST_PLANES
    for image in images_of(text):
        planes = _planes_of(image, path, min(left, MOST_OF_AN_IMAGE))
        left -= len(planes)
        yield planes


def _planes_of(image: Element, path: Path, most: int) -> Planes:
    """The planes of an image, `most` at most; one that is named twice lies where it was named first."""
    found: Planes = {}
    pixels = next((element for element in image.iter() if tag(element) == "Pixels"), image)
    order = [letter for letter in pixels.get("DimensionOrder", "XYCZT")[2:] if letter in _LETTERS] or list(_LETTERS)
    sizes = {letter: max(1, number(pixels, f"Size{letter}")) for letter in _LETTERS}
    for element in (e for e in image.iter() if tag(e) == "TiffData"):
        name = next((e.get("FileName") for e in element if tag(e) == "UUID"), None)
        if not name:
            continue
        file = path.parent / Path(name.replace("\\", "/")).name
        place = {letter: number(element, f"First{letter}") for letter in _LETTERS}
        page = number(element, "IFD")
        for step in range(max(1, number(element, "PlaneCount"))):
            at = (place["C"], place["Z"], place["T"])
            if at in found or len(found) >= most:
                break
            found[at] = (file, page + step)
            _advance(place, order, sizes)
    return found


def axes_of_pages(text: str, path: Path, pages: int) -> tuple[str, tuple[int, ...]] | None:
    """The axes that a file's own pages run through and their lengths (R = several images), slowest first.

    None where the metadata do not say it of all its pages, or these are in no such order.
    """
    own: list[tuple[int, tuple[int, int, int, int]]] = []
    for n, planes in enumerate(planes_in(text, path)):
        own += [(page, (n, *place)) for place, (file, page) in planes.items() if file.name == path.name]
        if len(own) > pages:
            return None
    own.sort()
    if [page for page, _ in own] != list(range(pages)):
        return None
    return _nested([place for _, place in own])


def _nested(places: Sequence[tuple[int, int, int, int]]) -> tuple[str, tuple[int, ...]] | None:
    values = [sorted({place[axis] for place in places}) for axis in range(4)]
    if math.prod(map(len, values)) != len(places):  # before they are laid out: scattered ones would be many
        return None
    for order in itertools.permutations(range(4)):
        walked = [dict(zip(order, at, strict=True)) for at in itertools.product(*(values[axis] for axis in order))]
        if [tuple(at[axis] for axis in range(4)) for at in walked] == list(places):
            return "".join("RCZT"[axis] for axis in order), tuple(len(values[axis]) for axis in order)
    return None


def _advance(place: dict[str, int], order: Sequence[str], sizes: dict[str, int]) -> None:
    """To the next plane, the first letter of the order fastest."""
    for letter in order:
        place[letter] += 1
        if place[letter] < sizes[letter]:
            return
        place[letter] = 0


def number(element: Element, name: str) -> int:
    """A whole number from 0 on of an attribute; 0 where there is none."""
    text = element.get(name) or "0"
    return int(text) if text.isdigit() and len(text) < 10 else 0


def tag(element: Element) -> str:
    """The element's name without its namespace."""
    return element.tag.rsplit("}", 1)[-1]


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


_UNITS = {
    "µm": 1.0,
    "μm": 1.0,  # the Greek letter
    "um": 1.0,
    "micron": 1.0,
    "microns": 1.0,
    "micrometer": 1.0,
    "micrometre": 1.0,
    "\\u00b5m": 1.0,  # as ImageJ writes it
    "nm": 1e-3,
    "nanometer": 1e-3,
    "nanometre": 1e-3,
    "mm": 1e3,
    "millimeter": 1e3,
    "millimetre": 1e3,
    "cm": 1e4,
    "centimeter": 1e4,
    "centimetre": 1e4,
    "m": 1e6,
    "meter": 1e6,
    "metre": 1e6,
}


def in_um(size: float, unit: str) -> float | None:
    """A length in µm; None where the unit is no length, or the length is not above 0."""
    factor = _UNITS.get(unit.strip())
    return size * factor if factor is not None and size > 0 else None
