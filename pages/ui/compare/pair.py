"""What the Compare page looks at: two sides that show the same images: runs, a run under another k, a baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import streamlit as st

from pages.ui.kit import cache, jobs
from pages.ui.kit.gallery import Array
from pages.ui.map.evaluated import ClusteredRun, EvaluatedRun, Names, clustered, open_run
from pages.ui.runs import choosing
from ssrl_core.analysis.clusters import Clustering, kmeans
from ssrl_core.analysis.layouts import compute_layout
from ssrl_core.runs.evaluation import baseline
from ssrl_core.runs.evaluation.clustering import KMEANS
from ssrl_core.runs.folder.results import Results
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.runs.queue.over_seeds import common
from ssrl_core.specs.parts import LAYOUTS

SAME = "same"


@dataclass(frozen=True)
class Side(ClusteredRun):
    """One side: a run under a clustering, called A or B.

    Attributes:
        layout: of its run that is shown; with the other run's id behind it where it began from that; "" for none.
    """

    letter: str
    title: str
    layout: str

    @property
    def layout_title(self) -> str:
        """What the map is called; "" where there is none."""
        return LAYOUTS[self.layout.split()[0]].title if self.layout else ""

    @property
    def begun(self) -> str:
        """Says where the map began, if from that of the other side."""
        return ", begun from that of A" if " " in self.layout else ""

    def cluster_words(self, cluster: int) -> str:
        """A cluster's name or number with its side: cluster 2 of A is not cluster 2 of B."""
        name = self.names.mark(cluster).name
        return f"{name} ({self.letter})" if name else f"{self.letter}{cluster}"


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
        return np.asarray(self.a.run.ids[self.rows_a])

    @property
    def clusters(self) -> tuple[Array, Array]:
        """(c,), (c,) their clusters on both sides."""
        return self.a.clustering.ids[self.rows_a], self.b.clustering.ids[self.rows_b]

    def other(self, side: Side) -> Side:
        """The side beside this one."""
        return self.b if side is self.a else self.a

    def rows_of(self, side: Side) -> Array:
        """(c,) rows of the shared images in one side's run."""
        return self.rows_a if side is self.a else self.rows_b


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


def choose_ks(first: str, second: str, columns: Sequence[Any]) -> tuple[int, int]:
    """Sliders for the two numbers of clusters, in two columns; both in the address."""
    asked = RunFolder(first).results().counts
    start = min(40, max(2, asked[0] if asked else 10))
    ks = []
    defaults = (start, min(40, start + (second == SAME) * 2))
    for key, label, default, column in zip(("ka", "kb"), ("k of A", "k of B"), defaults, columns, strict=True):
        if key not in st.session_state and key not in st.query_params:
            st.session_state[key] = default
        with column:
            ks.append(int(st.slider(label, 2, 40, key=key, bind="query-params")))
    return ks[0], ks[1]


def choose_layout(first: str, second: str) -> str:
    """Which map both sides show, where they have it; "" where neither has any. In the address.

    Raises:
        SSRLError: a damaged run.
    """
    runs = [first, *([second] if second != SAME and second not in baseline.BASELINES else [])]
    stored = {method for run in runs for method in open_run(run).layouts}
    options = [method for method in LAYOUTS if method in stored or (method == "pca" and second in baseline.BASELINES)]
    if not options:
        return ""
    if st.session_state.get("maps") not in options:
        st.session_state["maps"] = options[0]
    chosen = st.segmented_control(
        "Maps",
        options,
        key="maps",
        format_func=lambda method: LAYOUTS[method].title,
        required=True,
        bind="query-params",
        help="A side without this map shows another one; the Clusters page makes those that are not there yet.",
    )
    return str(chosen or options[0])


def choose_alike(first: str, second: str, wanted: str) -> bool:
    """Whether B's map is the one that began from A's; where that is not there yet, the button that makes it.

    Raises:
        SSRLError: a damaged run.
    """
    if second == SAME or second in baseline.BASELINES or wanted not in open_run(first).layouts:
        return False
    if not LAYOUTS[wanted].starts:
        return False
    if _like(open_run(second), first, wanted):
        return st.toggle("Maps lie alike", True, key="alike", bind="query-params", help=_ALIKE)
    if not RunFolder(second).is_demo:
        jobs.job(
            f"layout-{wanted}-{second}-like-{first}",
            ("layout", second, "--method", wanted, "--like", first),
            button="Lay the second map like the first",
            icon="align_horizontal_center",
            help=_ALIKE,
        )
    return False


_ALIKE = (
    "B's images begin where they lie on A's map: groups that both runs know stay in their places. "
    "Made in the background and kept with the run B; its own map stays."
)


def _like(run: EvaluatedRun, first: str, method: str) -> dict[str, tuple[Array, Mapping[str, Any]]]:
    """`{name: (points, info)}` of a run's map that began from the map that the first run has now; else empty."""
    began = RunFolder(first).layout_files().get(method)
    points, info = RunFolder(run.run_id).layout(method, first) or (np.empty(0), {})
    if began is None or info.get("like", {}).get("file") != began.name:
        return {}
    return {f"{method} {first}": (points[run.rows], info)}


def open_pair(first: str, second: str, ks: tuple[int, int], wanted: str = "", *, alike: bool = False) -> Pair | None:
    """Both sides, with the layout `wanted` where they have it; B's the one that began from A's if they shall lie alike.

    None where a baseline must first be made, which the page then offers.

    Raises:
        SSRLError: a damaged run, no shared images.
    """
    a = open_run(first)
    titles = choosing.titles_of(first, second)
    if second in baseline.BASELINES:
        b = _baseline_run(a, second)
        if b is None:
            return None
        names = Names({}, "", 0, ks[1])
        clusters, title = _baseline_clusters(b, ks[1]), baseline.BASELINES[second]
        right = Side(b, ks[1], KMEANS, clusters, names, "B", title, _layout(b, wanted))
    else:
        b = a if second == SAME else open_run(second)
        begun = _like(b, first, wanted) if alike else {}
        b = replace(b, layouts={**b.layouts, **begun})
        right = _side("B", b, titles, ks[1], next(iter(begun), wanted))
    rows_a, rows_b = common(a.ids, right.run.ids, first, second)
    return Pair(_side("A", a, titles, ks[0], wanted), right, rows_a, rows_b)


def _side(letter: str, run: EvaluatedRun, titles: Mapping[str, str], k: int, wanted: str) -> Side:
    of = clustered(run, min(k, len(run.ids)))
    return Side(run, of.k, of.method, of.clustering, of.names, letter, titles[run.run_id], _layout(run, wanted))


def _layout(run: EvaluatedRun, wanted: str) -> str:
    stored = [method for method in LAYOUTS if method in run.layouts]
    return wanted if wanted in run.layouts else (stored[0] if stored else "")


def _baseline_run(beside: EvaluatedRun, kind: str) -> EvaluatedRun | None:
    folder = RunFolder(beside.run_id)
    x = baseline.read(folder, kind)
    if x is not None:
        return _as_run(f"{beside.images_key}/{kind}/{baseline.path_of(folder, kind).name}", beside, x)
    with st.container(horizontal=True, horizontal_alignment="center"):
        jobs.job(
            f"baseline-{kind}-{beside.run_id}",
            ("compare", beside.run_id, kind),
            button=f"Embed the images by {baseline.BASELINES[kind]}",
            icon="play_arrow",
            help="In the background, once. ImageNet weights are taken from models/weights, or fetched.",
        )
    return None


@cache.kept(by=lambda name, beside, x: name, spinner="Laying the baseline out", least=2)
def _as_run(name: str, beside: EvaluatedRun, x: Array) -> EvaluatedRun:
    """A baseline's embedding of the images of a run, as if it were one."""
    plane = compute_layout(x, "pca", labels=beside.labels)
    return EvaluatedRun(
        run_id=name,
        stamp="baseline",
        results=Results(),
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


@cache.kept(spinner="Finding clusters")
def _baseline_clusters(run: EvaluatedRun, k: int) -> Clustering:
    return kmeans(run.x, min(k, len(run.x)))
