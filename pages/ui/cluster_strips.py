"""One strip a cluster: the images nearest to its centroid, most typical first, its share and its commonest label."""

from __future__ import annotations

import numpy as np
import streamlit as st

from pages.ui import cluster_state, frame, gallery
from pages.ui.cluster_scene import Scene
from ssrl_core.analysis.clusters import Clustering, nearest
from ssrl_core.analysis.scores import purity
from ssrl_core.figures.colours import palette
from ssrl_core.figures.style import percent, three

_FEW, _MANY = 24, 12
_MANY_CLUSTERS = 40


def strips(scene: Scene, clustering: Clustering) -> None:
    """All clusters, the largest first."""
    with st.container(gap="xxsmall"):
        frame.section("Clusters", "The images nearest to each centroid in the embedding, with their distances.")
    count = _FEW if clustering.k <= _MANY_CLUSTERS else _MANY
    rows, distances = nearest(scene.x, clustering, count)
    shelves = [_shelf(scene, clustering, c, rows[c], distances[c]) for c in range(clustering.k) if clustering.sizes[c]]
    gallery.show_shelves(
        scene.imageset,
        shelves,
        strips=True,
        tile_px=56,
        picked=cluster_state.selected(scene.images).focus,
        key="cluster-strips",
        on_pick=lambda event: cluster_state.on_gallery(scene, clustering.ids, event),
    )
    empty = clustering.k - len(shelves)
    if empty:
        frame.quiet(f"{empty} of {clustering.k} clusters are empty: there are fewer different images than clusters.")


def _shelf(
    scene: Scene, clustering: Clustering, cluster: int, rows: np.ndarray, distances: np.ndarray
) -> gallery.Shelf:
    kept = rows[rows >= 0]
    size = clustering.sizes[cluster]
    lines = [f"{size:,} images, {percent(size / len(scene.ids))}".replace(",", " ", 1)]
    lines[0] = f"{size} images, {percent(size / len(scene.ids))}"
    if scene.labels is not None:
        found = purity(scene.labels, clustering.ids, clustering.k)[cluster]
        if found:
            lines.append(f"{percent(found['share'])} {scene.label} {scene.imageset.classes[found['label']]}")
    return gallery.Shelf(
        scene.ids[kept],
        title=f"Cluster {cluster}",
        lines=tuple(lines),
        colour=palette(clustering.k)[cluster],
        name=str(cluster),
        captions=tuple(three(float(d)) for d in distances[: len(kept)]),
        tips=tuple(_tip(scene, int(row), float(d)) for row, d in zip(kept, distances, strict=False)),
    )


def _tip(scene: Scene, row: int, distance: float) -> str:
    label = ""
    if scene.labels is not None and scene.labels[row] >= 0:
        label = f"\n{scene.label} {scene.imageset.classes[scene.labels[row]]}"
    return f"image {scene.ids[row]}{label}\n{three(distance)} from the centroid"
