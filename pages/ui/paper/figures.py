"""The charts of an item, and the images that the paper's figures show: clusters, or cells of each condition."""

from __future__ import annotations

import base64
import html
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from pages.ui.kit import cache, frame, gallery
from pages.ui.kit.frame import IMAGE_GROUND, QUIET
from pages.ui.paper import items, runs
from ssrl_core.figures.style import whole_percent
from ssrl_core.library.paper import MOST_SWEEPS, charts
from ssrl_core.paper import bases, running, words
from ssrl_core.paper.authors import base_of
from ssrl_core.paper.evidence import Evidence
from ssrl_core.paper.item import Scale

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


_SMALL_ONES = ("table-3", "table-4", "table-8", "figure-6", "figure-7", "figure-8", "figure-12")
"""A chart a sweep, on one scale."""
CLUSTERS = {"figure-4": 10, "figure-6": 4, "figure-7": 4, "figure-12": 10}
_A_ROW, _MOST_SETTINGS, _LARGE_PX = 10, 4, 48
_FEW = 3  # images of a kind in a cluster, from which on its share is given
_CONDITIONS = (
    ("simulated-cells", "response", "Simulated cells: every response that a compound gives"),
    ("bbbc021-nocodazole", "compound", "BBBC021: untreated and treated with nocodazole"),
    ("bbbc021-crops", "moa", "BBBC021: untreated and four mechanisms of action"),
)
_MOA = ("DMSO", "Microtubule destabilizers", "Microtubule stabilizers", "Actin disruptors", "Eg5 inhibitors")
CSS = f"""
.paper-rows div {{ display: grid; grid-template-columns: minmax(0, 1fr) 9.5rem; gap: .7rem; align-items: center;
  margin-bottom: 4px; }}
.paper-rows img {{ width: 100%; max-width: 640px; display: block; background: {IMAGE_GROUND}; border-radius: 3px;
  image-rendering: auto; }}
.paper-rows span {{ color: {QUIET}; font-size: .8rem; line-height: 1.3; }}
.paper-rows.above div {{ grid-template-columns: minmax(0, 1fr); gap: .1rem; margin-bottom: .5rem; }}
.paper-rows.above img {{ grid-row: 2; max-width: none; }}
@media (max-width: 640px) {{ .paper-rows div {{ grid-template-columns: minmax(0, 1fr); gap: .1rem; }} }}
"""


def show_charts(name: str, scale: Scale) -> None:
    """The charts of an item that has results."""
    figures = _figures(name, scale, items.now())
    if not figures:
        return
    frame.section("Chart")
    evidence = running.evidence(name, scale)
    names = evidence.specs if evidence.is_solved else evidence.sweep_ids()
    there = sum(not one.endswith(bases.TESTED) for one in names)
    if there > MOST_SWEEPS <= len(figures):
        rest = "the numbers of all are told here too" if evidence.is_solved else "the Classes and Train pages have all"
        frame.quiet(f"At most {MOST_SWEEPS} of the {there} sweeps are drawn; {rest}.")
    if key := words.chart_key(name):
        frame.quiet(key)
    across = min(2, len(figures)) if name in _SMALL_ONES else 1
    for start in range(0, len(figures), across):
        for number, place in enumerate(st.columns(across), start):
            if number < len(figures):
                with place:
                    _draw(figures[number], f"paper-chart-{name}-{scale}-{number}")


def _draw(figure: Figure, key: str) -> None:
    """A chart, its finding above it: as a title inside it would not wrap."""
    if figure.layout.meta:
        frame.finding(str(figure.layout.meta))
    frame.chart(figure, key)


@cache.kept(least=4)
def _figures(name: str, scale: Scale, now: str) -> list[Figure]:
    return charts(name, items.evidence_of(name, scale))


Array = np.ndarray[Any, Any]


def show_clusters(name: str, scale: Scale) -> None:
    """The clusters of the first seed of every composition, one beside the other."""
    if base_of(scale) == "instant" and name in CLUSTERS:
        _solved_clusters(items.evidence_of(name, scale), name)
        return
    settings = _settings(running.evidence(name, scale)) if name in CLUSTERS else []
    if not settings:
        return
    frame.section("The clusters", "A row a cluster, the images nearest to its centroid first; one run of each.")

    def draw(label: str, run: str) -> None:
        rows = _cluster_rows(run, CLUSTERS[name], items.now())
        st.html(f"<b>{html.escape(words.row_name(label))}</b>{rows}")
        frame.link("pages/4_Clusters.py", "Look at this run", icon="bubble_chart", run=run)

    _in_pairs(settings, draw)


def _in_pairs(shown: Sequence[tuple[Any, Any]], draw: Callable[[Any, Any], None]) -> None:
    """One beside the other, two a row; what goes wrong with one is told in its place."""
    for start in range(0, len(shown), 2):
        for place, one in zip(st.columns(2, gap="medium"), shown[start : start + 2], strict=False):
            with place, frame.guard():
                draw(*one)


def _settings(evidence: Evidence) -> list[tuple[str, str]]:
    """(composition, first run that is done)."""
    found: dict[str, str] = {}
    for name in evidence.specs:
        table = evidence.results(name)
        done = table[table["state"] == "done"] if not table.empty else table
        for _, row in done.iterrows():
            found.setdefault(str(row["label"]), str(row["run"]))
    return list(found.items())[:_MOST_SETTINGS]


def _solved_clusters(evidence: Evidence, name: str) -> None:
    """The clusters of solved compositions, of the first seed; nothing where their images are not here."""
    from ssrl_core.datasets import store as image_sets

    shown = [(sweep, row) for sweep in evidence.specs for _, row in evidence.typical(sweep).iterrows()]
    ready = {name for name in {row["dataset"] for _, row in shown} & {*image_sets.names()} if image_sets.is_ready(name)}
    shown = [(sweep, row) for sweep, row in shown if row["dataset"] in ready][:_MOST_SETTINGS]
    if not shown:
        return
    frame.section("The clusters", "A row a cluster, the images nearest to its centroid; the first seed.")

    def draw(sweep: str, row: Any) -> None:
        clusters = row["clusters"].get(str(CLUSTERS[name])) or next(iter(row["clusters"].values()))
        _solved_rows(str(row["dataset"]), words.row_name(row["label"]) + _way(sweep), clusters)

    _in_pairs(shown, draw)


def _solved_rows(dataset: str, title: str, clusters: list[list[int]]) -> None:
    from ssrl_core.datasets import store as image_sets

    imageset = image_sets.load(dataset)
    parts = [(np.asarray(ids), _most_of(_truth(imageset)[ids])) for ids in clusters if ids]
    rows = rows_html(imageset, parts, above=max(imageset.shape[1:]) > _LARGE_PX)
    st.html(f"<b>{html.escape(title)}</b>{rows}")


def _way(sweep: str) -> str:
    return bases.WHOLE if sweep.endswith(bases.WHOLE) else ""


def _most_of(values: Array) -> str:
    """What most of some images are: `8 of these 10 are “3”`."""
    names, counts = np.unique(values.astype(str), return_counts=True)
    top = int(np.argmax(counts))
    return f"{counts[top]} of these {len(values)} are “{names[top]}”"


@cache.kept(spinner="Finding typical images", least=8)
def _cluster_rows(run_id: str, k: int, now: str) -> str:
    from ssrl_core.analysis.clusters import from_ids, nearest
    from ssrl_core.datasets import store as image_sets
    from ssrl_core.runs.evaluation.clustering import stored_clusters
    from ssrl_core.runs.folder.run_folder import RunFolder

    run = RunFolder(run_id)
    x, ids = run.embedding()
    x, show_clusters = np.asarray(x), np.asarray(stored_clusters(run, k, 0).ids)
    imageset = image_sets.load(run.spec().dataset.name)
    rows, _ = nearest(x, from_ids(x, show_clusters, k), _A_ROW)
    truth = _truth(imageset)[ids]
    parts = []
    for cluster in range(k):
        members = rows[cluster][rows[cluster] >= 0]
        if len(members):
            parts.append((ids[members], _about(truth[show_clusters == cluster], truth)))
    return rows_html(imageset, parts, above=max(imageset.shape[1:]) > _LARGE_PX)


def _truth(imageset: Any) -> Array:
    """(N,) what is known of each image: the response of simulated cells, else its class."""
    if "response" in imageset.table.columns:
        return np.asarray(imageset.table["response"].to_numpy())
    return np.asarray(np.asarray(imageset.classes)[imageset.label_ids])


def _about(values: Array, every: Array) -> str:
    """How many images, what most of them are, and what is more frequent among them than among all."""
    names, counts = np.unique(values.astype(str), return_counts=True)
    shares = counts / len(values)
    of_all = np.array([float(np.mean(every.astype(str) == name)) for name in names])
    top, more = int(np.argmax(shares)), int(np.argmax(np.where(counts >= _FEW, shares / of_all, 0)))
    text = f"{len(values):,} images, {whole_percent(shares[top])} “{names[top]}”"
    if more != top and shares[more] > 1.2 * of_all[more]:
        text += f"; “{names[more]}” {whole_percent(shares[more])} ({whole_percent(of_all[more])} of all)"
    return text


def rows_html(imageset: Any, rows: list[tuple[Array, str]], *, above: bool = False) -> str:
    """Rows of images with a caption each.

    Args:
        rows: image ids, at most ten, and a caption each. above: the caption stands above, which leaves more room.
    """
    parts = []
    for ids, text in rows:
        picture = base64.b64encode(gallery.montage_png(imageset, ids, columns=_A_ROW)).decode()
        caption = html.escape(text)
        parts.append(f'<div><img alt="{caption}" src="data:image/png;base64,{picture}"><span>{caption}</span></div>')
    return f'<div class="paper-rows{" above" if above else ""}">{"".join(parts)}</div>'


def show_conditions() -> None:
    """Figure 5: cells of every condition, of each image set of cells that is here."""
    from ssrl_core.datasets import store as image_sets

    there = [row for row in _CONDITIONS if row[0] in image_sets.names() and image_sets.is_ready(row[0])]
    for name, condition, title in there:
        frame.section(title)
        with frame.guard():
            st.html(_condition_rows(name, condition, str(image_sets.load(name).fingerprint)))
        frame.link("pages/1_Data.py", "More of them", icon="photo_library", dataset=name)
    if not any(name == "simulated-cells" for name, _, _ in there):
        frame.quiet("Simulated cells, of which the true response is known, are made once, within a minute or two.")
        if st.button("Make simulated cells", icon=":material/science:", key="paper-make-cells"):
            with frame.guard():
                runs.prepare_images(("simulated-cells",))
                st.rerun()


@cache.kept(spinner="Drawing cells", least=4)
def _condition_rows(name: str, column: str, fingerprint: str) -> str:
    from ssrl_core.datasets import store as image_sets

    imageset = image_sets.load(name)
    values = imageset.table[column].astype(str).to_numpy()
    wanted = _MOA if column == "moa" else tuple(dict.fromkeys(values))
    random = np.random.default_rng(5)
    rows = []
    for value in sorted((v for v in wanted if (values == v).any()), key=lambda v: v not in ("untreated", "DMSO")):
        members = np.flatnonzero(values == value)
        caption = f"{value}, {len(members):,} cells"
        rows.append((np.sort(random.permutation(members)[:_A_ROW]), caption))
    return rows_html(imageset, rows)
