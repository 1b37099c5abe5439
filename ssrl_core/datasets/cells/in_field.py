"""A cell among its neighbours: its field put together again from the crops of its cells, so that no file is needed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ssrl_core import stores
from ssrl_core.datasets.cells.outlines import unpacked
from ssrl_core.datasets.imageset import ImageSet
from ssrl_core.errors import SSRLError

Array = np.ndarray[Any, Any]
_MOST_PX = 1400  # of the picture's longer side
_NEEDED = ("source", "x_px", "y_px")
_RADIUS = 0.12  # of the crop, where the area of nuclei is not known


@dataclass(frozen=True)
class InField:
    """The cells of one field, and its picture where crops of them lie.

    Attributes:
        source: the field, as the image set's table names it.
        image_ids: (m,) ascending.
        x, y: (m,) middles of the nuclei, px of the picture; radius: (m,) of a disc of the nucleus's area.
        picture: (C, h, w) as the image set's pixels; 0 where no crop lies.
        nuclei: (m) masks in pixels of the field, each with where its first pixel lies from the nucleus's middle (down,
            right); empty where outlines were not kept.
        scale: pixels of the picture to one of the field.
    """

    source: str
    image_ids: Array
    x: Array
    y: Array
    radius: Array
    picture: Array
    nuclei: tuple[tuple[Array, float, float], ...] = ()
    scale: float = 1.0


def in_field(imageset: ImageSet, image_id: int) -> InField | None:
    """The field of a cell; None for images that were not cut out of fields."""
    settings, table = _cut(imageset), imageset.table
    if settings is None:
        return None
    ids = np.flatnonzero((table["source"] == table["source"].iloc[image_id]).to_numpy())
    size = imageset.shape[-1]
    scale = size / _span(settings, size)
    x, y = (table[name].to_numpy(float)[ids] * scale for name in ("x_px", "y_px"))
    every = max(1, math.ceil((max(np.ptp(x), np.ptp(y)) + size) / _MOST_PX))
    left, top = (np.rint((place - place.min()) / every).astype(np.int64) for place in (x, y))
    side = len(range(0, size, every))
    picture = np.zeros((imageset.shape[0], int(top.max()) + side, int(left.max()) + side), imageset.pixels.dtype)
    for row, column, crop in zip(top, left, imageset.take(ids), strict=True):
        place = picture[:, row : row + side, column : column + side]
        np.maximum(place, crop[:, ::every, ::every], out=place)
    area = table["nuclear_area_px"].to_numpy(float)[ids] if "nuclear_area_px" in table else None
    radius = np.full(len(ids), _RADIUS * size) if area is None else np.sqrt(area / np.pi) * scale
    middle = (side - 1) / 2
    source = str(table["source"].iloc[image_id])
    x, y = left + middle, top + middle
    return InField(source, ids, x, y, radius / every, picture, _nuclei(imageset, ids), scale / every)


def _nuclei(imageset: ImageSet, ids: Array) -> tuple[tuple[Array, float, float], ...]:
    """Masks of the nuclei of some images; empty where they were not kept (sets of before outlines were)."""
    if (kept := _outlines(imageset)) is None:
        return ()
    boxes, bits = kept
    y, x = (imageset.table[name].to_numpy(float)[ids] for name in ("y_px", "x_px"))
    masks = unpacked(boxes, bits, ids)
    return tuple((mask, *(boxes[i, :2] - (b, a))) for i, mask, b, a in zip(ids, masks, y, x, strict=True))


def _outlines(imageset: ImageSet) -> tuple[Array, Array] | None:
    """Boxes and bits of the nuclei (`outlines.packed`); None where they were not kept, or are of other images."""
    from ssrl_core.datasets.cells.importing import BITS_FILE, BOXES_FILE

    try:
        boxes, bits = (np.load(imageset.folder / name, mmap_mode="r") for name in (BOXES_FILE, BITS_FILE))
    except stores.DAMAGED_ARRAY:
        return None
    return (boxes, bits) if len(boxes) == imageset.count else None


def hand_on_fields(source: ImageSet, made: ImageSet, ids: Array) -> None:
    """Where the cells of a set lay in their fields, and their nuclei, for a set made of some of them.

    Args:
        ids: (m,) of the source, in the order of the new set.
    """
    from ssrl_core.datasets.cells.importing import CUT_FILE, report_of, write_outlines

    if _cut(source) is None:
        return
    stores.write_json(made.folder / CUT_FILE, report_of(source.folder) | {"cut_for": source.name})
    if kept := _outlines(source):
        boxes, bits = kept
        write_outlines(made.folder, boxes[ids], (np.packbits(mask) for mask in unpacked(boxes, bits, ids)))


def is_cut(imageset: ImageSet) -> bool:
    """Whether its images were cut out of fields, and it is known where."""
    return _cut(imageset) is not None


def ringed(rgb: Array, field: InField, colours: Array, *, thick: Array) -> Array:
    """(h, w, 3) uint8 with an outline around each nucleus, a ring where its outline is not known.

    Args:
        colours: (m, 3) uint8; thick: (m,) px, 0 for none.
    """
    out = rgb.copy()
    for number, (x, y, colour, wide) in enumerate(zip(field.x, field.y, colours, thick, strict=True)):
        reach = int(np.ceil(_reach(field, number) + wide)) + 1
        top, left = max(0, int(y) - reach), max(0, int(x) - reach)
        part = out[top : int(y) + reach + 1, left : int(x) + reach + 1]
        rows, columns = np.ogrid[top : top + part.shape[0], left : left + part.shape[1]]
        distance = _outside(field, number, rows - y, columns - x)
        part[(distance > 0) & (distance <= wide)] = colour
    return out


def _reach(field: InField, number: int) -> float:
    """How far a nucleus may reach from its middle, px of the picture."""
    if not field.nuclei:
        return float(field.radius[number])
    mask, down, right = field.nuclei[number]
    sides = (down, right, down + mask.shape[0], right + mask.shape[1])
    return float(max(map(abs, sides))) * field.scale * math.sqrt(2)


def _outside(field: InField, number: int, down: Array, right: Array) -> Array:
    """How far each pixel of the picture lies outside of a nucleus; 0 and less inside.

    Args:
        down, right: (h, 1), (1, w) from its middle, px of the picture.
    """
    if not field.nuclei:
        return np.asarray(np.hypot(down, right) - field.radius[number])
    from scipy.ndimage import distance_transform_edt

    mask, first_row, first_column = field.nuclei[number]
    rows, columns = (
        np.rint(n / field.scale - first).astype(int) for n, first in ((down, first_row), (right, first_column))
    )
    there = (rows >= 0) & (rows < mask.shape[0]) & (columns >= 0) & (columns < mask.shape[1])
    own = mask[np.clip(rows, 0, mask.shape[0] - 1), np.clip(columns, 0, mask.shape[1] - 1)] & there
    return np.asarray(distance_transform_edt(~own))


def _cut(imageset: ImageSet) -> Mapping[str, Any] | None:
    """The settings that its cells were cut out with; None where it is not known where they lay."""
    from ssrl_core.datasets.cells.importing import report_of

    if not set(_NEEDED) <= set(imageset.table.columns):
        return None
    try:
        found = report_of(imageset.folder).get("settings")
    except (SSRLError, OSError):
        return None
    return found if isinstance(found, Mapping) else None


def _span(settings: Mapping[str, Any], size: int) -> int:
    """Pixels of the field that a crop spans."""
    span_um, pixel_um = settings.get("span_um"), settings.get("pixel_um")
    return max(2, round(span_um / pixel_um)) if span_um and pixel_um else size
