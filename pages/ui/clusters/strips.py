"""One strip a cluster: its most typical images or its borderline ones, its name, its share, what sets it apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from pages.ui.clusters import apart, state
from pages.ui.clusters import names as cluster_names
from pages.ui.clusters.choice import Choice
from pages.ui.clusters.names import Names
from pages.ui.clusters.scene import Scene, doubtful, typical
from pages.ui.kit import frame, gallery, jobs
from ssrl_core.analysis.clusters import Clustering
from ssrl_core.analysis.descriptors.table import DESCRIPTORS
from ssrl_core.analysis.scores import purity
from ssrl_core.figures.style import percent, three
from ssrl_core.runs.evaluation.clustering import way_of

_FEW, _MANY = 24, 12
_MANY_CLUSTERS = 40
_TYPICAL, _BORDERLINE = "Most typical", "Borderline"


def strips(scene: Scene, clustering: Clustering, choice: Choice, names: Names) -> None:
    """All clusters, the largest first, those that are excluded last."""
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        with st.container(gap="xxsmall", width="content"):
            frame.section("Clusters")
        with st.container(horizontal=True, width="content", vertical_alignment="center", gap="small"):
            cluster_names.undo_button(scene)
            shown = st.segmented_control(
                "Images shown",
                [_TYPICAL, _BORDERLINE],
                default=_TYPICAL,
                key="strips-show",
                bind="query-params",
                label_visibility="collapsed",
            )
    cluster_names.show_trouble()
    border = shown == _BORDERLINE
    about = (
        "The images that lie almost as near to another centroid, with their margin: 0 is just between the two."
        if border
        else "The images nearest to each centroid in the embedding, with their distances. The pencil names a cluster; "
        "its name stays with its images when k, seed or run change. In brackets: the share elsewhere, and the 95 % "
        "interval of the difference in points; a strip's head tells all numbers on hover."
    )
    frame.quiet(f"By {way_of(choice.method, choice.k, len(scene.ids))}, in the embedding, never on the map. {about}")
    _measure(scene)
    _shelves(scene, clustering, choice, names, border)
    empty = sum(size == 0 for size in clustering.sizes)
    if empty:
        frame.quiet(f"{empty} of {clustering.k} clusters are empty: there are fewer different images than clusters.")
    outside = int((clustering.ids < 0).sum())
    if outside:
        told = f"{outside} images ({percent(outside / len(scene.ids))}) are in no cluster."
        with st.container(horizontal=True, vertical_alignment="center"):
            frame.quiet(told)
            if st.button("Show them", type="tertiary", key="outside-select"):
                state.select(scene.images, scene.ids[clustering.ids < 0], "in no cluster")
                st.rerun()
    cluster_names.dialog(scene, names)


def _measure(scene: Scene) -> None:
    """Offer to measure the images, which lets clusters be told apart in words."""
    if any(name in scene.table.columns for name in DESCRIPTORS):
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        jobs.job(
            f"descriptors-{scene.imageset.name}",
            ("descriptors", scene.imageset.name),
            button="Measure the images",
            icon="straighten",
            help="Brightness, contrast, area, elongation, texture and number of objects of every image, once. They "
            "then colour the map, and say in words what sets a cluster apart.",
        )


def _shelves(scene: Scene, clustering: Clustering, choice: Choice, names: Names, border: bool) -> None:
    count = _FEW if clustering.k <= _MANY_CLUSTERS else _MANY
    rows, numbers = (doubtful if border else typical)(scene, choice.k, choice.method, count)
    there = [c for c in range(clustering.k) if clustering.sizes[c]]
    there.sort(key=lambda c: names.mark(c).excluded)
    found = apart.effects_of(scene, clustering, choice.k, choice.method)
    shares = purity(scene.labels, clustering.ids, clustering.k) if scene.labels is not None else None
    shelves = []
    for c in there:
        lines = _lines(scene, clustering, names, c, shares[c] if shares else None)
        said = apart.words(found, c, scene.label)
        shelves.append(_shelf(scene, names, c, lines, said, rows[c], numbers[c], border))
    gallery.show_shelves(
        scene.imageset,
        shelves,
        strips=True,
        tile_px=56,
        picked=state.selected(scene.images).focus,
        key="cluster-strips",
        on_pick=lambda event: _picked(scene, clustering, names, event),
    )


def _picked(scene: Scene, clustering: Clustering, names: Names, event: dict[str, Any]) -> None:
    if event.get("kind") == "rename":
        cluster = int(event["name"])
        title = str(event.get("title", ""))
        cluster_names.say(scene, names, cluster, name="" if title == f"Cluster {cluster}" else title)
    elif event.get("kind") == "edit":
        cluster_names.edit_in_dialog(int(event["name"]))
    else:
        state.on_gallery(scene, clustering.ids, event)


def _lines(
    scene: Scene, clustering: Clustering, names: Names, cluster: int, pure: dict[str, Any] | None
) -> tuple[str, ...]:
    size, mark = clustering.sizes[cluster], names.mark(cluster)
    lines = [f"{size} images, {percent(size / len(scene.ids))}"]
    if mark.name:
        lines[0] = f"cluster {cluster} · " + lines[0]
    if pure:
        lines.append(f"{percent(pure['share'])} {scene.label} {scene.imageset.classes[pure['label']]}")
    if mark.origin:
        lines.append(f"named in {mark.origin} ({percent(mark.shared)} shared)")
    if mark.excluded:
        lines.append("excluded")
    if mark.note:
        lines.append(f"“{mark.note}”")
    return tuple(lines)


def _shelf(
    scene: Scene,
    names: Names,
    cluster: int,
    lines: tuple[str, ...],
    said: tuple[str, list[str]],
    rows: np.ndarray,
    numbers: np.ndarray,
    border: bool,
) -> gallery.Shelf:
    kept = rows[rows >= 0]
    what = "margin" if border else "from the centroid"
    return gallery.Shelf(
        scene.ids[kept],
        title=names.title(cluster),
        lines=lines,
        colour=names.colour(cluster),
        name=str(cluster),
        captions=tuple(three(float(d)) for d in numbers[: len(kept)]),
        tips=tuple(_tip(scene, int(row), float(d), what) for row, d in zip(kept, numbers, strict=False)),
        said=said[0],
        evidence=tuple(said[1]),
        editable=True,
        faded=names.mark(cluster).excluded,
    )


def _tip(scene: Scene, row: int, number: float, what: str) -> str:
    label = ""
    if scene.labels is not None and scene.labels[row] >= 0:
        label = f"\n{scene.label} {scene.imageset.classes[scene.labels[row]]}"
    return f"image {scene.ids[row]}{label}\n{three(number)} {what}"
