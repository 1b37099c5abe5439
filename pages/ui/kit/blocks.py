"""Bytes for the components in the browser: arrays under a header as one block, many images as one file.

A component takes bytes only as a whole. A block: four bytes length of the header (little endian), the header as JSON,
then the sections, each on a multiple of four; `blocks.js` reads it.
"""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssrl_core.datasets.imageset import ImageSet
from ssrl_core.datasets.pictures import rgb_of

Array = NDArray[Any]

_FEW_PIXELS, _FEW_BYTES = 500_000, 400_000
_CHUNK = 512


def script(*files: Path) -> str:
    """What reads blocks, then these files, one behind the other: a component takes one script, without imports."""
    own = Path(__file__).with_name("blocks.js")
    return "\n".join(file.read_text(encoding="utf-8") for file in (own, *files))


def pack(header: Mapping[str, Any], sections: Mapping[str, Array | bytes]) -> bytes:
    """Header and sections as one block; the header gets `sections: {name: [start, length, type]}`."""
    blocks, table, start = [], {}, 0
    for name, content in sections.items():
        block = content if isinstance(content, bytes) else np.ascontiguousarray(content).tobytes()
        kind = "bytes" if isinstance(content, bytes) else content.dtype.name
        table[name] = [start, len(block), kind]
        blocks.append(block + b"\0" * (-len(block) % 4))
        start += len(blocks[-1])
    text = json.dumps({**header, "sections": table}, ensure_ascii=False, allow_nan=False).encode()
    text += b" " * (-len(text) % 4)
    return struct.pack("<I", len(text)) + text + b"".join(blocks)


def unpack(data: bytes) -> tuple[dict[str, Any], dict[str, Array | bytes]]:
    """The reverse of `pack`, for tests."""
    length = struct.unpack("<I", data[:4])[0]
    header = json.loads(data[4 : 4 + length])
    found: dict[str, Array | bytes] = {}
    for name, (start, size, kind) in header["sections"].items():
        block = data[4 + length + start : 4 + length + start + size]
        found[name] = block if kind == "bytes" else np.frombuffer(block, kind)
    return header, found


def thumbnails(imageset: ImageSet, image_ids: Array, side: tuple[int, int]) -> Array:
    """(n, h, w, 3) uint8 pictures of these images, averaged down to (h, w)."""
    from PIL import Image

    out = np.empty((len(image_ids), *side, 3), np.uint8)
    for start in range(0, len(image_ids), _CHUNK):
        ids = image_ids[start : start + _CHUNK]
        for i, picture in enumerate(rgb_of(imageset, ids)):
            fits = picture.shape[:2] == side
            small = picture if fits else np.asarray(Image.fromarray(picture).resize(side[::-1], Image.Resampling.BOX))
            out[start + i] = small
    return out


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
