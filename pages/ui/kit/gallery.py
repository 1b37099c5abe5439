"""Images in rows, as one picture that the browser cuts up: one request however many; hover tells, a click picks.

A component takes bytes only as a whole. A block: four bytes length of the header (little endian), the header as JSON,
then the sections, each on a multiple of four; `blocks.js` reads it (`script`, `pack`).
"""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from pages.ui.kit import cache
from ssrl_core.datasets.imageset import ImageSet
from ssrl_core.datasets.pictures import rgb_of

Array = NDArray[Any]

_FEW_PIXELS, _FEW_BYTES = 500_000, 400_000
_CHUNK = 512
_MOST_ITEMS, _LONGEST, _LARGEST = 10_000, 10_000, 2**53  # of what a component may tell


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


def heard(key: str, trigger: str, shape: Any) -> Any:
    """What a component told; None where it told nothing, or what no component of ours would tell.

    A browser can be made to send anything, and nothing is taken that is not of the shape. Whether there is what a
    number or a name means is for who takes it to ask.

    Args:
        shape: str, int or float; a list of the shape of its items; a mapping of fields to shapes. Of a mapping, fields
            that were not sent (or are null) are left out, and so are others than these.
    """
    told = st.session_state[key].get(trigger)
    if told is None or not _fits(told, shape):
        return None
    return {name: told[name] for name in shape if told.get(name) is not None} if isinstance(shape, dict) else told


def _fits(told: Any, shape: Any) -> bool:
    if isinstance(shape, dict):
        return isinstance(told, dict) and all(told.get(k) is None or _fits(told[k], one) for k, one in shape.items())
    if isinstance(shape, list):
        return isinstance(told, list) and len(told) <= _MOST_ITEMS and all(_fits(one, shape[0]) for one in told)
    if shape is str:
        return isinstance(told, str) and len(told) <= _LONGEST
    kinds = int if shape is int else (int, float)
    return isinstance(told, kinds) and not isinstance(told, bool) and abs(told) < _LARGEST  # NaN is not less


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


JS = script(Path(__file__).with_name("gallery.js"))
_MOST_SIDE = 128  # px of a thumbnail as it is sent; larger images are averaged down
_SHARP_SIDE = 48


_gallery = st.components.v2.component(
    "viewloom_gallery",
    html='<div class="gallery"></div>',
    css=Path(__file__).with_name("gallery.css").read_text(encoding="utf-8"),
    js=JS,
)

Pick = Callable[[dict[str, Any]], None]
_TOLD = {"kind": str, "id": int, "how": str, "name": str, "title": str}


@dataclass(frozen=True)
class ImageRow:
    """Some images under one heading.

    Attributes:
        image_ids: (n,) in the order they are shown.
        title, lines, colour: of the heading; `name` comes back when it is clicked.
        captions: under each image; tips: on hover, the image's number when left out.
        said: a sentence under the lines, which may take three; evidence: what it rests on, told on hover.
        editable: the title can be changed in place, and a sheet opened.
        faded: shown in the background.
    """

    image_ids: Array
    title: str = ""
    lines: tuple[str, ...] = ()
    colour: str | None = None
    name: str = ""
    captions: tuple[str, ...] = ()
    tips: tuple[str, ...] = field(default=())
    said: str = ""
    evidence: tuple[str, ...] = ()
    editable: bool = False
    faded: bool = False


def show_grid(
    imageset: ImageSet,
    image_ids: Sequence[int] | Array,
    *,
    columns: int | None = None,
    captions: Sequence[str] | None = None,
    tips: Sequence[str] | None = None,
    key: str,
    tile_px: int = 64,
    picked: int | None = None,
    on_pick: Pick | None = None,
) -> None:
    """A grid of images.

    Args:
        columns: images in a row; left out, as many of at least `tile_px` as there is room for.
        captions: a short text under each image; none when left out.
        tips: what hover tells of each image.
        picked: image id to mark.
        on_pick: called before the rerun with {kind: "image", id, how: new | add | remove} after a click (with Shift,
            with Alt); left out, images cannot be clicked.
    """
    row = ImageRow(np.asarray(image_ids, np.int64), captions=tuple(captions or ()), tips=tuple(tips or ()))
    show_rows(imageset, [row], key=key, columns=columns, tile_px=tile_px, picked=picked, on_pick=on_pick)


def show_rows(
    imageset: ImageSet,
    rows: Sequence[ImageRow],
    *,
    key: str,
    strips: bool = False,
    columns: int | None = None,
    tile_px: int = 64,
    picked: int | None = None,
    on_pick: Pick | None = None,
) -> None:
    """Several rows of images in one picture.

    Args:
        strips: one line a row, its heading at the left; else headings stand above grids.
        on_pick: called with {kind: "image", id, how}, {kind: "head", name}, and of editable rows {kind: "rename",
            name, title} or {kind: "edit", name}. A name is one of these rows'; any other field may be wrong or missing.
    """
    ids = np.concatenate([np.asarray(row.image_ids, np.int64) for row in rows] or [np.empty(0, np.int64)])
    if not len(ids):
        return
    file, mime, size, across = _sheet(imageset, tuple(int(i) for i in ids))
    header = {
        "mime": mime,
        "across": across,
        "count": len(ids),
        "ratio": size[1] / size[0],
        "sharp": max(imageset.shape[1:]) <= _SHARP_SIDE,
        "tile": tile_px,
        "columns": columns,
        "strips": strips,
        "picked": picked,
        "able": on_pick is not None,
        "rows": [_as_sent(row) for row in rows],
    }

    names = {row.name for row in rows}

    def done() -> None:
        event = heard(key, "done", _TOLD)
        if event and on_pick is not None and (event.get("kind") == "image" or event.get("name") in names):
            on_pick(event)

    _gallery(key=key, data=pack(header, {"file": file}), on_done_change=done)


@cache.kept
def _sheet(imageset: ImageSet, ids: tuple[int, ...]) -> tuple[bytes, str, tuple[int, int], int]:
    """One image file of these thumbnails, its media type, (height, width) of one, and how many stand side by side."""
    height, width = imageset.shape[1:]
    scale = min(1.0, _MOST_SIDE / max(height, width))
    side = max(1, round(height * scale)), max(1, round(width * scale))
    across = max(1, min(len(ids), 2048 // side[1]))
    file, mime = encode(as_sheet(thumbnails(imageset, np.asarray(ids), side), across))
    return file, mime, side, across


def _as_sent(row: ImageRow) -> dict[str, Any]:
    ids = [int(i) for i in row.image_ids]
    return {
        "title": row.title,
        "lines": list(row.lines),
        "colour": row.colour,
        "name": row.name,
        "ids": ids,
        "captions": list(row.captions),
        "said": row.said,
        "evidence": list(row.evidence),
        "editable": row.editable,
        "faded": row.faded,
        "tips": list(row.tips) or [f"image {i}" for i in ids],
    }
