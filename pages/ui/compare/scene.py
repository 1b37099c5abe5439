"""What the Compare page looks at: two sides that show the same images: runs, a run under another k, a baseline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from pages.ui.clusters.names import Names, names_of
from pages.ui.clusters.scene import Scene, clusters_of, load_scene, stamp_of
from pages.ui.kit import frame, jobs
from pages.ui.map.facets import Array
from pages.ui.runs import choosing
from ssrl_core.analysis.clusters import Clustering, kmeans
from ssrl_core.analysis.layouts import LAYOUTS, compute_layout
from ssrl_core.runs.evaluation import baseline
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.runs.queue.over_seeds import common

SAME = "same"


@dataclass(frozen=True)
class Side:
    """One side: its scene, its clusters and their names, the map that is shown ("" for none)."""

    letter: str
    title: str
    scene: Scene
    clustering: Clustering
    names: Names
    k: int
    method: str

    def said(self, cluster: int) -> str:
        """Its name or number with the side that means it: cluster 2 of A is not cluster 2 of B."""
        name = self.names.mark(cluster).name
        return f"{name} ({self.letter})" if name else f"{self.letter}{cluster}"

    @property
    def place(self) -> str:
        """Name of its points for the map."""
        return f"{self.scene.run_id}/{self.scene.stamp}/{self.method}"


@dataclass(frozen=True)
class Pair:
    """Two sides and the rows of the images they share: `rows_a`, `rows_b` (c,)."""

    a: Side
    b: Side
    rows_a: Array
    rows_b: Array

    @property
    def ids(self) -> Array:
        """(c,) the images."""
        return self.a.scene.ids[self.rows_a]

    @property
    def clusters(self) -> tuple[Array, Array]:
        """(c,), (c,) their clusters on both sides."""
        return self.a.clustering.ids[self.rows_a], self.b.clustering.ids[self.rows_b]


def choose_second(first: str) -> str:
    """What is set beside the first run: another run, a baseline, or the same run under another k. In the address."""
    runs = choosing.trained()
    own = next(row.get("dataset") for row in runs if row["id"] == first)
    return choosing.one_of(
        "Beside",
        [row for row in runs if row["id"] != first and row.get("dataset") == own],
        key="beside",
        after={SAME: "the same run, another k", **baseline.BASELINES},
        usable=choosing.has_embedding,
        help="Runs on the same image set, what raw pixels or ImageNet's labels give, or the same run under another k.",
    )


def open_pair(first: str, second: str, ks: tuple[int, int], shown: str = "") -> Pair | None:
    """Both sides, with the map `shown` where they have it.

    None where a baseline must first be made, which the page then offers.

    Raises:
        SSRLError: a damaged run, no shared images.
    """
    a = load_scene(first, stamp_of(first))
    if second in baseline.BASELINES:
        b = _baseline_scene(a, second)
        if b is None:
            return None
        clustering = _baseline_clusters(b.run_id, ks[1], _Held(b))
        right = Side("B", baseline.BASELINES[second], b, clustering, Names({}, "", 0, ks[1]), ks[1], _map(b, shown))
    else:
        run = first if second == SAME else second
        right = _side("B", load_scene(run, stamp_of(run)), ks[1], shown)
    left = _side("A", a, ks[0], shown)
    rows_a, rows_b = common(a.ids, right.scene.ids, first, second)
    return Pair(left, right, rows_a, rows_b)


def choose_colour(options: list[str]) -> str:
    """What both maps are coloured by; in the address."""
    if st.session_state.get("both") not in options:
        st.session_state["both"] = options[0]
    return st.selectbox("Colour both by", options, key="both", bind="query-params", width=240)


def choose_ks(first: str, second: str, columns: list[Any]) -> tuple[int, int]:
    """Sliders for the two numbers of clusters, in two columns; both in the address."""
    asked = [int(k) for k in (RunFolder(first).results() or {}).get("clusters") or {}]
    start = min(40, max(2, asked[0] if asked else 10))
    ks = []
    defaults = (start, min(40, start + (second == SAME) * 2))
    for key, label, default, column in zip(("ka", "kb"), ("k of A", "k of B"), defaults, columns, strict=True):
        if key not in st.session_state and key not in st.query_params:
            st.session_state[key] = default
        with column:
            ks.append(int(st.slider(label, 2, 40, key=key, bind="query-params")))
    return ks[0], ks[1]


class _Held:
    """A scene as an argument of a cached function whose name says it all."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene


_HASH = {_Held: lambda held: ""}


def _side(letter: str, scene: Scene, k: int, shown: str) -> Side:
    k = min(k, len(scene.ids))
    clustering = clusters_of(scene, k)
    row: dict[str, Any] = next((row for row in frame.known_runs() if row["id"] == scene.run_id), {"id": scene.run_id})
    return Side(letter, frame.run_words(row), scene, clustering, names_of(scene, clustering, k), k, _map(scene, shown))


def choose_maps(first: str, second: str) -> str:
    """Which map both sides show, where they have it; "" where neither has any. In the address.

    Raises:
        SSRLError: a damaged run.
    """
    runs = [first, *([second] if second != SAME and second not in baseline.BASELINES else [])]
    stored = {method for run in runs for method in load_scene(run, stamp_of(run)).layouts}
    options = [method for method in LAYOUTS if method in stored or (method == "pca" and second in baseline.BASELINES)]
    if not options:
        return ""
    if st.session_state.get("maps") not in options:
        st.session_state["maps"] = options[0]
    chosen = st.segmented_control(
        "Maps",
        options,
        key="maps",
        format_func=LAYOUTS.__getitem__,
        required=True,
        bind="query-params",
        help="A side without this map shows another one; the Clusters page makes those that are not there yet.",
    )
    return str(chosen or options[0])


def _map(scene: Scene, wanted: str) -> str:
    stored = [method for method in LAYOUTS if method in scene.layouts]
    return wanted if wanted in stored else (stored[0] if stored else "")


def _baseline_scene(beside: Scene, kind: str) -> Scene | None:
    run = RunFolder(beside.run_id)
    x = baseline.read(run, kind)
    if x is None:
        with st.container(horizontal=True, horizontal_alignment="center"):
            jobs.job(
                f"baseline-{kind}-{beside.run_id}",
                ("compare", beside.run_id, kind),
                button=f"Embed the images by {baseline.BASELINES[kind]}",
                icon="play_arrow",
                help="In the background, once. ImageNet weights are taken from models/weights, or fetched.",
            )
        return None
    return _scene_of(f"{beside.images}/{kind}/{baseline.path_of(run, kind).name}", _Held(beside), x)


@st.cache_resource(
    max_entries=4, show_spinner="Laying the baseline out", hash_funcs={**_HASH, np.ndarray: lambda x: ""}
)
def _scene_of(name: str, held: _Held, x: Array) -> Scene:
    beside = held.scene
    plane = compute_layout(x, "pca", labels=beside.labels)
    return Scene(
        run_id=name,
        stamp="baseline",
        results={},
        imageset=beside.imageset,
        ids=beside.ids,
        x=np.asarray(x, np.float32),
        labels=beside.labels,
        table=beside.table,
        layouts={
            "pca": (plane.points, {"trustworthiness": plane.trustworthiness, "neighbour_hit": plane.neighbour_hit})
        },
        rows=np.arange(len(beside.ids)),
        n_rows=len(beside.ids),
    )


@st.cache_data(max_entries=12, show_spinner="Finding clusters", hash_funcs=_HASH)
def _baseline_clusters(name: str, k: int, held: _Held) -> Clustering:
    return kmeans(held.scene.x, min(k, len(held.scene.x)))
