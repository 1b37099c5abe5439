"""Two maps side by side with one selection in both; what the comparison gives away as files."""

from __future__ import annotations

import html

import numpy as np
import pandas as pd
import streamlit as st

from pages.ui.compare.matrix import column_order, contingency_of, typical_of_moved
from pages.ui.compare.pair import Pair, Side
from pages.ui.kit import frame
from pages.ui.map import files
from pages.ui.map.payload import CLUSTER, Facet, MapPayload, by_cluster, colour_by, colour_names, groups
from pages.ui.map.selection import selectable_map
from pages.ui.map.view import answer_asks, keep_views, send_blocks
from ssrl_core.analysis.comparison import changed_cluster
from ssrl_core.figures.sheets import matrix_file
from ssrl_core.figures.style import percent

OWN, OF_A, OF_B, MOVED = "own clusters", "clusters of A", "clusters of B", "what moved"
MAP_HEIGHT = 440


def choose_colour(pair: Pair) -> str:
    """What both maps are coloured by; in the address."""
    options = [OWN, OF_A, OF_B, MOVED, *(name for name in colour_names(pair.a.run) if name != CLUSTER)]
    if st.session_state.get("both") not in options:
        st.session_state["both"] = options[0]
    return str(st.selectbox("Colour both by", options, key="both", bind="query-params", width=240))


def payload_of(pair: Pair, side: Side, colour: str) -> MapPayload:
    """One side's map."""
    return MapPayload(side.run, side.layout, facets_of(pair, side, colour), name=side.letter.lower())


def send(pair: Pair, colour: str) -> None:
    """Send both maps' points, colours and thumbnails."""
    blocks: dict[str, bytes | None] = {}
    payloads = [payload_of(pair, side, colour) for side in (pair.a, pair.b)]
    for payload in payloads:
        blocks[f"places-{payload.name}"] = payload.places()
        blocks |= {f"facet-{payload.name}{at}": block for at, block in enumerate(payload.colours())}
        blocks[f"pictures-{payload.name}"] = payload.pictures()
    send_blocks(blocks)
    keep_views({payload.name: payload.facets[0] for payload in payloads}, key="compare-views")
    a, b = payloads
    answer_asks(lambda name, rows: a.some_pictures(name, rows) or b.some_pictures(name, rows), key="compare-asks")


def maps(pair: Pair, colour: str) -> None:
    """Both maps."""
    for side, column in zip((pair.a, pair.b), st.columns(2, gap="medium"), strict=True):
        with column:
            drawn = f" · {side.layout_title}{side.begun}" if side.layout else ""
            st.html(f"<b>{side.letter}</b> · {html.escape(side.title)} · k = {side.clustering.k}{drawn}")
            if side.layout:
                selectable_map(payload_of(pair, side, colour), key=f"compare-map-{side.letter}", height=MAP_HEIGHT)
            else:
                frame.empty("No map is stored. Make one on the Clusters page.", stop=False)


def facets_of(pair: Pair, side: Side, colour: str) -> tuple[Facet, ...]:
    """What a map tells of a point: what the colours mean, then its own cluster, that on the other side, its label."""
    own, other = _clusters(pair, side, side), _clusters(pair, pair.other(side), side)
    by = {OWN: own, OF_A: own if side is pair.a else other, OF_B: own if side is pair.b else other}
    if colour == MOVED:
        by[MOVED] = _moved(pair, side)
    first = by.get(colour) or colour_by(side, colour)
    label = [colour_by(side, side.run.label)] if side.run.label else []
    return (first, *(facet for facet in (own, other, *label) if facet.title != first.title))


def _clusters(pair: Pair, of: Side, on: Side) -> Facet:
    """The clusters of one side for the points of another."""
    named = by_cluster(of, f"cluster of {of.letter}")
    if of is on:
        return named
    codes = np.full(len(on.run.ids), -1, np.int32)
    codes[pair.rows_of(on)] = of.clustering.ids[pair.rows_of(of)]
    return groups(named.title, codes, named.names, named.colours)


def _moved(pair: Pair, side: Side) -> Facet:
    codes = np.full(len(side.run.ids), -1, np.int32)
    codes[pair.rows_of(side)] = changed_cluster(*pair.clusters)
    return groups("moved", codes, ["stayed", "moved"], ["#9aa4b1", "#d55e00"])


def figures(pair: Pair, colour: str) -> None:
    """A popover with every figure of the page in three formats, and a button for the table of images.

    Args:
        colour: what both maps are coloured by.
    """
    with st.popover("Figures", icon=":material/image:", help="Figures for a paper, with their captions"):
        for side in (pair.a, pair.b):
            name = f"compared-map-{side.letter.lower()}"
            draw = lambda kind, side=side: map_file_of(pair, side, colour, kind)  # noqa: E731
            files.figure_row(f"Map of {side.letter}", name, draw, bool(side.layout))
        matrix = lambda kind: matrix_of(pair, kind)  # noqa: E731
        files.figure_row("Matrix", "compared-clusters", matrix, table=lambda: contingency_table(pair))
        gone = bool(changed_cluster(*pair.clusters).any())
        files.figure_row("Moved", "compared-moved", lambda kind: moved_file(pair, kind), gone)
        frame.quiet(files.FORMATS)
    st.download_button(
        "Table of all images",
        lambda: files.as_csv(table_of(pair)),
        "compared-images.csv",
        "text/csv",
        icon=":material/download:",
        type="primary",
        on_click="ignore",
    )


def map_file_of(pair: Pair, side: Side, colour: str, kind: str) -> bytes:
    """The map of one side as it is coloured now; a selection stands out."""
    facet, other = facets_of(pair, side, colour)[0], pair.other(side)
    caption = (
        f"{side.layout_title}{side.begun}, of the embeddings of {len(side.run.ids)} images by {side.letter} "
        f"({side.title}), coloured by {facet.title}; {other.letter} is {other.title}. Clusters by k-means (k = "
        f"{pair.a.k} and {pair.b.k}) in the embeddings, not on the maps."
        f"{files.trust_words(side.run.layouts[side.layout][1])} Image set {side.run.imageset.title}."
    )
    title = f"{side.letter}: {side.title}"
    return files.map_figure(side.run, side.layout, facet, kind, title=title, caption=caption)


def moved_file(pair: Pair, kind: str) -> bytes:
    """The images that moved, those most typical of their cluster in A first."""
    shown, gone = typical_of_moved(pair)
    share, k = percent(len(gone) / len(pair.ids)), (pair.a.k, pair.b.k)
    caption = (
        f"{len(shown)} of {len(gone)} images ({share} of {len(pair.ids)}) whose cluster in A ({pair.a.title}, k = "
        f"{k[0]}) is not the match of their cluster in B ({pair.b.title}, k = {k[1]}); clusters are matched one to one "
        "by the images they share. The most typical of their cluster in A first."
    )
    title = "Images that moved between A and B"
    return files.grid_figure(pair.a.run.imageset, pair.ids[shown], kind, title=title, caption=caption)


def contingency_table(pair: Pair) -> pd.DataFrame:
    """Images shared by each cluster of A (rows) and of B (columns)."""
    table = contingency_of(pair)
    columns = [f"B: {pair.b.names.short(c)}" for c in range(pair.b.clustering.k)]
    rows = [f"A: {pair.a.names.short(c)}" for c in range(pair.a.clustering.k)]
    return pd.DataFrame(table, columns=columns).assign(cluster=rows)[["cluster", *columns]]


def matrix_of(pair: Pair, kind: str) -> bytes:
    """The contingency as a file."""
    table = contingency_of(pair)
    order = column_order(table)
    return matrix_file(
        table[:, order],
        [pair.a.names.short(c) for c in range(pair.a.clustering.k)],
        [pair.b.names.short(c) for c in order],
        kind,
        row_title=f"A: {pair.a.title}",
        column_title=f"B: {pair.b.title}",
        title="Which clusters share images",
        caption=f"Images shared by the clusters of A ({pair.a.title}, k = {pair.a.k}) and B ({pair.b.title}, "
        f"k = {pair.b.k}), {len(pair.ids)} images. Shade: share of the row; columns in the order of their matches.",
    )


def table_of(pair: Pair) -> pd.DataFrame:
    """One row an image: what is known of it, its clusters on both sides, and whether it moved."""
    table = files.image_rows(pair.a.run.table.iloc[pair.rows_a], pair.ids)
    for side, ids in zip((pair.a, pair.b), pair.clusters, strict=True):
        table[f"cluster_{side.letter.lower()}"] = ids
        table[f"name_{side.letter.lower()}"] = [side.names.mark(int(c)).name if c >= 0 else "" for c in ids]
    table["moved"] = np.asarray(changed_cluster(*pair.clusters))
    return table
