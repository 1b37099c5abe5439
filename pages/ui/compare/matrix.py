"""Which clusters of A and B share images: the matrix, what one side separates and the other does not, what moved.

A click selects the images of a cell, a row or a column.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from pages.ui.compare.pair import Pair, Side
from pages.ui.kit import frame, gallery
from pages.ui.kit.gallery import Array
from pages.ui.map import panel, selection
from ssrl_core.analysis.clusters import distances_to_own
from ssrl_core.analysis.comparison import Split, changed_cluster, contingency, matched, splits
from ssrl_core.analysis.layouts import counts_of_codes

JS = Path(__file__).with_name("matrix.js").read_text(encoding="utf-8")
_MOST_NUMBERS = 24
_MOST_SPLITS = 4  # on each side
_IMAGES = 16  # of a part
_MOVED = 48

_CSS = """
.matrix { display: grid; gap: 2px;
  grid-template-columns: minmax(70px, 130px) repeat(var(--columns), minmax(20px, 62px));
  font-family: var(--st-font); font-size: 12px; color: var(--st-text-color); font-variant-numeric: tabular-nums;
  max-height: 560px; overflow: auto; }
.matrix button { all: unset; box-sizing: border-box; cursor: pointer; border-radius: 3px; min-height: 26px;
  padding: 2px 4px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.matrix button:focus-visible { box-shadow: inset 0 0 0 2px var(--st-primary-color); }
.matrix .corner { opacity: .6; align-self: end; padding: 2px 4px; white-space: nowrap; }
.matrix .of-row, .matrix .of-column { display: flex; align-items: center; gap: 5px; }
.matrix .of-column { flex-direction: column; justify-content: flex-end; }
.matrix .of-row span, .matrix .of-column span { overflow: hidden; text-overflow: ellipsis; max-width: 100%; }
.matrix .of-row:hover, .matrix .of-column:hover { background: var(--st-secondary-background-color); }
.matrix i { width: 9px; height: 9px; border-radius: 50%; flex: none; }
.matrix .cell { text-align: center; line-height: 22px; --much: calc(100% * var(--share));
  background: color-mix(in srgb, var(--st-primary-color) var(--much), var(--st-secondary-background-color)); }
.matrix .cell.strong { color: var(--st-background-color); }
.matrix .cell.none { cursor: default; opacity: .5; }
.matrix .cell:not(.none):hover { box-shadow: inset 0 0 0 2px var(--st-text-color); }
"""

_matrix = st.components.v2.component(
    "viewloom_matrix",
    html='<div class="matrix" role="group" aria-label="Contingency of the clusters of A and B"></div>',
    css=_CSS,
    js=JS,
)


def matrix(pair: Pair) -> None:
    """Draw the matrix; columns are ordered so that matched clusters lie on the diagonal."""
    table = contingency_of(pair)
    data = {
        "rows": _heads(pair.a, table.sum(axis=1)),
        "columns": _heads(pair.b, table.sum(axis=0)),
        "counts": table.tolist(),
        "order": column_order(table),
        "numbers": max(table.shape) <= _MOST_NUMBERS,
    }

    def done() -> None:
        event = st.session_state["compare-matrix"].get("done")
        if event:
            on_matrix(pair, dict(event))

    _matrix(key="compare-matrix", data=data, on_done_change=done)


def contingency_of(pair: Pair) -> Array:
    """(k of A, k of B) counts of shared images."""
    found = contingency(*pair.clusters)
    whole = np.zeros((pair.a.clustering.k, pair.b.clustering.k), np.int64)
    whole[: found.shape[0], : found.shape[1]] = found
    return whole


def column_order(table: Array) -> list[int]:
    """Columns in the order of their rows: matched ones first, the others by the row that they share most with."""
    partners = {column: row for row, (column, _) in matched(table, least=0.0).items()}
    largest = table.argmax(axis=0) if len(table) else np.zeros(table.shape[1], int)
    return sorted(range(table.shape[1]), key=lambda c: (partners.get(c, int(largest[c]) + 0.5), c))


def on_matrix(pair: Pair, event: dict[str, Any]) -> None:
    """Select the images of what was clicked."""
    a, b = pair.clusters
    row, column = int(event.get("row", -1)), int(event.get("column", -1))
    choices: dict[str, Callable[[], tuple[Array, str]]] = {
        "cell": lambda: (
            (a == row) & (b == column),
            f"in {pair.a.names.title(row)} of A and {pair.b.names.title(column)} of B",
        ),
        "row": lambda: (a == row, f"in {pair.a.names.title(row)} of A"),
        "column": lambda: (b == column, f"in {pair.b.names.title(column)} of B"),
    }
    if event.get("kind") in choices:
        chosen, words = choices[event["kind"]]()
        selection.select(pair.a.run.images_key, pair.ids[chosen], words)


def _heads(side: Side, sizes: Array) -> list[dict[str, Any]]:
    return [
        {"name": side.names.short(c), "colour": side.names.colour(c), "size": int(sizes[c])}
        for c in range(side.clustering.k)
    ]


def separated_clusters(pair: Pair) -> None:
    """Clusters of each side that the other separates, as strips of the parts; a click on a head selects."""
    table = contingency_of(pair)
    found = {"a": splits(table)[:_MOST_SPLITS], "b": splits(table.T)[:_MOST_SPLITS]}
    title = "What one separates and the other does not"
    if not found["a"] and not found["b"]:
        frame.section(title, "Neither side splits a cluster of the other. A larger k on one side shows more.")
        return
    frame.section(title)
    for key, fine, coarse in (("a", pair.a, pair.b), ("b", pair.b, pair.a)):
        if found[key]:
            _strips(pair, key, fine, coarse, found[key])


def _strips(pair: Pair, key: str, fine: Side, coarse: Side, found: list[Split]) -> None:
    frame.quiet(
        f"{fine.letter} separates what {coarse.letter} puts together. "
        + "; ".join(_split_words(split, fine, coarse) for split in found)
        + "."
    )
    gallery.show_rows(
        fine.run.imageset,
        [_image_row(pair, fine, coarse, split, part) for split in found for part, _ in split.parts],
        strips=True,
        tile_px=48,
        picked=selection.selected(fine.run.images_key).focus,
        key=f"separated-{key}",
        on_pick=lambda event: _picked(pair, fine, event),
    )


def _split_words(split: Split, fine: Side, coarse: Side) -> str:
    parts = " + ".join(f"{fine.cluster_words(part)} ({count})" for part, count in split.parts)
    return f"{coarse.cluster_words(split.whole)} is {parts}"


def _image_row(pair: Pair, fine: Side, coarse: Side, split: Split, part: int) -> gallery.ImageRow:
    ids, others = pair.clusters if fine is pair.a else pair.clusters[::-1]
    rows = pair.rows_of(fine)
    chosen = np.flatnonzero((ids == part) & (others == split.whole))
    away = np.linalg.norm(fine.run.x[rows[chosen]] - fine.clustering.centroids[part], axis=1)
    shown = chosen[np.argsort(away, kind="stable")[:_IMAGES]]
    cell = (part, split.whole) if fine is pair.a else (split.whole, part)
    return gallery.ImageRow(
        pair.ids[shown],
        title=f"{fine.cluster_words(part)} in {coarse.cluster_words(split.whole)}",
        lines=(f"{len(chosen)} of the {split.n} images of {coarse.cluster_words(split.whole)}",),
        colour=fine.names.colour(part),
        name=f"{cell[0]}:{cell[1]}",
    )


def _picked(pair: Pair, fine: Side, event: dict[str, Any]) -> None:
    if event.get("kind") == "head":
        row, column = str(event["name"]).split(":")
        on_matrix(pair, {"kind": "cell", "row": int(row), "column": int(column)})
    else:
        selection.on_gallery(fine, event)


def moved_images(pair: Pair) -> None:
    """Those that moved, the ones most typical of their cluster in A first, and a button that selects them all."""
    a, b = pair.clusters
    gone = np.flatnonzero(changed_cluster(a, b))
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        frame.section("Images that moved")
        if len(gone) and st.button(f"Select all {len(gone)}", key="moved-select", icon=":material/select_all:"):
            selection.select(pair.a.run.images_key, pair.ids[gone], "as moved between A and B")
            st.rerun()
    if not len(gone):
        frame.quiet("None: every cluster of A has its match in B.")
        return
    frame.quiet("Images whose cluster in A does not match their cluster in B, the most typical of A first.")
    shown, _ = typical_of_moved(pair)
    names_a, names_b = pair.a.names, pair.b.names
    gallery.show_grid(
        pair.a.run.imageset,
        pair.ids[shown],
        tile_px=64,
        captions=[f"A{a[i]} → B{b[i]}" for i in shown],  # names are too long for a tile: they are in the tips
        tips=[f"image {pair.ids[i]}\n{names_a.title(int(a[i]))} of A, {names_b.title(int(b[i]))} of B" for i in shown],
        picked=selection.selected(pair.a.run.images_key).focus,
        key="moved-grid",
        on_pick=lambda event: selection.on_gallery(pair.a, event),
    )


def typical_of_moved(pair: Pair) -> tuple[Array, Array]:
    """(at most 48,), (m,): places among the shared images of those to show and of all that moved."""
    gone = np.flatnonzero(changed_cluster(*pair.clusters))
    away = distances_to_own(pair.a.run.x, pair.a.clustering)[pair.rows_a[gone]]
    return gone[np.argsort(away, kind="stable")[:_MOVED]], gone


def selected_images(pair: Pair) -> None:
    """What is selected, with its clusters on both sides."""
    now = selection.selected(pair.a.run.images_key)
    panel.panel(pair.a)
    chosen = np.isin(pair.ids, now.image_ids)
    if chosen.any():
        for side, ids in zip((pair.a, pair.b), pair.clusters, strict=True):
            frame.quiet(f"Clusters of {side.letter} that they are in")
            names = [side.names.title(c) for c in range(side.clustering.k)]
            colours = {name: side.names.colour(c) for c, name in enumerate(names)}
            st.html(panel.bars(counts_of_codes(ids, names, chosen), colours))
