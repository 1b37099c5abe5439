"""Taking figures home: the map and the galleries as SVG, PDF or PNG, each with its caption."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from pages.ui.clusters import state
from pages.ui.clusters.choice import Choice
from pages.ui.clusters.names import Names, cluster_facet
from pages.ui.clusters.scene import Scene, facet, typical
from pages.ui.clusters.table import frame_of
from pages.ui.kit import frame
from pages.ui.map.facets import Facet
from ssrl_core.analysis.clusters import Clustering
from ssrl_core.analysis.layouts import LAYOUTS
from ssrl_core.datasets.imageset import ImageSet
from ssrl_core.datasets.pictures import display_limits, to_rgb
from ssrl_core.figures.curves import score_over_k
from ssrl_core.figures.files import figure_file
from ssrl_core.figures.sheets import KINDS, gallery_file, map_file
from ssrl_core.figures.style import percent, score
from ssrl_core.runs.evaluation.clustering import KMEANS, way_of

_IMAGES, _ACROSS = 10, 12


def figures(scene: Scene, clustering: Clustering, choice: Choice, names: Names) -> None:
    """A popover with both figures in three formats."""
    with st.popover("Figures", icon=":material/image:", help="Figures for a paper, with their captions"):
        of = (scene, clustering, choice, names)
        row(
            "Map",
            f"{scene.run_id}-map",
            lambda kind: map_of(*of, kind),
            bool(choice.layout),
            lambda: frame_of(scene, clustering, names),
        )
        row("Galleries", f"{scene.run_id}-clusters", lambda kind: galleries_of(*of, kind))
        frame.quiet("At 300 dpi or as vectors, fonts embedded. The address of this page shows the same view again.")


def row(
    what: str,
    file: str,
    make: Callable[[str], bytes],
    able: bool = True,
    table: Callable[[], pd.DataFrame] | None = None,
) -> None:
    """One figure in three formats, and the table behind it.

    Args:
        make: the bytes of a kind of file.
        table: what the figure draws, taken home as CSV.
    """
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.html(f'<span style="display:inline-block;min-width:5rem">{what}</span>')
        for kind, mime in KINDS.items():
            st.download_button(
                kind.upper(),
                lambda kind=kind: make(kind),
                f"{file}.{kind}",
                mime,
                key=f"figure-{what}-{kind}",
                on_click="ignore",
                disabled=not able,
            )
        if table is not None:
            st.download_button(
                "CSV",
                lambda: table().to_csv(index=False).encode(),
                f"{file}.csv",
                "text/csv",
                key=f"figure-{what}-csv",
                on_click="ignore",
                disabled=not able,
            )


def map_of(scene: Scene, clustering: Clustering, choice: Choice, names: Names, kind: str) -> bytes:
    """The map as it is coloured now; a selection stands out."""
    about = facet(scene, clustering, choice.colour, cluster_facet(clustering, names))
    info = scene.layouts[choice.layout][1]
    title = f"{LAYOUTS[choice.layout].title} of the embedding"
    caption = map_caption(scene, clustering, choice, info)
    return drawn(scene, choice.layout, about, kind, title=title, caption=caption)


def drawn(scene: Scene, layout: str, about: Facet, kind: str, *, title: str, caption: str) -> bytes:
    """A map as a file; what is selected stands out."""
    now = state.selected(scene.images)
    return map_file(
        np.asarray(scene.layouts[layout][0], float),
        kind,
        codes=about.codes,
        names=about.names,
        colours=about.colours,
        values=about.values,
        selected=scene.mask(now.image_ids) if len(now.image_ids) else None,
        what=about.title,
        title=title,
        caption=caption,
    )


def judged(info: Mapping[str, Any]) -> str:
    """How far a map can be trusted, for its caption; "" where that is not known."""
    trust = info.get("trustworthiness")
    return f" Trustworthiness {score(trust)} (10 neighbours)." if trust is not None else ""


def grid_of(imageset: ImageSet, image_ids: np.ndarray, kind: str, *, title: str, caption: str) -> bytes:
    """Images side by side, twelve a row."""
    rgb = _rgb(imageset, image_ids)
    rows = [("", "", "", rgb[at : at + _ACROSS]) for at in range(0, len(rgb), _ACROSS)]
    return gallery_file(rows, kind, title=title, caption=caption)


def galleries_of(scene: Scene, clustering: Clustering, choice: Choice, names: Names, kind: str) -> bytes:
    """The ten most typical images of each cluster that is not excluded."""
    rows, _ = typical(scene, choice.k, choice.method, _IMAGES)
    told = []
    for c in range(clustering.k):
        own = rows[c][rows[c] >= 0]
        if not len(own) or names.mark(c).excluded:
            continue
        rgb = _rgb(scene.imageset, scene.ids[own])
        size = clustering.sizes[c]
        told.append((names.title(c), f"{size} images, {percent(size / len(scene.ids))}", names.colour(c), rgb))
    caption = (
        f"The {_IMAGES} images nearest to the centroid of each of {clustering.k} clusters "
        f"({_words(choice, clustering, len(scene.ids))}), most typical first. {source(scene)}"
    )
    return gallery_file(told, kind, title="Most typical images of each cluster", caption=caption)


def scores_of(scene: Scene, scores: Mapping[int, Mapping[str, Any]], chosen: int | None, kind: str) -> bytes:
    """AMI and silhouette over k."""
    ks = sorted(scores)
    marked = f" The dotted line is k = {chosen}, which the page shows." if chosen is not None else ""
    caption = (
        f"Scores of k-means in the embedding of {len(scene.ids)} images for {len(ks)} numbers of clusters from {ks[0]} "
        f"to {ks[-1]}: AMI with the labels (divided by the larger entropy) and silhouette (Euclidean).{marked} "
        f"{source(scene)}"
    )
    return figure_file(score_over_k(scores, chosen=chosen), kind, caption=caption)


def map_caption(scene: Scene, clustering: Clustering, choice: Choice, info: Mapping[str, Any]) -> str:
    """What a reader must know of the map."""
    n = len(scene.ids)
    return (
        f"{LAYOUTS[choice.layout].title} of the embeddings of {n} images, coloured by {choice.colour}; clusters by "
        f"{_words(choice, clustering, n)}, found in the embedding and not on the map.{judged(info)} {source(scene)}"
    )


def _words(choice: Choice, clustering: Clustering, n: int) -> str:
    many = f", k = {clustering.k}" if choice.method == KMEANS else ""
    return way_of(choice.method, choice.k, n) + many


def _rgb(imageset: ImageSet, image_ids: np.ndarray) -> np.ndarray:
    limits = display_limits(imageset)
    pixels = np.asarray(imageset.pixels[image_ids])
    return to_rgb(pixels, imageset.channels, max_value=imageset.max_value, limits=limits)


def source(scene: Scene) -> str:
    """Where the images are from, for a caption."""
    return f"Image set {scene.imageset.title}, run {scene.run_id}."
