"""Images of several sizes brought to one square."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from PIL import Image

from ssrl_core.datasets.reading.understanding import Reading
from ssrl_core.errors import SpecError

Array = np.ndarray[Any, Any]
WAYS = ("crop", "pad", "stretch")
DEFAULT_SIZE = 224
MAX_SIZE = 4096


def check_fit(size: int | None, way: str) -> None:
    """Whether images can be brought to a side (None: as they are) in a way.

    Raises:
        SpecError: an unknown way or a side outside 1..4096.
    """
    if way not in WAYS:
        raise SpecError(where="data import", field="--fit", rule="crop, pad or stretch", value=way)
    whole = size is None or (isinstance(size, int | np.integer) and not isinstance(size, bool))
    if not whole or (size is not None and not 1 <= size <= MAX_SIZE):
        raise SpecError(
            where="data import", field="--size", rule=f"a whole number of pixels in 1..{MAX_SIZE}", value=size
        )


def all_fitted(reading: Reading, size: int | None, way: str) -> Reading:
    """A reading whose images agree in size, brought to the side that was asked for."""
    if size is not None:
        reading.pixels = _each(reading.pixels, size, way)
        reading.understood.notes.append(f"fitted to {size} px ({way})")
    return reading


def _each(chunks: Iterable[Array], side: int, way: str) -> Iterator[Array]:
    for chunk in chunks:
        if chunk.shape[2:] == (side, side):
            yield chunk
        else:
            yield np.stack([fitted(image, side, way) for image in chunk])


def fitted(image: Array, side: int, way: str) -> Array:
    """One image as a square.

    Args:
        image: (C, H, W) uint8 or uint16.
        way: crop (the short side becomes `side`, the middle is kept), pad (the long side does, 0 around), stretch.

    Returns:
        (C, side, side) of the same type, resized by an antialiased triangle filter.
    """
    _, height, width = image.shape
    if way == "stretch":
        return _resized(image, side, side)
    ratio = side / (min if way == "crop" else max)(height, width)
    new_h, new_w = max(1, round(height * ratio)), max(1, round(width * ratio))
    scaled = _resized(image, new_h, new_w)
    if way == "crop":
        top, left = (new_h - side) // 2, (new_w - side) // 2
        return scaled[:, top : top + side, left : left + side]
    out = np.zeros((image.shape[0], side, side), image.dtype)
    top, left = (side - new_h) // 2, (side - new_w) // 2
    out[:, top : top + new_h, left : left + new_w] = scaled
    return out


def _resized(image: Array, height: int, width: int) -> Array:
    if image.shape[1:] == (height, width):
        return image
    top = np.iinfo(image.dtype).max
    channels = [
        Image.fromarray(channel.astype(np.float32)).resize((width, height), Image.Resampling.BILINEAR)
        for channel in image
    ]
    result: Array = np.clip(np.rint(np.stack([np.asarray(c) for c in channels])), 0, top).astype(image.dtype)
    return result
