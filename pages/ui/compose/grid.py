"""A grid of pictures as one image with a hover and a click for each cell: one request, whatever the number of cells."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from pages.ui.kit import blocks

_SMALL = 64
JS = blocks.script(Path(__file__).with_name("grid.js"))

_grid = st.components.v2.component(
    "viewloom_grid",
    html='<div class="wrap"><div class="grid"></div><div class="tip" hidden></div></div>',
    css=Path(__file__).with_name("grid.css").read_text(encoding="utf-8"),
    js=JS,
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
    file, mime = encode(blocks.as_sheet(pictures, columns), exact=max(height, width) <= _SMALL)
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
    with st.container(key=f"{key}-room"):
        _grid(key=key, data=blocks.pack(header | changing, {"file": file}), on_picked_change=on_pick or _nothing)


def _nothing() -> None:
    return None
