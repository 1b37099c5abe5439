"""PNG files with 16 bits a colour, which Pillow would read with 8.

Source: PNG specification (W3C, third edition), sections 7, 9, 11.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any, BinaryIO

import numpy as np

from ssrl_core.errors import DataError

Array = np.ndarray[Any, Any]
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_SAMPLES = {2: 3, 4: 2, 6: 4}  # colour type -> samples a pixel: RGB, grey + alpha, RGB + alpha


def is_sixteen_bit_colour(head: bytes) -> bool:
    """Whether a file that starts like this is a PNG of 16 bits with colours or alpha (plain grey is read by Pillow)."""
    return (
        head[:8] == _SIGNATURE
        and head[12:16] == b"IHDR"
        and len(head) >= 29
        and head[24] == 16
        and head[25] in _SAMPLES
    )


def head(data: bytes) -> tuple[int, int, bool]:
    """Width, height, and whether it is grey (with alpha)."""
    width, height = struct.unpack(">II", data[16:24])
    return width, height, data[25] == 4


def decode(file: BinaryIO) -> Array:
    """(C, H, W) uint16, alpha laid over black.

    Raises:
        DataError: interlaced, or damaged.
    """
    data = file.read()
    width, height, _ = head(data)
    if data[28]:
        raise DataError("an interlaced 16-bit PNG cannot be read; save it without interlacing")
    samples = _SAMPLES[data[25]]
    raw = zlib.decompressobj().decompress(_stream(data), height * (1 + width * samples * 2) + 1)
    if len(raw) < height * (1 + width * samples * 2):
        raise DataError("the image is damaged (the pixels end too early)")
    lines = np.frombuffer(raw, np.uint8, height * (1 + width * samples * 2)).reshape(height, -1)
    flat = _unfilter(lines[:, 0], lines[:, 1:].reshape(height, width, samples * 2))
    values = flat.reshape(height, width, samples, 2).astype(np.uint16)
    pixels = np.moveaxis((values[..., 0] << 8) | values[..., 1], -1, 0)
    if samples == 3:
        return pixels
    alpha = pixels[-1].astype(np.float64) / 65535
    result: Array = np.rint(pixels[:-1] * alpha).astype(np.uint16)
    return result


def _stream(data: bytes) -> bytes:
    """The IDAT chunks, joined."""
    place, found = 8, []
    while place + 8 <= len(data):
        (length,) = struct.unpack(">I", data[place : place + 4])
        kind = data[place + 4 : place + 8]
        if kind == b"IDAT":
            found.append(data[place + 8 : place + 8 + length])
        if kind == b"IEND":
            break
        place += 12 + length
    return b"".join(found)


def _unfilter(filters: Array, coded: Array) -> Array:
    """Undo the line filters, one anti-diagonal at a time: all its pixels have their left, upper and upper-left done.

    Args:
        filters: (H,) 0 none, 1 left, 2 up, 3 average, 4 Paeth.
        coded: (H, W, bytes a pixel).
    """
    height, width, depth = coded.shape
    if filters.max(initial=0) > 4:
        raise DataError("the image is damaged (an unknown line filter)")
    out = np.zeros((height + 1, width + 1, depth), np.int16)
    kinds = filters.astype(np.intp)
    for diagonal in range(height + width - 1):
        y = np.arange(max(0, diagonal - width + 1), min(height, diagonal + 1))
        x = diagonal - y
        left, up, corner = out[y + 1, x], out[y, x + 1], out[y, x]
        guess = left + up - corner
        to_left, to_up, to_corner = abs(guess - left), abs(guess - up), abs(guess - corner)
        nearest = np.where(to_up <= to_corner, up, corner)
        paeth = np.where((to_left <= to_up) & (to_left <= to_corner), left, nearest)
        options = np.stack([np.zeros_like(left), left, up, (left + up) // 2, paeth])
        out[y + 1, x + 1] = (coded[y, x] + options[kinds[y], np.arange(len(y))]) & 255
    return out[1:, 1:].astype(np.uint8)
