"""A grid of pictures as one image with a hover and a click for each cell: one request, whatever the number of cells."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

_SMALL = 64
_CSS = """
.wrap { position: relative; font-family: var(--st-font); color: var(--st-text-color); }
.grid { display: grid; grid-template-columns: repeat(var(--columns, 1), minmax(var(--least, 40px), var(--most, 260px)));
  gap: 6px; align-items: start; overflow-x: auto; padding: 2px; min-height: 60px; }
.head { font-size: 11px; line-height: 1.2; opacity: .65; white-space: nowrap; overflow: hidden;
  text-overflow: ellipsis; }
.cell { container-type: inline-size; min-width: 0; border-radius: 4px; outline: none; }
.cell canvas { display: block; width: 100%; aspect-ratio: var(--ratio, 1); background: #0b0d10; border-radius: 3px; }
.cell.source canvas { box-shadow: 0 0 0 1px var(--st-text-color); }
.cell:not([data-mark=""])::before { content: attr(data-mark); position: absolute; margin: 3px; padding: 0 4px;
  font-size: 11px; font-weight: 600; line-height: 15px; border-radius: 3px; color: #fff;
  background: rgba(0, 0, 0, .65); }
.cell.pickable { cursor: pointer; }
.cell.pickable:hover canvas, .cell:focus-visible canvas { box-shadow: 0 0 0 2px var(--st-primary-color); }
.cell.picked canvas { box-shadow: 0 0 0 2px var(--st-primary-color); }
.caption { display: none; font-size: 11px; line-height: 1.25; height: 3.75em; margin-top: 3px; overflow: hidden;
  opacity: .75; overflow-wrap: anywhere; }
.captions .caption { display: block; }
@container (max-width: 79px) { .caption { display: none !important; } }
.tip { position: absolute; z-index: 9; pointer-events: none; max-width: 260px; padding: 6px 9px; border-radius: 5px;
  font-size: 12px; line-height: 1.4; background: var(--st-background-color); border: 1px solid var(--st-border-color);
  box-shadow: 0 2px 10px rgba(0, 0, 0, .18); }
.tip[hidden], .cell[hidden] { display: none; }
.tip .first { opacity: .65; }
"""

_grid = st.components.v2.component(
    "viewloom_grid",
    html='<div class="wrap"><div class="grid"></div><div class="tip" hidden></div></div>',
    css=_CSS,
    js=Path(__file__).with_name("grid.js").read_text(encoding="utf-8"),
)


def encode(rgb: np.ndarray[Any, Any], *, exact: bool) -> tuple[bytes, str]:
    """An image file that is quick to make: PNG where every pixel counts, else JPEG without colour subsampling.

    Args:
        rgb: (H, W, 3) uint8.

    Returns:
        The file and its media type.
    """
    from PIL import Image

    file = io.BytesIO()
    picture = Image.fromarray(rgb)
    if exact:
        picture.save(file, "PNG", compress_level=1)
        return file.getvalue(), "image/png"
    picture.save(file, "JPEG", quality=90, subsampling=0)
    return file.getvalue(), "image/jpeg"


def sheet(pictures: np.ndarray[Any, Any], columns: int) -> np.ndarray[Any, Any]:
    """(B, H, W, 3) as one picture of `columns` columns without gaps; the missing end is black."""
    count, height, width = pictures.shape[:3]
    rows = -(-count // columns)
    full = np.zeros((rows * columns, height, width, 3), np.uint8)
    full[:count] = pictures
    return full.reshape(rows, columns, height, width, 3).swapaxes(1, 2).reshape(rows * height, columns * width, 3)


def pack(
    pictures: np.ndarray[Any, Any],
    *,
    columns: int,
    heads: Sequence[str],
    said: Sequence[Sequence[str]],
    framed: Sequence[int] = (),
    marks: Mapping[int, str] | None = None,
    stamp: str = "",
) -> tuple[dict[str, Any], bytes]:
    """What the grid shows, as header and image file; `show` adds what changes with every click.

    Args:
        pictures: (B, H, W, 3) uint8, row by row.
        heads: text above each column; [] for none.
        said: for each cell what is told of it.
        framed: cells that hold source images.
        marks: a letter in the corner of some cells.
        stamp: name of this content; a click brings it back.
    """
    count, height, width = pictures.shape[:3]
    file, mime = encode(sheet(pictures, columns), exact=max(height, width) <= _SMALL)
    header = {
        "mime": mime,
        "cell": [width, height],
        "columns": columns,
        "rows": -(-count // columns),
        "heads": list(heads),
        "cells": [list(words) for words in said],
        "framed": list(framed),
        "marks": {str(cell): mark for cell, mark in (marks or {}).items()},
        "sharp": max(height, width) <= _SMALL,
        "stamp": stamp,
    }
    return header, file


def show(
    packed: tuple[dict[str, Any], bytes],
    *,
    key: str,
    captions: bool = False,
    picked: int | None = None,
    on_pick: Callable[[], None] | None = None,
    least: int = 40,
    most: int = 260,
) -> None:
    """Draw a packed grid.

    Args:
        captions: write what is told of a cell under it, where there is room.
        picked: the cell to mark.
        on_pick: called after a click; `st.session_state[key].picked` is {index, stamp}.
        least, most: bounds of a cell's width in px.
    """
    header, file = packed
    room = f"min(100cqw / {header['columns']}, {most}px) * {header['rows']}"
    st.html(f"<style>.st-key-{key}-room {{ min-height: calc({room}); }}</style>")  # before the first picture is there
    changing = {"captions": captions, "picked": picked, "pickable": on_pick is not None, "least": least, "most": most}
    text = json.dumps(header | changing, ensure_ascii=False).encode()
    with st.container(key=f"{key}-room"):
        _grid(key=key, data=struct.pack("<I", len(text)) + text + file, on_picked_change=on_pick or _nothing)


def _nothing() -> None:
    return None
