"""A run's evaluated images as pages look at them: embedding, layouts and table of one run, and its clusterings."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from pages.ui.kit import cache
from pages.ui.kit.blocks import Array
from ssrl_core.analysis.clusters import Clustering, borderline, nearest
from ssrl_core.datasets import store as image_sets
from ssrl_core.datasets.columns import informative_columns
from ssrl_core.datasets.imageset import ImageSet
from ssrl_core.errors import RunError, SSRLError
from ssrl_core.runs.evaluation.clustering import KMEANS
from ssrl_core.runs.folder.results import Results
from ssrl_core.runs.folder.run_folder import RunFolder


@dataclass(frozen=True)
class EvaluatedRun:
    """One run, as far as it can be looked at. All arrays follow the evaluated rows.

    Attributes:
        stamp: changes whenever the folder has something new.
        ids: (n,) image ids, ascending.  x: (n, D) embedding.  labels: (n,) class ids, -1 missing; None without labels.
        table: (n rows) what is known of the images.
        layouts: {method: (points (n, 2), info)}.
        rows, n_rows: row numbers of these images in the run's arrays, and how many rows those have.
    """

    run_id: str
    stamp: str
    results: Results
    imageset: ImageSet
    ids: Array
    x: Array
    labels: Array | None
    table: pd.DataFrame
    layouts: Mapping[str, tuple[Array, Mapping[str, Any]]]
    rows: Array = field(repr=False, default_factory=lambda: np.empty(0, np.int64))
    n_rows: int = 0

    @property
    def cache_key(self) -> Hashable:
        """What everything that is made of this run depends on."""
        return self.run_id, self.stamp

    @property
    def label(self) -> str | None:
        """The column that is the truth."""
        return self.imageset.label if self.labels is not None else None

    @property
    def images_key(self) -> str:
        """What a selection belongs to: the image set, so that one made on a run's map is the same on another's."""
        return f"{self.imageset.name}-{self.imageset.fingerprint[:8]}"

    @cached_property
    def _squares(self) -> Array:
        """(n,) float32: squared length of each row of the embedding."""
        return np.asarray(np.einsum("ij,ij->i", self.x, self.x))

    def row_of(self, image_id: int) -> int:
        """Row of an image, -1 if it is not here."""
        at = int(np.searchsorted(self.ids, image_id))
        return at if at < len(self.ids) and self.ids[at] == image_id else -1

    def mask(self, image_ids: Array) -> Array:
        """(n,) bool: which rows are these images (ascending); those that are not here are passed over."""
        return np.asarray(np.isin(self.ids, image_ids))

    def from_their_mean(self, rows: Array) -> Array:
        """(m,) distance of rows to their own mean, in the embedding."""
        own = self.x[rows] if len(rows) < len(self.ids) else self.x
        middle = own.mean(axis=0)
        return np.asarray(np.sqrt(np.maximum(self._squares[rows] - 2 * (own @ middle) + middle @ middle, 0)))

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Columns that tell images apart without naming each one, the label first."""
        return tuple(informative_columns(self.table, self.label))

    def label_of(self, row: int) -> str:
        """The class of an image, "" where it has none."""
        known = self.labels is not None and self.labels[row] >= 0
        return str(self.imageset.classes[self.labels[row]]) if known and self.labels is not None else ""


def open_run(run_id: str) -> EvaluatedRun:
    """A run as it stands now.

    Raises:
        RunError: there is no embedding (yet, or it was not kept).
        SSRLError: the image set is gone or damaged.
    """
    return _load(run_id, _stamp(run_id))


def _stamp(run_id: str) -> str:
    """Changes whenever a run's embedding, results or layouts do, or how its images are shown or measured."""
    run = RunFolder(run_id)
    files = [
        run.path / name
        for name in run.files()
        if name in ("embedding.npy", "results.json") or name.startswith("layout_")
    ]
    try:
        folder = image_sets.folder_of(run.spec().dataset.name)
        files += [folder / name for name in ("imageset.json", "table.parquet", "descriptors.parquet")]
    except SSRLError:
        pass  # the run says itself what is wrong with it
    return ";".join(f"{file.name}:{file.stat().st_mtime_ns}" for file in files if file.is_file())


@st.cache_resource(max_entries=4, show_spinner="Reading the embedding")
def _load(run_id: str, stamp: str) -> EvaluatedRun:
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
    return EvaluatedRun(
        run_id=run_id,
        stamp=stamp,
        results=run.results(),
        imageset=imageset,
        ids=own,
        x=np.asarray(x[rows], np.float32),
        labels=imageset.label_ids[own] if labelled else None,
        table=known(imageset, own),
        layouts={method: (points[rows], info) for method, (points, info) in run.layouts().items()},
        rows=rows,
        n_rows=len(ids),
    )


@cache.kept(spinner="Finding clusters", least=4)
def clusters_of(run: EvaluatedRun, k: int, method: str = KMEANS) -> Clustering:
    """Clusters of the evaluated images: read from the run folder, or found now and kept there where there is room."""
    from ssrl_core.runs.evaluation.clustering import clusters_of_rows

    return clusters_of_rows(RunFolder(run.run_id), run.x, run.rows, run.n_rows, k, method=method)


def scores_of(run: EvaluatedRun, k: int, method: str = KMEANS) -> dict[str, Any]:
    """The scores of that clustering (`results.json`) with `missing`: key -> why it is None."""
    stored = run.results.clusters.get(k) if method == KMEANS else None
    if stored is None:
        return dict(_scores(run, k, method))
    prefix = f"clusters.{k}."
    missing = run.results.missing.items()
    return {
        **stored.scores,
        "missing": {key.removeprefix(prefix): why for key, why in missing if key.startswith(prefix)},
    }


@cache.kept(spinner="Scoring clusters")
def _scores(run: EvaluatedRun, k: int, method: str) -> dict[str, Any]:
    from ssrl_core.analysis.scores import cluster_scores

    return cluster_scores(run.x, clusters_of(run, k, method), run.labels)


@cache.kept
def typical_of(run: EvaluatedRun, k: int, method: str, count: int) -> tuple[Array, Array]:
    """`analysis.clusters.nearest` of that clustering."""
    return nearest(run.x, clusters_of(run, k, method), count)


@cache.kept
def borderline_of(run: EvaluatedRun, k: int, method: str, count: int) -> tuple[Array, Array]:
    """`analysis.clusters.borderline` of that clustering."""
    return borderline(run.x, clusters_of(run, k, method), count)
