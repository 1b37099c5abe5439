"""A run's evaluated images as pages look at them: embedding, layouts, table, and clusters with their names.

Names are read, and changed with undo.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from pages.ui.kit import cache, frame
from pages.ui.kit.gallery import Array
from ssrl_core.analysis.clusters import Clustering, borderline, nearest
from ssrl_core.datasets import store as image_sets
from ssrl_core.datasets.columns import informative_columns
from ssrl_core.datasets.imageset import ImageSet
from ssrl_core.errors import RunError, SSRLError, not_written
from ssrl_core.figures.style import MISSING, palette, whole_percent
from ssrl_core.runs.evaluation.clustering import KMEANS, file_of
from ssrl_core.runs.folder import annotations as marks
from ssrl_core.runs.folder.annotations import Clusters, Mark, marks_of
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


_UNDO, _EDITED, _ERROR = "cluster-names-undo", "cluster-edited", "cluster-names-error"
_MOST_OTHERS = 8  # runs on the same images whose names are looked for


@dataclass(frozen=True)
class Names:
    """What the clusters of one clustering are called.

    `revision` is that of the annotations it was read from, `said` what they said of this very clustering; `stem` the
    clustering's file name without `.npy`.
    """

    marks: dict[int, Mark]
    stem: str
    revision: int
    k: int
    said: dict[str, Any] = field(default_factory=dict)

    def mark(self, cluster: int) -> Mark:
        """Name, colour and note of a cluster; empty for one that nobody has annotated."""
        return self.marks.get(cluster, Mark())

    def title(self, cluster: int) -> str:
        """Its name, else its number."""
        if cluster < 0:
            return "in no cluster"
        return self.mark(cluster).name or f"Cluster {cluster}"

    def short(self, cluster: int) -> str:
        """Its name, else its bare number: for legends."""
        return self.mark(cluster).name or str(cluster)

    def colour(self, cluster: int) -> str:
        """Its own colour, else that of its number; grey for one that is excluded."""
        mark = self.mark(cluster)
        return MISSING if mark.excluded else mark.colour or palette(self.k)[cluster]

    @property
    def excluded(self) -> list[int]:
        """Clusters that are left out."""
        return [cluster for cluster, mark in sorted(self.marks.items()) if mark.excluded]


@dataclass(frozen=True)
class ClusteredRun:
    """A run under one clustering.

    `k` is the number of clusters; with `method` hdbscan, the fewest images of one.
    """

    run: EvaluatedRun
    k: int
    method: str
    clustering: Clustering
    names: Names


def clustered(run: EvaluatedRun, k: int, method: str = KMEANS) -> ClusteredRun:
    """A run under a clustering, with the names its clusters have now."""
    clustering = clusters_of(run, k, method)
    return ClusteredRun(run, k, method, clustering, names_of(run, clustering, k, method))


def names_of(run: EvaluatedRun, clustering: Clustering, k: int, method: str = KMEANS) -> Names:
    """The names of a clustering, given here or carried over from another k, seed or run on the same images."""
    folder = RunFolder(run.run_id)
    stem = file_of(method, k, clustering.seed).removesuffix(".npy")
    content = marks.read(folder)
    found = marks_of(Clusters(folder, stem, run.ids, clustering.ids), _others(run))
    known = {c: mark for c, mark in found.items() if c < clustering.k}
    return Names(known, stem, content["revision"], clustering.k, content["clusters"].get(stem, {}))


def annotate(of: ClusteredRun, cluster: int, **changed: Any) -> None:
    """Change name, colour, note or exclusion of a cluster; what was carried over becomes its own. From a callback.

    What somebody else said of other clusters meanwhile stays; where it was said of this one, that is told.
    """
    kept = of.names.mark(cluster)
    before = {"name": kept.name, "colour": kept.colour, "note": kept.note, "excluded": kept.excluded}
    folder = RunFolder(of.run.run_id)

    def change(now: marks.Content) -> marks.Content:
        said = now["clusters"].get(of.names.stem, {}).get(str(cluster))
        if said != of.names.said.get(str(cluster)):
            raise _said_meanwhile(cluster, said or {}, changed)
        return marks.mark(folder, now["revision"], of.names.stem, cluster, **{**before, **changed})

    _change(folder, change)


def _said_meanwhile(cluster: int, said: Mapping[str, Any], wanted: Mapping[str, Any]) -> RunError:
    """Two people changed the same cluster: the first change stands, the second is given back to who made it."""
    theirs = f"It is called “{said['name']}” now." if said.get("name") else "It has no name now."
    yours = " ".join(f"“{wanted[key]}”" for key in ("name", "note") if wanted.get(key))
    lost = f"Yours was not kept: {yours}." if yours else "Your change was not made."
    return RunError(
        f"Cluster {cluster} was changed by somebody else meanwhile. {theirs} {lost} Make it again if it holds."
    )


def tag(run: EvaluatedRun, name: str, image_ids: list[int], known: Sequence[str] = ()) -> None:
    """Keep a selection under a name. From a callback.

    Args:
        known: the names that were listed, which may be replaced.
    """
    folder = RunFolder(run.run_id)

    def change(now: marks.Content) -> marks.Content:
        if name in {tag["name"] for tag in now["tags"]} - set(known):
            words = f"Somebody else kept a selection as “{name}” meanwhile; yours was not kept. Choose another name."
            raise RunError(words, where=run.run_id)
        return marks.tag(folder, now["revision"], name, image_ids)

    _change(folder, change)


def untag(run: EvaluatedRun, name: str) -> None:
    """Forget a tag. From a callback."""
    folder = RunFolder(run.run_id)
    _change(folder, lambda now: marks.untag(folder, now["revision"], name))


def tags(run: EvaluatedRun) -> list[dict[str, Any]]:
    """Selections that were kept: [{name, image_ids, created_at}]."""
    return list(marks.read(RunFolder(run.run_id))["tags"])


def undo_button(run: EvaluatedRun) -> None:
    """Takes the last change of this visit back; not there while there is none."""
    steps = [step for step in st.session_state.get(_UNDO, []) if step[0] == run.run_id]
    if not steps:
        return

    def undo() -> None:
        run_id, before, revision = steps[-1]
        st.session_state[_UNDO].remove(steps[-1])
        try:
            after = marks.restore(RunFolder(run_id), revision, before)["revision"]
        except SSRLError as error:
            st.session_state[_ERROR] = error
            return
        # the step before was made from what has just come back
        st.session_state[_UNDO] = [(r, b, after if r == run_id else n) for r, b, n in st.session_state[_UNDO]]

    st.button("Undo", icon=":material/undo:", key="names-undo", on_click=undo, type="tertiary")


def show_refused_change() -> None:
    """Say once why the last change was not taken."""
    error = st.session_state.pop(_ERROR, None)
    if error is not None:
        frame.show_error(error)


def edit_in_dialog(cluster: int) -> None:
    """Open the sheet of a cluster at the next run of the page. From a callback."""
    st.session_state[_EDITED] = cluster


def dialog(of: ClusteredRun) -> None:
    """The sheet of the cluster that was asked for: name, colour, note, excluded."""
    cluster = st.session_state.pop(_EDITED, None)
    if cluster is not None and cluster < of.names.k:
        _edit_sheet(of, cluster)


@st.dialog("Cluster")
def _edit_sheet(of: ClusteredRun, cluster: int) -> None:
    mark, own_colour = of.names.mark(cluster), palette(of.names.k)[cluster]
    name = st.text_input("Name", mark.name, max_chars=marks.LONGEST_NAME, placeholder=f"Cluster {cluster}")
    colour = st.color_picker("Colour", mark.colour or own_colour)
    note = st.text_area("Note", mark.note, max_chars=marks.LONGEST_NOTE)
    excluded = st.toggle(
        "Exclude", mark.excluded, help="Drawn grey, listed last, and marked in the table you download."
    )
    if mark.origin:
        frame.quiet(
            f"Carried over from {mark.origin}, with which it shares {whole_percent(mark.shared)} of its images."
        )
    if st.button("Save", type="primary", key="cluster-keep"):
        annotate(of, cluster, name=name, colour=None if colour == own_colour else colour, note=note, excluded=excluded)
        st.rerun()


def _change(folder: RunFolder, change: Callable[[marks.Content], marks.Content]) -> None:
    """Change what is said now; that is kept, for Undo."""
    try:
        marks.require_there(folder)
        before = marks.read(folder)
        after = change(before)
    except SSRLError as error:
        st.session_state[_ERROR] = error
        return
    except OSError as error:
        st.session_state[_ERROR] = not_written(error) or RunError(f"{folder.id}: it was not kept ({error}).")
        return
    st.session_state.setdefault(_UNDO, []).append((folder.id, before, after["revision"]))


def _others(run: EvaluatedRun) -> list[RunFolder]:
    """Runs on the same image set that have names, newest first."""
    found = []
    for row in frame.known_runs():
        folder = RunFolder(str(row["id"]))
        same = row.get("dataset") == run.imageset.name and folder.id != run.run_id
        if same and marks.path_of(folder).is_file():
            found.append(folder)
    return found[:_MOST_OTHERS]
