"""What was understood of a source, in words and pictures, before an import and after; and samples of an image set.

Samples are one picture, cut by the browser into as many columns as there is room for.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import streamlit as st

from pages.ui.kit import cache, choices, frame
from ssrl_core.datasets import pictures
from ssrl_core.datasets.imageset import ImageSet
from ssrl_core.datasets.importing import Glance
from ssrl_core.datasets.pictures import default_channels
from ssrl_core.datasets.reading.understanding import Understanding
from ssrl_core.datasets.splits import SPLITS

AT_RANDOM, BY_CLASS = "random", "classes"
EVERY = "all"
MOST_ROWS = 24
A_ROW = 16
_LEAST_PX, _MOST_PX = 56, 144  # an image on the screen
_BUDGET_PX = 500_000  # area of all samples together, on the screen

SAMPLES_CSS = f"""
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


Array = np.ndarray[Any, Any]
MOST_CLASSES = 40
_MOST_NAMED, _NAMED_AT_ONCE = 30, 3  # files of one reason
_SIDE, _WHOLE = 56, 104  # px of a picture on the screen
_OF_CHANNELS = 8

CSS = f"""
.vl-u {{ display: grid; grid-template-columns: minmax(5.5rem, max-content) 1fr; gap: .3rem 1rem; font-size: .9rem;
  align-items: start; }}
.vl-u > span {{ color: {frame.QUIET}; }}
.vl-u > div {{ overflow-wrap: anywhere; min-width: 0; }}
.vl-u-rows {{ display: grid; grid-template-columns: minmax(5rem, 11rem) 1fr; gap: 4px 12px; align-items: center;
  max-height: 340px; overflow-y: auto; margin: .4rem 0 1rem; }}
.vl-u-head {{ font-size: .78rem; letter-spacing: .04em; text-transform: uppercase; color: {frame.QUIET};
  margin-top: .6rem; }}
.vl-u-head small {{ text-transform: none; letter-spacing: 0; }}
.vl-u-rows b {{ font-weight: 500; font-size: .86rem; display: block; overflow: hidden; text-overflow: ellipsis;
  white-space: nowrap; }}
.vl-u-rows small {{ color: {frame.QUIET}; font-size: .76rem; font-variant-numeric: tabular-nums; }}
.vl-u-strip {{ background: {frame.IMAGE_GROUND}; border-radius: 4px; overflow: hidden; height: {_SIDE}px; }}
.vl-u-strip img {{ height: {_SIDE}px; width: auto; max-width: none; display: block; }}
.vl-u-whole {{ display: flex; flex-wrap: wrap; gap: 14px; margin: .4rem 0 1rem; }}
.vl-u-whole figure {{ margin: 0; display: flex; gap: 6px; align-items: center; background: {frame.IMAGE_GROUND};
  padding: 6px; border-radius: 4px; }}
.vl-u-whole span {{ position: relative; display: block; line-height: 0; }}
.vl-u-whole span i {{ position: absolute; outline: 2px solid #2dd4bf; outline-offset: -2px;
  box-shadow: 0 0 0 400px rgba(11, 13, 16, .55); }}
.vl-u-whole span {{ overflow: hidden; }}
.vl-u-whole em {{ color: #9aa4b1; font-style: normal; }}
.vl-u details {{ margin: 0; }} .vl-u summary {{ cursor: pointer; }}
.vl-u details ul {{ margin: .2rem 0 .4rem; padding-left: 1.1rem; color: {frame.QUIET}; font-size: .84rem;
  max-height: 180px; overflow-y: auto; }}
@media (max-width: 640px) {{
  .vl-u, .vl-u-rows {{ grid-template-columns: 1fr; gap: .1rem; }}
  .vl-u > div {{ margin-bottom: .4rem; }}
}}
"""


def glance_html(glance: Glance, fit: str, said: str = "") -> str:
    """The whole report: the finding, pictures of each class and channel, what fitting does, then `understood_html`.

    Args:
        said: the finding; "" = how many images of how many classes.
    """
    understood = glance.understood
    parts = [f'<p class="vl-finding"><b>{html.escape(said or finding(understood))}</b></p>']
    if len(glance.pixels):
        rgb, grey = _pictured(glance)
        parts += [_classes(glance, rgb), _channels(glance, rgb, grey), _fitting(glance, rgb, fit)]
    return "".join([*parts, understood_html(understood.as_json())])


def finding(understood: Understanding) -> str:
    """How many images of how many classes, and how they are split, in a sentence."""
    counts = understood.counts
    total = sum(n for row in counts.values() for n in row.values())
    classes = [name for name in counts if name]
    shape = understood.shape
    size = f", {shape[2]} × {shape[1]} px, {frame.count(shape[0], 'channel')}" if shape else ""
    said = {split: sum(row.get(split, 0) for row in counts.values()) for split in SPLITS}
    given = ", ".join(f"{number(n)} {split}" for split, n in said.items() if n)
    what = frame.count(len(classes), "class", "classes") if classes else "no classes"
    return f"{frame.count(total, 'image')}, {what}{size}. Split: {given or 'by seed, 70 / 10 / 20 %'}."


def understood_html(said: Mapping[str, Any]) -> str:
    """An understanding (`Understanding.as_json`) as a list: layout, label, what was guessed, decided, left out."""
    columns = [f"{column['name']} ({column['kind']})" for column in said["columns"]]
    rows = [
        ("Layout", html.escape(layout_words(said))),
        ("Folders", "<br>".join(html.escape(_level(level)) for level in said.get("folders", []))),
        ("Label", html.escape(said["label"] or "none")),
        ("Kept together", html.escape(said["group"] or "")),
        ("Channels", html.escape(", ".join(said.get("channels") or []))),
        ("Columns", html.escape(", ".join(columns))),
        ("Guessed", "<br>".join(_guess(item) for item in said["guessed"])),
        ("Decided", "<br>".join(html.escape(note[:1].upper() + note[1:]) for note in said["notes"])),
        ("Left out", _left_out(said["skipped"])),
    ]
    return f'<div class="vl-u">{"".join(f"<span>{name}</span><div>{text}</div>" for name, text in rows if text)}</div>'


def layout_words(said: Mapping[str, Any]) -> str:
    """How the source is laid out, as a sentence."""
    layout = said["layout"]
    words = {
        "folders": "image files in folders",
        "files": "image files",
        "table": f"the table {layout.get('table')} names the files in column {layout.get('names_in')!r}",
        "npz": "arrays of an .npz",
        "fields": "fields of a microscope",
    }[layout["kind"]]
    for key, what in (("split_level", "split"), ("class_level", "class")):
        words += f"; folder {layout[key]} of a path is the {what}" if layout.get(key) is not None else ""
    return words + (f"; column {layout['split_column']!r} is the split" if layout.get("split_column") else "")


def _level(level: Mapping[str, Any]) -> str:
    more = f" … ({number(level['count'])})" if level["count"] > len(level["names"]) else ""
    return f"{level['number']}: {', '.join(level['names'])}{more}"


def _guess(item: Mapping[str, str]) -> str:
    what, taken, because = (html.escape(item[key]) for key in ("what", "taken", "because"))
    return f'{what[:1].upper()}{what[1:]}: {taken} <span class="vl-quiet">({because})</span>'


def _left_out(skipped: Sequence[Mapping[str, str]]) -> str:
    """How many files for which reason, each with their names, folded."""
    reasons: dict[str, list[str]] = {}
    for item in skipped:
        reasons.setdefault(item["reason"], []).append(item["file"])
    ranked = sorted(reasons.items(), key=lambda row: -len(row[1]))
    return "".join(_reason(reason, files) for reason, files in ranked[:12])


def _reason(reason: str, files: Sequence[str]) -> str:
    shown = "".join(f"<li>{html.escape(name)}</li>" for name in files[:_MOST_NAMED])
    more = f"<li>and {number(len(files) - _MOST_NAMED)} more</li>" if len(files) > _MOST_NAMED else ""
    head = html.escape(f"{frame.count(len(files), 'file')}: {reason}")
    if len(files) <= _NAMED_AT_ONCE:
        return f'<div>{head} <span class="vl-quiet">({html.escape(", ".join(files))})</span></div>'
    return f"<details><summary>{head}</summary><ul>{shown}{more}</ul></details>"


def _pictured(glance: Glance) -> tuple[Array, Array]:
    """(n, H, W, 3) in colours, and (n, C, H, W) uint8 of each channel, small."""
    pixels, understood = glance.pixels, glance.understood
    channels = default_channels(understood.channels, pixels.shape[1], where="import")
    top = understood.max_value or int(np.iinfo(pixels.dtype).max)
    low_high = pictures.shown_limits(pixels, channels, top) * top
    rgb = pictures.to_rgb(pixels, channels, max_value=top, limits=low_high)
    shares = (pixels.astype(np.float32) - low_high[:, 0, None, None]) / np.diff(low_high, axis=1)[..., None]
    return rgb, np.rint(np.clip(shares, 0, 1) * 255).astype(np.uint8)


def _strip(rgb: Array, words: str) -> str:
    """Pictures in a row, `_SIDE` px high."""
    height, width = rgb.shape[1:3]
    small = rgb if height <= _SIDE * 2 else pictures.shrunk(rgb, _SIDE * 2, max(1, round(width * _SIDE * 2 / height)))
    sheet = pictures.montage(small, columns=len(small), scale=max(1, round(_SIDE / height)))
    return f'<div class="vl-u-strip"><img alt="{html.escape(words)}" src="{_data(sheet)}"></div>'


def _data(rgb: Array) -> str:
    return f"data:image/png;base64,{base64.b64encode(pictures.png(rgb)).decode()}"


def _classes(glance: Glance, rgb: Array) -> str:
    """A row of pictures for each class."""
    label, counts = glance.understood.label, glance.understood.counts
    places: dict[str, list[int]] = {}
    for place, row in enumerate(glance.rows):
        name = glance.table[label].iloc[row] if label in glance.table else None
        known = "" if name is None or name != name else _class_name(name)
        places.setdefault(known, []).append(place)
    named = sorted(counts, key=lambda name: name == "")
    rows = [(name, places[name]) for name in named if name in places][:MOST_CLASSES]
    lines = [
        f"<div><b>{html.escape(name or 'no label')}</b><small>{html.escape(_counted(counts[name]))}</small></div>"
        + _strip(rgb[ids], name)
        for name, ids in rows
    ]
    more = sum(name != "" for name in counts) - sum(name != "" for name, _ in rows)
    tail = f'<p class="vl-quiet">and {frame.count(more, "more class", "more classes")}</p>' if more > 0 else ""
    return f'<div class="vl-u-head">Classes</div><div class="vl-u-rows">{"".join(lines)}</div>{tail}'


def _class_name(value: Any) -> str:
    return str(int(value)) if isinstance(value, float | np.floating) and float(value).is_integer() else str(value)


def _counted(row: Mapping[str, int]) -> str:
    return " · ".join(f"{number(n)} {split}".strip() for split in (*SPLITS, "") if (n := row.get(split, 0)))


def _channels(glance: Glance, rgb: Array, grey: Array) -> str:
    """Some images, channel by channel; nothing where there is one."""
    if grey.shape[1] == 1:
        return ""
    some = np.unique(np.linspace(0, len(grey) - 1, _OF_CHANNELS).astype(int))
    channels = default_channels(glance.understood.channels, grey.shape[1], where="import")
    lines = [f"<div><b>all channels</b></div>{_strip(rgb[some], 'all channels')}"]
    for place, channel in enumerate(channels):
        shown = np.repeat(grey[some, place][..., None], 3, axis=3)
        dot = f'<i class="vl-dot" style="background:{html.escape(channel.colour)}"></i>'
        lines.append(f"<div><b>{dot}{html.escape(channel.name)}</b></div>{_strip(shown, channel.name)}")
    return f'<div class="vl-u-head">Channels</div><div class="vl-u-rows">{"".join(lines)}</div>'


def _fitting(glance: Glance, rgb: Array, fit: str) -> str:
    """Some images before and after they are fitted; what a crop leaves is framed."""
    if not glance.whole:
        return ""
    figures = []
    top = glance.understood.max_value or int(np.iinfo(glance.pixels.dtype).max)
    channels = default_channels(glance.understood.channels, glance.pixels.shape[1], where="import")
    limits = pictures.shown_limits(glance.pixels, channels, top) * top
    for before in glance.whole:
        whole = pictures.to_rgb(before[None], channels, max_value=top, limits=limits)[0]
        after = _after(before, glance.pixels.shape[2], fit)
        done = pictures.to_rgb(after[None], channels, max_value=top, limits=limits)[0]
        figures.append(f"<figure>{_framed(whole, fit)}<em>→</em>{_sized(done)}</figure>")
    words = {
        "crop": "what lies in the frame is kept",
        "pad": "the rest is black",
        "stretch": "sides are drawn to one length",
    }
    head = f'<div class="vl-u-head">Fitted to {glance.pixels.shape[2]} px <small>{words[fit]}</small></div>'
    return f'{head}<div class="vl-u-whole">{"".join(figures)}</div>'


def _after(image: Array, side: int, fit: str) -> Array:
    from ssrl_core.datasets.reading.image import fitted

    return fitted(image, side, fit)


def _framed(rgb: Array, fit: str) -> str:
    height, width = rgb.shape[:2]
    side = min(height, width)
    left, top = 50 * (width - side) / width, 50 * (height - side) / height
    frame_css = f"left:{left:.2f}%;top:{top:.2f}%;right:{left:.2f}%;bottom:{top:.2f}%"
    return f'<span>{_sized(rgb)}{f"""<i style="{frame_css}"></i>""" if fit == "crop" else ""}</span>'


def _sized(rgb: Array) -> str:
    height, width = rgb.shape[:2]
    times = _WHOLE / max(height, width)
    shown = max(1, round(height * times)), max(1, round(width * times))
    small = pictures.shrunk(rgb[None], *shown)[0] if times < 1 else rgb
    return f'<img alt="" style="width:{shown[1]}px;height:{shown[0]}px" src="{_data(small)}">'
