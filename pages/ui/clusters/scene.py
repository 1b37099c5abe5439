"""What the Clusters page looks at: one run's evaluated images, their embedding, layouts, clusters and scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from pages.ui.map.facets import Array, Facet, facet_of, groups
from ssrl_core import stores
from ssrl_core.analysis.clusters import Clustering, borderline, nearest
from ssrl_core.datasets.columns import informative_columns
from ssrl_core.datasets.imageset import ImageSet
from ssrl_core.errors import RunError, SSRLError
from ssrl_core.figures.colours import palette
from ssrl_core.runs.evaluation.clustering import KMEANS
from ssrl_core.runs.folder.run_folder import RunFolder

CLUSTER = "cluster"


@dataclass(frozen=True)
class Scene:
    """One run, as far as it can be looked at. All arrays follow the evaluated rows.

    Attributes:
        stamp: changes whenever the folder has something new.
        ids: (n,) image ids.  x: (n, D) embedding.  labels: (n,) class ids, -1 missing; None without labels.
        table: (n rows) what is known of the images.
        layouts: {method: (points (n, 2), info)}.
        rows, n_rows: row numbers of these images in the run's arrays, and how many rows those have.
    """

    run_id: str
    stamp: str
    results: Mapping[str, Any]
    imageset: ImageSet
    ids: Array
    x: Array
    labels: Array | None
    table: pd.DataFrame
    layouts: Mapping[str, tuple[Array, Mapping[str, Any]]]
    rows: Array = field(repr=False, default_factory=lambda: np.empty(0, np.int64))
    n_rows: int = 0

    @property
    def label(self) -> str | None:
        """The column that is the truth."""
        return self.imageset.label if self.labels is not None else None

    @property
    def images(self) -> str:
        """What a selection belongs to: the image set, so that one made on a run's map is the same on another's."""
        return f"{self.imageset.name}-{self.imageset.fingerprint[:8]}"

    @cached_property
    def squares(self) -> Array:
        """(n,) float32: squared length of each row of the embedding."""
        return np.einsum("ij,ij->i", self.x, self.x)

    @cached_property
    def facets(self) -> dict[str, Facet]:
        """Columns as what colours mean, by name, as far as they were asked for."""
        return {}

    def row_of(self, image_id: int) -> int:
        """Row of an image, -1 if it is not here."""
        at = int(np.searchsorted(self.ids, image_id))
        return at if at < len(self.ids) and self.ids[at] == image_id else -1

    def mask(self, image_ids: Array) -> Array:
        """(n,) bool: which rows are these images (ascending); those that are not here are passed over."""
        mask = np.zeros(len(self.ids), bool)
        at = np.searchsorted(self.ids, image_ids)
        at = at[at < len(self.ids)] if len(at) and at[-1] >= len(self.ids) else at
        mask[at[self.ids[at] == image_ids[: len(at)]]] = True
        return mask

    def away_from_middle(self, rows: Array) -> Array:
        """(m,) distance of rows to their own mean."""
        own = self.x[rows] if len(rows) < len(self.ids) else self.x
        middle = own.mean(axis=0)
        return np.sqrt(np.maximum(self.squares[rows] - 2 * (own @ middle) + middle @ middle, 0))

    @cached_property
    def _columns(self) -> list[str]:
        return informative_columns(self.table, self.label)

    def columns(self) -> list[str]:
        """Columns that can colour the map: the label first, then all that tell images apart without naming each one."""
        return list(self._columns)


def stamp_of(run_id: str) -> str:
    """Changes whenever a run's embedding, results or layouts do, or how its images are shown."""
    run = RunFolder(run_id)
    names = [n for n in run.files() if n in ("embedding.npy", "results.json") or n.startswith("layout_")]
    parts = [f"{name}:{(run.path / name).stat().st_mtime_ns}" for name in names]
    return ";".join([*parts, _measured(run)])


def _measured(run: RunFolder) -> str:
    """Changes when the images are measured, or their channels get other names or colours."""
    try:
        folder = stores.data_root() / run.spec().dataset.name
    except SSRLError:
        return ""
    files = [folder / name for name in ("imageset.json", "descriptors.parquet")]
    return ";".join(f"{file.name}:{file.stat().st_mtime_ns}" for file in files if file.is_file())


@st.cache_resource(max_entries=4, show_spinner="Reading the embedding")
def load_scene(run_id: str, stamp: str) -> Scene:
    """The scene of a run.

    Raises:
        RunError: there is no embedding (yet, or it was not kept).
        SSRLError: the image set is gone or damaged.
    """
    from ssrl_core.runs.evaluation.descriptors import known
    from ssrl_core.runs.folder.run_folder import imageset_of

    run = RunFolder(run_id)
    x, ids = run.embedding()
    if len(x) != len(ids):
        raise RunError(
            f"Run {run_id}: embedding.npy has {len(x)} rows, embedding_ids.npy {len(ids)}. Delete both and resume.",
            where=run_id,
        )
    rows = np.flatnonzero(run.evaluated())
    if not len(rows):
        raise RunError(
            f"Run {run_id}: none of its evaluated images is in the embedding. Evaluate it again.", where=run_id
        )
    imageset = imageset_of(run.spec())
    own = ids[rows]
    labelled = imageset.label is not None and bool((imageset.label_ids[own] >= 0).any())
    return Scene(
        run_id=run_id,
        stamp=stamp,
        results=run.results() or {},
        imageset=imageset,
        ids=own,
        x=np.asarray(x[rows], np.float32),
        labels=imageset.label_ids[own] if labelled else None,
        table=known(imageset, own),
        layouts={method: (points[rows], info) for method, (points, info) in run.layouts().items()},
        rows=rows,
        n_rows=len(ids),
    )


class _Held:
    """A scene as an argument of a cached function."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene


_HASH = {_Held: lambda held: (held.scene.run_id, held.scene.stamp)}


def clusters_of(scene: Scene, k: int, method: str = KMEANS) -> Clustering:
    """Clusters of the evaluated images: read from the run folder, or found now and kept there."""
    return _clusters(_Held(scene), k, method)


def scores_of(scene: Scene, k: int, method: str = KMEANS) -> dict[str, Any]:
    """The scores of that clustering (CONTRACTS C8) with `missing`: key -> why it is None."""
    stored = (scene.results.get("clusters") or {}).get(str(k)) if method == KMEANS else None
    if stored is None:
        return _scores(_Held(scene), k, method)
    prefix = f"clusters.{k}."
    told = (scene.results.get("missing") or {}).items()
    return {**stored, "missing": {key.removeprefix(prefix): why for key, why in told if key.startswith(prefix)}}


def typical(scene: Scene, k: int, method: str, count: int) -> tuple[Array, Array]:
    """`analysis.clusters.nearest` of that clustering."""
    return _typical(_Held(scene), k, method, count)


def doubtful(scene: Scene, k: int, method: str, count: int) -> tuple[Array, Array]:
    """`analysis.clusters.borderline` of that clustering."""
    return _doubtful(_Held(scene), k, method, count)


@st.cache_data(max_entries=24, show_spinner="Finding clusters", hash_funcs=_HASH)
def _clusters(held: _Held, k: int, method: str) -> Clustering:
    from ssrl_core.runs.evaluation.clustering import own_clusters

    scene = held.scene
    run = RunFolder(scene.run_id)
    return own_clusters(run, scene.x, scene.rows, scene.n_rows, k, method=method, inside=True)


@st.cache_data(max_entries=64, show_spinner="Scoring clusters", hash_funcs=_HASH)
def _scores(held: _Held, k: int, method: str) -> dict[str, Any]:
    from ssrl_core.analysis.scores import cluster_scores

    return cluster_scores(held.scene.x, _clusters(held, k, method), held.scene.labels)


@st.cache_data(max_entries=24, show_spinner=False, hash_funcs=_HASH)
def _typical(held: _Held, k: int, method: str, count: int) -> tuple[Array, Array]:
    return nearest(held.scene.x, _clusters(held, k, method), count)


@st.cache_data(max_entries=24, show_spinner=False, hash_funcs=_HASH)
def _doubtful(held: _Held, k: int, method: str, count: int) -> tuple[Array, Array]:
    return borderline(held.scene.x, _clusters(held, k, method), count)


def cluster_facet(clustering: Clustering) -> Facet:
    """The clusters as what colours mean; a cluster keeps its colour whatever the others are."""
    return groups(CLUSTER, clustering.ids, [str(i) for i in range(clustering.k)], palette(clustering.k))


def label_facet(scene: Scene) -> Facet | None:
    """The labels as what colours mean, in the colours that these classes have everywhere."""
    if scene.labels is None:
        return None
    return groups(str(scene.label), scene.labels, list(scene.imageset.classes))


def facet(scene: Scene, clustering: Clustering, name: str, named: Facet | None = None) -> Facet:
    """What colours mean by its name: `cluster` (as `named`, else by number), the label or another column."""
    if name == CLUSTER:
        return named or cluster_facet(clustering)
    if name not in scene.facets:
        by_label = label_facet(scene) if name == scene.label else None
        scene.facets[name] = by_label or facet_of(name, scene.table[name])
    return scene.facets[name]
