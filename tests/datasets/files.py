"""Small image files and folders for the tests of the readers."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
from PIL import Image


def picture(height=12, width=12, channels=3, dtype=np.uint8, seed=0):
    """(H, W[, C]) random pixels."""
    top = np.iinfo(dtype).max
    shape = (height, width) if channels == 1 else (height, width, channels)
    return np.random.default_rng(seed).integers(0, top, shape, dtype=dtype, endpoint=True)


def save(path: Path, pixels, **kwargs) -> Path:
    """Pixels as an image file of the kind that the name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **kwargs)
    return path


def class_folders(root: Path, counts: dict[str, int], **kwargs) -> Path:
    """A folder of class folders."""
    for name, count in counts.items():
        for i in range(count):
            save(root / name / f"{i}.png", picture(seed=zlib.crc32(f"{name}/{i}".encode()), **kwargs))
    return root


def zipped(folder: Path, path: Path) -> Path:
    """A zip of all files of a folder."""
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(folder.parent).as_posix())
    return path


def png_bytes(pixels) -> bytes:
    """An 8-bit PNG."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, format="PNG")
    return out.getvalue()


def png16_bytes(pixels, filters) -> bytes:
    """A 16-bit PNG with colours, each line coded with the filter given: a slow encoder written from the standard.

    Args:
        pixels: (H, W, 2|3|4) uint16.
        filters: (H,) 0..4.
    """
    height, width, samples = pixels.shape
    depth = samples * 2
    flat = pixels.astype(">u2").tobytes()
    lines = [flat[i * width * depth : (i + 1) * width * depth] for i in range(height)]
    coded = b""
    for y, line in enumerate(lines):
        up = lines[y - 1] if y else bytes(len(line))
        coded += bytes([filters[y]])
        for i, value in enumerate(line):
            left = line[i - depth] if i >= depth else 0
            corner = up[i - depth] if i >= depth else 0
            coded += bytes([(value - _predicted(filters[y], left, up[i], corner)) % 256])
    colour = {2: 4, 3: 2, 4: 6}[samples]
    header = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(coded)) + _chunk(b"IEND", b"")


def _predicted(kind, left, up, corner):
    if kind == 4:
        guess = left + up - corner
        distances = [(abs(guess - left), 0, left), (abs(guess - up), 1, up), (abs(guess - corner), 2, corner)]
        return min(distances)[2]
    return [0, left, up, (left + up) // 2][kind]


def _chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
