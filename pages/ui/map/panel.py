"""The panel beside a map: the image in focus, the selected images with what they have in common, tags, downloads."""

from __future__ import annotations

import html
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from PIL import ImageColor

from pages.ui.kit import frame, gallery
from pages.ui.kit.gallery import Array
from pages.ui.map import evaluated, files, selection
from pages.ui.map.evaluated import ClusteredRun, EvaluatedRun
from pages.ui.map.payload import CLUSTER, Facet, by_cluster, colour_by, colour_names
from pages.ui.map.selection import Selected
from ssrl_core.analysis.layouts import counts_of_codes
from ssrl_core.analysis.matrix import nearest_to
from ssrl_core.datasets.cells.in_field import InField, in_field, is_cut, ringed
from ssrl_core.datasets.pictures import display_limits, to_rgb
from ssrl_core.figures.profiles import field_figure
from ssrl_core.figures.sheets import counts_file
from ssrl_core.figures.style import ACCENT, percent, three_digits
from ssrl_core.runs.folder.annotations import LONGEST_NAME

PER_PAGE = 60
_NEIGHBOURS = 10
_FACTS = 8
_BARS = 8
_MOST_IMAGES = 60  # in the figure of a selection
_COUNTS_OF = "counts-of"
_CIRCLES = "Circles stand for nuclei: their outlines were not kept when these cells were cut out. "
_FIELD_TOOLS = {"displayModeBar": False, "scrollZoom": True}

CSS = """
.st-key-cluster-hint .vl-empty { padding-top: 1.5rem; }
.st-key-cluster-hint .vl-empty img { width: 120px; }
.vl-counts { display: grid; grid-template-columns: minmax(56px, auto) 1fr auto; gap: 3px 8px; font-size: .84rem;
  align-items: center; }
.vl-counts .name { max-width: 150px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.vl-counts .bar { position: relative; height: 9px; border-radius: 2px; background: light-dark(#eef0f3, #20262e); }
.vl-counts .bar i { position: absolute; inset: 0 auto 0 0; border-radius: 2px; }
.vl-counts .bar b { position: absolute; top: -3px; bottom: -3px; width: 2px; background: light-dark(#14181f, #e8ebef); }
.vl-counts .n { color: light-dark(#5b6470, #9aa4b1); text-align: right; white-space: nowrap; }
.vl-facts { display: grid; grid-template-columns: auto 1fr; gap: 1px 12px; font-size: .86rem; }
.vl-facts dt { color: light-dark(#5b6470, #9aa4b1); } .vl-facts dd { margin: 0; overflow-wrap: anywhere; }
.vl-scores { display: flex; flex-wrap: wrap; gap: .5rem 2.4rem; align-items: flex-start; }
.vl-scores > div { min-width: 150px; }
.vl-scores .what { font-size: .8rem; color: light-dark(#5b6470, #9aa4b1); }
.vl-scores .value { font-size: 1.35rem; font-weight: 600; line-height: 1.25; }
.vl-scores .beside { font-size: .8rem; color: light-dark(#5b6470, #9aa4b1); line-height: 1.4; }
"""


def panel(of: ClusteredRun) -> None:
    """The column, whatever is selected."""
    now = selection.selected(of.run.images_key)
    if now.focus is not None and of.run.row_of(now.focus) >= 0:
        _focus(of, now.focus)
    if len(now.image_ids):
        _selection(of, now)
    elif now.focus is None:
        _hint()
        _tagged(of.run)


def score_row(cells: list[tuple[str, str, str, str]]) -> None:
    """Numbers side by side: (what, value, what stands beside it, its explanation on hover)."""
    shown = "".join(
        f'<div title="{html.escape(explained)}"><div class="what">{what}</div>'
        f'<div class="value">{value}</div><div class="beside">{html.escape(beside)}</div></div>'
        for what, value, beside, explained in cells
    )
    st.html(f'<div class="vl-scores">{shown}</div>')


def facts(found: dict[str, Any]) -> str:
    """Names and values as HTML."""
    lines = "".join(f"<dt>{html.escape(str(k))}</dt><dd>{html.escape(str(v))}</dd>" for k, v in found.items())
    return f'<dl class="vl-facts">{lines}</dl>'


def bars(table: pd.DataFrame, colours: dict[str, str]) -> str:
    """The commonest values: share of the selection as a bar, share of all images as a tick."""
    there = table[table["selected"] > 0]
    lines = []
    for row in there.head(_BARS).itertuples():
        name = "no value" if row.value is None else html.escape(str(row.value))
        colour = colours.get(str(row.value), ACCENT)
        hover = f"{row.selected} of {row.all} images; {percent(row.share)} here, {percent(row.share_all)} in all"
        lines.append(
            f'<span class="name" title="{name}">{name}</span>'
            f'<span class="bar" title="{hover}"><i style="width:{100 * row.share:.1f}%;background:{colour}"></i>'
            f'<b style="left:calc({100 * row.share_all:.1f}% - 1px)"></b></span>'
            f'<span class="n" title="{hover}">{row.selected} · {percent(row.share)}</span>'
        )
    more = len(there) - _BARS
    rest = f"and {more} more. " if more > 0 else ""
    return (
        f'<div class="vl-counts">{"".join(lines)}</div>'
        f'<p class="vl-quiet">{rest}Bar: share of the selection. Tick: share of all images on the map.</p>'
    )


def _hint() -> None:
    with st.container(key="cluster-hint", gap="small"):
        frame.empty("Nothing is selected.", stop=False)
        frame.quiet(
            "Draw around points to see their images and what they have in common. Click a point to see one image and "
            "those most like it. The wheel zooms with Ctrl, or after a click on the map; hold Space to move the map; "
            "Shift adds, Alt takes away."
        )


def _focus(of: ClusteredRun, image_id: int) -> None:
    run = of.run
    row = run.row_of(image_id)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        frame.section(f"Image {image_id}")
        if st.button("Close", icon=":material/close:", type="tertiary", key="focus-close"):
            selection.focus_on(run.images_key, None)
            st.rerun()
    with st.container(horizontal=True, gap="medium"):
        with st.container(width=132):
            gallery.show_grid(run.imageset, [image_id], columns=1, tile_px=128, key="focus-image")
        with st.container(width="stretch"):
            st.html(facts(_facts(of, row)))
    _in_field(of, image_id)
    near, away = nearest_to(run.x, row, _NEIGHBOURS)
    if len(near):
        frame.quiet(f"Most like it of all {len(run.ids)} images, by distance in the embedding (exact)")
        gallery.show_grid(
            run.imageset,
            run.ids[near],
            columns=5,
            captions=[three_digits(float(d)) for d in away],
            tips=[_tip(of, int(r)) for r in near],
            key="focus-near",
            on_pick=lambda event: selection.on_gallery(of, event),
        )


def _in_field(of: ClusteredRun, image_id: int) -> None:
    """The image among its neighbours in its field, ringed in the colours of their clusters; a click goes to another."""
    run = of.run
    if not is_cut(run.imageset):
        return
    with st.expander("In its field", icon=":material/grid_view:", key="focus-field", on_change="rerun") as place:
        field = in_field(run.imageset, image_id) if place.open else None
        if field is None:
            return
        fig = field_figure(_field_picture(of, field, image_id), field.x, field.y, field.image_ids, focus=image_id)
        key = f"field-{image_id}"
        st.plotly_chart(fig, key=key, on_select=_go(run, key), selection_mode="points", config=_FIELD_TOOLS)
        here = np.intersect1d(field.image_ids, run.ids)
        frame.quiet(
            f"{len(field.image_ids)} cells of {field.source}, put together from their crops, {len(here)} on the "
            f"map (others are grey). {'' if field.nuclei else _CIRCLES}Drag to move, the wheel zooms, a click opens a "
            "cell."
        )
        if st.button(
            "Select these on the map", icon=":material/select_all:", key="field-select", disabled=not len(here)
        ):
            selection.select(run.images_key, here, "in one field", focus=image_id)
            st.rerun()


def _field_picture(of: ClusteredRun, field: InField, image_id: int) -> Array:
    """(h, w, 3) uint8, each nucleus of the run outlined in the colour of its cluster, the one in focus thickly."""
    imageset, groups = of.run.imageset, by_cluster(of)
    rgb = to_rgb(field.picture[None], imageset.channels, max_value=imageset.max_value, limits=display_limits(imageset))[
        0
    ]
    rows = [of.run.row_of(int(image)) for image in field.image_ids]
    codes = [-1 if row < 0 or groups.codes is None else int(groups.codes[row]) for row in rows]
    hexes = [groups.colours[code] if code >= 0 else "#9aa4b1" for code in codes]
    colours = np.array([ImageColor.getrgb(text) for text in hexes], np.uint8)
    own = field.image_ids == image_id
    colours[own] = 255
    return ringed(rgb, field, colours, thick=np.where(own, 4.0, 2.0))


def _go(run: EvaluatedRun, key: str) -> Any:
    def picked() -> None:
        points = st.session_state[key]["selection"]["points"]
        if points and points[0].get("customdata"):
            image = int(points[0]["customdata"][0])
            if run.row_of(image) >= 0:
                selection.focus_on(run.images_key, image)

    return picked


def _selection(of: ClusteredRun, now: Selected) -> None:
    run = of.run
    chosen = run.mask(now.image_ids)
    n = int(chosen.sum())
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        frame.section(f"{n:,} images".replace(",", " ") if n != 1 else "1 image")
        with st.container(horizontal=True, width="content", gap="xsmall"):
            _downloads(of, chosen, now.words)
            _tag_popover(run, now)
            if st.button("Clear", icon=":material/close:", type="tertiary", key="selection-clear"):
                selection.clear(run.images_key)
                st.rerun()
    elsewhere = len(now.image_ids) - n
    more = f"; {elsewhere} more are not among this run's evaluated images" if elsewhere else ""
    frame.quiet(f"Selected {now.words}; the most typical first{more}")
    if n:
        _pictures(of, np.flatnonzero(chosen), now.focus)
        _counts(of, chosen)


def _pictures(of: ClusteredRun, rows: Array, focus: int | None) -> None:
    run = of.run
    pages = -(-len(rows) // PER_PAGE)
    page = min(int(st.session_state.get("clusters-page", 1)), pages)
    away = run.from_their_mean(rows)
    upto = min(page * PER_PAGE, len(rows))
    near = np.argpartition(away, upto - 1)[:upto]
    page_rows = rows[near[np.lexsort((near, away[near]))]][(page - 1) * PER_PAGE :]
    gallery.show_grid(
        run.imageset,
        run.ids[page_rows],
        tile_px=44,
        tips=[_tip(of, int(row)) for row in page_rows],
        picked=focus,
        key="selection-grid",
        on_pick=lambda event: selection.on_gallery(of, event),
    )
    if pages > 1:
        st.pagination(pages, key="clusters-page")


def _counts(of: ClusteredRun, chosen: Array) -> None:
    column = st.selectbox("Counts of", _countable(of.run), key=_COUNTS_OF, persist_state="session")
    colour = colour_by(of, column)
    if colour.values is not None:
        _middle(colour.values, chosen)
        return
    st.html(bars(counts_table(colour, chosen), dict(zip(colour.names, colour.colours, strict=True))))


def _middle(values: Array, chosen: Array) -> None:
    """Median and quartiles of the selected, where a column is a scale."""
    here, everywhere = (some[np.isfinite(some)] for some in (values[chosen], values))
    if not len(here):
        frame.quiet("None of them has a value.")
        return
    low, middle, high = (three_digits(float(v)) for v in np.percentile(here, [25, 50, 75]))
    frame.quiet(
        f"median {middle} here, {three_digits(float(np.median(everywhere)))} in all; middle half {low} to {high}"
    )


def _countable(run: EvaluatedRun) -> list[str]:
    return sorted(colour_names(run), key=lambda name: name == CLUSTER)


def counts_table(colour: Facet, chosen: Array) -> pd.DataFrame:
    """How often each value of a column is among the selected and among all."""
    codes = colour.codes if colour.codes is not None else np.full(len(chosen), -1)
    return counts_of_codes(codes, colour.names, chosen)


def _facts(of: ClusteredRun, row: int) -> dict[str, Any]:
    run, cluster = of.run, int(of.clustering.ids[row])
    found: dict[str, Any] = {CLUSTER: "in none"}
    if cluster >= 0:
        away = float(np.linalg.norm(run.x[row] - of.clustering.centroids[cluster]))
        found[CLUSTER] = f"{of.names.short(cluster)}, {three_digits(away)} from its centroid"
    if run.label:
        found[run.label] = run.label_of(row) or "–"
    entry = run.table.iloc[row]
    others = [c for c in (*run.columns, "source") if c not in found and c in run.table.columns]
    for column in others[:_FACTS]:
        value = entry[column]
        found[column] = "–" if pd.isna(value) else three_digits(float(value)) if isinstance(value, float) else value
    return found


def _tip(of: ClusteredRun, row: int) -> str:
    parts = [f"image {of.run.ids[row]}"]
    if label := of.run.label_of(row):
        parts.append(f"{of.run.label} {label}")
    return "\n".join([*parts, of.names.title(int(of.clustering.ids[row]))])


def _tag_popover(run: EvaluatedRun, now: Selected) -> None:
    """A popover that keeps the selection under a name; it stays with the run."""
    with st.popover("Tag", icon=":material/label:", type="tertiary"):
        name = " ".join(st.text_input("Name of this selection", key="tag-name", max_chars=LONGEST_NAME).split())
        known = [tag["name"] for tag in evaluated.tags(run)]
        st.button(
            "Replace it" if name in known else "Tag",
            key="tag-keep",
            disabled=not name,
            on_click=evaluated.tag,
            args=(run, name, [int(i) for i in now.image_ids], known),
        )
        _tagged(run)


def _tagged(run: EvaluatedRun) -> None:
    """What was tagged, to be selected again or forgotten."""
    tags = evaluated.tags(run)
    if tags:
        frame.quiet("Tagged selections of this run")
    for at, tag in enumerate(tags):
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
            st.button(
                frame.plain(f"{tag['name']} · {len(tag['image_ids'])}"),
                icon=":material/label:",
                key=f"tag-{at}",
                on_click=selection.select,
                args=(run.images_key, tag["image_ids"], f"by the tag “{tag['name']}”"),
            )
            st.button(
                "",
                icon=":material/close:",
                key=f"untag-{at}",
                type="tertiary",
                help="Forget this tag",
                on_click=evaluated.untag,
                args=(run, tag["name"]),
            )


def _downloads(of: ClusteredRun, chosen: Array, words: str) -> None:
    """The selected rows as CSV and Parquet, and a popover with two figures.

    Args:
        chosen: (n,) bool.
        words: how they came together.
    """
    run = of.run
    for kind, mime, content in (
        ("CSV", "text/csv", lambda: files.as_csv(files.image_table(of)[chosen])),
        ("Parquet", "application/vnd.apache.parquet", lambda: files.as_parquet(files.image_table(of)[chosen])),
    ):
        st.download_button(
            kind,
            content,
            f"{run.run_id}-selection.{kind.lower()}",
            mime,
            icon=":material/download:" if kind == "CSV" else None,
            type="tertiary",
            key=f"selection-{kind.lower()}",
            on_click="ignore",
        )
    with st.popover("Figures", type="tertiary"):
        column = st.session_state.get(_COUNTS_OF)
        colour = colour_by(of, column if column in _countable(run) else _countable(run)[0])
        files.figure_row("Images", f"{run.run_id}-selection", lambda kind: images_figure(run, chosen, words, kind))
        files.figure_row(
            "Counts",
            f"{run.run_id}-counts",
            lambda kind: counts_figure(run, colour, chosen, words, kind),
            table=lambda: counts_table(colour, chosen),
            able=colour.codes is not None,
        )


def images_figure(run: EvaluatedRun, chosen: Array, words: str, kind: str) -> bytes:
    """The most typical of the selected images."""
    rows = np.flatnonzero(chosen)
    shown = rows[np.argsort(run.from_their_mean(rows), kind="stable")[:_MOST_IMAGES]]
    many = f"The {len(shown)} most typical of {len(rows)}" if len(shown) < len(rows) else f"All {len(rows)}"
    caption = f"{many} images selected {words}, the nearest to their mean in the embedding first. {files.source(run)}"
    return files.grid_figure(run.imageset, run.ids[shown], kind, title="Selected images", caption=caption)


def counts_figure(run: EvaluatedRun, colour: Facet, chosen: Array, words: str, kind: str) -> bytes:
    """How often each value is among the selected, as bars."""
    caption = (
        f"{colour.title} of {int(chosen.sum())} images selected {words}. Bars: share of them, with 95 % intervals "
        f"(Wilson, images taken as independent); ticks: share of all {len(chosen)} images. {files.source(run)}"
    )
    return counts_file(
        counts_table(colour, chosen),
        kind,
        colours=dict(zip(colour.names, colour.colours, strict=True)),
        title=f"What the selected images are: {colour.title}",
        caption=caption,
    )
