"""What the paper's figures show as images: the most typical images of each cluster, or cells of each condition."""

from __future__ import annotations

import base64
import html
from typing import Any

import numpy as np
import streamlit as st

from pages.ui.kit import frame, gallery
from pages.ui.kit.theme import IMAGE_GROUND, QUIET
from pages.ui.paper import data, list
from ssrl_core.paper import running, words
from ssrl_core.paper.evidence import Evidence
from ssrl_core.paper.item import Scale

CLUSTERS = {"figure-4": 10, "figure-6": 4, "figure-7": 4, "figure-12": 10}
_A_ROW, _MOST_SETTINGS, _LARGE_PX = 10, 4, 48
_FEW = 3  # images of a kind in a cluster, from which on its share is told
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
Array = np.ndarray[Any, Any]


def clusters(name: str, scale: Scale) -> None:
    """The clusters of the first seed of every composition, one beside the other."""
    settings = _settings(running.evidence(name, scale)) if name in CLUSTERS else []
    if not settings:
        return
    frame.section("The clusters", "A row a cluster, the images nearest to its centroid first; one run of each.")
    for start in range(0, len(settings), 2):
        for place, (label, run) in zip(st.columns(2, gap="medium"), settings[start : start + 2], strict=False):
            with place, frame.guard():
                rows = _cluster_rows(run, CLUSTERS[name], list.now())
                st.html(f"<b>{html.escape(words.named(label))}</b>{rows}")
                frame.link("pages/4_Clusters.py", "Look at this run", icon="bubble_chart", run=run)


def _settings(evidence: Evidence) -> list[tuple[str, str]]:
    """(composition, first run that is done)."""
    found: dict[str, str] = {}
    for name in evidence.specs:
        table = evidence.results(name)
        done = table[table["state"] == "done"] if not table.empty else table
        for _, row in done.iterrows():
            found.setdefault(str(row["label"]), str(row["run"]))
    return list(found.items())[:_MOST_SETTINGS]


@st.cache_data(max_entries=64, show_spinner="Finding typical images")
def _cluster_rows(run_id: str, k: int, now: str) -> str:
    from ssrl_core.analysis.clusters import from_ids, nearest
    from ssrl_core.datasets import store as image_sets
    from ssrl_core.runs.evaluation.clustering import stored_clusters
    from ssrl_core.runs.folder.run_folder import RunFolder

    run = RunFolder(run_id)
    x, ids = run.embedding()
    x, clusters = np.asarray(x), np.asarray(stored_clusters(run, k, 0).ids)
    imageset = image_sets.load(run.spec().dataset.name)
    rows, _ = nearest(x, from_ids(x, clusters, k), _A_ROW)
    truth = _truth(imageset)[ids]
    parts = []
    for cluster in range(k):
        members = rows[cluster][rows[cluster] >= 0]
        if len(members):
            parts.append((ids[members], _about(truth[clusters == cluster], truth)))
    return rows_html(imageset, parts, above=max(imageset.shape[1:]) > _LARGE_PX)


def _truth(imageset: Any) -> Array:
    """(N,) what is known of each image: the response of simulated cells, else its class."""
    if "response" in imageset.table.columns:
        return np.asarray(imageset.table["response"].to_numpy())
    return np.asarray(imageset.classes)[imageset.label_ids]


def _about(values: Array, every: Array) -> str:
    """How many images, what most of them are, and what is more frequent among them than among all."""
    names, counts = np.unique(values.astype(str), return_counts=True)
    shares = counts / len(values)
    of_all = np.array([float(np.mean(every.astype(str) == name)) for name in names])
    top, more = int(np.argmax(shares)), int(np.argmax(np.where(counts >= _FEW, shares / of_all, 0)))
    told = f"{len(values):,} images, {100 * shares[top]:.0f} % “{names[top]}”"
    if more != top and shares[more] > 1.2 * of_all[more]:
        told += f"; “{names[more]}” {100 * shares[more]:.0f} % ({100 * of_all[more]:.0f} % of all)"
    return told


def rows_html(imageset: Any, rows: list[tuple[Array, str]], *, above: bool = False) -> str:
    """Rows of images with a caption each.

    Args:
        rows: image ids, at most ten, and what is said of them. above: said above them, which leaves them more room.
    """
    parts = []
    for ids, told in rows:
        picture = base64.b64encode(gallery.montage_png(imageset, ids, columns=_A_ROW)).decode()
        said = html.escape(told)
        parts.append(f'<div><img alt="{said}" src="data:image/png;base64,{picture}"><span>{said}</span></div>')
    return f'<div class="paper-rows{" above" if above else ""}">{"".join(parts)}</div>'


def conditions() -> None:
    """Figure 5: cells of every condition, of each image set of cells that is here."""
    from ssrl_core.datasets import store as image_sets

    there = [row for row in _CONDITIONS if row[0] in image_sets.names() and image_sets.is_ready(row[0])]
    for name, column, title in there:
        frame.section(title)
        with frame.guard():
            st.html(_condition_rows(name, column, str(image_sets.load(name).fingerprint)))
        frame.link("pages/1_Data.py", "More of them", icon="photo_library", dataset=name)
    if not any(name == "simulated-cells" for name, _, _ in there):
        frame.quiet("Simulated cells, of which the true response is known, are made once, within a minute or two.")
        if st.button("Make simulated cells", icon=":material/science:", key="paper-make-cells"):
            with frame.guard():
                data.prepare(("simulated-cells",))
                st.rerun()


@st.cache_data(max_entries=8, show_spinner="Drawing cells")
def _condition_rows(name: str, column: str, fingerprint: str) -> str:
    from ssrl_core.datasets import store as image_sets

    imageset = image_sets.load(name)
    values = imageset.table[column].astype(str).to_numpy()
    wanted = _MOA if column == "moa" else tuple(dict.fromkeys(values))
    random = np.random.default_rng(5)
    rows = []
    for value in sorted((v for v in wanted if (values == v).any()), key=lambda v: v not in ("untreated", "DMSO")):
        members = np.flatnonzero(values == value)
        said = f"{value}, {len(members):,} cells"
        rows.append((np.sort(random.permutation(members)[:_A_ROW]), said))
    return rows_html(imageset, rows)
