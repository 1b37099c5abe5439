"""Two sides that show the same images (runs, a run under another k, a baseline), and which clusters they share.

The matrix, what one side separates and the other does not, what moved; a click selects the images of a cell, a row or a
column.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from pages.ui.kit import cache, frame, gallery, jobs
from pages.ui.kit.gallery import Array
from pages.ui.map import panel, selection
from pages.ui.map.evaluated import ClusteredRun, EvaluatedRun, Names, clustered, open_run
from pages.ui.runs import choosing
from ssrl_core.analysis.clusters import Clustering, distances_to_own, kmeans
from ssrl_core.analysis.comparison import Split, changed_cluster, contingency, matched, splits
from ssrl_core.analysis.layouts import compute_layout, counts_of_codes
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
        event = gallery.heard("compare-matrix", "done", {"kind": str, "row": int, "column": int})
        if event:
            on_matrix(pair, event)

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
    row, column = event.get("row", 0), event.get("column", 0)
    if not (0 <= row < pair.a.clustering.k and 0 <= column < pair.b.clustering.k):
        return
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
