"""Images in rows, as one picture that the browser cuts up: one request however many; hover tells, a click picks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from pages.ui.kit import cache
from pages.ui.kit.blocks import as_sheet, encode, pack, script, thumbnails
from ssrl_core.datasets.imageset import ImageSet
from ssrl_core.datasets.pictures import png

Array = np.ndarray[Any, Any]

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
            name, title} or {kind: "edit", name}.
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

    def done() -> None:
        event = st.session_state[key].get("done")
        if event and on_pick is not None:
            on_pick(dict(event))

    _gallery(key=key, data=pack(header, {"file": file}), on_done_change=done)


def montage_png(imageset: ImageSet, image_ids: Sequence[int] | Array, *, columns: int = 10) -> bytes:
    """The same images as one PNG to take home, at their own size."""
    from ssrl_core.datasets.pictures import montage, rgb_of

    ids = np.asarray(image_ids, np.int64)
    return png(montage(rgb_of(imageset, ids), columns=columns))


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
