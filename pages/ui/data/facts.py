"""What is known of an image set, and what can be changed of it: counts, split, channels, classes, origin; its end."""

from __future__ import annotations

import html
from typing import Any

import numpy as np
import streamlit as st

from pages.ui.data.understood import number, understood_html
from pages.ui.kit import frame
from ssrl_core.datasets import store as image_sets
from ssrl_core.datasets.imageset import Channel, ImageSet
from ssrl_core.datasets.pictures import changed, display_limits
from ssrl_core.datasets.splits import SPLITS

_ONE = "One channel is always shown in grey."
MOST_ROWS = 200

CSS = f"""
.vl-list {{ display: grid; grid-template-columns: max-content 1fr; gap: .15rem .9rem; font-size: .9rem; }}
.vl-list span {{ color: {frame.QUIET}; }}
.vl-list div {{ overflow-wrap: anywhere; }}
.vl-dot {{ display: inline-block; width: .7em; height: .7em; border-radius: 50%; margin: 0 .3em 0 0;
  border: 1px solid {frame.LINE}; vertical-align: -.04em; }}
.vl-split {{ display: flex; height: 10px; border-radius: 5px; overflow: hidden; margin: 1rem 0 .35rem; gap: 2px; }}
.vl-split i {{ display: block; background: {frame.ACCENT}; min-width: 2px; }}
.vl-split .val {{ opacity: .62; }} .vl-split .test {{ opacity: .34; }}
.vl-split-words {{ display: flex; flex-wrap: wrap; gap: .1rem 1rem; font-size: .86rem; color: {frame.QUIET}; }}
.vl-split-words b {{ color: {frame.INK}; font-weight: 500; }}
.vl-classes {{ max-height: 420px; overflow-y: auto; margin-top: 1rem; }}
.vl-classes table {{ border-collapse: collapse; width: 100%; font-size: .86rem; }}
.vl-classes th {{ position: sticky; top: 0; background: light-dark(#ffffff, #0f1216); color: {frame.QUIET};
  font-weight: 400; text-align: right; padding: .15rem 0 .3rem .7rem; }}
.vl-classes td {{ text-align: right; padding: .12rem 0 .12rem .7rem; border-top: 1px solid {frame.LINE}; }}
.vl-classes th:first-child, .vl-classes td:first-child {{ text-align: left; padding-left: 0; max-width: 12rem;
  overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }}
.vl-classes td.vl-share {{ width: 28%; min-width: 3rem; }}
.vl-classes .vl-bar {{ margin: 0; }}
"""


def panel(imageset: ImageSet) -> None:
    """Facts, the channels' names and colours, the split, the classes."""
    frame.section(imageset.title)
    st.html(_facts(imageset))
    channels_popover(imageset)
    st.html(f"{split_html(imageset)}{classes_html(imageset)}")


def warnings(imageset: ImageSet) -> None:
    """What the checks say of the image set."""
    for said in image_sets.warnings_of(imageset):
        frame.warn(f"{said[:1].upper()}{said[1:]}.")


def details(imageset: ImageSet) -> None:
    """What was understood, the table, skipped files, origin and deletion, folded."""
    understood = imageset.meta.get("understood")
    if understood:
        with st.expander("What was understood", icon=":material/fact_check:"):
            st.html(understood_html(understood))
    with st.expander("Table of images", icon=":material/table_rows:"):
        frame.quiet(f"The first {min(MOST_ROWS, imageset.count)} of {number(imageset.count)} rows.")
        st.dataframe(imageset.table.head(MOST_ROWS), hide_index=True, height=320)
    if imageset.skipped:
        with st.expander(f"Skipped files · {number(len(imageset.skipped))}", icon=":material/block:"):
            st.dataframe([dict(item) for item in imageset.skipped], hide_index=True)
    with st.expander("Origin", icon=":material/history_edu:"):
        st.html(_origin(imageset))
        _delete(imageset)


def split_html(imageset: ImageSet) -> str:
    """The three splits as one bar, with their counts; an empty one is named."""
    counts = imageset.split_counts
    bar = "".join(f'<i class="{split}" style="flex:{counts[split]}"></i>' for split in SPLITS if counts[split])
    words = "".join(f"<span><b>{number(counts[split])}</b> {split}</span>" for split in SPLITS)
    empty = imageset.empty_splits
    lacking = f"No images in {' and '.join(empty)}: there were too few, or the set came split that way."
    said = f'<p class="vl-quiet">{lacking}</p>'
    return f'<div class="vl-split">{bar}</div><div class="vl-split-words">{words}</div>{said if empty else ""}'


def classes_html(imageset: ImageSet) -> str:
    """Each class with its share and its images in each split."""
    if not imageset.classes:
        return '<p class="vl-quiet">No labels: import these images with a label column to see classes.</p>'
    counts = class_counts(imageset)
    most = max(int(counts.sum(axis=1).max()), 1)
    rows = [_class_row(name, line, most) for name, line in zip(imageset.classes, counts, strict=True)]
    missing = int(np.sum(imageset.label_ids < 0))
    if missing:
        rows.append(f"<tr><td>no label</td><td></td><td>{number(missing)}</td><td></td><td></td></tr>")
    head = "".join(f"<th>{word}</th>" for word in (frame.count(len(imageset.classes), "class", "classes"), "", *SPLITS))
    return f'<div class="vl-classes"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def class_counts(imageset: ImageSet) -> np.ndarray[Any, Any]:
    """(classes, 3): images of each class in train, val and test."""
    columns = []
    for split in SPLITS:
        labels = imageset.label_ids[imageset.split_ids(split)]
        columns.append(np.bincount(labels[labels >= 0], minlength=len(imageset.classes)))
    return np.stack(columns, axis=1)


def _class_row(name: str, counts: np.ndarray[Any, Any], most: int) -> str:
    cells = "".join(f"<td>{number(int(count))}</td>" for count in counts)
    share = frame.progress_bar(float(counts.sum()) / most)
    shown = html.escape(name)
    return f'<tr><td title="{shown}">{shown}</td><td class="vl-share">{share}</td>{cells}</tr>'


def _facts(imageset: ImageSet) -> str:
    channels, height, width = imageset.shape
    dots = ", ".join(_dot(c.colour if channels > 1 else "") + html.escape(c.name) for c in imageset.channels)
    depth = f"{'8' if imageset.dtype == 'uint8' else '16'} bit, {number(imageset.max_value)} is full brightness"
    rows = [
        ("Images", number(imageset.count)),
        ("Size", f"{width} × {height} px"),
        ("Channels" if channels > 1 else "Channel", dots),
        ("Depth", depth),
        ("Label", html.escape(imageset.label) if imageset.label else "none"),
    ]
    if imageset.pixel_size_um:
        rows.insert(2, ("Pixel", f"{imageset.pixel_size_um:.3g} µm"))
    if imageset.skipped:
        rows.append(("Skipped", f"{frame.count(len(imageset.skipped), 'file')}, listed below"))
    return _listed(rows)


def _dot(colour: str) -> str:
    return f'<i class="vl-dot" style="background:{html.escape(colour)}"></i>' if colour else ""


def _origin(imageset: ImageSet) -> str:
    meta, split = imageset.meta, imageset.meta["splits"]
    how = "given with the images" if split["source"] == "given" else f"70/10/20 by seed {split['seed']}"
    if split["group"]:
        how += f", no {split['group']} in two splits"
    rows = [
        ("Source", meta.get("source")),
        ("Made", str(meta.get("created_at", ""))[:16].replace("T", " ") + " UTC"),
        ("Split", how),
        ("Licence", meta.get("licence")),
        ("Cite", meta.get("citation")),
        ("Fingerprint", imageset.fingerprint[:16]),
        ("Folder", str(imageset.folder)),
    ]
    return _listed([(name, html.escape(str(value))) for name, value in rows if value])


def _listed(rows: list[tuple[str, str]]) -> str:
    lines = "".join(f"<span>{name}</span><div>{value}</div>" for name, value in rows)
    return f'<div class="vl-list">{lines}</div>'


def _delete(imageset: ImageSet) -> None:
    """A deletion that is asked for twice."""
    with st.popover("Delete", icon=":material/delete:", key=f"data-delete-{imageset.name}"):  # closes with its set
        remade = (
            "It is made again when you next choose it."
            if image_sets.is_made(imageset.name)
            else "This cannot be undone."
        )
        st.write(frame.plain(f"Delete “{imageset.name}” and its {number(imageset.count)} images? {remade}"))
        if st.button("Delete image set", type="primary", key=f"data-delete-{imageset.name}-now"):
            with frame.guard():
                image_sets.delete(imageset.name)
                st.query_params.clear()
                st.query_params["dataset"] = image_sets.names()[0]
                st.rerun()


def channels_popover(imageset: ImageSet) -> None:
    """A name, a colour, and what is shown black and full, for each channel; kept with one button."""
    place = st.popover("Names and colours", icon=":material/palette:", key=f"data-channels-{imageset.name}")
    stale = _told_anew(imageset)
    with place, st.form(f"data-channels-form-{imageset.name}", border=False):
        rows = [_channel_row(imageset, number, channel) for number, channel in enumerate(imageset.channels)]
        frame.quiet(
            f"{_ONE if len(rows) == 1 else ''} Black and full are pixel values; left empty, the images decide. "
            "This changes what you see, not what is trained on."
        )
        if st.form_submit_button("Save", type="primary"):
            if stale:
                st.error(
                    "Somebody else changed these meanwhile, and yours were not kept. Here they are as they are now."
                )
            else:
                _keep_channels(imageset, rows)


def _told_anew(imageset: ImageSet) -> bool:
    """Whether the channels are others than this visit was last shown; its fields then say what they are now."""
    seen = f"data-channels-seen-{imageset.name}"
    before, st.session_state[seen] = st.session_state.get(seen), imageset.channels
    if before in (None, imageset.channels):
        return False
    for place, channel in enumerate(imageset.channels):
        black, full = channel.window or (None, None)
        for name, value in (("name", channel.name), ("colour", channel.colour), ("black", black), ("full", full)):
            st.session_state[f"data-channel-{imageset.name}-{place}-{name}"] = value
    return True


def _channel_row(imageset: ImageSet, place: int, channel: Channel) -> Channel:
    """The widgets of one channel, and what they say."""
    key, many = f"data-channel-{imageset.name}-{place}", imageset.shape[0] > 1
    low, high = display_limits(imageset)[place]
    name, colour, black, full = st.columns([0.38, 0.14, 0.24, 0.24], vertical_alignment="bottom")
    top = float(imageset.max_value)
    said = channel.window or (None, None)
    with name:
        new_name = st.text_input(f"Channel {place + 1}", channel.name, key=f"{key}-name", max_chars=80)
    with colour:
        new_colour = st.color_picker("Colour", channel.colour, key=f"{key}-colour", disabled=not many)
    with black:
        new_low = st.number_input(
            "Black", None, None, said[0], key=f"{key}-black", placeholder=f"{low:.4g}", format="%g"
        )
    with full:
        new_high = st.number_input(
            "Full", None, None, said[1], key=f"{key}-full", placeholder=f"{high:.4g}", format="%g"
        )
    return Channel(new_name, new_colour, _window(new_low, new_high, top))


def _window(low: float | None, high: float | None, top: float) -> tuple[float, float] | None:
    """One that is given alone goes with the end of the range."""
    if low is None and high is None:
        return None
    return (0.0 if low is None else low, top if high is None else high)


def _keep_channels(imageset: ImageSet, rows: list[Channel]) -> None:
    with frame.guard():
        channels = changed(
            imageset.channels,
            names=[row.name for row in rows],
            colours=[row.colour for row in rows],
            windows=[row.window for row in rows],
            where=f"image set {imageset.name!r}",
        )
        image_sets.set_channels(imageset.name, channels)
        st.rerun()
