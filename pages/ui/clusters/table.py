"""The table to take home: every image with its cluster, its distance to the centroid and its place on each map."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd

from pages.ui.clusters.names import Names
from pages.ui.clusters.scene import Scene
from pages.ui.map.facets import Array
from ssrl_core.analysis.clusters import Clustering, distances_to_own


def frame_of(scene: Scene, clustering: Clustering, names: Names | None = None) -> pd.DataFrame:
    """One row an image: what is known of it, then cluster, distance_to_centroid, and x, y of each layout.

    Where clusters have names: cluster_name, and whether it is excluded.
    """
    table = scene.table.copy()
    table["image_id"] = scene.ids
    table = table[["image_id", *[c for c in table.columns if c not in ("image_id", "order", "label_id")]]]
    table[f"cluster_k{clustering.k}"] = clustering.ids
    if names is not None and names.marks:
        table["cluster_name"] = [names.mark(c).name if c >= 0 else "" for c in clustering.ids]
        table["excluded"] = np.isin(clustering.ids, names.excluded)
    table["distance_to_centroid"] = distances_to_own(scene.x, clustering).round(5)
    for method, (points, _) in scene.layouts.items():
        table[f"{method}_x"], table[f"{method}_y"] = points[:, 0], points[:, 1]
    return table


def csv(scene: Scene, clustering: Clustering, names: Names | None = None, chosen: Array | None = None) -> bytes:
    """That table as CSV (UTF-8), all rows or the chosen ones (n,) bool."""
    table = frame_of(scene, clustering, names)
    return (table if chosen is None else table[chosen]).to_csv(index=False).encode()


def parquet(scene: Scene, clustering: Clustering, names: Names | None = None, chosen: Array | None = None) -> bytes:
    """That table as Parquet, which keeps the types."""
    table = frame_of(scene, clustering, names)
    out = io.BytesIO()
    (table if chosen is None else table[chosen]).to_parquet(out, index=False)
    return out.getvalue()
