"""The table to take home: every image with its cluster, its distance to the centroid and its place on each map."""

from __future__ import annotations

import pandas as pd

from pages.ui.cluster_scene import Scene
from pages.ui.map_facets import Array
from ssrl_core.analysis.clusters import Clustering, distances_to_own


def frame_of(scene: Scene, clustering: Clustering) -> pd.DataFrame:
    """One row an image: what is known of it, then cluster, distance_to_centroid, and x, y of each layout."""
    table = scene.table.copy()
    table["image_id"] = scene.ids
    table = table[["image_id", *[c for c in table.columns if c not in ("image_id", "order", "label_id")]]]
    table[f"cluster_k{clustering.k}"] = clustering.ids
    table["distance_to_centroid"] = distances_to_own(scene.x, clustering).round(5)
    for method, (points, _) in scene.layouts.items():
        table[f"{method}_x"], table[f"{method}_y"] = points[:, 0], points[:, 1]
    return table


def csv(scene: Scene, clustering: Clustering, chosen: Array | None = None) -> bytes:
    """That table as CSV (UTF-8), all rows or the chosen ones (n,) bool."""
    table = frame_of(scene, clustering)
    return (table if chosen is None else table[chosen]).to_csv(index=False).encode()
