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

_CSS = """
.gallery { font-family: var(--st-font); color: var(--st-text-color); font-size: 13px; }
.shelf + .shelf { border-top: 1px solid var(--st-border-color); }
.strips .shelf { display: grid; grid-template-columns: 264px minmax(0, 1fr); gap: 14px; align-items: center;
  padding: 7px 0; }
.head { all: unset; display: block; min-width: 0; line-height: 1.35; border-radius: 4px; padding: 2px 4px; }
.head.able { cursor: pointer; }
.head.able:hover { background: var(--st-secondary-background-color); }
.headbox { position: relative; min-width: 0; }
.headbox .head { display: block; width: 100%; box-sizing: border-box; padding-right: 46px; }
.headbox .acts { position: absolute; right: 0; top: 2px; display: flex; gap: 0; opacity: .45; }
.headbox:hover .acts, .headbox:focus-within .acts { opacity: 1; }
.headbox .acts button { all: unset; cursor: pointer; width: 22px; height: 22px; display: grid; place-items: center;
  border-radius: 4px; }
.headbox .acts button:hover { background: var(--st-secondary-background-color); }
.headbox .acts button:focus-visible { box-shadow: 0 0 0 2px var(--st-primary-color); }
.headbox .acts svg { width: 14px; height: 14px; fill: none; stroke: currentColor; stroke-width: 1.6; }
.headbox input { font: inherit; font-weight: 600; color: inherit; width: 100%; box-sizing: border-box; padding: 2px 6px;
  border: 1px solid var(--st-primary-color); border-radius: 4px; background: var(--st-background-color); }
.head .said { display: -webkit-box; -webkit-line-clamp: 3; -webkit-box-orient: vertical; white-space: normal;
  opacity: 1; line-height: 1.35; margin-top: 2px; }
.shelf.faded { opacity: .45; }
.head:focus-visible, .tile:focus-visible { box-shadow: 0 0 0 2px var(--st-primary-color); }
.head b { font-weight: 600; display: block; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.head i { display: inline-block; width: 10px; height: 10px; border-radius: 50%; margin-right: 7px; }
.head span { display: block; opacity: .66; font-size: 12px; overflow: hidden; text-overflow: ellipsis;
  white-space: nowrap; font-variant-numeric: tabular-nums; }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(var(--tile), 1fr)); gap: 4px; }
.fixed .tiles { grid-template-columns: repeat(var(--columns), minmax(0, 1fr)); }
.strips .tiles { display: flex; overflow: hidden; flex-wrap: wrap; gap: 4px;
  max-height: calc(var(--tile) + var(--under)); }
.tile { all: unset; min-width: 0; border-radius: 3px; }
.strips .tile { width: var(--tile); }
.tile.able { cursor: pointer; }
.tile .cut { display: block; aspect-ratio: var(--ratio); background-color: #0b0d10; border-radius: 3px;
  background-repeat: no-repeat; }
.tile.able:hover .cut, .tile.picked .cut { box-shadow: 0 0 0 2px var(--st-primary-color); }
.tile .under { display: block; font-size: 11px; line-height: 16px; height: 16px; opacity: .66; overflow: hidden;
  text-overflow: ellipsis; white-space: nowrap; text-align: center; font-variant-numeric: tabular-nums; }
@media (max-width: 640px) {
  .strips .shelf { grid-template-columns: minmax(0, 1fr); gap: 4px; }
}
"""

_gallery = st.components.v2.component(
    "viewloom_gallery",
    html='<div class="gallery"></div>',
    css=_CSS,
    js=JS,
)

Pick = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Shelf:
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
    shelf = Shelf(np.asarray(image_ids, np.int64), captions=tuple(captions or ()), tips=tuple(tips or ()))
    show_shelves(imageset, [shelf], key=key, columns=columns, tile_px=tile_px, picked=picked, on_pick=on_pick)


def show_shelves(
    imageset: ImageSet,
    shelves: Sequence[Shelf],
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
        strips: one line a shelf, its heading at the left; else headings stand above grids.
        on_pick: called with {kind: "image", id, how}, {kind: "head", name}, and of editable shelves {kind: "rename",
            name, title} or {kind: "edit", name}.
    """
    ids = np.concatenate([np.asarray(shelf.image_ids, np.int64) for shelf in shelves] or [np.empty(0, np.int64)])
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
        "shelves": [_told(shelf) for shelf in shelves],
    }

    def done() -> None:
        event = st.session_state[key].get("done")
        if event and on_pick is not None:
            on_pick(dict(event))

    _gallery(key=key, data=pack(header, {"file": file}), on_done_change=done)


def montage_png(imageset: ImageSet, image_ids: Sequence[int] | Array, *, columns: int = 10) -> bytes:
    """The same images as one PNG to take home, at their own size."""
    from ssrl_core.datasets.pictures import display_limits, montage, to_rgb

    ids = np.asarray(image_ids, np.int64)
    limits = display_limits(imageset)
    rgb = to_rgb(np.asarray(imageset.pixels[ids]), imageset.channels, max_value=imageset.max_value, limits=limits)
    return png(montage(rgb, columns=columns))


@cache.kept
def _sheet(imageset: ImageSet, ids: tuple[int, ...]) -> tuple[bytes, str, tuple[int, int], int]:
    """One image file of these thumbnails, its media type, (height, width) of one, and how many stand side by side."""
    height, width = imageset.shape[1:]
    scale = min(1.0, _MOST_SIDE / max(height, width))
    side = max(1, round(height * scale)), max(1, round(width * scale))
    across = max(1, min(len(ids), 2048 // side[1]))
    file, mime = encode(as_sheet(thumbnails(imageset, np.asarray(ids), side), across))
    return file, mime, side, across


def _told(shelf: Shelf) -> dict[str, Any]:
    ids = [int(i) for i in shelf.image_ids]
    return {
        "title": shelf.title,
        "lines": list(shelf.lines),
        "colour": shelf.colour,
        "name": shelf.name,
        "ids": ids,
        "captions": list(shelf.captions),
        "said": shelf.said,
        "evidence": list(shelf.evidence),
        "editable": shelf.editable,
        "faded": shelf.faded,
        "tips": list(shelf.tips) or [f"image {i}" for i in ids],
    }
