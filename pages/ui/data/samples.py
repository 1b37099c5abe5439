"""Samples of an image set: one picture, cut by the browser into as many columns as there is room for."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from typing import Any

import numpy as np
import streamlit as st

from pages.ui.kit import cache, choices, frame
from ssrl_core.datasets import pictures
from ssrl_core.datasets.imageset import ImageSet
from ssrl_core.datasets.splits import SPLITS

AT_RANDOM, BY_CLASS = "random", "classes"
EVERY = "all"
MOST_ROWS = 24
A_ROW = 16
_LEAST_PX, _MOST_PX = 56, 144  # an image on the screen
_BUDGET_PX = 500_000  # area of all samples together, on the screen

CSS = f"""
.vl-samples {{ background: {frame.IMAGE_GROUND}; border-radius: 6px; padding: 6px; display: grid; gap: 3px;
  grid-template-columns: repeat(auto-fill, var(--cell-w)); justify-content: center; }}
.vl-samples i {{ display: block; width: var(--cell-w); height: var(--cell-h); background-image: var(--sheet);
  background-size: var(--sheet-w) var(--sheet-h); border-radius: 2px; }}
.vl-samples.vl-small i {{ image-rendering: pixelated; }}
.vl-by-class {{ display: grid; grid-template-columns: minmax(1rem, max-content) 1fr; gap: 3px 10px;
  align-items: center; }}
.vl-by-class b {{ font-weight: 500; font-size: .82rem; max-width: 10rem; overflow: hidden; text-overflow: ellipsis;
  white-space: nowrap; color: {frame.INK}; }}
.vl-by-class .vl-samples {{ display: flex; overflow: hidden; padding: 0; border-radius: 3px; justify-content: start; }}
.vl-by-class .vl-samples i {{ flex: none; }}
@media (max-width: 640px) {{
  .vl-samples {{ max-height: 62vh; overflow-y: auto; }}
  .vl-by-class {{ grid-template-columns: 1fr; }}
  .vl-by-class b {{ margin-top: .4rem; }}
  .st-key-vl-choices [data-testid="stHorizontalBlock"] {{ flex-direction: row; flex-wrap: wrap; gap: .4rem .8rem; }}
  .st-key-vl-choices [data-testid="stColumn"] {{ min-width: 44%; flex: 1 1 44%; }}
}}
"""


def choose_split() -> str:
    """all | train | val | test, in the address."""
    return choices.from_address("Split", (EVERY, *SPLITS), key="split", default=EVERY)


def choose_images(imageset: ImageSet) -> str:
    """At random, a row for each class, or the number of one class; in the address."""
    words = {AT_RANDOM: "at random"}
    if imageset.classes:
        words[BY_CLASS] = "a row for each class"
        words |= {str(i): f"only {name}" for i, name in enumerate(imageset.classes)}
    return choices.from_address("Show", list(words), key="pick", shown=words.__getitem__, default=AT_RANDOM)


def choose_channel(imageset: ImageSet) -> str:
    """Name of one channel, or all together; in the address where there is a choice."""
    if imageset.shape[0] == 1:
        return EVERY
    names = [EVERY, *(channel.name for channel in imageset.channels)]
    return choices.from_address(
        "Channels", names, key="channel", shown=lambda name: "together" if name == EVERY else name, default=EVERY
    )


def samples(imageset: ImageSet, split: str, which: str, channel: str) -> None:
    """Images of a split, drawn by a seed that the button changes."""
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        said = st.container(width="content")
        if st.button("Shuffle", icon=":material/shuffle:", key="data-shuffle"):
            st.session_state["data-seed"] = st.session_state.get("data-seed", 0) + 1
    seed = st.session_state.get("data-seed", 0)
    ids = imageset.split_ids(split)
    if which == BY_CLASS:
        rows = rows_by_class(imageset, ids, seed)
        left_out = len(imageset.classes) - MOST_ROWS
        more = f"; {left_out} more classes can be chosen one by one" if left_out > 0 else ""
        with said:
            frame.quiet(f"{frame.count(len(rows), 'class', 'classes')}, images at random{more}")
        st.html(by_class_html(imageset, rows, channel))
        return
    if which.isdigit():
        ids = ids[imageset.label_ids[ids] == int(which)]
    picked = drawn(ids, room(imageset), seed)
    with said:
        frame.quiet(f"{number(len(picked))} of {number(len(ids))} images" if len(ids) else "There are no such images.")
    if len(picked):
        st.html(grid_html(imageset, picked, channel))


def drawn(ids: np.ndarray[Any, Any], count: int, seed: int) -> tuple[int, ...]:
    """Some of these ids, each at most once, in a drawn order."""
    random = np.random.default_rng(seed)
    return tuple(int(i) for i in random.permutation(ids)[:count])


def rows_by_class(imageset: ImageSet, ids: np.ndarray[Any, Any], seed: int) -> list[tuple[str, tuple[int, ...]]]:
    """For each of the first classes, its name and some of its images."""
    labels = imageset.label_ids[ids]
    return [
        (name, drawn(ids[labels == label], A_ROW, seed + label))
        for label, name in enumerate(imageset.classes[:MOST_ROWS])
        if np.any(labels == label)
    ]


def cell_size(imageset: ImageSet) -> tuple[int, int]:
    """Height and width in which one image is shown, px: whole multiples for small ones."""
    _, height, width = imageset.shape
    side = max(height, width)
    if side <= _LEAST_PX:
        times = max(1, round(_LEAST_PX / side))
        return height * times, width * times
    shown = min(side, _MOST_PX)
    return max(1, round(height * shown / side)), max(1, round(width * shown / side))


def room(imageset: ImageSet) -> int:
    """How many samples fit on a page."""
    height, width = cell_size(imageset)
    return int(min(200, max(12, _BUDGET_PX // ((height + 3) * (width + 3)))))


def grid_html(imageset: ImageSet, ids: Sequence[int], channel: str) -> str:
    """A wall of samples; hovering one says what it is."""
    style, cells, small = _sprite(imageset, tuple(ids), channel)
    return f'<div class="vl-samples{small}" style="{style}">{"".join(cells)}</div>'


def by_class_html(imageset: ImageSet, rows: Sequence[tuple[str, tuple[int, ...]]], channel: str) -> str:
    """One line of samples for each class."""
    every = tuple(i for _, ids in rows for i in ids)
    if not every:
        return ""
    style, cells, small = _sprite(imageset, every, channel)
    lines, at = [], 0
    for name, ids in rows:
        shown = html.escape(name)
        inside = "".join(cells[at : at + len(ids)])
        lines.append(f'<b title="{shown}">{shown}</b><div class="vl-samples{small}">{inside}</div>')
        at += len(ids)
    return f'<div class="vl-by-class" style="{style}">{"".join(lines)}</div>'


def number(count: int) -> str:
    """12 345, with a narrow space that does not break."""
    return f"{count:,}".replace(",", "\u202f")


def _sprite(imageset: ImageSet, ids: tuple[int, ...], channel: str) -> tuple[str, list[str], str]:
    """The style that holds the picture, one element for each image, and the class for small images."""
    columns = min(len(ids), 16)
    height, width = cell_size(imageset)
    sheet = _sheet(imageset, ids, channel, columns)
    rows = -(-len(ids) // columns)
    style = (
        f"--sheet:url(data:image/png;base64,{sheet});--cell-w:{width}px;--cell-h:{height}px;"
        f"--sheet-w:{columns * width}px;--sheet-h:{rows * height}px"
    )
    cells = [
        f'<i style="background-position:-{n % columns * width}px -{n // columns * height}px" title="{words}"></i>'
        for n, words in enumerate(_words(imageset, ids))
    ]
    return style, cells, " vl-small" if max(imageset.shape[1:]) <= _LEAST_PX else ""


@cache.kept
def _sheet(imageset: ImageSet, ids: tuple[int, ...], channel: str, columns: int) -> str:
    """All samples as one PNG, in base64; larger images are made smaller first."""
    limits = pictures.display_limits(imageset)
    pixels, channels = np.asarray(imageset.pixels[np.array(ids)]), list(imageset.channels)
    if channel != EVERY:
        one = [c.name for c in channels].index(channel)
        pixels, channels, limits = pixels[:, one : one + 1], channels[one : one + 1], limits[one : one + 1]
    rgb = pictures.to_rgb(pixels, channels, max_value=imageset.max_value, limits=limits)
    height, width = cell_size(imageset)
    if height < rgb.shape[1]:
        rgb = pictures.shrunk(rgb, height, width)
    return base64.b64encode(pictures.png(pictures.montage(rgb, columns=columns, gap=0))).decode()


def _words(imageset: ImageSet, ids: Sequence[int]) -> list[str]:
    """What hovering says: number, class, split."""
    labels, splits = imageset.label_ids, imageset.table["split"]
    words = []
    for i in ids:
        label = f" · {imageset.classes[labels[i]]}" if labels[i] >= 0 else ""
        words.append(html.escape(f"image {i}{label} · {splits.iloc[i]}"))
    return words
