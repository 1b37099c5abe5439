"""Where OME-XML says that each plane lies: in which file, on which page.

A short document may claim any number of planes; only as many are followed as a plate may have.

Source:
    OME-TIFF specification: TiffData (IFD, PlaneCount, FirstC, FirstZ, FirstT), UUID FileName, Pixels DimensionOrder.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree

Place = tuple[int, int, int]  # channel, depth, time
Planes = dict[Place, tuple[Path, int]]  # place -> file, page
MOST_OF_AN_IMAGE, MOST_PLANES = 100_000, 1_000_000  # that are followed of an image, and of a document
_LETTERS = "CZT"


def images_of(text: str) -> list[ElementTree.Element]:
    """The Image elements of an OME-XML document; none where it cannot be read."""
    if not text or "<!DOCTYPE" in text or "<!ENTITY" in text:
        return []  # entities could swell; OME-XML has none
    try:
        return [element for element in ElementTree.fromstring(text).iter() if tag(element) == "Image"]
    except (ElementTree.ParseError, ValueError):
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


def _planes_of(image: ElementTree.Element, path: Path, most: int) -> Planes:
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


def number(element: ElementTree.Element, name: str) -> int:
    """A whole number from 0 on of an attribute; 0 where there is none."""
    text = element.get(name) or "0"
    return int(text) if text.isdigit() and len(text) < 10 else 0


def tag(element: ElementTree.Element) -> str:
    """The element's name without its namespace."""
    return element.tag.rsplit("}", 1)[-1]
