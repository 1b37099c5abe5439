"""The right column of the Clusters page: the image in focus, the selected images, and what they have in common."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from pages.ui.clusters import selection_files, state, tags
from pages.ui.clusters.choice import Choice
from pages.ui.clusters.names import Names, cluster_facet
from pages.ui.clusters.scene import CLUSTER, Scene, facet
from pages.ui.clusters.state import Selected
from pages.ui.kit import frame, gallery
from ssrl_core.analysis.clusters import Clustering
from ssrl_core.analysis.matrix import nearest_to
from ssrl_core.analysis.selection import counts_of_codes
from ssrl_core.figures.colours import ACCENT
from ssrl_core.figures.style import percent, three

PER_PAGE = 60
_NEIGHBOURS = 10
_FACTS = 8
_BARS = 8

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
"""


@dataclass(frozen=True)
class Shown:
    """What the column speaks of: a run's images, their clusters and what those are called."""

    scene: Scene
    clustering: Clustering
    choice: Choice
    names: Names


def panel(scene: Scene, clustering: Clustering, choice: Choice, names: Names) -> None:
    """The column, whatever is selected."""
    shown = Shown(scene, clustering, choice, names)
    now = state.selected(scene.images)
    if now.focus is not None and scene.row_of(now.focus) >= 0:
        _focus(shown, now.focus)
    if len(now.image_ids):
        _selection(shown, now)
    elif now.focus is None:
        _hint()
        tags.kept(scene)


def _hint() -> None:
    with st.container(key="cluster-hint", gap="small"):
        frame.empty("Nothing is selected.", stop=False)
        frame.quiet(
            "Draw around points to see their images and what they have in common. Click a point for one image and "
            "those most like it. The wheel zooms; hold Space to move the map; Shift adds, Alt takes away."
        )


def _focus(shown: Shown, image_id: int) -> None:
    scene, clustering = shown.scene, shown.clustering
    row = scene.row_of(image_id)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        frame.section(f"Image {image_id}")
        if st.button("Close", icon=":material/close:", type="tertiary", key="focus-close"):
            state.focus_on(scene.images, None)
            st.rerun()
    with st.container(horizontal=True, gap="medium"):
        with st.container(width=132):
            gallery.show_grid(scene.imageset, [image_id], columns=1, tile_px=128, key="focus-image")
        with st.container(width="stretch"):
            st.html(_facts(shown, row))
    near, away = nearest_to(scene.x, row, _NEIGHBOURS)
    if len(near):
        frame.quiet(f"Most like it of all {len(scene.ids)} images, by distance in the embedding (exact)")
        gallery.show_grid(
            scene.imageset,
            scene.ids[near],
            columns=5,
            captions=[three(float(d)) for d in away],
            tips=[_tip(shown, int(r)) for r in near],
            key="focus-near",
            on_pick=lambda event: state.on_gallery(scene, clustering.ids, event),
        )


def _selection(shown: Shown, now: Selected) -> None:
    scene, clustering = shown.scene, shown.clustering
    chosen = scene.mask(now.image_ids)
    n = int(chosen.sum())
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        frame.section(f"{n:,} images".replace(",", " ") if n != 1 else "1 image")
        with st.container(horizontal=True, width="content", gap="xsmall"):
            selection_files.buttons(scene, clustering, shown.names, chosen, now.words)
            tags.keep(scene, now)
            if st.button("Clear", icon=":material/close:", type="tertiary", key="selection-clear"):
                state.clear(scene.images)
                st.rerun()
    elsewhere = len(now.image_ids) - n
    more = f"; {elsewhere} more are not among this run's evaluated images" if elsewhere else ""
    frame.quiet(f"{now.words}; the most typical of them first{more}")
    if n:
        _pictures(shown, np.flatnonzero(chosen), now.focus)
        _counts(shown, chosen)


def _pictures(shown: Shown, rows: np.ndarray, focus: int | None) -> None:
    scene, clustering = shown.scene, shown.clustering
    pages = -(-len(rows) // PER_PAGE)
    page = min(int(st.session_state.get("clusters-page", 1)), pages)
    away = scene.away_from_middle(rows)
    upto = min(page * PER_PAGE, len(rows))
    near = np.argpartition(away, upto - 1)[:upto]
    page_rows = rows[near[np.lexsort((near, away[near]))]][(page - 1) * PER_PAGE :]
    gallery.show_grid(
        scene.imageset,
        scene.ids[page_rows],
        tile_px=44,
        tips=[_tip(shown, int(row)) for row in page_rows],
        picked=focus,
        key="selection-grid",
        on_pick=lambda event: state.on_gallery(scene, clustering.ids, event),
    )
    if pages > 1:
        st.pagination(pages, key="clusters-page")


def _counts(shown: Shown, chosen: np.ndarray) -> None:
    scene, clustering = shown.scene, shown.clustering
    column = st.selectbox("Counts of", [*scene.columns(), CLUSTER], key="counts-of", persist_state="session")
    about = facet(scene, clustering, column, cluster_facet(clustering, shown.names))
    if about.values is not None:
        here, everywhere = (values[np.isfinite(values)] for values in (about.values[chosen], about.values))
        if not len(here):
            frame.quiet("None of them has a value.")
            return
        low, middle, high = (three(float(v)) for v in np.percentile(here, [25, 50, 75]))
        frame.quiet(f"median {middle} here, {three(float(np.median(everywhere)))} in all; middle half {low} to {high}")
        return
    st.html(bars(counts_of_codes(about.codes, about.names, chosen), dict(zip(about.names, about.colours, strict=True))))


def bars(table: pd.DataFrame, colours: dict[str, str]) -> str:
    """The commonest values: share of the selection as a bar, share of all images as a tick."""
    there = table[table["selected"] > 0]
    lines = []
    for row in there.head(_BARS).itertuples():
        name = "no value" if row.value is None else html.escape(str(row.value))
        colour = colours.get(str(row.value), ACCENT)
        told = f"{row.selected} of {row.all} images; {percent(row.share)} here, {percent(row.share_all)} in all"
        lines.append(
            f'<span class="name" title="{name}">{name}</span>'
            f'<span class="bar" title="{told}"><i style="width:{100 * row.share:.1f}%;background:{colour}"></i>'
            f'<b style="left:calc({100 * row.share_all:.1f}% - 1px)"></b></span>'
            f'<span class="n" title="{told}">{row.selected} · {percent(row.share)}</span>'
        )
    more = len(there) - _BARS
    rest = f"and {more} more. " if more > 0 else ""
    return (
        f'<div class="vl-counts">{"".join(lines)}</div>'
        f'<p class="vl-quiet">{rest}Bar: share of the selection. Tick: share of all images on the map.</p>'
    )


def _facts(shown: Shown, row: int) -> str:
    scene, cluster = shown.scene, int(shown.clustering.ids[row])
    facts: dict[str, Any] = {CLUSTER: "in none"}
    if cluster >= 0:
        away = float(np.linalg.norm(scene.x[row] - shown.clustering.centroids[cluster]))
        facts[CLUSTER] = f"{shown.names.short(cluster)}, {three(away)} from its centroid"
    if scene.labels is not None:
        code = int(scene.labels[row])
        facts[str(scene.label)] = scene.imageset.classes[code] if code >= 0 else "–"
    entry = scene.table.iloc[row]
    others = [c for c in (*scene.columns(), "source") if c not in facts and c in scene.table.columns]
    for column in others[:_FACTS]:
        value = entry[column]
        facts[column] = "–" if pd.isna(value) else three(float(value)) if isinstance(value, float) else value
    lines = "".join(f"<dt>{html.escape(str(k))}</dt><dd>{html.escape(str(v))}</dd>" for k, v in facts.items())
    return f'<dl class="vl-facts">{lines}</dl>'


def _tip(shown: Shown, row: int) -> str:
    scene = shown.scene
    parts = [f"image {scene.ids[row]}"]
    if scene.labels is not None and scene.labels[row] >= 0:
        parts.append(f"{scene.label} {scene.imageset.classes[scene.labels[row]]}")
    return "\n".join([*parts, shown.names.title(int(shown.clustering.ids[row]))])
