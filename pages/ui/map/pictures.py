"""Thumbnails of all images of a map as one image file: what hover and the zoomed-in map show without asking again."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np

from pages.ui.map import wire
from ssrl_core.datasets.imageset import ImageSet
from ssrl_core.datasets.pictures import display_limits, to_rgb

Array = np.ndarray[Any, Any]

MOST_IMAGES = 25_000  # beyond, one image file would be too large for a browser: a click still shows the image
_MOST_SIDE, _LEAST_SIDE = 64, 16
_MOST_PIXELS = 14_000_000
_SHARP_SIDE = 48
_FEW_PIXELS, _FEW_BYTES = 500_000, 400_000
_CHUNK = 512


def sheet_side(count: int, height: int, width: int) -> tuple[int, int]:
    """(height, width) of a thumbnail, so that all of them fit into one image file; never enlarged."""
    most = min(_MOST_SIDE, max(_LEAST_SIDE, int(math.sqrt(_MOST_PIXELS / max(1, count)))))
    scale = min(1.0, most / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def thumbnails(imageset: ImageSet, image_ids: Array, side: tuple[int, int]) -> Array:
    """(n, h, w, 3) uint8 pictures of these images, averaged down to (h, w)."""
    from PIL import Image

    limits = display_limits(imageset)
    out = np.empty((len(image_ids), *side, 3), np.uint8)
    for start in range(0, len(image_ids), _CHUNK):
        ids = image_ids[start : start + _CHUNK]
        rgb = to_rgb(np.asarray(imageset.pixels[ids]), imageset.channels, max_value=imageset.max_value, limits=limits)
        for i, picture in enumerate(rgb):
            small = (
                picture
                if picture.shape[:2] == side
                else Image.fromarray(picture).resize(side[::-1], Image.Resampling.BOX)
            )
            out[start + i] = small
    return out


def pictures_block(imageset: ImageSet, image_ids: Array, name: str) -> bytes | None:
    """What the map takes as its thumbnails (`map_wire.pack_pictures`); None for more images than one file can hold."""
    count = len(image_ids)
    if not count or count > MOST_IMAGES:
        return None
    return _block(imageset, image_ids, name, None)


def some_pictures(imageset: ImageSet, image_ids: Array, name: str, rows: list[int]) -> bytes | None:
    """The thumbnails of some rows of a map; rows that are none are left out."""
    there = [row for row in rows if 0 <= row < len(image_ids)]
    return _block(imageset, np.asarray(image_ids)[there], name, there) if there else None


def _block(imageset: ImageSet, image_ids: Array, name: str, rows: list[int] | None) -> bytes:
    height, width = imageset.shape[1:]
    side = sheet_side(len(image_ids), height, width)
    columns = max(1, math.isqrt(len(image_ids) * side[0] // side[1]) or 1)
    file, mime = encode(as_sheet(thumbnails(imageset, image_ids, side), columns))
    sharp = max(height, width) <= _SHARP_SIDE
    return wire.pack_pictures(file, mime=mime, name=name, side=side[::-1], columns=columns, sharp=sharp, rows=rows)


def as_sheet(pictures: Array, columns: int) -> Array:
    """(B, H, W, 3) laid out row by row without gaps; the end of the last row is black."""
    count, height, width = pictures.shape[:3]
    rows = -(-count // columns)
    full = np.zeros((rows * columns, height, width, 3), np.uint8)
    full[:count] = pictures
    return full.reshape(rows, columns, height, width, 3).swapaxes(1, 2).reshape(rows * height, columns * width, 3)


def encode(rgb: Array) -> tuple[bytes, str]:
    """(H, W, 3) uint8 as a small image file and its media type: exact (PNG) unless that is much larger than JPEG."""
    from PIL import Image

    grey = bool((rgb[..., :1] == rgb).all())
    picture = Image.fromarray(rgb[..., 0] if grey else rgb)
    lossy = io.BytesIO()
    picture.save(lossy, "JPEG", quality=90, **({} if grey else {"subsampling": 0}))
    if grey or rgb[..., 0].size <= _FEW_PIXELS:
        exact = io.BytesIO()
        picture.save(exact, "PNG", compress_level=1)
        if exact.tell() <= max(1.3 * lossy.tell(), _FEW_BYTES):
            return exact.getvalue(), "image/png"
    return lossy.getvalue(), "image/jpeg"
